"""LZW streams that crash the decoder are refused; all others are left to it."""

from __future__ import annotations

import os
import subprocess
import sys

import imagecodecs
import numpy as np
import pytest
import tifffile
from tiff_tools import Plain

from s3facade.core.errors import BadSource
from s3facade.readers.tiff.lzw import check
from s3facade.readers.tiff.reader import TiffReader

CLEAR, END = 256, 257
RNG = np.random.default_rng(7)


def stream(codes, *, old=False):
    """Codes as bytes: the highest bit first and widths that grow one early, or as old programs wrote them."""
    value, bits, index = 0, 0, 0
    for code in codes:
        last = 256 + index if old else 257 + index
        width = 9 + sum(last >= limit for limit in (511, 1023, 2047)) if index else 9
        value = value | code << bits if old else value << width | code
        bits += width
        index = 0 if code == CLEAR else index + 1
    if old:
        return value.to_bytes(-(-bits // 8), "little")
    return (value << -bits % 8).to_bytes(-(-bits // 8), "big")


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("count", [1, 5, 253, 254, 255, 256, 300, 2000])
def test_whole_streams_are_let_through(count, old):
    values = RNG.integers(0, 256, count).tolist()
    data = stream([CLEAR, *values, CLEAR, *values, END], old=old)
    check(data)
    assert imagecodecs.lzw_decode(data, out=2 * count) == bytes(values * 2)


@pytest.mark.parametrize("size", [1, 300, 5000, 200_000])
def test_what_the_encoder_writes_is_let_through(size):
    for data in (RNG.integers(0, 256, size, np.uint8), RNG.integers(0, 3, size, np.uint8), np.zeros(size, np.uint8)):
        check(imagecodecs.lzw_encode(data))


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("count", [0, 1, 100, 253, 254])
def test_a_first_code_that_is_no_byte_is_refused(count, old):
    values = [65] * count
    with pytest.raises(ValueError, match="first code"):
        check(stream([CLEAR, *values, *([CLEAR] if count else []), 511, 65, 66, END], old=old))


def test_clearing_without_end_is_refused():
    with pytest.raises(ValueError, match="nothing but clear"):
        check(np.packbits(np.tile(np.array([1, *[0] * 8], np.uint8), 1 << 17)).tobytes())


_MANY = """
import os, sys
import imagecodecs
from s3facade.readers.tiff.lzw import check
kept = []
for k in range(20000):
    data = b"\\x80" + os.urandom(1 + k % 600)
    try:
        check(data)
        imagecodecs.lzw_decode(data, out=(100, 5000, 11520)[k % 3])
    except (ValueError, RuntimeError):
        pass
    if k % 7 == 0:
        kept.append(bytearray(b"A" * (1 + k * 7919 % 100000)))
    if len(kept) > 50:
        kept.pop(k * 31 % 50)
"""


def test_nothing_crashes_the_decoder():
    subprocess.run([sys.executable, "-c", _MANY], check=True, timeout=60, env=os.environ)


def test_a_damaged_strip_is_an_error(tmp_path):
    path = tmp_path / "a.tif"
    image = RNG.integers(0, 256, (16, 32), np.uint8)
    tifffile.imwrite(path, image, compression="lzw", rowsperstrip=8)
    (raster,) = TiffReader().open(Plain.open(path), {})
    table = raster.chunks(0)
    cell = table.cell((0, 0))
    data = bytearray(raster.files[0].pread(cell.offset, cell.nbytes))
    np.testing.assert_array_equal(table.decode((0, 0), bytes(data)), image[: table.block[0]])
    data[1] |= 0x80
    with pytest.raises(BadSource, match="does not decode"):
        table.decode((0, 0), bytes(data))
