"""What a region would read, against what is decoded; and the refusal of what would read too much."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pytest
from arrays import ArrayRaster, collect, engine_of, pixels
from hypothesis import given
from hypothesis import strategies as st

from s3facade.cli.explain import lines
from s3facade.core.errors import TooCostly
from s3facade.core.image import apply_step, derive
from s3facade.core.objects import Object
from s3facade.core.operators import Block, Need
from s3facade.core.region import Region
from s3facade.core.spec import Spec
from s3facade.engine.explain import explain
from s3facade.engine.needs import cost, missing, reach, told
from s3facade.transforms.pyramids.downsample import AddLevel
from s3facade.transforms.pyramids.pyramid import pyramid
from s3facade.transforms.values.rescale import Rescale

ARRAY = np.random.default_rng(0).integers(0, 60000, (257, 301), dtype=np.uint16)


def part(data, shape):
    start = tuple(data.draw(st.integers(0, n - 1)) for n in shape)
    return Region(start, tuple(data.draw(st.integers(a + 1, n)) for a, n in zip(start, shape, strict=True)))


@given(st.tuples(st.integers(8, 64), st.integers(8, 64)), st.data())
def test_never_less_than_what_is_decoded_and_nothing_where_all_is_kept(block, data):
    raster = ArrayRaster(ARRAY, block)
    engine, image = engine_of(raster)
    image = pyramid(image, smallest=16)
    level = data.draw(st.integers(0, len(image.spec.levels) - 1))
    region = part(data, image.spec.levels[level].shape)
    told_before = reach(image, level, region)
    unkept = missing(image, level, region, lambda _: False, 1 << 40)
    assert unkept <= told_before or level == 0
    engine.read(image, level, region)
    decoded = sum(min(h, 257 - y * h) * min(w, 301 - x * w) * 2 for y, x in raster.decoded for h, w in [block])
    assert decoded <= told_before
    if level:
        assert missing(image, level, region, engine._evaluator.has, 1) in (0, told_before)
        assert missing(image, level, region, lambda _: True, 1) <= told_before
    engine.close()


def test_what_is_kept_does_not_count():
    engine, image = engine_of(ArrayRaster(np.zeros((4096, 4096), "u2"), (256, 256)))
    image = pyramid(image, smallest=256)
    whole = Region.whole(image.spec.levels[4].shape)
    assert reach(image, 4, whole) == 4096 * 4096 * 2
    assert missing(image, 4, whole, lambda _: False, 1 << 40) == 4096 * 4096 * 2
    assert missing(image, 4, whole, lambda key: key[1] == 2 and key[2][0] == 0, 1 << 40) == 4096 * 2048 * 2
    assert missing(image, 4, whole, lambda key: key[1] == 1, 1 << 40) == 0
    engine.close()


async def test_too_much_is_refused_until_it_is_kept():
    engine, image = engine_of(ArrayRaster(np.full((2048, 2048), 7, "u2"), (256, 256)), read=1 << 20, memory=64 << 20)
    image = pyramid(image, smallest=256)
    top = image.spec.levels[3].shape
    segment = pixels(image, Region.whole(top))
    segment = type(segment)(image, 3, segment.region, segment.shape, segment.codec)
    with pytest.raises(TooCostly, match=r"1\.05 MB .*s3facade warm"):
        await collect(engine, Object((segment,)), 0, 100)
    for y in range(0, 1024, 512):
        for x in range(0, 1024, 512):
            engine.read(image, 1, Region((y, x), (y + 512, x + 512)))
    data = await collect(engine, Object((segment,)), 0, 2 * 256 * 256)
    assert set(np.frombuffer(data, "u2")) == {7}
    engine.close()


@pytest.mark.parametrize(
    ("nbytes", "text"), [(0, "0 bytes"), (999, "999 bytes"), (1000, "1 kB"), (17179869184, "17.2 GB"), (10**15, "1 PB")]
)
def test_numbers_of_bytes(nbytes, text):
    assert told(nbytes) == text


@dataclass(frozen=True, slots=True)
class Counting:
    """Nothing is changed; the size of every region is noted."""

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = True

    halo: int = 0
    seen: list[int] = field(default_factory=list, hash=False, compare=False)

    def spec(self, source: Spec) -> Spec:
        return source

    def need(self, source: Spec, level: int, region: Region) -> Need:
        # a voxel more, so that the engine does not take it for something that only passes through
        return Need(level, region.grow((self.halo + 1,) * 2).clip(source.levels[level].shape))

    def apply(self, source: Spec, level: int, region: Region, block: Block | None) -> Block:
        assert block is not None
        self.seen.append(region.size)
        return block[region.slices(self.need(source, level, region).region.start)]


def test_rims_of_blocks_are_computed_without_their_blocks():
    engine, image = engine_of(ArrayRaster(ARRAY, (32, 32)))
    below, above = Counting(), Counting(4)
    image = derive(derive(image, below), above)
    here = Region((64, 96), (96, 128))
    np.testing.assert_array_equal(engine.read(image, 0, here), ARRAY[here.slices()])
    assert sum(above.seen) == 32 * 32
    assert sum(below.seen) == (32 + 10) ** 2
    assert engine.kept((image.parent.spec.identity, 0, (2, 3)))
    engine.read(image, 0, Region((64, 64), (96, 96)))
    assert sum(below.seen[1:]) <= (32 + 10) ** 2
    # part of a block: the whole is made, and kept for who wants the rest
    engine.read(image, 0, Region((0, 0), (10, 10)))
    assert above.seen[-1] == 32 * 32
    engine.close()


@given(st.integers(0, 9), st.data())
def test_the_law_holds_however_much_of_it_is_kept(halo, data):
    engine, image = engine_of(ArrayRaster(ARRAY, (32, 32)))
    image = derive(derive(image, Counting()), Counting(halo))
    for _ in range(5):
        region = part(data, ARRAY.shape)
        np.testing.assert_array_equal(engine.read(image, 0, region), ARRAY[region.slices()])
    engine.close()


@given(st.sampled_from(["mean", "mode", "nearest"]), st.data())
def test_a_level_made_in_pieces_is_the_level(method, data):
    array = np.random.default_rng(1).integers(0, 9, (1029, 1283), dtype=np.uint16)
    engine, image = engine_of(ArrayRaster(array, (256, 512)))
    level = AddLevel((2, 2), method)
    made = derive(image, level)
    assert level.pieces(image.spec, 1) == (128, 256)
    region = part(data, made.spec.levels[1].shape)
    whole = level.apply(image.spec, 1, Region.whole(made.spec.levels[1].shape), array[:1028, :1282])
    np.testing.assert_array_equal(engine.read(made, 1, region), whole[region.slices()])
    engine.close()


def test_ways_that_meet_again_are_gone_once():
    engine, image = engine_of(ArrayRaster(np.zeros((64, 64), "u2"), (64, 64)))
    for _ in range(40):
        image = apply_step(image, Rescale(percentiles=(1.0, 99.0), dtype="uint16"))
    box = Region((0, 0), (64, 64))
    assert 0 < reach(image, 0, box) <= 40 * 64 * 64 * 2
    assert missing(image, 0, box, lambda _: False, 1 << 40) <= 40 * 64 * 64 * 2
    assert cost(image, 0, box) < 200 << 20
    told = explain(Object((pixels(image, box),)), 0, 8192, engine.rasters, lambda _: False)
    assert len(list(lines(told, 8192))) < 400
    assert not engine.read(image, 0, box).any()
    engine.close()
