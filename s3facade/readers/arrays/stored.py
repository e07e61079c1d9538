"""How the dimensions that a file stores become the axes of an image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from s3facade.core.errors import Unsupported
from s3facade.core.operators import Block
from s3facade.core.spec import AXES, AxisName


@dataclass(frozen=True, slots=True)
class Stored:
    """An array in the order of its bytes, slowest dimension first, and the cells it is read by.

    Several dimensions may make one axis, outermost first: channels and the samples of a pixel both lie along c. All of
    them but the innermost one are read one index at a time then. A dimension without a name is of length 1.
    """

    dims: tuple[str, ...]
    """The axis of each dimension (t, c, z, y, x), or ``""``."""
    sizes: tuple[int, ...]
    """Length of each dimension."""
    cell: tuple[int, ...]
    """Length of a cell along each dimension; the last cell may be cut short."""

    def __post_init__(self) -> None:
        for name, size, n in zip(self.dims, self.sizes, self.cell, strict=True):
            if size < 1 or n < 1:
                raise Unsupported(f"The image has the shape {self.sizes}; every length must be at least 1.")
            if (not name and size > 1) or (name and name not in AXES):
                raise Unsupported(f"A dimension of length {size} is called {name!r}; axes are t, c, z, y and x.")
        for members in self.members:
            inner = members[-1:]
            if len(members) > 1 and (
                any(self.cell[k] > 1 and self.sizes[k] > 1 for k in members[:-1])
                or any(self.sizes[k] % self.cell[k] for k in inner)
            ):
                raise Unsupported("Dimensions that make one axis are stored in chunks that cross it.")

    @property
    def names(self) -> tuple[AxisName, ...]:
        """Axes of the image: those that occur, and y and x."""
        return tuple(a for a in AXES if a in self.dims or a in "yx")

    @property
    def members(self) -> tuple[tuple[int, ...], ...]:
        """Per axis of the image, the dimensions that it is made of, outermost first."""
        return _members(self.dims)

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels, axes of the image."""
        return tuple(math.prod(self.sizes[k] for k in ks) for ks in self.members)

    @property
    def block(self) -> tuple[int, ...]:
        """Voxels of a cell, axes of the image."""
        return tuple(min(self.cell[ks[-1]], self.sizes[ks[-1]]) if ks else 1 for ks in self.members)

    @property
    def grid(self) -> tuple[int, ...]:
        """Number of cells along each dimension."""
        return _grid(self.sizes, self.cell)

    def locate(self, index: tuple[int, ...]) -> tuple[int, ...]:
        """Position of the image's grid cell ``index`` in the grid of the file, per dimension."""
        at, grid = [0] * len(self.dims), self.grid
        for ks, i in zip(self.members, index, strict=True):
            for k in reversed(ks):
                i, at[k] = divmod(i, grid[k])  # noqa: PLW2901 - mixed-radix digits
        return tuple(at)

    def extent(self, at: tuple[int, ...]) -> tuple[int, ...]:
        """Voxels of the cell at ``at``, clipped to the array, per dimension."""
        return tuple(min(n, s - i * n) for i, n, s in zip(at, self.cell, self.sizes, strict=True))

    def arrange(self, block: Block) -> Block:
        """Voxels of a cell, dimensions as stored, as a C-order array in the axes of the image.

        It is ``block`` itself where nothing has to be moved.
        """
        shape = [math.prod([block.shape[k] for k in ks]) for ks in self.members]
        return np.ascontiguousarray(block.transpose(_order(self.dims)).reshape(shape))


# Asked for each cell again: what does not change costs more than what does.


@lru_cache(maxsize=256)
def _members(dims: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
    names = [a for a in AXES if a in dims or a in "yx"]
    return tuple(tuple(k for k, d in enumerate(dims) if d == a) for a in names)


@lru_cache(maxsize=256)
def _order(dims: tuple[str, ...]) -> tuple[int, ...]:
    """Dimensions in the order of the axes; those without a name are last."""
    order = [k for ks in _members(dims) for k in ks]
    return (*order, *(k for k in range(len(dims)) if k not in order))


@lru_cache(maxsize=4096)
def _grid(sizes: tuple[int, ...], cell: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(-(-s // n) for s, n in zip(sizes, cell, strict=True))


def bands(
    dims: Sequence[str], sizes: Sequence[int], itemsize: int, outer: int = 0, target: int = 1 << 20
) -> tuple[int, ...]:
    """Cells of plain numbers, each one run of bytes of about ``target``: whole inner dimensions, part of one.

    Args:
        dims: The axis of each dimension, slowest first.
        sizes: Length of each dimension.
        itemsize: Bytes of a number.
        outer: Leading dimensions of which each index lies in a place of its own.
        target: Bytes.
    """
    cell = [1] * len(sizes)
    room = max(1, target // itemsize)
    for k in reversed(range(outer, len(sizes))):
        if dims[k] and dims[k] in dims[k + 1 :]:
            if sizes[k] > 1:
                break
        elif dims[k] and dims[k] in dims[:k]:
            cell[k] = next(n for n in range(min(sizes[k], room), 0, -1) if sizes[k] % n == 0)
        else:
            cell[k] = min(sizes[k], room)
        room = max(1, room // cell[k])
        if cell[k] < sizes[k]:
            break
    return tuple(cell)


def owned(block: Block) -> Block:
    """``block``, copied if the memory that it lies in may change, or is much more than it shows.

    Bytes never change: what was read is the block where nothing had to be done to it.
    """
    base: Any = block
    while isinstance(base, np.ndarray) and base.base is not None:
        base = base.base
    if isinstance(base, memoryview):
        base = base.obj
    if not isinstance(base, np.ndarray | bytes):
        return block.copy()
    held = len(base) if isinstance(base, bytes) else base.nbytes
    return block if held <= 1.25 * block.nbytes else block.copy()
