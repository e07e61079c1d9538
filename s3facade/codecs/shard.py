"""The index of a Zarr v3 shard whose inner chunks all have the same encoded size.

Then everything about a shard is arithmetic: the inner chunks that touch the array stand one after the other in C
order, those wholly outside it are empty and not stored, and the index follows at the end. (Version 0.7 of zarrita and
what is built on it read an index at the start wrongly.)
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from google_crc32c import value as crc32c

EMPTY = 2**64 - 1
"""Offset and size of an inner chunk that is not stored."""


def index_nbytes(grid: tuple[int, ...]) -> int:
    """Bytes of the index of a shard with ``grid`` inner chunks per axis: 16 each and a checksum of 4."""
    return 16 * math.prod(grid) + 4


@lru_cache(maxsize=128)
def index(grid: tuple[int, ...], bounds: tuple[int, ...], nbytes: int) -> bytes:
    """The encoded index: little-endian (offset, size) for the whole grid in C order, then CRC-32C.

    Args:
        grid: Inner chunks per axis of a full shard.
        bounds: How many of them, from the first, touch the array; ``1 <= bounds <= grid`` per axis.
        nbytes: Encoded bytes of one inner chunk.
    """
    entries = np.full((*grid, 2), EMPTY, dtype="<u8")
    stored = entries[tuple(slice(n) for n in bounds)]
    stored[..., 0] = np.arange(math.prod(bounds), dtype="<u8").reshape(bounds) * nbytes
    stored[..., 1] = nbytes
    data = entries.tobytes()
    checksum: int = crc32c(data)
    return data + checksum.to_bytes(4, "little")
