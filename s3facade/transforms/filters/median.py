"""The median of a box of neighbours: takes away single bright or dark voxels, and keeps edges."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, product
from typing import ClassVar

import numpy as np

from s3facade.core.errors import Unsupported
from s3facade.core.extents import Extents, in_voxels
from s3facade.core.operators import Block, Need
from s3facade.core.region import Region, cells
from s3facade.core.spec import Spec
from s3facade.transforms.filters.neighbours import Edges, grown
from s3facade.transforms.values.common import changed, quantities

_PADDING = {"nearest": "edge", "reflect": "symmetric", "mirror": "reflect", "constant": "constant"}
"""Names that numpy has for edges."""
PIECE = 1 << 16
"""Bytes of the result that are worked on at once: what stands between steps stays in the processor's cache."""
SMALL = 64
"""Voxels of a box up to which minima and maxima of whole rows are quicker than sorting each box."""
SORTED = 1 << 18
"""Voxels of boxes that are sorted at once."""
MOST = 10_000
"""Voxels of a box: a unit mistaken must not keep a core busy for days."""


@dataclass(frozen=True, slots=True)
class Median:
    """Every voxel becomes the median of a box around it; a box that holds NaN becomes NaN.

    The box has 2r + 1 voxels along an axis, where r is the radius in voxels, rounded.
    """

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = True
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    radius: Extents = (("y", 1.0, "px"), ("x", 1.0, "px"))
    """How far the box reaches: along every space axis (`2 um`, `1 px`) or those named; default: 3 x 3 voxels."""
    edges: Edges = "nearest"
    """What lies beyond the image."""
    approximate: bool = False
    """Act on the image's own levels instead of computing levels of the result."""

    def spec(self, source: Spec) -> Spec:
        """``source``, of the same type. Raises `Unsupported`."""
        quantities(source, "median")
        reaches = self._reach(source, 0)
        if (count := math.prod(2 * r + 1 for r in reaches)) > MOST:
            raise Unsupported(
                f"`radius` makes a box of {count} voxels, more than {MOST}; check its unit, or `downsample` before."
            )
        return changed(source, source.dtype, None, approximate=self.approximate, keep=True)

    def need(self, source: Spec, level: int, region: Region) -> Need:
        """The box and its radius around it."""
        return grown(source, level, region, self._reach(source, level))

    def apply(self, source: Spec, level: int, region: Region, block: Block | None) -> Block:
        """Medians, exact."""
        if block is None:
            raise ValueError("a filter needs the voxels of its source")
        reaches = self._reach(source, level)
        box = self.need(source, level, region).region
        if not any(reaches):
            return block
        return _medians(_padded(block, box, region, reaches, self.edges), region.shape, reaches)

    def _reach(self, source: Spec, level: int) -> tuple[int, ...]:
        return tuple(round(r) for r in in_voxels(self.radius, source, level, "radius"))


def _padded(block: Block, box: Region, region: Region, reaches: tuple[int, ...], edges: Edges) -> Block:
    """The block with what lies beyond the image, so that every voxel of ``region`` has its whole box."""
    ends = zip(reaches, box.start, region.start, region.stop, box.stop, strict=True)
    padding = [(r - (b - a), r - (d - c)) for r, a, b, c, d in ends]
    if any(side for pair in padding for side in pair):
        return np.pad(block, padding, _PADDING[edges])  # type: ignore[call-overload, no-any-return]
    return block


def _medians(padded: Block, shape: tuple[int, ...], reaches: tuple[int, ...]) -> Block:
    """Medians of all boxes: of small ones by minima and maxima of whole rows, quicker than sorting them, by far."""
    if math.prod(2 * r + 1 for r in reaches) > SMALL:
        return _selected(padded, shape, reaches)
    out = np.empty(shape, padded.dtype)
    offsets = list(product(*(range(2 * r + 1) for r in reaches)))
    for _, unclipped in cells(Region.whole(shape), _piece(shape, padded.itemsize)):
        piece = unclipped.clip(shape)
        moved = (
            padded[tuple(slice(s.start + o, s.stop + o) for s, o in zip(piece.slices(), offset, strict=True))]
            for offset in offsets
        )
        out[piece.slices()] = _median(moved, len(offsets))
    return out


def _selected(padded: Block, shape: tuple[int, ...], reaches: tuple[int, ...]) -> Block:
    """Medians of all boxes, one box after the other."""
    sizes = tuple(2 * r + 1 for r in reaches)
    count = math.prod(sizes)
    boxes = np.lib.stride_tricks.sliding_window_view(padded, sizes)
    out = np.empty(shape, padded.dtype)
    # NumPy sorts bytes one by one, wider integers many at a time.
    wide = np.dtype(f"{padded.dtype.kind}2") if padded.itemsize == 1 else padded.dtype
    ends = [count // 2, count - 1] if padded.dtype.kind == "f" else [count // 2]
    for _, unclipped in cells(Region.whole(shape), _piece(shape, max(1, PIECE * count // SORTED))):
        piece = unclipped.clip(shape)
        rows = boxes[piece.slices()].reshape(-1, count).astype(wide)
        rows.partition(ends, axis=-1)
        middle = rows[:, count // 2]
        if padded.dtype.kind == "f":
            # NaN is sorted behind everything else.
            middle = np.where(np.isnan(rows[:, -1]), rows[:, -1], middle)
        out[piece.slices()] = middle.reshape(piece.shape)
    return out


def _piece(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Whole rows, planes and volumes of about `PIECE` bytes."""
    sizes: list[int] = []
    nbytes = itemsize
    for n in reversed(shape):
        sizes.append(min(n, max(1, PIECE // nbytes)))
        nbytes *= n
    return tuple(reversed(sizes))


def _median(values: Iterator[Block], count: int) -> Block:
    """The median of an odd number of arrays, voxel by voxel; NaN where one is NaN.

    Of any count // 2 + 2 of them, neither the least nor the greatest can be the median: both are dropped, and the next
    one comes in.
    """
    held = list(islice(values, count // 2 + 2))
    while len(held) > 2:
        half = len(held) // 2
        for i in range(half):
            _exchange(held, i, -1 - i)
        # The least is now among the first half, the greatest among the last; an odd one in the middle may be either.
        for i in range(1, len(held) - half):
            _exchange(held, 0, i)
        for i in range(half, len(held) - 1):
            _exchange(held, i, -1)
        held = held[1:-1]
        held.extend(islice(values, 1))
    return held[0]


def _exchange(held: list[Block], i: int, j: int) -> None:
    """The lesser to the place ``i``, the greater to ``j``."""
    held[i], held[j] = np.minimum(held[i], held[j]), np.maximum(held[i], held[j])
