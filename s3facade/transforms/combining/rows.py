"""Images one behind the other along an axis, which some or all of them may not have yet."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from s3facade.core.operators import Block, Need
from s3facade.core.region import Region
from s3facade.core.spec import AXES, Axis, Level, Spec


@dataclass(frozen=True, slots=True)
class Row:
    """Which image stands where."""

    axis: int
    """Of the result."""
    name: str
    parts: tuple[int | None, ...]
    """Numbers of images; None where a constant stands, one voxel long."""
    starts: tuple[tuple[int, ...], ...]
    """By level: the first voxel of each part, and the end of the last."""


def row(sources: Sequence[Spec], name: str, parts: Sequence[int | None], levels: int) -> Row:
    """The parts in their order, at the first ``levels`` levels."""
    axis = sum(n in sources[0].names for n in AXES[: AXES.index(name)])
    lengths = [[1 if p is None else sources[p].length(name, k) for p in parts] for k in range(levels)]
    return Row(axis, name, tuple(parts), tuple(tuple(accumulate(each, initial=0)) for each in lengths))


def seamless(sources: Sequence[Spec], name: str, parts: Sequence[int | None], levels: int) -> int:
    """How many levels stay in place when images are joined: those whose voxels end where the images end."""
    lengthy = [sources[p] for p in parts if p is not None and name in sources[p].names]
    for k in range(1, levels if lengthy else 0):
        for number, spec in enumerate(lengthy):
            i = spec.names.index(name)
            fine, here = spec.levels[0], spec.levels[k]
            whole = fine.shape[i] * fine.scale[i] - here.shape[i] * here.scale[i]
            shift = (here.origin[i] - fine.origin[i]) - (
                lengthy[0].levels[k].origin[i] - lengthy[0].levels[0].origin[i]
            )
            if (number < len(lengthy) - 1 and abs(whole) > 1e-6 * fine.scale[i]) or abs(shift) > 1e-6 * fine.scale[i]:
                return k
    return levels


def joined(
    sources: Sequence[Spec], about: Row, axis: Axis, scale: float, origin: float
) -> tuple[tuple[Axis, ...], list[Level]]:
    """Axes and levels of the result: other axes as those of the first image, and as long as those of the longest.

    Args:
        sources: The images.
        about: The row.
        axis: The axis that it stands along.
        scale: Units per voxel of the finest level.
        origin: Where the first voxel of the finest level is.
    """
    having = next((spec for spec in sources if axis.name in spec.names), None)
    first, at = sources[0], about.axis
    names = [name for name in first.names if name != axis.name]
    axes = [a for a in first.axes if a.name != axis.name]
    axes.insert(at, axis)
    levels = []
    for k, starts in enumerate(about.starts):
        level, stay = first.levels[k], [first.names.index(name) for name in names]
        shape = [max(spec.length(name, k) for spec in sources) for name in names]
        blocks = [min(level.block[i], n) for i, n in zip(stay, shape, strict=True)]
        scales, origins = ([values[i] for i in stay] for values in (level.scale, level.origin))
        step, shift, block = 1.0, 0.0, 1
        if having is not None:
            i = having.names.index(axis.name)
            fine, here = having.levels[0], having.levels[k]
            step, shift = here.scale[i] / fine.scale[i], (here.origin[i] - fine.origin[i]) / fine.scale[i]
            block = min(here.block[i], starts[-1])
        for values, value in ((shape, starts[-1]), (blocks, block)):
            values.insert(at, value)
        for lengths, length in ((scales, scale * step), (origins, origin + scale * shift)):
            lengths.insert(at, length)
        levels.append(Level(tuple(shape), tuple(scales), tuple(origins), tuple(blocks)))
    return tuple(axes), levels


@dataclass(frozen=True, slots=True)
class _Piece:
    number: int | None
    need: Need | None
    """None where there is nothing of the image."""
    place: tuple[slice, ...]
    """Of the part in the region."""
    filled: tuple[slice, ...]
    """Of what there is of the image in that part."""


def _within(about: Row, sources: Sequence[Spec], level: int, region: Region) -> Iterator[_Piece]:
    """The parts that a region touches, in order."""
    axis, starts = about.axis, about.starts[level]
    first, last = region.start[axis], region.stop[axis]
    for n in range(bisect_right(starts, first) - 1, len(about.parts)):
        begin, end = starts[n], starts[n + 1]
        if begin >= last:
            return
        a, b = max(first, begin), min(last, end)
        place = (*(slice(None),) * axis, slice(a - first, b - first))
        number = about.parts[n]
        if number is None:
            yield _Piece(None, None, place, ())
            continue
        spec = sources[number]
        bare = about.name not in spec.names
        start, stop = list(region.start), list(region.stop)
        start[axis : axis + 1] = [] if bare else [a - begin]
        stop[axis : axis + 1] = [] if bare else [b - begin]
        box = Region(tuple(start), tuple(stop)).clip(spec.levels[level].shape)
        filled = list(box.slices(tuple(start)))
        if bare:
            filled.insert(axis, slice(None))
        yield _Piece(number, None if box.empty else Need(level, box), place, tuple(filled))


def row_needs(about: Row, sources: Sequence[Spec], level: int, region: Region) -> list[tuple[int, Need]]:
    """What a region is made of; a part that follows itself is read once."""
    found: list[tuple[int, Need]] = []
    for piece in _within(about, sources, level, region):
        if piece.number is not None and piece.need is not None:
            pair = (piece.number, piece.need)
            if not found or found[-1] != pair:
                found.append(pair)
    return found


def row_apply(
    about: Row, sources: Sequence[Spec], level: int, region: Region, blocks: Iterator[Block], value: float
) -> Block:
    """The region from the blocks of `row_needs`; ``value`` where there is no image."""
    out = np.empty(region.shape, sources[0].dtype)
    last: tuple[int, Need] | None = None
    block: Block | None = None
    for piece in _within(about, sources, level, region):
        target = out[piece.place]
        if piece.number is None or piece.need is None:
            target[...] = value
            continue
        if last != (piece.number, piece.need):
            last, block = (piece.number, piece.need), next(blocks)
        if block is None:
            raise ValueError("an image of the row was not read")
        inner = target[piece.filled]
        if inner.shape != target.shape:
            target[...] = value
        inner[...] = block.reshape(inner.shape)
    return out
