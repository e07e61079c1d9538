"""Boxes of voxels and the regular grids that cover them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product


@dataclass(frozen=True, slots=True)
class Region:
    """A half-open box ``start <= i < stop`` in one level's voxel indices, one pair per axis."""

    start: tuple[int, ...]
    stop: tuple[int, ...]

    @classmethod
    def whole(cls, shape: tuple[int, ...]) -> Region:
        """The box of a whole level of ``shape``."""
        return cls((0,) * len(shape), shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels per axis."""
        return tuple(b - a for a, b in zip(self.start, self.stop, strict=True))

    @property
    def size(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)

    @property
    def empty(self) -> bool:
        """Whether the box holds no voxel."""
        return any(b <= a for a, b in zip(self.start, self.stop, strict=True))

    def clip(self, shape: tuple[int, ...]) -> Region:
        """The part inside a level of ``shape``."""
        return self.intersect(Region.whole(shape))

    def intersect(self, other: Region) -> Region:
        """The common box; may be `empty`."""
        return Region(
            tuple(max(a, b) for a, b in zip(self.start, other.start, strict=True)),
            tuple(min(a, b) for a, b in zip(self.stop, other.stop, strict=True)),
        )

    def grow(self, halo: tuple[int, ...]) -> Region:
        """The box with ``halo`` voxels more on both sides of each axis, not clipped."""
        return Region(
            tuple(a - h for a, h in zip(self.start, halo, strict=True)),
            tuple(b + h for b, h in zip(self.stop, halo, strict=True)),
        )

    def slices(self, origin: tuple[int, ...] | None = None) -> tuple[slice, ...]:
        """Index of this box in an array whose voxel 0 stands at ``origin`` (default: the level's own)."""
        o = origin or (0,) * len(self.start)
        return tuple(slice(a - k, b - k) for a, b, k in zip(self.start, self.stop, o, strict=True))


def hull(boxes: Iterable[Region]) -> Region:
    """The smallest box around ``boxes``, at least one."""
    every = list(boxes)
    return Region(
        tuple(min(edges) for edges in zip(*(box.start for box in every), strict=True)),
        tuple(max(edges) for edges in zip(*(box.stop for box in every), strict=True)),
    )


def cells(region: Region, block: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], Region]]:
    """Grid cells of size ``block`` that touch a non-empty ``region``, in C order.

    Yields:
        The cell's index and its unclipped box.
    """
    spans = [range(a // n, -(-b // n)) for a, b, n in zip(region.start, region.stop, block, strict=True)]
    for index in product(*spans):
        yield index, cell(index, block)


def cell(index: tuple[int, ...], block: tuple[int, ...]) -> Region:
    """The unclipped box of one grid cell."""
    return Region(
        tuple(i * n for i, n in zip(index, block, strict=True)),
        tuple((i + 1) * n for i, n in zip(index, block, strict=True)),
    )


def place(at: Iterable[int], counts: Iterable[int]) -> int:
    """Number of the cell at ``at`` in a grid of ``counts`` cells per axis, in C order."""
    number = 0
    for i, n in zip(at, counts, strict=True):
        number = number * n + i
    return number


def grid(shape: tuple[int, ...], block: tuple[int, ...]) -> tuple[int, ...]:
    """Number of cells per axis that cover ``shape``."""
    return tuple(-(-s // n) for s, n in zip(shape, block, strict=True))
