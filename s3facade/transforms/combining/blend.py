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
    """Where tiles overlap, the mean in double precision, weighted with the distance from the edges of each tile.

    Args:
        region: Voxels wanted.
        dtype: Of the blocks and the result; integers are rounded to the nearest, halves to even.
        value: Shown where there is no tile.
        boxes: The box of each tile, and its part in the region.
        blocks: Voxels of these parts.
        space: Which axes have distances.
        even: Whether all weigh the same instead.
    """
    flat = tuple(space)
    out = np.full(region.shape, value, dtype)
    count = np.zeros(_reduced(region.shape, flat), np.uint16)
    for _, part in boxes:
        count[_at(part.slices(region.start), flat)] += 1
    shared = _bounds(region, count > 1, flat)
    total = np.zeros(shared.shape)
    weights = np.zeros(_reduced(shared.shape, flat))
    for (box, part), block in zip(boxes, blocks, strict=True):
        out[part.slices(region.start)] = block
        both = part.intersect(shared)
        if not both.empty:
            weight = np.ones((1,) * len(flat)) if even else _weight(box, both, flat)
            at = both.slices(shared.start)
            total[at] += weight * block[both.slices(part.start)]
            weights[_at(at, flat)] += weight
    if shared.empty:
        return out
    place = shared.slices(region.start)
    several = count[_at(place, flat)] > 1
    np.divide(total, weights, out=total, where=several)
    if dtype.kind in "iu":
        np.rint(total, out=total)
    np.copyto(out[place], total, where=several, casting="unsafe")
    return out


def _reduced(shape: Sequence[int], space: tuple[bool, ...]) -> tuple[int, ...]:
    """One voxel along axes that are not of space: tiles cover all of them."""
    return tuple(n if s else 1 for n, s in zip(shape, space, strict=True))


def _at(slices: tuple[slice, ...], space: tuple[bool, ...]) -> tuple[slice, ...]:
    return tuple(a if s else slice(None) for a, s in zip(slices, space, strict=True))


def _bounds(region: Region, chosen: npt.NDArray[np.bool_], space: tuple[bool, ...]) -> Region:
    """The smallest box with all chosen voxels, along axes of space; empty if there are none."""
    start, stop = list(region.start), list(region.stop)
    for i, has in enumerate(space):
        if has:
            found = np.flatnonzero(chosen.any(tuple(k for k in range(chosen.ndim) if k != i)))
            start[i], stop[i] = (start[i] + int(found[0]), start[i] + int(found[-1]) + 1) if len(found) else (0, 0)
    return Region(tuple(start), tuple(stop))


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
