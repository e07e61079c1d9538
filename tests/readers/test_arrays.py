"""Tables of plain and of chunked arrays, against numpy, over every cell."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.protocols import ChunkTable
from s3facade.core.region import Region, cells
from s3facade.core.spec import AXES
from s3facade.readers.arrays.chunked import chunked
from s3facade.readers.arrays.raster import Freezing, TableRaster
from s3facade.readers.arrays.raw import Linear, raw
from s3facade.readers.arrays.stored import Stored, bands
from s3facade.readers.facts import Facts, Grid, described

TYPES = st.sampled_from(["u1", "<u2", ">u2", ">i4", "<f4", ">f8", "?"])


@dataclass(frozen=True)
class Inflate:
    name: str = "deflate"

    def decode(self, data: Any, nbytes: int) -> bytes:
        try:
            return zlib.decompressobj().decompress(data, nbytes)
        except zlib.error as error:
            raise ValueError(str(error)) from error


def whole(table: ChunkTable, shape: tuple[int, ...], file: bytes) -> np.ndarray:
    out = np.zeros(shape, table.decode((0,) * len(shape), look(table, (0,) * len(shape), file)).dtype)
    for index, box in cells(Region.whole(shape), table.block):
        block = table.decode(index, look(table, index, file))
        assert block.flags.c_contiguous
        assert block.dtype.isnative
        out[box.clip(shape).slices()] = block
    return out


def look(table: ChunkTable, index: tuple[int, ...], file: bytes) -> bytes | None:
    cell = table.cell(index)
    if cell is None:
        return None
    assert 0 <= cell.offset <= cell.offset + cell.nbytes <= len(file)
    return file[cell.offset : cell.offset + cell.nbytes]


def in_image_order(array: np.ndarray, dims: list[str]) -> np.ndarray:
    """By numpy alone: dimensions of one axis merged, outermost first; y and x there in any case."""
    names = [a for a in AXES if a in dims or a in "yx"]
    order = [k for a in names for k, d in enumerate(dims) if d == a]
    rest = [k for k in range(len(dims)) if k not in order]
    shape = [math.prod(array.shape[k] for k, d in enumerate(dims) if d == a) for a in names]
    return array.transpose(order + rest).reshape(shape)


@st.composite
def arrays(draw: st.DrawFn) -> tuple[np.ndarray, list[str]]:
    dims = draw(st.lists(st.sampled_from([*AXES, ""]), min_size=1, max_size=5))
    sizes = [1 if d == "" else draw(st.integers(1, 7)) for d in dims]
    seed = draw(st.integers(0, 9))
    values = np.random.default_rng(seed).integers(0, 256, sizes)
    return values.astype(np.dtype(draw(TYPES))), dims


@settings(max_examples=150, deadline=None)
@given(arrays(), st.integers(0, 2), st.integers(0, 40), st.integers(1, 64), st.booleans())
def test_plain_numbers(made, outer, before, target, flip):
    array, dims = made
    outer = min(outer, array.ndim)
    places, data = [], bytearray(before)
    for plane in array.reshape(math.prod(array.shape[:outer]), -1):
        places.append(len(data))
        data += plane.tobytes() + b"\xff" * 3
    strides = [array.dtype.itemsize * math.prod(array.shape[k + 1 :]) for k in range(outer, array.ndim)]
    expected = array
    offsets = np.array(places)
    if flip and strides:
        # the first of the inner dimensions is stored backwards
        offsets = offsets + (array.shape[outer] - 1) * strides[0]
        strides[0] = -strides[0]
        expected = np.flip(array, outer)
    file = bytes(data)
    table = raw(dims, array.shape, array.dtype, offsets, outer=outer, strides=strides, end=[len(file)])
    small = Stored(table.stored.dims, table.stored.sizes, bands(dims, array.shape, array.itemsize, outer, target))
    for stored in (table.stored, small):
        found = whole(type(table)(stored, *(getattr(table, n) for n in table.__slots__[1:])), stored.shape, file)
        np.testing.assert_array_equal(found, in_image_order(expected, dims))


@settings(max_examples=150, deadline=None)
@given(arrays(), st.data(), st.booleans(), st.booleans())
def test_chunks(made, data, cut, sparse):
    array, dims = made
    cell = tuple(data.draw(st.integers(1, n + 2)) for n in array.shape)
    try:
        stored = Stored(tuple(dims), array.shape, cell)
    except Unsupported:
        assert len({d for d in dims if d}) < len([d for d in dims if d])
        return
    expected = array.copy()
    file, offsets, counts, masks = bytearray(b"head"), [], [], []
    for number, at in enumerate(np.ndindex(*stored.grid)):
        box = tuple(slice(i * n, (i + 1) * n) for i, n in zip(at, cell, strict=True))
        part = array[box]
        if sparse and number % 3 == 0:
            expected[box] = 1
            offsets.append(0)
            counts.append(0)
            masks.append(0)
            continue
        full = part if cut else np.pad(part, [(0, n - m) for n, m in zip(cell, part.shape, strict=True)])
        kept = number % 2
        encoded = full.tobytes() if kept else zlib.compress(full.tobytes())
        offsets.append(len(file))
        counts.append(len(encoded))
        masks.append(kept)
        file += encoded
    table = chunked(
        *(stored, array.dtype, np.array(offsets), np.array(counts), [Inflate()]),
        end=[len(file)],
        skipped=np.array(masks, np.uint32),
        fill=1,
        cut=cut,
    )
    np.testing.assert_array_equal(whole(table, stored.shape, bytes(file)), in_image_order(expected, dims))


def test_values_are_worked_out():
    numbers = np.arange(12, dtype=">i2").reshape(3, 4)
    table = raw("yx", (3, 4), numbers.dtype, 0, end=[24], values=Linear(0.5, -1, np.dtype("f4")))
    found = whole(table, (3, 4), numbers.tobytes())
    assert found.dtype == np.float32 == table.dtype
    np.testing.assert_array_equal(found, numbers * 0.5 - 1)


def test_what_lies_behind_the_end_is_refused():
    with pytest.raises(BadSource, match="behind the end"):
        raw("yx", (3, 4), np.dtype("u2"), 1, end=[24])
    with pytest.raises(BadSource, match="behind the end"):
        raw("yx", (3, 4), np.dtype("u2"), 0, end=[24], strides=(-8, 2))
    stored = Stored(("y", "x"), (4, 4), (2, 4))
    one, two = np.array([0, 8]), np.array([8, 9])
    with pytest.raises(BadSource, match="behind the end"):
        chunked(stored, np.dtype("u1"), one, two, [], end=[16])
    with pytest.raises(BadSource, match="lists 1 chunks"):
        chunked(stored, np.dtype("u1"), one[:1], two[:1], [], end=[16])
    with pytest.raises(Unsupported, match="MiB"):
        chunked(
            Stored(("y", "x"), (1 << 20, 1 << 20), (1 << 20, 1 << 20)), np.dtype("u1"), one[:1], two[:1], [], end=[16]
        )


def test_damaged_chunks_are_told():
    table = chunked(
        Stored(("y", "x"), (2, 4), (2, 4)), np.dtype("u1"), np.array([0]), np.array([8]), [Inflate()], end=[99]
    )
    for data in (b"nonsense", zlib.compress(b"short"), b""):
        with pytest.raises(BadSource):
            table.decode((0, 0), data)
    assert table.decode((0, 0), zlib.compress(bytes(range(8)) * 50)).sum() == 28


def test_frozen_and_thawed():
    numbers = np.arange(24, dtype="u2").reshape(2, 3, 4)
    table = raw("zyx", numbers.shape, numbers.dtype, 0, end=[48])
    spec = described(table.stored.names, table.dtype, [Grid(table.stored.shape, table.block)], Facts({"x": 0.5}))
    freezing = Freezing()
    data = freezing.freeze([TableRaster(spec, (), (table,))])
    (again,) = freezing.thaw(data, {})
    assert again.spec == spec
    np.testing.assert_array_equal(whole(again.tables[0], (2, 3, 4), numbers.tobytes()), numbers)


def test_a_block_is_what_was_read_where_that_cannot_change():
    numbers = np.arange(24, dtype="<u2").reshape(2, 12)
    table = raw("yx", numbers.shape, numbers.dtype, 0, end=[48])
    data = numbers.tobytes()
    assert np.shares_memory(table.decode((0, 0), data), np.frombuffer(data, "u1"))
    for may_change in (bytearray(data), memoryview(bytearray(data))):
        block = table.decode((0, 0), may_change)
        may_change[:2] = b"\xff\xff"
        np.testing.assert_array_equal(block, numbers)
    small = chunked(Stored(("y", "x"), (1, 3), (8, 8)), np.dtype("u1"), np.array([0]), np.array([64]), [], end=[64])
    block = small.decode((0, 0), bytes(64))
    assert (block.base if block.base is not None else block).nbytes == 3, "64 bytes are kept for three"
