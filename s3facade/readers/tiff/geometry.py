"""How the dimensions of a TIFF series become the axes of an image.

A series is stored as pages in order; a page is (separate samples, depth, length, width, contiguous samples).
Several stored dimensions can make one axis: channels and samples both lie along c.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.operators import Block
from s3facade.core.spec import AXES, AxisName

PAGE = 5
"""Dimensions of a page: separate samples, depth, length, width, contiguous samples."""

_DIRECT: dict[str, AxisName] = {"T": "t", "C": "c", "S": "c", "Z": "z", "Y": "y", "X": "x"}
_UNKNOWN = {"I", "Q"}
_MODULO = set("HEAPLVQR")
"""Dimensions that OME's modulo annotation puts behind the axis which they divide."""


@dataclass(frozen=True, slots=True)
class Dim:
    """One stored dimension."""

    size: int
    block: int
    axis: int
    """Index into the axes of the image."""

    @property
    def grid(self) -> int:
        """Number of blocks."""
        return -(-self.size // self.block)


@dataclass(frozen=True, slots=True)
class Geometry:
    """A level's grid: image axes to stored dimensions and back."""

    names: tuple[AxisName, ...]
    dims: tuple[Dim, ...]
    """In storage order; the last `PAGE` are the page's own."""
    shape: tuple[int, ...]
    """Voxels, axes of the image."""
    block: tuple[int, ...]
    """Voxels of a cell, axes of the image."""
    members: tuple[tuple[int, ...], ...]
    """Per axis, the dims it is made of, outermost first."""

    @property
    def pages(self) -> int:
        """Number of pages."""
        return math.prod(d.size for d in self.dims[:-PAGE])

    def locate(self, index: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
        """Page number and block index within the page (5 dims) of grid cell ``index``."""
        at = [0] * len(self.dims)
        for axis, i in enumerate(index):
            for k in reversed(self.members[axis]):
                i, at[k] = divmod(i, self.dims[k].grid)  # noqa: PLW2901 -- mixed-radix digits
        page = 0
        for k in range(len(self.dims) - PAGE):
            page = page * self.dims[k].size + at[k]
        return page, tuple(at[-PAGE:])

    def extent(self, at: tuple[int, ...]) -> tuple[int, ...]:
        """Voxels of page block ``at``, clipped to the page (5 dims)."""
        return tuple(min(d.block, d.size - i * d.block) for d, i in zip(self.dims[-PAGE:], at, strict=True))

    def arrange(self, block: Block, extent: tuple[int, ...]) -> Block:
        """A page block of shape ``extent`` (5 dims) as a C-order array in the axes of the image."""
        first = len(self.dims) - PAGE
        order: list[int] = []
        shape: list[int] = []
        for ks in self.members:
            inner = [k - first for k in ks if k >= first]
            order += inner
            shape.append(math.prod(extent[k] for k in inner))
        order += [k for k in range(PAGE) if k not in order]
        return np.ascontiguousarray(block.reshape(extent).transpose(order).reshape(shape))


def _labels(axes: str, shape: Sequence[int], paged: Sequence[int]) -> list[tuple[str, int]]:
    """Label and size of each stored dimension: outer ones, then the page's five ("" for those of size 1)."""
    items = [(a, n) for a, n in zip(axes, shape, strict=True) if n > 1 or a in "YX"]
    page: list[tuple[str, int]] = []
    for k in reversed(range(PAGE)):
        n, fallback = paged[k], {2: "Y", 3: "X"}.get(k, "")
        if n == 1 and not (fallback and items and items[-1][0] == fallback):
            page.append((fallback, 1))
            continue
        if not items or items[-1][1] != n:
            raise Unsupported(
                f"The TIFF stores its planes in another shape than its metadata say ({axes} {tuple(shape)}); "
                "such images cannot be read."
            )
        page.append(items.pop())
    return items + page[::-1]


def _targets(labels: Sequence[str], *, modulo: bool) -> list[AxisName | None]:
    """The image axis of each stored dimension; None for those without a label.

    A sequence of planes of unknown meaning is shown along z; a sequence of volumes along t.
    """
    known = set(labels)
    out: list[AxisName | None] = []
    for i, label in enumerate(labels):
        target: AxisName | None
        if not label:
            target = None
        elif label in _DIRECT:
            target = _DIRECT[label]
        elif modulo and label in _MODULO and i and out[i - 1] in ("t", "c", "z"):
            target = out[i - 1]
        elif label in _UNKNOWN and sum(label in _UNKNOWN for label in labels) == 1 and not {"Z", "T"} <= known:
            target = "t" if "Z" in known else "z"
        else:
            raise Unsupported(
                f"The TIFF has a dimension of kind {label!r} (stored as {''.join(labels)}); "
                "only t, c, z, y, x and what divides them can be shown."
            )
        out.append(target)
    return out


def _block(dims: Sequence[Dim]) -> int:
    """Cell size along an axis made of ``dims``, outermost first."""
    block, full = 1, True
    for i, d in reversed(list(enumerate(dims))):
        if full:
            if d.size % d.block and any(o.size > 1 for o in dims[:i]):
                raise Unsupported("The TIFF's tiles do not divide its volumes evenly; such a stack cannot be read.")
            block *= d.block
            full = d.block == d.size
        elif d.block != 1:
            raise Unsupported("The TIFF's tiles span parts of several dimensions; such a stack cannot be read.")
    return block


def geometry(
    axes: str, shape: Sequence[int], paged: Sequence[int], blocks: Sequence[int], *, modulo: bool = False
) -> Geometry:
    """Work out the grid of one level.

    Args:
        axes: One tifffile axis code per dimension of the series.
        shape: Voxels per dimension.
        paged: Voxels of one page (5 dims).
        blocks: Voxels of one cell inside a page (5 dims).
        modulo: Whether unknown dimensions divide the one before them, as OME's modulo annotation says.

    Raises:
        Unsupported: The dimensions have no place among t, c, z, y, x.
        BadSource: No voxels at all.
    """
    if not all(shape) or not all(paged):
        raise BadSource("The TIFF holds an image without pixels.")
    labelled = _labels(axes, shape, paged)
    targets = _targets([a for a, _ in labelled], modulo=modulo)
    present = {t for t in targets if t} | {"y", "x"}
    names = tuple(a for a in AXES if a in present)
    outer = len(labelled) - PAGE
    dims: list[Dim] = []
    members: list[list[int]] = [[] for _ in names]
    for k, ((_, n), target) in enumerate(zip(labelled, targets, strict=True)):
        axis = names.index(target) if target else -1
        dims.append(Dim(n, 1 if k < outer else min(n, blocks[k - outer]), axis))
        if target:
            members[axis].append(k)
    # samples are the innermost part of c wherever they are stored
    for name, ks in zip(names, members, strict=True):
        if name == "c":
            ks.sort(key=lambda k: labelled[k][0] == "S")
    parts = [[dims[k] for k in ks] for ks in members]
    return Geometry(
        names,
        tuple(dims),
        tuple(math.prod(d.size for d in p) for p in parts),
        tuple(_block(p) for p in parts),
        tuple(tuple(ks) for ks in members),
    )
