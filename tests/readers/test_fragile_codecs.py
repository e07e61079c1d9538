"""Codecs that damaged files crash: pictures and TIFFs of these are decoded in a process of its own, others are not."""

from __future__ import annotations

import struct
import subprocess
import sys

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image
from vendor_tools import opened, thawed, whole

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.region import Region
from s3facade.engine.engine import Engine, EngineLimits
from s3facade.readers.dicom.codecs import Picture
from s3facade.readers.pictures import bmp
from s3facade.readers.pictures.reader import PictureReader
from s3facade.readers.tiff.reader import TiffReader

IMAGE = np.add.outer(np.arange(64) * 2, np.arange(80)).astype("u1")
COLOURS = np.stack([IMAGE, IMAGE // 2, 255 - IMAGE], -1)


@pytest.fixture
def engine():
    readers = {"pictures": PictureReader(), "tiff": TiffReader()}
    made = Engine(readers.__getitem__, EngineLimits(deadline=30, isolated=1))
    yield made
    made.close()


def _tiff(path, codec):
    tifffile.imwrite(path, IMAGE, tile=(32, 32), compression=codec)


WRITERS = {
    "a.jxr": lambda path: path.write_bytes(imagecodecs.jpegxr_encode(IMAGE, level=1.0)),
    "a.jph": lambda path: path.write_bytes(imagecodecs.htj2k_encode(IMAGE)),
    "a.jp2": lambda path: path.write_bytes(imagecodecs.jpeg2k_encode(IMAGE)),
    "xr.tif": lambda path: _tiff(path, 34934),
    "ndpi.tif": lambda path: _tiff(path, 22610),
    "zstd.tif": lambda path: _tiff(path, "zstd"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_where_pixels_are_decoded(engine, tmp_path, name):
    path = tmp_path / name
    WRITERS[name](path)
    reader = "tiff" if name.endswith("tif") else "pictures"
    (image,) = engine.rasters.describe(str(path), reader, {})
    isolated = type(engine.rasters.get(image)).__name__ == "IsolatedRaster"
    assert isolated is (name not in ("a.jp2", "zstd.tif"))
    found = engine.read(image, 0, Region.whole(image.spec.levels[0].shape))
    np.testing.assert_array_equal(found, IMAGE)


def test_frames_of_dicom():
    made = [Picture(codec, 2, 2, 1, np.dtype("u1")) for codec in ("htj2k", "jpeg 2000")]
    assert [m.fragile for m in made] == [True, False]


def test_what_was_frozen_is_as_fragile(tmp_path):
    for name, reader in (("a.jxr", PictureReader), ("xr.tif", TiffReader)):
        WRITERS[name](tmp_path / name)
        (raster,) = thawed(reader, opened(reader, tmp_path / name))
        assert raster.fragile


@pytest.mark.parametrize("dtype", ["u1", "u2", "f2", "f4"])
@pytest.mark.parametrize("samples", [1, 3, 4])
def test_a_jpeg_xr_is_not_decoded_to_be_described(tmp_path, monkeypatch, dtype, samples):
    if (dtype, samples) == ("f4", 3):
        pytest.skip("the writer has no such pixels")
    image = np.stack([IMAGE] * samples, -1) if samples > 1 else IMAGE
    path = tmp_path / "a.jxr"
    path.write_bytes(imagecodecs.jpegxr_encode(image.astype(dtype), level=1.0, hasalpha=samples == 4 or None))
    decode = imagecodecs.jpegxr_decode
    expected = decode(path.read_bytes())
    monkeypatch.setattr(imagecodecs, "jpegxr_decode", None)
    (raster,) = opened(PictureReader, path)
    assert raster.spec.dtype == expected.dtype
    monkeypatch.setattr(imagecodecs, "jpegxr_decode", decode)
    np.testing.assert_array_equal(whole(raster), expected.transpose(2, 0, 1) if samples > 1 else expected)


def test_inks_of_a_jpeg_xr(tmp_path):
    path = tmp_path / "a.jxr"
    path.write_bytes(imagecodecs.jpegxr_encode(np.stack([IMAGE] * 4, -1), level=1.0, photometric="cmyk"))
    (raster,) = opened(PictureReader, path)
    assert [c.name for c in raster.spec.channels] == ["Cyan", "Magenta", "Yellow", "Black"]


def test_a_jpeg_xr_that_contradicts_itself(tmp_path):
    data = imagecodecs.jpegxr_encode(IMAGE)
    head = data.index(b"WMPHOTO")
    path = tmp_path / "a.jxr"
    path.write_bytes(data[: head + 12] + b"\xff\xfe" + data[head + 14 :])
    with pytest.raises(BadSource, match="another one than its image"):
        opened(PictureReader, path)
    name = data.index(bytes.fromhex("24c3dd6f034efe4bb1853d77768dc9"))
    path.write_bytes(data[: name + 15] + b"\x14" + data[name + 16 :])
    with pytest.raises(Unsupported, match="format that is not decoded"):
        opened(PictureReader, path)


@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize("bits", [1, 4, 8])
def test_palettes_of_bmp(tmp_path, monkeypatch, bits, down):
    """Decoded here: imagecodecs' decoder of BMP crashes on damaged files."""
    monkeypatch.setattr(bmp, "_BAND", 500)
    rng = np.random.default_rng(bits)
    width, height, count = 53, 37, 1 << bits
    indices, palette = rng.integers(0, count, (height, width)), rng.integers(0, 256, (count, 4), np.uint8)
    row = -(-width * bits // 32) * 4
    plain = [np.packbits((line[:, None] >> np.arange(bits)[::-1] & 1).astype("u1").reshape(-1)) for line in indices]
    lines = [bytes(p).ljust(row, b"\0") for p in plain]
    start = 54 + 4 * count
    head = struct.pack("<2sIII", b"BM", start + row * height, 0, start)
    info = struct.pack("<IiiHHIIiiII", 40, width, -height if down else height, 1, bits, 0, 0, 0, 0, 0, 0)
    path = tmp_path / "a.bmp"
    path.write_bytes(head + info + palette.tobytes() + b"".join(lines if down else lines[::-1]))
    with Image.open(path) as picture:
        expected = np.asarray(picture.convert("RGB"))
    (raster,) = opened(PictureReader, path)
    (again,) = thawed(PictureReader, [raster])
    assert raster.spec.levels[0].block[1] < height
    np.testing.assert_array_equal(whole(raster), expected.transpose(2, 0, 1))
    np.testing.assert_array_equal(whole(again), expected.transpose(2, 0, 1))


def test_a_colour_that_the_palette_of_a_bmp_has_not(tmp_path):
    path = tmp_path / "a.bmp"
    info = struct.pack("<IiiHHIIiiII", 40, 4, 1, 1, 8, 0, 0, 0, 0, 2, 0)
    path.write_bytes(struct.pack("<2sIII", b"BM", 66, 0, 62) + info + b"\0\0\0\0\1\2\3\0" + b"\0\1\2\0")
    (raster,) = opened(PictureReader, path)
    with pytest.raises(BadSource):
        whole(raster)


_ANIMATED = """
import sys
import numpy as np
from s3facade.readers.pictures.reader import PictureReader
from s3facade.stores.local import LocalFile

for _ in range(20):
    (raster,) = PictureReader().open(LocalFile.open(sys.argv[1]), {})
    cell = raster.chunks(0).cell((0, 0, 0))
    found = raster.chunks(0).decode((0, 0, 0), raster.files[0].pread(cell.offset, cell.nbytes))
np.save(sys.argv[2], found)
"""


def test_an_animated_avif_shows_its_still_picture(tmp_path):
    """In a process of its own: one frame of a sequence, asked of imagecodecs, destroys memory."""
    first = Image.fromarray(COLOURS)
    first.save(tmp_path / "a.avif", save_all=True, append_images=[Image.fromarray(COLOURS[::-1].copy())] * 3)
    command = [sys.executable, "-c", _ANIMATED, str(tmp_path / "a.avif"), str(tmp_path / "a.npy")]
    subprocess.run(command, check=True, timeout=60)
    with Image.open(tmp_path / "a.avif") as picture:
        expected = np.asarray(picture)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), expected.transpose(2, 0, 1))
