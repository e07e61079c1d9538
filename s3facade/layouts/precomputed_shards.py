"""Chunks of a precomputed volume put together to shards, whose every byte has its place before a voxel is known.

A chunk's number interleaves the bits of its position along x, y and z ("compressed Morton code"). With the identity as
hash, the chunks of a shard are those whose numbers differ in the low bits alone: a box, aligned to powers of two. Its
size is that of the box, cut at the far edges of the volume, and 24 bytes for each chunk. Sources: "Sharded format" and
"Precomputed volume format" of Neuroglancer's documentation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import product
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from s3facade.core.keyspace import File
from s3facade.core.named import NamedGrid
from s3facade.core.objects import Literal, Object, Pixels, Run
from s3facade.layouts.chunking import SHARD_BYTES
from s3facade.layouts.precomputed_chunks import ScaleKeys

Numbers: TypeAlias = npt.NDArray[np.int64]
BITS = 12
"""A shard holds at most two to the power of it chunks."""
MOST = 17
"""A scale has at most two to the power of it shards, larger ones if need be: all of their names are known at once."""
MINI = 9
"""A minishard, whose index readers fetch as a whole, likewise."""


def interleaved(grid: tuple[int, ...]) -> list[tuple[int, int]]:
    """Which bit of a chunk's number is which bit of its position: (axis, bit), lowest first.

    Args:
        grid: Chunks along x, y, z. An axis gives no more bits than its positions need.
    """
    most = max((n - 1).bit_length() for n in grid)
    return [(axis, bit) for bit in range(most) for axis, n in enumerate(grid) if 1 << bit < n]


@dataclass(frozen=True, slots=True)
class Sharding:
    """How the chunks of one scale are put together."""

    grid: tuple[int, ...]
    """Chunks along x, y, z."""
    preshift: int
    """Bits of a number within a minishard."""
    mini: int
    """Bits that tell the minishards of a shard apart."""
    total: int
    """Bits of a number."""

    @property
    def low(self) -> int:
        """Bits of a number within a shard."""
        return self.preshift + self.mini

    @property
    def box(self) -> tuple[int, ...]:
        """Chunks of a whole shard along x, y, z."""
        bits = interleaved(self.grid)[: self.low]
        return tuple(1 << sum(axis == a for a, _ in bits) for axis in range(3))

    @property
    def document(self) -> Mapping[str, Any]:
        """Its place in the ``info``."""
        return {
            "@type": "neuroglancer_uint64_sharded_v1",
            "preshift_bits": self.preshift,
            "hash": "identity",
            "minishard_bits": self.mini,
            "shard_bits": self.total - self.low,
            "minishard_index_encoding": "raw",
            "data_encoding": "raw",
        }

    def number(self, at: tuple[int, ...]) -> int:
        """Number of the chunk at a position x, y, z."""
        return sum((at[axis] >> bit & 1) << n for n, (axis, bit) in enumerate(interleaved(self.grid)))

    def name(self, first: tuple[int, ...]) -> str:
        """Name of the shard whose first chunk is ``first``."""
        digits = -(-(self.total - self.low) // 4)
        return f"{self.number(first) >> self.low:0{digits}x}.shard"


def sharding(grid: tuple[int, ...], chunk: int) -> Sharding:
    """How a scale of ``grid`` chunks of ``chunk`` bytes is put together: shards of 256 MiB, larger if they are many."""
    total = len(interleaved(grid))
    fit = max(1, SHARD_BYTES // chunk).bit_length() - 1
    low = min(total, max(min(fit, BITS), total - MOST))
    preshift = min(low, MINI)
    return Sharding(grid, preshift, low - preshift, total)


@lru_cache(maxsize=64)
def places(how: Sharding) -> Numbers:
    """Positions of chunks within a whole shard by the low bits of their numbers; rows x, y, z."""
    numbers = np.arange(1 << how.low)
    found = np.zeros((len(numbers), 3), np.int64)
    for n, (axis, bit) in enumerate(interleaved(how.grid)[: how.low]):
        found[:, axis] |= (numbers >> n & 1) << bit
    return found


@dataclass(frozen=True, slots=True)
class Shards:
    """The shards of one scale."""

    keys: ScaleKeys
    how: Sharding
    firsts: tuple[tuple[int, ...], ...]
    """Position of the first chunk of each, x, y, z."""

    def leaf(self, index: tuple[int, ...]) -> File:
        """One shard; its size is arithmetic."""
        low, high = self._bounds(self.firsts[index[0]])
        keys = self.keys
        chunks = math.prod(b - a for a, b in zip(low, high, strict=True))
        sides = zip(low, high, keys.chunk, keys.scale.size, strict=True)
        voxels = math.prod(min(b * n, length) - a * n for a, b, n, length in sides)
        size = (16 << self.how.mini) + 24 * chunks + voxels * keys.channels * keys.image.spec.dtype.itemsize
        body = partial(self._body, self.firsts[index[0]])
        return File(size, "application/octet-stream", keys.identity, keys.modified, body)

    def _bounds(self, first: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Positions of the chunks of a shard: from, and up to."""
        sides = zip(first, self.how.box, self.how.grid, strict=True)
        return first, tuple(min(a + n, most) for a, n, most in sides)

    def _body(self, first: tuple[int, ...]) -> Object:
        """Index of minishards, chunks by their numbers, indexes of chunks."""
        table = _table(self.keys, self.how, first)
        whole = self.keys.nbytes(tuple(0 for _ in first))
        starts = 16 << self.how.mini
        chunks = [Run(1, int(n), partial(self._chunk, first, i)) for i, n in enumerate(table.sizes)]
        if (table.sizes == whole).all():
            chunks = [Run(len(table.sizes), whole, partial(self._chunk, first, 0))]
        mini = Run(1, starts, lambda _: Literal(table.minishards()))
        return Object((mini, *chunks, Run(1, 24 * len(table.sizes), lambda _: Literal(table.indexes()))))

    def _chunk(self, first: tuple[int, ...], start: int, i: int) -> Pixels:
        table = _table(self.keys, self.how, first)
        return self.keys.segment(tuple(int(n) for n in table.at[start + i]))


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """The chunks of one shard, by their numbers."""

    how: Sharding
    at: Numbers
    """Rows of positions x, y, z."""
    numbers: Numbers
    sizes: Numbers
    """Bytes."""

    def _minis(self) -> Numbers:
        return self.numbers >> self.how.preshift & ((1 << self.how.mini) - 1)

    def minishards(self) -> bytes:
        """Where the index of each minishard begins and ends; bytes behind this index."""
        counts = np.bincount(self._minis(), minlength=1 << self.how.mini)
        ends = int(self.sizes.sum()) + 24 * np.cumsum(counts)
        return np.stack([ends - 24 * counts, ends], 1).astype("<u8").tobytes()

    def indexes(self) -> bytes:
        """Numbers, places and sizes of the chunks of each minishard; numbers and places as differences."""
        minis = self._minis()
        starts = np.cumsum(self.sizes) - self.sizes
        out = []
        for mini in np.unique(minis):
            mine = minis == mini
            # Chunks of a minishard follow each other, so that only the first has a distance from the one before.
            gaps = np.zeros(int(mine.sum()), np.int64)
            gaps[0] = starts[mine][0]
            out.append(
                np.stack([np.diff(self.numbers[mine], prepend=0), gaps, self.sizes[mine]]).astype("<u8").tobytes()
            )
        return b"".join(out)


