"""Affine resampling of arrays: axis by axis where axes do not mix, else point by point."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from s3facade.core.region import Region
from s3facade.transforms.resampling.mapping import Matrix
from s3facade.transforms.resampling.sampling import (
    PIECE,
    Coordinates,
    Flat,
    Method,
    Points,
    Window,
    along,
    cut,
    flat,
    halves,
    inside,
    points,
    reach,
    real_dtype,
    sample,
    work_dtype,
)

Values = npt.NDArray[Any]
CACHED = 2**18
"""Voxels of the source that are looked up in at once, about."""
_SLAB = 16 * PIECE
"""Voxels that are resampled along an axis at once."""


def extents(matrix: Matrix, region: Region) -> list[tuple[float, float]]:
    """Smallest and largest coordinate per axis of the source; exact."""
    out = []
    for row in matrix:
        low = high = row[-1]
        for m, a, b in zip(row, region.start, region.stop, strict=False):
            ends = (m * a, m * (b - 1))
            low, high = low + min(ends), high + max(ends)
        out.append((low, high))
    return out


def reached(
    matrix: Matrix, region: Region, shape: tuple[int, ...], method: Method, far: tuple[float, ...] = ()
) -> tuple[tuple[int, int], ...] | None:
    """Half-open span of source voxels per axis behind an output box; None if it misses the source of ``shape``.

    ``far`` is where the source ends, as `Window` has it.
    """
    found = cut(extents(matrix, region), Window((0,) * len(shape), shape, shape, far), method)
    return None if found is None else tuple((s.start, s.stop) for s in found.where)


def resampled(planes: Values, matrix: Matrix, region: Region, window: Window, method: Method, outside: float) -> Values:
    """Values of an output box, in the work type or that of ``planes``.

    Args:
        planes: (any, *window.shape): what was read, equally sampled along the first axis.
        matrix: Output voxel indices to source voxel indices, from `mapping.indices`.
        region: The output box.
        window: Where ``planes`` stand in the source.
        method: How values are weighted.
        outside: The value where there is no source.
    """
    order = _single(matrix)
    if order is not None:
        return _separable(planes, matrix, region, window, method, outside, order)
    alone = _alone(matrix)
    if alone is None:
        return _mixed(planes, matrix, region, window, method, outside)
    return _with_one_alone(planes, matrix, region, window, method, outside, alone)


def _single(matrix: Matrix) -> list[int] | None:
    """The one output axis that each source axis follows, if axes do not mix."""
    follows = [[b for b, m in enumerate(row[:-1]) if m != 0] for row in matrix]
    flat_ = [axes[0] for axes in follows if len(axes) == 1]
    return flat_ if len(set(flat_)) == len(matrix) else None


def _alone(matrix: Matrix) -> tuple[int, int] | None:
    """The source and output axis of three that do not mix with the other two."""
    if len(matrix) != 3:
        return None
    for a, row in enumerate(matrix):
        for b in range(3):
            others = [row[k] for k in range(3) if k != b] + [matrix[k][b] for k in range(3) if k != a]
            if not any(others):
                return a, b
    return None


def _line(matrix: Matrix, a: int, b: int, region: Region) -> Coordinates:
    return np.asarray(matrix[a][b] * np.arange(region.start[b], region.stop[b]) + matrix[a][-1], np.float64)


def _whole(matrix: Matrix, a: int) -> bool:
    """Whether all coordinates along source axis ``a`` are those of voxels."""
    return all(float(m).is_integer() for m in matrix[a])


def _separable(
    planes: Values,
    matrix: Matrix,
    region: Region,
    window: Window,
    method: Method,
    outside: float,
    order: list[int],
) -> Values:
    whole = method == "nearest" or all(_whole(matrix, a) for a in range(len(matrix)))
    kind = planes.dtype if whole else work_dtype(planes.dtype)
    # Whole coordinates need no arithmetic, so values too large for it stay as they are.
    method = "nearest" if whole else method
    lines = [_line(matrix, a, b, region) for a, b in enumerate(order)]
    out = np.empty((len(planes), *region.shape), kind)
    # Axes of the output in the order of the source's: written through, not copied again.
    turned = out.transpose(0, *(1 + b for b in order))
    width = max(1, _SLAB // max(1, int(np.prod(window.shape[1:]))))
    for i, plane in enumerate(planes):
        for first in range(0, len(lines[0]), width):
            part = slice(first, first + width)
            low, high = lines[0][part].min(), lines[0][part].max()
            span = reach(float(low), float(high), window.full[0], method, window.end(0))
            if span is None:
                turned[i, part] = outside
                continue
            values = plane[span[0] - window.start[0] : span[1] - window.start[0]]
            if not whole:
                values = values.astype(kind)
            values = along(values, 0, lines[0][part], span[0], window.full[0], method)
            for axis in range(1, len(lines)):
                values = along(values, axis, lines[axis], window.start[axis], window.full[axis], method)
            turned[i, part] = values
    for a, b in enumerate(order):
        missed = ~inside(lines[a], window.full[a], window.end(a))
        if missed.any():
            out[(slice(None),) * (1 + b) + (missed,)] = outside
    return out


def _with_one_alone(
    planes: Values,
    matrix: Matrix,
    region: Region,
    window: Window,
    method: Method,
    outside: float,
    alone: tuple[int, int],
) -> Values:
    """One axis by itself, then planes of the two others, all of which share their coordinates."""
    a, b = alone
    rest_a, rest_b = [k for k in range(3) if k != a], [k for k in range(3) if k != b]
    line = _line(matrix, a, b, region)
    real = real_dtype(planes.dtype)
    start, shape, full = (tuple(getattr(window, key)[k] for k in rest_a) for key in ("start", "shape", "full"))
    part = Window(start, shape, full, tuple(window.end(k) for k in rest_a))
    square = tuple((*(matrix[k][j] for j in rest_b), matrix[k][-1]) for k in rest_a)
    box = Region(tuple(region.start[k] for k in rest_b), tuple(region.stop[k] for k in rest_b))
    places = list(_places(square, box, part, method, real))
    kind = planes.dtype if method == "nearest" else work_dtype(planes.dtype)
    out = np.empty((len(planes), *region.shape), kind)
    stacked = np.moveaxis(out, 1 + b, 1)
    on = inside(line, window.full[a], window.end(a))
    for values, result in zip(np.moveaxis(planes, 1 + a, 1), stacked, strict=True):
        for k, c in enumerate(line):
            if not on[k]:
                result[k] = outside
                continue
            span = reach(float(c), float(c), window.full[a], method, window.end(a))
            assert span is not None  # noqa: S101 - it is inside
            some = values[span[0] - window.start[a] : span[1] - window.start[a]]
            if method != "nearest":
                some = some.astype(kind)
            plane = along(some, 0, line[k : k + 1], span[0], window.full[a], method)[0]
            _fill(result[k], flat(plane, kind, method), places, method, outside)
    return out


def _mixed(planes: Values, matrix: Matrix, region: Region, window: Window, method: Method, outside: float) -> Values:
    kind = planes.dtype if method == "nearest" else work_dtype(planes.dtype)
    out = np.empty((len(planes), *region.shape), kind)
    for part in _parts(matrix, region):
        results = out[(slice(None), *part.slices(region.start))]
        found = cut(extents(matrix, part), window, method)
        if found is None:
            results[...] = outside
            continue
        sources = [flat(plane[found.where], kind, method) for plane in planes]
        for where, at in _places(matrix, part, found.window, method, real_dtype(planes.dtype)):
            for source, result in zip(sources, results, strict=True):
                _fill(result, source, [(where, at)], method, outside)
    return out


def _parts(matrix: Matrix, region: Region) -> Iterator[Region]:
    """The region in parts whose source boxes fit into the processor's cache, and hold less than that of the whole."""
    box = math.prod(high - low + 2 for low, high in extents(matrix, region))
    if box > CACHED and region.size > PIECE:
        for half in halves(region):
            yield from _parts(matrix, half)
    else:
        yield region


