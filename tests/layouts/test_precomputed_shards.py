"""Shards of precomputed volumes, as tensorstore, cloud-volume's numbering and our own reader have them."""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_evaluator import opened, render
from test_precomputed_layout import equal, image_of, store
from written_tiffs import part, pattern

from s3facade.core.image import Dataset
from s3facade.core.keyspace import scan
from s3facade.core.objects import Pixels, cut
from s3facade.layouts import precomputed_shards
from s3facade.layouts.precomputed import Precomputed
from s3facade.layouts.precomputed_shards import Sharding, interleaved, places, sharding
from s3facade.readers.precomputed.places import morton
from s3facade.readers.precomputed.reader import PrecomputedReader
from s3facade.stores.local import LocalFile

SHAPES = [((40, 150, 170), "zyx"), ((2, 20, 65, 33), "czyx"), ((1, 300, 500), "zyx"), ((90, 20, 20), "zyx")]


@pytest.fixture(
    params=[(12, 9), (3, 3), (4, 2), (3, 0), (0, 0)], ids=lambda bits: f"{bits[0]} bits, {bits[1]} in a mini"
)
def bits(request, monkeypatch):
    monkeypatch.setattr(precomputed_shards, "BITS", request.param[0])
    monkeypatch.setattr(precomputed_shards, "MINI", request.param[1])
    return request.param


@pytest.mark.usefixtures("bits")
@pytest.mark.parametrize(("shape", "names"), SHAPES)
def test_every_scale_reads_back(tmp_path, shape, names):
    image = image_of(shape, names)
    info = store(Precomputed(chunks=16, sharded=True), {"": image}, tmp_path)
    assert all(scale["sharding"]["hash"] == "identity" for scale in info["scales"])
    equal(tmp_path, image)
    (raster,) = PrecomputedReader().open(LocalFile.open(str(tmp_path / "info")), {})
    for n, level in enumerate(raster.spec.levels):
        table = raster.chunks(n)
        assert table is None or table.block
        assert level.shape == image.spec.levels[n].shape


def test_the_size_is_arithmetic(bits):
    image = image_of((40, 150, 170))
    tree = Precomputed(chunks=16, sharded=True).build(Dataset({"": image}))
    sizes = {entry.key: entry.file.size for entry in scan(tree, prefix="650_650_2000/", resolve=lambda node: node)}
    grid = (11, 10, 3)
    total = 40 * 150 * 170 * 2 + 24 * 11 * 10 * 3
    assert sum(sizes.values()) == total + len(sizes) * (16 << max(0, min(bits[0], 10) - bits[1]))
    assert len(sizes) == len({key for key in sizes if key.endswith(".shard")})
    assert sharding(grid, 16**3 * 2).total == 4 + 4 + 2


@cache
def odd():
    """A shard at the far corner, whose chunks are cut in several ways."""
    tree = Precomputed(chunks=16, sharded=True).build(Dataset({"": opened(pattern((40, 150, 170)), unit="micrometer")}))
    (entry,) = scan(tree, prefix="1000_1000_1000/", resolve=lambda node: node)
    return entry.file, render(entry.file.body())


@given(data=st.data())
def test_any_range_is_a_slice(data):
    file, everything = odd()
    start = data.draw(st.integers(0, file.size - 1))
    stop = data.draw(st.integers(start + 1, min(file.size, start + data.draw(st.sampled_from([1, 40, 20_000, 10**7])))))
    assert part(file.body(), start, stop) == everything[start:stop]


def test_a_chunk_is_computed_alone():
    file, _ = odd()
    at = file.size // 2
    assert [c.segment.region.size <= 16**3 for c in cut(file.body(), at, at + 10) if isinstance(c.segment, Pixels)]


grids = st.tuples(*(st.integers(1, 40) for _ in range(3)))


@given(grids, st.data())
def test_numbers_are_those_of_the_format(grid, data):
    how = Sharding(grid, 0, 0, len(interleaved(grid)))
    at = tuple(data.draw(st.integers(0, n - 1)) for n in grid)
    assert how.number(at) == morton(at, grid)


@given(st.tuples(*(st.integers(1, 9) for _ in range(3))), st.integers(0, 6), st.integers(0, 4))
def test_shards_are_boxes(grid, low, mini):
    total = len(interleaved(grid))
    low = min(low, total)
    how = Sharding(grid, low - min(mini, low), min(mini, low), total)
    by_shard = {}
    for at in product(*map(range, grid)):
        by_shard.setdefault(morton(at, grid) >> how.low, set()).add(at)
    boxes = {}
    for first in product(*(range(0, n, step) for n, step in zip(grid, how.box, strict=True))):
        sides = (range(a, min(a + step, n)) for a, step, n in zip(first, how.box, grid, strict=True))
        boxes[how.number(first) >> how.low] = set(product(*sides))
    assert boxes == by_shard
    for number, at in enumerate(places(how).tolist()):
        assert all(n < side for n, side in zip(at, how.box, strict=True))
        if all(n < side for n, side in zip(at, grid, strict=True)):
            assert morton(tuple(at), grid) == number


def test_names_have_as_many_digits_as_the_shards_need():
    assert Sharding((40, 40, 40), 3, 0, 18).name((0, 0, 0)) == "0000.shard"
    assert Sharding((40, 40, 40), 3, 0, 18).name((38, 38, 38)) == f"{morton((38, 38, 38), (40, 40, 40)) >> 3:04x}.shard"
    assert Sharding((2, 2, 2), 3, 0, 3).name((0, 0, 0)) == "0.shard"


def test_listings_of_a_large_volume_are_short():
    how = sharding((157, 157, 157), 64**3 * 2)
    shards = np.prod([-(-n // step) for n, step in zip(how.grid, how.box, strict=True)])
    assert how.box == (8, 8, 8)
    assert shards == 8000
    assert (how.preshift, how.mini, how.total - how.low) == (9, 0, 15)
    vast = sharding((4096, 4096, 512), 64**3 * 2)
    assert (vast.preshift, vast.mini, vast.total - vast.low) == (9, 7, 17)