def _table(keys: ScaleKeys, how: Sharding, first: tuple[int, ...]) -> Table:
    return _made(how, first, keys.chunk, keys.scale.size, keys.channels * keys.image.spec.dtype.itemsize)


@lru_cache(maxsize=64)
def _made(how: Sharding, first: tuple[int, ...], chunk: tuple[int, ...], size: tuple[int, ...], voxel: int) -> Table:
    at = places(how) + np.array(first)
    inside = (at < np.array(how.grid)).all(axis=1)
    numbers = np.flatnonzero(inside) + how.number(first)
    at = at[inside]
    sides = np.minimum((at + 1) * np.array(chunk), np.array(size)) - at * np.array(chunk)
    return Table(how, at, numbers, sides.prod(axis=1) * voxel)


def shard_grid(keys: ScaleKeys) -> tuple[Sharding, NamedGrid]:
    """How the chunks of a scale are put together, and the keys of the shards."""
    chunks = tuple(-(-n // m) for n, m in zip(keys.scale.size, keys.chunk, strict=True))
    how = sharding(chunks, keys.nbytes((0, 0, 0)))
    firsts = tuple(product(*(range(0, n, step) for n, step in zip(chunks, how.box, strict=True))))
    return how, NamedGrid((tuple(map(how.name, firsts)),), Shards(keys, how, firsts).leaf)
