"""PNG files of stored blocks, as Pillow and imagecodecs read them."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache

import imagecodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from plain_evaluator import encode, opened, render, whole
from written_tiffs import RGB, RGBA, part, pattern

from s3facade.codecs.png import PngRows, joined
from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.image import Dataset
from s3facade.core.objects import Packed, Pixels, cut
from s3facade.core.spec import Channel
from s3facade.layouts.png import Png

CASES = {
    "grey": ((300, 500), "yx", "u1", ()),
    "grey, 16 bit": ((3, 41), "yx", "u2", ()),
    "one pixel": ((1, 1), "yx", "u1", ()),
    "colour": ((3, 160, 70), "cyx", "u1", RGB),
    "colour, 16 bit": ((3, 160, 70), "cyx", "u2", RGB),
    "transparent": ((4, 160, 70), "cyx", "u1", RGBA),
    "of all axes": ((1, 3, 1, 30, 40), "tczyx", "u1", RGB),
    "bands": ((2500, 900), "yx", "u1", ()),
    "long rows": ((3, 5, 30_000), "cyx", "u2", RGB),
}


def file_of(image):
    return Png().build(Dataset({"": image}))


def image_of(case):
    shape, names, dtype, channels = CASES[case]
    array = (pattern(shape, dtype).astype("u4") * (500 if dtype == "u2" else 2)).astype(dtype)
    return opened(array, names=names, channels=channels, unit="micrometer" if case == "grey" else None)


def chunks(data):
    """Names and contents, checksums checked."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, found = 8, []
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        name, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length : at + 12 + length])[0] == zlib.crc32(name + content)
        found.append((name, content))
        at += 12 + length
    return found


@pytest.mark.parametrize("case", CASES)
def test_others_read_the_voxels(case):
    image = image_of(case)
    file = file_of(image)
    data = render(file.body())
    assert len(data) == file.size
    expected = whole(image, 0).squeeze()
    expected = np.moveaxis(expected, 0, -1) if expected.ndim == 3 else expected
    np.testing.assert_array_equal(imagecodecs.png_decode(data).squeeze(), expected)
    with Image.open(io.BytesIO(data)) as shown:
        if image.spec.dtype == np.uint8 or expected.ndim < 3:
            np.testing.assert_array_equal(np.asarray(shown).squeeze(), expected)


@pytest.mark.parametrize("case", CASES)
def test_the_stream_is_whole(case):
    found = chunks(render(file_of(image_of(case)).body()))
    assert [name for name, _ in found[:1]] == [b"IHDR"]
    assert found[-1] == (b"IEND", b"")
    rows = zlib.decompress(b"".join(content for name, content in found if name == b"IDAT"))
    height = image_of(case).spec.levels[0].shape[-2]
    assert not any(rows[:: len(rows) // height]), "no row is filtered"


def test_the_size_is_arithmetic():
    raw = 300 * 501
    # signature, header, size of pixels, rows with their blocks, the last block and the checksum, end
    assert file_of(image_of("grey")).size == 8 + 25 + 21 + (12 + 2 + raw + 5 * -(-raw // 65535)) + (12 + 5 + 4) + 12


def test_pixel_size():
    image = opened(pattern((20, 30), "u1"), scale=(0.5, 0.65), unit="micrometer")
    found = dict(chunks(render(file_of(image).body())))
    assert struct.unpack(">IIB", found[b"pHYs"]) == (1_538_462, 2_000_000, 1)
    assert b"pHYs" not in dict(chunks(render(file_of(opened(pattern((20, 30), "u1"))).body())))


@cache
def long():
    file = file_of(image_of("bands"))
    return file, render(file.body())


@given(data=st.data())
def test_any_range_is_a_slice(data):
    file, everything = long()
    start = data.draw(st.integers(0, file.size - 1) | st.integers(file.size - 40, file.size - 1))
    stop = data.draw(st.integers(start + 1, min(file.size, start + data.draw(st.sampled_from([1, 40, 10**6, 10**7])))))
    assert part(file.body(), start, stop) == everything[start:stop]


def test_a_range_computes_its_own_rows_alone():
    file, _ = long()
    (piece,) = cut(file.body(), file.size // 2, file.size // 2 + 1000)
    assert isinstance(piece.segment, Pixels)
    assert piece.segment.region.shape[0] < 1300
    (piece,) = cut(file.body(), file.size - 20, file.size - 19)
    assert isinstance(piece.segment, Packed)
    assert sum(p.region.shape[0] for p, _ in piece.segment.parts) == 2500


def test_a_checksum_without_the_pixels_is_an_error():
    file, _ = long()
    (piece,) = cut(file.body(), file.size - 20, file.size - 19)
    _, measure = piece.segment.parts[0]
    with pytest.raises(BadSource):
        measure(None)


@given(st.binary(max_size=200_000), st.binary(max_size=200_000))
def test_checksums_are_joined(one, other):
    both = joined((zlib.adler32(one), len(one)), (zlib.adler32(other), len(other)))
    assert both == (zlib.adler32(one + other), len(one + other))


@given(st.integers(1, 300), st.integers(1, 700), st.booleans())
def test_checksums_of_chunks(height, width, first):
    block = np.random.default_rng(height).integers(0, 255, (height, width)).astype("u1")
    codec = PngRows(None, first=first)
    data = codec.encode(block)
    assert len(data) == codec.nbytes(block.shape, block.dtype)
    rows = b"".join(b"\0" + row.tobytes() for row in block)
    assert codec.checksum(data) == (zlib.adler32(rows), len(rows))


@pytest.mark.parametrize(
    ("shape", "names", "dtype", "channels", "sentence"),
    [
        ((2, 30, 40), "zyx", "u1", (), r"2 along z.*`select: \{z: 0\}`"),
        ((2, 30, 40), "tyx", "u1", (), r"2 along t.*`select: \{t: 0\}`"),
        ((3, 30, 40), "cyx", "u1", (Channel("DAPI"),) * 3, "3 channels; choose one"),
        ((30, 40), "yx", "f4", (), "no values of type float32.*`dtype: uint8`"),
        ((30, 40), "yx", "i2", (), "no values of type int16"),
        ((3, 30, 40), "cyx", "f4", RGB, "3 channels"),
    ],
)
def test_what_png_cannot_hold_is_refused(shape, names, dtype, channels, sentence):
    with pytest.raises(Unsupported, match=sentence):
        file_of(opened(pattern(shape, dtype), names=names, channels=channels))


def test_several_images_are_refused():
    image = image_of("grey")
    with pytest.raises(Unsupported, match="`series:`"):
        Png().build(Dataset({"0": image, "1": image}))


def test_the_codec_of_a_band_is_that_of_its_checksum():
    """What was computed for a reader is at hand when the end of the file is asked for."""
    file, _ = long()
    bands = [c.segment for c in cut(file.body(), 0, file.size) if isinstance(c.segment, Pixels)]
    (piece,) = cut(file.body(), file.size - 20, file.size - 19)
    assert [p for p, _ in piece.segment.parts] == bands
    assert [encode(p)[4:8] for p in bands] == [b"IDAT"] * len(bands)
