"""Combinations through the engine, with its caches: pipelines of several images against numpy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from arrays import ArrayRaster, ArrayReader

from s3facade.core.image import Image, combine, derive
from s3facade.core.operators import Block, Need
from s3facade.core.region import Region
from s3facade.core.spec import Axis, Channel, Level
from s3facade.engine.engine import Engine, EngineLimits
from s3facade.transforms.combining.arithmetic import Arithmetic
from s3facade.transforms.combining.correct import FlatField
from s3facade.transforms.combining.mask import Mask
from s3facade.transforms.combining.merge import Merge
from s3facade.transforms.combining.mosaic import Mosaic
from s3facade.transforms.combining.stack import Stack
from s3facade.transforms.geometry.axes import Flip, Rotate90
from s3facade.transforms.geometry.channels import Channels
from s3facade.transforms.geometry.crop import Crop
from s3facade.transforms.geometry.places import Place
from s3facade.transforms.pyramids.pyramid import pyramid
from s3facade.transforms.pyramids.reduce import mean

RNG = np.random.default_rng(3)
TILES = [RNG.integers(0, 60000, (48, 64), dtype=np.uint16) for _ in range(6)]


class Drawer(ArrayReader):
    """Several arrays, told apart by an option."""

    def __init__(self, rasters: Sequence[ArrayRaster]) -> None:
        self.rasters = rasters

    def open(self, file: object, options: Mapping[str, object]) -> Sequence[Any]:
        return [self.rasters[int(str(options["number"]))]]


@pytest.fixture
def opened() -> Iterator[tuple[Engine, list[Image], list[ArrayRaster]]]:
    """Six tiles of 48 x 64 voxels of 0.5 µm, in three columns that overlap by 8 voxels, in blocks of 16."""
    rasters = []
    for n, array in enumerate(TILES):
        raster = ArrayRaster(array, (16, 16))
        y, x = divmod(n, 3)
        level = Level(array.shape, (0.5, 0.5), (20 * y + 100.0, 28 * x - 7.0), (16, 16))
        raster.spec = replace(
            raster.spec, axes=(Axis("y", "micrometer"), Axis("x", "micrometer")), levels=(level,), channels=(Channel(),)
        )
        rasters.append(raster)
    reader = Drawer(rasters)
    engine = Engine(lambda _: reader, EngineLimits(threads=1))
    images: list[Image] = [engine.rasters.describe("", "drawer", {"number": n})[0] for n in range(6)]
    yield engine, images, rasters
    engine.close()


def whole_mosaic() -> Block:
    whole = np.zeros((88, 176), np.uint16)
    for n in reversed(range(6)):
        y, x = divmod(n, 3)
        whole[40 * y : 40 * y + 48, 56 * x : 56 * x + 64] = TILES[n]
    return whole


def regions(shape: tuple[int, ...], count: int = 12) -> Iterator[Region]:
    for _ in range(count):
        ends = [sorted(RNG.choice(n + 1, 2, replace=False).tolist()) for n in shape]
        yield Region(tuple(a for a, _ in ends), tuple(b for _, b in ends))


def check(engine: Engine, image: Image, expected: Block, level: int = 0) -> None:
    assert image.spec.levels[level].shape == expected.shape
    for region in regions(expected.shape):
        np.testing.assert_array_equal(engine.read(image, level, region), expected[region.slices()])


def test_a_mosaic_that_is_turned_cropped_and_shown_at_levels(opened):
    engine, tiles, _ = opened
    mosaic = combine(tiles, Mosaic())
    assert mosaic.spec.levels[0].origin == (100, -7)
    check(engine, mosaic, whole_mosaic())
    turned = derive(derive(mosaic, Rotate90()), Flip(("y",)))
    check(engine, turned, whole_mosaic().T)
    cropped = derive(turned, Crop(y=(Place(8), Place(160))))
    image = pyramid(cropped, smallest=50)
    assert len(image.spec.levels) == 3
    fine = whole_mosaic().T[8:160]
    check(engine, image, mean(mean(fine, (2, 2)), (2, 2)), 2)
    assert image.spec.levels[2].origin == pytest.approx((104 + 0.75, -7 + 0.75))


def test_sections_channels_masks_and_corrections(opened):
    engine, tiles, _ = opened
    here = [replace(t, spec=replace(t.spec, levels=tiles[0].spec.levels)) for t in tiles]
    volume = combine(here[:3], Stack(spacing=Place(2.0, "micrometer"), missing="nearest", index=(4, 5, 8)))
    numpys = np.stack([TILES[n] for n in (0, 1, 1, 2, 2)])
    check(engine, volume, numpys)
    merged = combine([volume, combine(here[3:] + here[3:5], Stack(spacing=Place(2.0, "micrometer")))], Merge())
    both = np.stack([numpys, np.stack([TILES[n] for n in (3, 4, 5, 3, 4)])])
    check(engine, merged, both)
    check(engine, derive(merged, Channels((1,))), both[1:])
    mask = combine([here[5], here[5]], Arithmetic("t", "max"))
    check(engine, combine([merged, mask], Mask("t")), np.where(TILES[5] != 0, both, 0).astype(np.uint16))
    corrected = combine([merged, here[5]], FlatField("flat", dtype="float64"))
    check(engine, corrected, both * (TILES[5].mean() / TILES[5]))


def test_a_row_holds_one_image_at_a_time(opened):
    """Blocks are read when they are taken, and only those that a region touches."""
    engine, tiles, rasters = opened
    here = [replace(t, spec=replace(t.spec, levels=tiles[0].spec.levels)) for t in tiles]
    volume = combine(here, Stack())
    needs = volume.combination.needs([t.spec for t in here], 0, Region((2, 3, 5), (4, 7, 9)))
    assert needs == [(n, Need(0, Region((3, 5), (7, 9)))) for n in (2, 3)]
    engine.read(volume, 0, Region((2, 3, 5), (4, 7, 9)))
    assert [len(r.decoded) for r in rasters] == [0, 0, 1, 1, 0, 0]
