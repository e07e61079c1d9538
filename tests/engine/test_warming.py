"""What is kept of an image, in which order, and how often the original is read for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from arrays import ArrayRaster, ArrayReader

from s3facade.core.extents import extents
from s3facade.core.image import Image, derive
from s3facade.core.region import Region
from s3facade.engine.disk import Disk
from s3facade.engine.engine import Engine, EngineLimits
from s3facade.engine.flight import Work
from s3facade.engine.warm import Warming
from s3facade.transforms.filters.gaussian import Gaussian
from s3facade.transforms.pyramids.pyramid import pyramid

PIXELS = np.random.default_rng(5).integers(0, 250, (4096, 3000), dtype=np.uint8)


def build(folder: Path, raster: ArrayRaster, *, filtered: bool = False) -> tuple[Engine, Disk, Image]:
    disk = Disk(str(folder / "cache"), 1 << 30)
    engine = Engine(lambda _: ArrayReader(raster), EngineLimits(memory=64 << 20), disk)
    image: Image = engine.rasters.describe("", "array", {})[0]
    if filtered:
        image = derive(image, Gaussian(extents("2 px")))
    return engine, disk, pyramid(image)


def mean(levels: int) -> np.ndarray:
    found = PIXELS.astype(np.uint16)
    for _ in range(levels):
        h, w = (n // 2 * 2 for n in found.shape)
        four = found[:h:2, :w:2] + found[1:h:2, :w:2] + found[:h:2, 1:w:2] + found[1:h:2, 1:w:2]
        found = (four + 1 + (four >> 2 & 1)) >> 2
    return found.astype(np.uint8)


@pytest.mark.parametrize("chunk", [(256, 256), (64, 3000), (512, 1024)])
def test_the_original_is_read_once(tmp_path: Path, chunk: tuple[int, int]) -> None:
    raster = ArrayRaster(PIXELS, chunk)
    engine, disk, image = build(tmp_path, raster)
    warming = Warming(image)
    before = warming.tally(disk.has)
    levels = []
    for step in warming.steps(disk.has):
        engine.read(step.image, step.level, step.box)
        levels.append((step.level, step.index))
        assert disk.has(step.key)
    assert len(raster.decoded) == len(set(raster.decoded))
    assert before.missing == before.blocks == len(levels)
    # All of it, but for what fills no block of the levels above.
    assert before.reads == 4096 * 3000
    assert levels.index((3, (0, 0))) > levels.index((2, (1, 0)))
    after = warming.tally(disk.has)
    assert (after.missing, after.reads, after.nbytes) == (0, 0, before.nbytes)
    assert disk.held() == before.nbytes
    assert list(warming.steps(disk.has)) == []
    engine.close()
    # Another process shows it without the original.
    again = ArrayRaster(PIXELS, chunk)
    engine, disk, image = build(tmp_path, again)
    for level in (2, 3):
        shape = image.spec.levels[level].shape
        assert np.array_equal(engine.read(image, level, Region.whole(shape)), mean(level))
    assert again.decoded == []
    engine.close()


def test_what_was_interrupted_goes_on(tmp_path: Path) -> None:
    raster = ArrayRaster(PIXELS, (256, 256))
    engine, disk, image = build(tmp_path, raster)
    first = list(Warming(image).steps(disk.has))
    for step in first[:2]:
        engine.read(step.image, step.level, step.box)
    assert [s.key for s in Warming(image).steps(disk.has)] == [s.key for s in first[2:]]
    engine.close()


def test_filtered_images_are_kept_where_their_transform_keeps_and_each_block_stands_behind_its_needs(
    tmp_path: Path,
) -> None:
    engine, disk, image = build(tmp_path, ArrayRaster(PIXELS, (256, 256)), filtered=True)
    warming = Warming(image)
    seen = set()
    for step in warming.steps(disk.has):
        if step.level == 2:
            needed = {(0, (y, x)) for y in range(16) for x in range(12) if (y // 8, x // 8) == step.index}
            assert needed <= seen
        seen.add((step.level, step.index))
        engine.read(step.image, step.level, step.box)
    assert {level for level, _ in seen} >= {0, 2, 3}
    told = warming.tally(disk.has)
    assert (told.blocks, told.missing) == (len(seen), 0)
    assert sum(level == 0 for level, _ in seen) == 16 * 12
    engine.close()


def test_chosen_levels_only(tmp_path: Path) -> None:
    engine, disk, image = build(tmp_path, ArrayRaster(PIXELS, (256, 256)), filtered=True)
    warming = Warming(image, [3])
    told = warming.tally(disk.has)
    assert (told.blocks, told.reads) == (1, pytest.approx(4096 * 3000, rel=0.2))
    work = Work()
    work.only = warming.only
    (step,) = warming.steps(disk.has)
    engine.read(step.image, step.level, step.box, work)
    assert disk.held() == told.nbytes
    engine.close()


@pytest.mark.parametrize(("chunk", "wide"), [((16, 3000), 1), ((16, 1024), 0)])
def test_rows_of_wide_chunks_are_made_together_where_memory_is_small(
    tmp_path: Path, chunk: tuple[int, int], wide: int
) -> None:
    raster = ArrayRaster(PIXELS, chunk)
    disk = Disk(str(tmp_path / "cache"), 1 << 30)
    engine = Engine(lambda _: ArrayReader(raster), EngineLimits(memory=4 << 20), disk)
    image = pyramid(engine.rasters.describe("", "array", {})[0])
    rows = 0
    for row in Warming(image).rows(disk.has, 1 << 20):
        assert {step.wide for step in row if step.level == 1} <= {wide}
        assert sum(step.box.size for step in row) <= 1 << 20
        rows += len(row) > 1
        engine.keep(row, 1 << 18, Work())
        assert all(disk.has(step.key) for step in row)
    if wide:
        assert rows == 4
        assert len(raster.decoded) == len(set(raster.decoded)) == 4096 // 16
    engine.close()
    engine, disk, image = build(tmp_path, again := ArrayRaster(PIXELS, chunk))
    for level in (2, 3):
        shape = image.spec.levels[level].shape
        assert np.array_equal(engine.read(image, level, Region.whole(shape)), mean(level))
    if wide:
        shape = image.spec.levels[1].shape
        assert np.array_equal(engine.read(image, 1, Region.whole(shape)), mean(1))
    assert again.decoded == []
    engine.close()


def test_what_came_into_memory_by_another_way_is_kept_all_the_same(tmp_path: Path) -> None:
    engine, disk, image = build(tmp_path, ArrayRaster(PIXELS, (256, 256)))
    steps = list(Warming(image).steps(disk.has))
    work = Work()
    work.only = frozenset()
    engine.read(steps[0].image, steps[0].level, steps[0].box, work)
    assert not disk.has(steps[0].key)
    engine.keep([steps[0]], 1 << 20, Work())
    assert disk.has(steps[0].key)
    engine.close()
