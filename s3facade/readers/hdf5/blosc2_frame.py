"""Frames of Blosc 2, as HDF5 filter 32026 writes them: one chunk, perhaps cut into blocks of several dimensions.

Source: the Blosc2 contiguous frame format and the b2nd metalayer.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any, ClassVar

import imagecodecs
import numpy as np

from s3facade.core.operators import Buffer
from s3facade.readers.arrays.filters import SLACK

_HEAD = struct.Struct(">xx8s xi xQ x4s xq xq xi xi xi")
"""Name, bytes of the header, of the frame, flags, decoded and stored bytes, and sizes of an item, a block and a chunk,
each behind a mark of msgpack."""
_ZEROS = 0x81
"""Highest byte of the place of a chunk that is zeros and not stored."""
_codecs: Any = imagecodecs


@dataclass(frozen=True, slots=True)
class Blosc2Frame:
    """A frame of one chunk."""

    name: ClassVar[str] = "blosc2"

    def decode(self, data: Buffer, nbytes: int) -> Buffer:
        """The numbers, in C order."""
        view = memoryview(data)
        if len(view) < _HEAD.size:
            raise ValueError("shorter than its header")
        name, header, frame, _, size, stored, _, _, chunk = _HEAD.unpack_from(view)
        if name != b"b2frame\0" or not _HEAD.size <= header <= frame <= len(view) or not 0 <= stored <= frame - header:
            raise ValueError("no frame of Blosc 2")
        dims = _dims(bytes(view[:header]))
        limit = nbytes if dims is None else _padded(*dims, nbytes)
        if not 0 < size <= min(chunk, limit + SLACK):
            raise ValueError(f"{size} bytes are said to be in a chunk of {nbytes}")
        # The places of chunks follow them, as a chunk themselves.
        place = _codecs.blosc2_decode(view[header + stored : frame], numthreads=1, out=8)
        if place[7:8] == bytes([_ZEROS]):
            plain = bytes(size)
        elif place == bytes(8) and stored:
            plain = _codecs.blosc2_decode(view[header : header + stored], numthreads=1, out=size)
        else:
            raise ValueError(f"a chunk of an unknown kind: {place.hex()}")
        return plain if dims is None or len(plain) != size else _ordered(plain, *dims)


def _dims(header: bytes) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Shapes of the chunk and of its blocks; None where the frame knows no dimensions."""
    at = header.find(b"\xa4b2nd\xd2")
    if at < 0:
        return None
    (start,) = struct.unpack_from(">i", header, at + 6)
    count = header[start + 7] if 0 <= start < len(header) - 8 else 0
    if not 1 <= count <= 8 or len(header) < start + 8 + 1 + 9 * count + 2 * (1 + 5 * count):
        raise ValueError("a frame of Blosc 2 whose dimensions are not there")
    at = start + 8 + 1 + 9 * count
    chunk = struct.unpack_from(">" + "xi" * count, header, at + 1)
    block = struct.unpack_from(">" + "xi" * count, header, at + 2 + 5 * count)
    if any(not 1 <= b <= c for b, c in zip(block, chunk, strict=True)):
        raise ValueError(f"blocks of {block} in a chunk of {chunk}")
    return chunk, block


def _padded(chunk: tuple[int, ...], block: tuple[int, ...], nbytes: int) -> int:
    """Bytes of a chunk of ``nbytes`` that is filled up to whole blocks."""
    whole = math.prod(-(-c // b) * b for c, b in zip(chunk, block, strict=True))
    return nbytes * whole // math.prod(chunk)


def _ordered(plain: bytes, chunk: tuple[int, ...], block: tuple[int, ...]) -> bytes:
    """The chunk in C order, out of blocks in C order each."""
    grid = [-(-c // b) for c, b in zip(chunk, block, strict=True)]
    count = math.prod(grid) * math.prod(block)
    if len(plain) % count:
        raise ValueError(f"{len(plain)} bytes for {count} numbers")
    item = np.dtype(f"V{len(plain) // count}")
    n = len(chunk)
    blocks = np.frombuffer(plain, item).reshape(*grid, *block)
    order = [k for d in range(n) for k in (d, n + d)]
    whole = blocks.transpose(order).reshape([g * b for g, b in zip(grid, block, strict=True)])
    return whole[tuple(slice(c) for c in chunk)].tobytes()
