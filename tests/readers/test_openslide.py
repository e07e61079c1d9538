"""OpenSlide's reader on slides that the TIFF reader reads as well: the same pixels."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile

from s3facade import registry
from s3facade.core.errors import SourceError, Unsupported
from s3facade.core.region import Region
from s3facade.engine.engine import Engine
from s3facade.readers.slides.reader import OpenSlideReader
from s3facade.readers.tiff.reader import TiffReader
from s3facade.stores.local import LocalFile

CORPUS = Path(os.environ.get("S3FACADE_CORPUS") or Path(__file__).parents[3] / "shared" / "data")
SVS = CORPUS / "wsi" / "cmu-1-small-region.svs"
RGB = np.random.default_rng(3).integers(0, 256, (600, 700, 3)).astype("u1")


@pytest.fixture
def slide(tmp_path):
    """A tiled TIFF of two levels, which OpenSlide calls generic."""
    path = tmp_path / "slide.tif"
    with tifffile.TiffWriter(path) as tif:
        tif.write(RGB, tile=(256, 256), photometric="rgb", metadata=None)
        tif.write(RGB[::2, ::2], tile=(256, 256), photometric="rgb", subfiletype=1, metadata=None)
    return path


def opened(path):
    (raster,) = OpenSlideReader().open(LocalFile.open(path), {})
    return raster


def test_levels_and_pixels(slide):
    raster = opened(slide)
    assert raster.spec.names == ("c", "y", "x")
    assert [level.shape for level in raster.spec.levels] == [(3, 600, 700), (3, 300, 350)]
    assert raster.spec.levels[1].scale == (1, 2, 2)
    assert [c.color for c in raster.spec.channels] == ["FF0000", "00FF00", "0000FF"]
    for level, expected in enumerate((RGB, RGB[::2, ::2])):
        box = Region((0, 64, 128), (3, 300, 350))
        found = raster.read(level, box)
        assert found.flags.c_contiguous
        np.testing.assert_array_equal(found, expected.transpose(2, 0, 1)[box.slices()])
    np.testing.assert_array_equal(raster.read(0, Region((1, 0, 0), (2, 9, 9))), RGB.transpose(2, 0, 1)[1:2, :9, :9])


def test_by_way_of_the_process_lane(slide):
    engine = Engine(registry.reader)
    try:
        (image,) = engine.rasters.describe(str(slide), "openslide", {})
        block = engine.rasters.get(image).read(0, Region((0, 0, 0), (3, 100, 90)))
        np.testing.assert_array_equal(block, RGB.transpose(2, 0, 1)[:, :100, :90])
    finally:
        engine.close()


@pytest.mark.skipif(not SVS.is_file(), reason="there is no corpus")
def test_aperio_agrees_with_the_tiff_reader():
    ours, known = opened(SVS), TiffReader().open(LocalFile.open(SVS), {})[0]
    assert ours.spec.levels[0].shape == known.spec.levels[0].shape
    assert ours.spec.levels[0].scale == known.spec.levels[0].scale
    assert ours.spec.attrs["objective"] == known.spec.attrs["objective"]
    table = known.chunks(0)
    for index in ((0, 0, 0), (0, 5, 3)):
        cell = table.cell(index)
        tile = table.decode(index, known.files[0].pread(cell.offset, cell.nbytes))
        start = tuple(i * n for i, n in zip(index, table.block, strict=True))
        stop = tuple(a + n for a, n in zip(start, tile.shape, strict=True))
        # two JPEG decoders may round differently
        found = ours.read(0, Region(start, stop)).astype(int)
        assert np.abs(found - tile).max() <= 2


def test_what_was_not_scanned_is_paper(slide):
    from dataclasses import replace
    from types import SimpleNamespace

    from PIL import Image

    pixels = np.zeros((2, 2, 4), "u1")
    pixels[0, 0] = (10, 20, 30, 255)
    pixels[0, 1] = (100, 100, 100, 128)
    fake = SimpleNamespace(read_region=lambda *_: Image.fromarray(pixels))
    raster = replace(opened(slide), slide=fake, background=(255, 0, 100))
    found = raster.read(0, Region((0, 0, 0), (3, 2, 2)))
    assert found[:, 0, 0].tolist() == [10, 20, 30]
    assert found[:, 0, 1].tolist() == [177, 50, 100]
    assert found[:, 1, 1].tolist() == [255, 0, 100]


def test_names_decide():
    reader = OpenSlideReader()
    assert reader.sniff(b"\xff\xd8\xff", "a.mrxs")
    assert not reader.sniff(b"II*\0", "a.svs")
    names = [name for name, _ in registry.readers()]
    assert names.index("openslide") < names.index("pictures")


def test_refusals(tmp_path, slide):
    path = tmp_path / "a.mrxs"
    path.write_bytes(b"\xff\xd8\xff nothing")
    with pytest.raises(Unsupported, match="does not know"):
        opened(path)
    with pytest.raises(Unsupported, match="no option"):
        OpenSlideReader().open(LocalFile.open(slide), {"level": 1})
    data = slide.read_bytes()
    broken = tmp_path / "broken.tif"
    broken.write_bytes(data[: len(data) // 2])
    with pytest.raises(SourceError):
        everything(broken)


def everything(path):
    raster = opened(path)
    for y in range(0, 600, 200):
        raster.read(0, Region((0, y, 0), (3, y + 200, 700)))