def _fill(
    result: Values, source: Flat, places: list[tuple[tuple[slice, ...], Points]], method: Method, outside: float
) -> None:
    for where, at in places:
        values = sample(source, at, method)
        if at.outside is not None:
            values[at.outside] = outside
        result[where] = values


def _places(
    matrix: Matrix, region: Region, window: Window, method: Method, real: np.dtype[Any]
) -> Iterator[tuple[tuple[slice, ...], Points]]:
    """Pieces of an output box: where each stands in the box, and its places in the source."""
    ends = extents(matrix, region)
    edge = any(low < 0 or high > full - 1 for (low, high), full in zip(ends, window.full, strict=True))
    for part in _pieces(region):
        indices = [np.arange(a, b, dtype=np.float64) for a, b in zip(part.start, part.stop, strict=True)]
        at = []
        for row in matrix:
            total: Any = row[-1]
            for axis in range(len(indices)):
                view = (-1,) + (1,) * (len(indices) - 1 - axis)
                total = total + (row[axis] * indices[axis]).reshape(view)
            at.append(total)
        yield part.slices(region.start), points(at, window, method, real, edge=edge)


def _pieces(region: Region) -> Iterator[Region]:
    if region.size > PIECE:
        for half in halves(region):
            yield from _pieces(half)
    else:
        yield region
