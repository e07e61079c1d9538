"""How many bytes a copy of keys would have: exact where arithmetic tells, without going through every key."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product
from math import prod

from s3facade.core.errors import SourceError
from s3facade.core.keyspace import Deferred, Dir, File, Grid, Node, Opened
from s3facade.core.named import NamedGrid

FEW = 4096
"""Cells of a grid that are all looked at."""


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes of keys."""

    keys: int = 0
    known: int = 0
    """Bytes of those whose size arithmetic tells."""
    unknown: int = 0
    """Keys whose size only computing tells, or whose image does not open."""

    def __add__(self, other: Size) -> Size:
        return Size(self.keys + other.keys, self.known + other.known, self.unknown + other.unknown)

    def __mul__(self, count: int) -> Size:
        return Size(self.keys * count, self.known * count, self.unknown * count)


def size(node: Node, resolve: Callable[[Deferred], Opened]) -> Size:
    """Of all keys below ``node`` that listings show. Blocking where ``resolve`` opens files."""
    if isinstance(node, Deferred):
        try:
            node = resolve(node)
        except SourceError:
            return Size(1, 0, 1)
    if isinstance(node, File):
        return Size(1, 0, 1) if node.size is None else Size(1, node.size)
    if isinstance(node, Dir):
        found = Size()
        for _, name in node.order:
            child = node.children.get(name)
            found += Size() if child is None else size(child, resolve)
        return found
    return _grid(node)


def _grid(grid: Grid | NamedGrid) -> Size:
    """Cells that lie alike, at the same ends of the same axes, are equally large in grids of many cells."""
    shape = grid.shape if isinstance(grid, Grid) else tuple(map(len, grid.words))
    if prod(shape) <= FEW:
        return _cells(grid, ((index, 1) for index in product(*map(range, shape))))
    ends = [[(0, n)] if n == 1 else [e for e in ((0, 1), (1, n - 2), (n - 1, 1)) if e[1]] for n in shape]
    alike = (tuple(zip(*choice, strict=True)) for choice in product(*ends))
    return _cells(grid, ((index, prod(counts)) for index, counts in alike))


def _cells(grid: Grid | NamedGrid, cells: Iterable[tuple[tuple[int, ...], int]]) -> Size:
    found = Size()
    for index, count in cells:
        nbytes = grid.leaf(index).size
        found += (Size(1, 0, 1) if nbytes is None else Size(1, nbytes)) * count
    return found
