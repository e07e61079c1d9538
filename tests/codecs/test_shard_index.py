"""Raw bytes and the index of a shard, against struct and zarr's own decoder."""

from __future__ import annotations

import math
import struct
from itertools import product

import google_crc32c
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3facade.codecs.raw import Raw
from s3facade.codecs.shard import EMPTY, index, index_nbytes


@st.composite
def grids(draw):
    grid = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    return grid, tuple(draw(st.integers(1, n)) for n in grid)


@given(grids(), st.integers(1, 2**40))
def test_index_lists_chunks_one_after_the_other(shape, nbytes):
    grid, bounds = shape
    data = index(grid, bounds, nbytes)
    assert len(data) == index_nbytes(grid)
    position, expected = 0, b""
    for at in product(*map(range, grid)):
        if all(a < b for a, b in zip(at, bounds, strict=True)):
            expected += struct.pack("<QQ", position, nbytes)
            position += nbytes
        else:
            expected += struct.pack("<QQ", EMPTY, EMPTY)
    assert position == math.prod(bounds) * nbytes
    assert data == expected + struct.pack("<I", google_crc32c.value(expected))


@pytest.mark.parametrize("dtype", ["?", "u1", "<u2", ">u2", "<f2", ">f4", "<f8", ">i8", "<c8"])
def test_raw_is_little_endian(dtype):
    block = np.arange(24).reshape(2, 3, 4).astype(dtype)
    assert Raw().nbytes(block.shape, block.dtype) == block.nbytes
    for given_ in (block, np.asfortranarray(block), block[:, ::-1]):
        expected = np.ascontiguousarray(given_).astype(np.dtype(dtype).newbyteorder("<")).tobytes()
        assert bytes(Raw().encode(given_)) == expected


def test_raw_copies_nothing_if_it_need_not():
    block = np.zeros((4, 4), "<u2")
    view = Raw().encode(block)
    block[0, 0] = 258
    assert bytes(view[:2]) == b"\x02\x01"
    assert (view.format, view.ndim) == ("B", 1)
