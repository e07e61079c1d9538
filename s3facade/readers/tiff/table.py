"""Chunk tables of TIFF levels: where each tile, strip or band of rows lies, and how it decodes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from s3facade.core.errors import BadSource
from s3facade.core.operators import Block, Buffer
from s3facade.core.protocols import Cell
from s3facade.core.region import place
from s3facade.readers.arrays.stored import owned
from s3facade.readers.tiff import lzw
from s3facade.readers.tiff.bomb import stated_voxels
from s3facade.readers.tiff.coding import Coding
from s3facade.readers.tiff.geometry import PAGE, Geometry

Ints = npt.NDArray[np.int64]
MAX_CELL = 256 << 20
"""Decoded bytes of one cell; more is refused when the file is opened."""


@dataclass(frozen=True, slots=True)
class Decoder:
    """How the segments of some pages decode: tifffile's own closure, which holds no file handle."""

    function: Callable[..., Any]
    tables: bytes | None = None
    """JPEG tables that the segments share."""
    header: bytes | None = None
    """JPEG header that NDPI segments lack."""
    jpeg: bool = False
    coding: Coding | None = None
    """What ``function`` can be made from again, if it can."""

    def __call__(self, data: bytes, number: int) -> Block:
        """Segment ``number`` of a page as an array (depth, length, width, samples), not clipped."""
        if self.jpeg:
            segment, _, _ = self.function(data, number, jpegtables=self.tables, jpegheader=self.header)
        else:
            segment, _, _ = self.function(data, number)
        return np.asarray(segment)


def _fit(geometry: Geometry, block: Block, extent: tuple[int, ...], dtype: np.dtype[Any]) -> Block:
    """``block`` in the axes and the type of the image."""
    return geometry.arrange(block, extent).astype(dtype, copy=False)


@dataclass(frozen=True, slots=True)
class RawTable:
    """Uncompressed pages, each one run of bytes: cells are bands of rows, found by arithmetic."""

    geometry: Geometry
    dtype: np.dtype[Any]
    stored: np.dtype[Any]
    """The type with the byte order of the file."""
    offsets: Ints
    """First byte of every page."""
    files: npt.NDArray[np.uint32]
    """File of every page; of length 1 where they share it."""
    codec: str = "raw"

    @property
    def block(self) -> tuple[int, ...]:
        """Size of a grid cell in voxels, axes of the image."""
        return self.geometry.block

    def cell(self, index: tuple[int, ...]) -> Cell:
        """Where the band of rows at ``index`` lies."""
        page, at = self.geometry.locate(index)
        dims = self.geometry.dims[-PAGE:]
        extent = self.geometry.extent(at)
        start = 0
        for d, i in zip(dims, at, strict=True):
            start = start * d.size + i * d.block
        offset = int(self.offsets[page]) + start * self.stored.itemsize
        return Cell(int(self.files[page % len(self.files)]), offset, math.prod(extent) * self.stored.itemsize)

    def decode(self, index: tuple[int, ...], data: Buffer | None) -> Block:
        """The voxels of a band.

        Raises:
            BadSource: ``data`` has another length than the band.
        """
        _, at = self.geometry.locate(index)
        extent = self.geometry.extent(at)
        want = math.prod(extent) * self.stored.itemsize
        if data is None or len(data) != want:
            raise BadSource("A row of the TIFF is incomplete.", private=f"cell {index}: {want} bytes expected")
        block = _fit(self.geometry, np.frombuffer(data, self.stored), extent, self.dtype)
        return owned(block)


@dataclass(frozen=True, slots=True)
class SegmentTable:
    """Pages of tiles or strips, each at its own place."""

    geometry: Geometry
    dtype: np.dtype[Any]
    codec: str
    offsets: Ints
    """(pages, segments of a page)"""
    counts: Ints
    """(pages, segments of a page); 0 is a segment that was never written."""
    files: npt.NDArray[np.uint32]
    """File of every page; of length 1 where they share it."""
    decoders: tuple[Decoder, ...]
    decoder: npt.NDArray[np.uint32]
    """Decoder of every page; of length 1 where they share it."""
    fill: float = 0
    """Value of segments that were never written."""
    group: int = 1
    """Strips per cell; they follow each other in the file."""

    @property
    def block(self) -> tuple[int, ...]:
        """Size of a grid cell in voxels, axes of the image."""
        return self.geometry.block

    def _segments(self, index: tuple[int, ...]) -> tuple[int, tuple[int, ...], int, int]:
        """Page, block index in the page, and the segments ``first <= i < last`` of a cell."""
        page, at = self.geometry.locate(index)
        dims = self.geometry.dims[-PAGE:]
        if self.group == 1:
            number = place(at, [d.grid for d in dims])
            return page, at, number, number + 1
        total = self.offsets.shape[1] // (dims[0].size * dims[1].size)
        base = (at[0] * dims[1].size + at[1]) * total
        first = at[2] * self.group
        return page, at, base + first, base + min(first + self.group, total)

    def cell(self, index: tuple[int, ...]) -> Cell | None:
        """Where the tile or strips at ``index`` lie; None if they were never written."""
        page, _, first, last = self._segments(index)
        offsets, counts = self.offsets[page, first:last], self.counts[page, first:last]
        start, stop = int(offsets[0]), int(offsets[-1] + counts[-1])
        if not int(counts.sum()):
            return None
        return Cell(int(self.files[page % len(self.files)]), start, stop - start)

    def decode(self, index: tuple[int, ...], data: Buffer | None) -> Block:
        """The voxels of a cell.

        Raises:
            BadSource: The bytes do not decode to these voxels.
        """
        page, at, first, last = self._segments(index)
        extent = self.geometry.extent(at)
        if data is None:
            shape = tuple(
                min(b, n - i * b) for i, b, n in zip(index, self.geometry.block, self.geometry.shape, strict=True)
            )
            return np.full(shape, self.fill, self.dtype)
        decoder = self.decoders[self.decoder[page % len(self.decoder)]]
        base, parts = int(self.offsets[page, first]), []
        for number in range(first, last):
            start = int(self.offsets[page, number]) - base
            stop = start + int(self.counts[page, number])
            # A tile alone is all of the data: decoders want bytes, and copying a tile costs as much as reading it.
            part = data if isinstance(data, bytes) and stop - start == len(data) else bytes(data[start:stop])
            parts.append(self._segment(decoder, part, index, page, number))
        block = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        block = block[: extent[1], : extent[2], : extent[3]]
        if block.shape != extent[1:]:
            raise BadSource(
                "A tile of the TIFF has another size than the image says.",
                private=f"cell {index}, page {page}, segment {first}: {block.shape} instead of {extent[1:]}",
            )
        block = _fit(self.geometry, block, extent, self.dtype)
        return owned(block)

    def _segment(self, decoder: Decoder, data: bytes, index: tuple[int, ...], page: int, number: int) -> Block:
        if stated_voxels(memoryview(data)) > MAX_CELL:
            raise BadSource(
                "A tile of the TIFF claims to be larger than the image.",
                private=f"cell {index}, page {page}, segment {number}: {stated_voxels(memoryview(data))} values",
            )
        try:
            if self.codec.startswith("lzw"):
                lzw.check(data)
            return decoder(data, number)
        except (ValueError, RuntimeError, TypeError, IndexError, NotImplementedError, MemoryError, OSError) as error:
            # imagecodecs derives its errors from RuntimeError, tifffile from ValueError
            raise BadSource(
                "A tile of the TIFF does not decode; the file is damaged there.",
                private=f"cell {index}, page {page}, segment {number}, {len(data)} bytes: {error!r:.200}",
            ) from error
