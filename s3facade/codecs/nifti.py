"""Voxels as NIfTI files hold them: little-endian, in their order; plain, or in deflate blocks as they are.

Blocks that are stored, not compressed, make the size of a ``.nii.gz`` arithmetic: see `s3facade.codecs.stored`.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np

from s3facade.codecs import stored as blocks
from s3facade.codecs.raw import Raw
from s3facade.core.operators import Block, Buffer

Packing: TypeAlias = Literal["plain", "blocks", "member"]
HEAD = bytes((0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF))
"""Of a gzip member (RFC 1952, 2.3): deflate, no name, no time, no system. The same for all."""
_RAW = Raw()
_POLYNOMIAL = 0xEDB88320


@dataclass(frozen=True, slots=True)
class NiftiVoxels:
    """A box of voxels as a NIfTI file holds it."""

    version: ClassVar[int] = 1

    dtype: str
    """What they are stored as: the image's type, or one that holds all of its values."""
    order: tuple[int, ...] | None = None
    """Axes of the image, the slowest first; None: as they are."""
    packing: Packing = "plain"
    """``blocks``: deflate blocks as part of a stream; ``member``: a whole gzip member."""

    def nbytes(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:  # noqa: ARG002 - a protocol's
        """Voxels times bytes per voxel, and what packing adds."""
        return packed_nbytes(math.prod(shape) * np.dtype(self.dtype).itemsize, self.packing)

    def encode(self, block: Block) -> Buffer:
        """The bytes; a view of ``block`` where nothing has to be done."""
        if self.order is not None:
            block = block.transpose(self.order)
        data = memoryview(_RAW.encode(block.astype(self.dtype, copy=False)))
        if self.packing == "plain":
            return data
        return stored(data) if self.packing == "blocks" else member(data)


def packed_nbytes(nbytes: int, packing: Packing) -> int:
    """Bytes that ``nbytes`` (>= 1) bytes take."""
    if packing == "plain":
        return nbytes
    return blocks.nbytes(nbytes) + (18 if packing == "member" else 0)


def stored(data: Buffer, *, last: bool = False) -> bytearray:
    """``data`` as stored deflate blocks; ``last``: the stream ends with them."""
    out = bytearray()
    blocks.append(out, data, last=last)
    return out


def member(data: Buffer) -> bytearray:
    """``data`` as a gzip member of stored blocks."""
    return bytearray(HEAD) + stored(data, last=True) + trailer(zlib.crc32(data), len(data))


def trailer(crc: int, nbytes: int) -> bytes:
    """The end of a gzip member (RFC 1952, 2.3.1): checksum and size of its content, modulo 2**32."""
    return crc.to_bytes(4, "little") + (nbytes & 0xFFFFFFFF).to_bytes(4, "little")


def checksum(data: Buffer) -> tuple[int, int]:
    """CRC-32 and number of the bytes in stored blocks."""
    crc = n = 0
    for part in blocks.contents(data):
        crc = zlib.crc32(part, crc)
        n += len(part)
    return crc, n


def joined(first: int, second: int, nbytes: int) -> int:
    """CRC-32 of two texts one after the other, from that of each; ``nbytes`` is the length of the second.

    A CRC is a remainder modulo a polynomial over GF(2), so that zeros behind a text multiply it by a power of x.
    """
    return _times(_power(8 * nbytes), first) ^ second


def _times(a: int, b: int) -> int:
    """Product of two polynomials, lowest power in the highest bit, modulo the one of CRC-32."""
    product = 0
    for bit in range(31, -1, -1):
        if a >> bit & 1:
            product ^= b
        b = b >> 1 ^ (_POLYNOMIAL if b & 1 else 0)
    return product


def _power(n: int) -> int:
    """The variable x to the power of ``n`` modulo the polynomial of CRC-32."""
    product, square = 1 << 31, 1 << 30
    while n:
        if n & 1:
            product = _times(square, product)
        square = _times(square, square)
        n >>= 1
    return product
