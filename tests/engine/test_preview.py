"""Pyramids with previews: which levels, what they read, and that nothing depends on caches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from arrays import ArrayRaster, ArrayReader

from s3facade.core.image import Combined, Derived, Image, Opened
from s3facade.core.region import Region
from s3facade.engine.disk import Disk
from s3facade.engine.engine import Engine, EngineLimits
from s3facade.engine.needs import cost, kept, reach
from s3facade.engine.preview import strided
from s3facade.layouts.multiscales import multiscales
from s3facade.transforms.pyramids.pyramid import pyramid, pyramid_like

PIXELS = np.random.default_rng(5).integers(0, 250, (4096, 6000), dtype=np.uint8)


def opened(chunk: tuple[int, int], disk: Disk | None = None) -> tuple[Engine, ArrayRaster, Image]:
    raster = ArrayRaster(PIXELS, chunk)
    engine = Engine(lambda _: ArrayReader(raster), EngineLimits(memory=64 << 20), disk)
    return engine, raster, engine.rasters.describe("", "array", {})[0]


def chain(image: Image) -> Iterator[Image]:
    while not isinstance(image, Opened):
        yield image
        image = image.parent if isinstance(image, Derived) else image.parents[0]


@pytest.mark.parametrize("chunk", [(128, 128), (16, 6000)])
@pytest.mark.parametrize("limit", [9 << 20, 2 << 20, 1 << 19])
def test_no_block_reads_more_than_the_limit(chunk: tuple[int, int], limit: int) -> None:
    engine, raster, image = opened(chunk)
    made = pyramid(image, smallest=128, add=strided(image, limit))
    exact = pyramid(image, smallest=128)
    assert [level.shape for level in made.spec.levels] == [level.shape for level in exact.spec.levels]
    assert [level.scale for level in made.spec.levels] == [level.scale for level in exact.spec.levels]
    sampled = 0
    for level in range(1, len(made.spec.levels)):
        about = made.spec.levels[level]
        box = Region.whole(about.block).clip(about.shape)
        assert reach(made, level, box) <= limit or chunk[1] == 6000
        before = len(raster.decoded)
        block = engine.read(made, level, box)
        mean = engine.read(exact, level, box)
        if reach(exact, level, box) <= limit:
            assert np.array_equal(block, mean)
        else:
            sampled += 1
            assert (len(set(raster.decoded[before:])) * chunk[0] * chunk[1]) <= max(limit, 4096 * 6000)
            assert set(np.unique(block)) <= set(np.unique(PIXELS))
    assert sampled or limit > 8 << 20
    engine.close()


def test_levels_below_pass_through_and_samples_are_kept(tmp_path: Path) -> None:
    disk = Disk(str(tmp_path), 1 << 28)
    engine, raster, image = opened((128, 128), disk)
    made = pyramid(image, add=strided(image, 6 << 20))
    top = len(made.spec.levels) - 1
    assert any(isinstance(image, Combined) for image in chain(made))
    assert not kept(made, 0, Region((0, 0), (1, 1)))
    assert kept(made, top, Region((0, 0), (1, 1)))
    # Blocks are let go one by one.
    assert cost(made, top, Region.whole(made.spec.levels[top].shape)) < 2 << 20
    first = engine.read(made, top, Region.whole(made.spec.levels[top].shape))
    engine.close()
    engine, raster, image = opened((128, 128), disk)
    made = pyramid(image, add=strided(image, 6 << 20))
    assert np.array_equal(engine.read(made, top, Region.whole(made.spec.levels[top].shape)), first)
    assert raster.decoded == []
    # What is kept changes no description.
    assert made.spec == pyramid(image, add=strided(image, 6 << 20)).spec
    engine.close()


def test_metadata_say_so() -> None:
    engine, _, image = opened((128, 128))
    made = pyramid(image, add=strided(image, 2 << 20))
    entry = multiscales(made, "a")
    assert entry["type"] == "mean, strided"
    assert entry["metadata"]["description"] == (
        "Level 1 is computed on request: mean of 2x blocks. "
        "Level 2 is a preview: each voxel is the nearest known one of level 0, "
        "of whose blocks 1 of 2 along y and 1 of 2 along x is read. "
        "Level 3 is a preview: each voxel is the nearest known one of level 0, "
        "of whose blocks 1 of 3 along y and 1 of 3 along x is read. "
        "Level 4 is a preview: each voxel is the nearest known one of level 0, "
        "of whose blocks 1 of 4 along y and 1 of 4 along x is read."
    )
    assert multiscales(pyramid(image), "a")["type"] == "mean"
    entry = multiscales(pyramid(image, add=strided(image, 6 << 20)), "a")
    assert entry["metadata"]["description"].endswith("Coarser levels are computed from that: mean of 2x blocks.")
    only = multiscales(pyramid(image, add=strided(image, 1 << 16)), "a")
    assert only["type"] == "strided"
    engine.close()


def test_a_source_that_cannot_be_read_in_part_is_left_alone() -> None:
    engine, _, image = opened((4096, 6000))
    made = pyramid(image, add=strided(image, 1 << 20))
    while isinstance(made, Derived):
        made = made.parent
    assert made is image
    engine.close()


def test_labels_follow() -> None:
    engine, _, image = opened((128, 128))
    made = pyramid(image, add=strided(image, 2 << 20))
    label = pyramid_like(image, made.spec, add=strided(image, 2 << 20))
    assert [level.shape for level in label.spec.levels] == [level.shape for level in made.spec.levels]
    engine.close()
