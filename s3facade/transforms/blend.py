"""What is shown where tiles overlap. Each voxel is worked out from its tiles alone, in their order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from s3facade.core.operators import Block
from s3facade.core.region import Region


def visible(parts: Sequence[tuple[int, Region]]) -> list[tuple[int, Region]]:
    """Parts of tiles without those that lie behind an earlier one, or the ends that do; the last tile first."""
    seen: list[tuple[int, Region]] = []
    for number, part in parts:
        for _, front in seen:
            part = _behind(part, front)  # noqa: PLW2901 - cut again and again
            if part.empty:
                break
        else:
            seen.append((number, part))
    return seen[::-1]


def _behind(part: Region, front: Region) -> Region:
    """``part`` without what lies behind ``front``, if the rest is a box."""
    common = part.intersect(front)
    if common.empty:
        return part
    open_axes = [i for i, n in enumerate(common.shape) if n < part.shape[i]]
    if not open_axes:
        return Region(part.start, part.start)
    if len(open_axes) > 1:
        return part
    (i,) = open_axes
    start, stop = list(part.start), list(part.stop)
    if common.start[i] == part.start[i]:
        start[i] = common.stop[i]
    elif common.stop[i] == part.stop[i]:
        stop[i] = common.start[i]
    return Region(tuple(start), tuple(stop))


def covered(
    region: Region, dtype: np.dtype[Any], value: float, parts: Sequence[Region], blocks: Iterator[Block]
) -> Block:
    """Later blocks over earlier ones."""
    out = np.full(region.shape, value, dtype)
    for part, block in zip(parts, blocks, strict=True):
        out[part.slices(region.start)] = block
    return out


def largest(
    region: Region, dtype: np.dtype[Any], value: float, parts: Sequence[Region], blocks: Iterator[Block]
) -> Block:
    """The largest value; NaN counts only where there is nothing else."""
    out = np.full(region.shape, value, dtype)
    seen = np.zeros(region.shape, np.bool_)
    for part, block in zip(parts, blocks, strict=True):
        at = part.slices(region.start)
        target = out[at]
        np.copyto(target, np.where(seen[at], np.fmax(target, block), block))
        seen[at] = True
    return out


def feathered(
    region: Region,
    dtype: np.dtype[Any],
    value: float,
    boxes: Sequence[tuple[Region, Region]],
    blocks: Iterator[Block],
    space: Sequence[bool],
    *,
    even: bool,
) -> Block:
    """The mean in double precision, weighted with the distance of a voxel from the edges of its tile.

    Args:
        region: Voxels wanted.
        dtype: Of the blocks and the result; integers are rounded to the nearest, halves to even.
        value: Shown where there is no tile.
        boxes: The box of each tile, and its part in the region.
        blocks: Voxels of these parts.
        space: Which axes have distances.
        even: Whether all weigh the same instead.
    """
    total = np.zeros(region.shape)
    weights = np.zeros([n if s else 1 for n, s in zip(region.shape, space, strict=True)])
    for (box, part), block in zip(boxes, blocks, strict=True):
        weight = np.ones((1,) * len(space)) if even else _weight(box, part, space)
        at = part.slices(region.start)
        total[at] += weight * block
        weights[tuple(a if s else slice(None) for a, s in zip(at, space, strict=True))] += weight
    known = weights > 0
    np.divide(total, weights, out=total, where=known)
    if dtype.kind in "iu":
        np.rint(total, out=total)
    np.copyto(total, value, where=~known)
    return total.astype(dtype)


def _weight(box: Region, part: Region, space: Sequence[bool]) -> npt.NDArray[np.float64]:
    """The product, over axes of space, of the distance from the nearer edge of the tile, in voxels."""
    weight = np.ones((1,) * len(space))
    for i, (a, b, first, last) in enumerate(zip(part.start, part.stop, box.start, box.stop, strict=True)):
        if space[i]:
            at = np.arange(a, b) + 0.5
            weight = weight * np.minimum(at - first, last - at).reshape(
                [-1 if k == i else 1 for k in range(len(space))]
            )
    return weight
