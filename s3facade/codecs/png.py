"""Rows of an image as chunks of a PNG file, stored, not compressed: their size is arithmetic.

Each band of rows is a whole IDAT chunk with its own checksum, so that it is made from its own voxels alone. Sources:
PNG (third edition) sections 5, 7, 9 and 10; RFC 1950 and 1951 for the stream of stored blocks in them.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from s3facade.codecs import stored
from s3facade.core.operators import Block, Buffer

HEAD = b"\x78\x01"
"""Of a zlib stream: a window of 32 KiB, fastest compression."""
_FRAME = 12
"""Bytes of a chunk but its data."""


def chunk(name: bytes, data: bytes) -> bytes:
    """A chunk with its length and its checksum."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))


@dataclass(frozen=True, slots=True)
class PngRows:
    """Rows, none of them filtered, as one IDAT chunk of stored blocks. Samples are the most significant byte first."""

    version: ClassVar[int] = 1

    axis: int | None
    """Index of the axis whose values are the samples of a pixel; None: there is one sample."""
    first: bool
    """Whether the chunk begins the stream."""

    def rows(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
        """Bytes of the rows, the filter of each included."""
        samples = 1 if self.axis is None else shape[self.axis]
        return shape[-2] * (1 + shape[-1] * samples * dtype.itemsize)

    def nbytes(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
        """Rows, five bytes per stored block, and the frame of the chunk."""
        raw = self.rows(shape, dtype)
        return _FRAME + len(HEAD) * self.first + stored.nbytes(raw)

    def encode(self, block: Block) -> Buffer:
        """The chunk."""
        pixels = block if self.axis is None else np.moveaxis(block, self.axis, -1)
        height = block.shape[-2]
        big = np.ascontiguousarray(pixels, dtype=block.dtype.newbyteorder(">")).reshape(height, -1)
        lines = np.zeros((height, 1 + big.nbytes // height), np.uint8)
        lines[:, 1:] = big.view(np.uint8)
        raw = lines.reshape(-1).data
        out = bytearray(struct.pack(">I", self.nbytes(block.shape, block.dtype) - _FRAME) + b"IDAT")
        if self.first:
            out += HEAD
        stored.append(out, raw)
        with memoryview(out) as view:
            checksum = zlib.crc32(view[4:])
        out += struct.pack(">I", checksum)
        return out

    def checksum(self, data: Buffer) -> tuple[int, int]:
        """Adler-32 of the rows in an encoded chunk, and their number of bytes."""
        found, total = 1, 0
        for part in stored.contents(memoryview(data)[8 + len(HEAD) * self.first : -4]):
            found = zlib.adler32(part, found)
            total += len(part)
        return found, total


def joined(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    """Adler-32 and length of two texts, one behind the other, from those of each (RFC 1950, section 8.2)."""
    base = 65521
    (left, n), (right, m) = one, other
    low = (left % 65536 + right % 65536 - 1) % base
    high = ((left >> 16) + (right >> 16) + m % base * (left % 65536 - 1)) % base
    return high << 16 | low, n + m
