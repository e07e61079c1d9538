"""Values between voxels: nearest, linear and cubic, at coordinates given per axis or per point.

Every value is worked out from its own coordinates by the same operations in the same order, so it does not depend on
what else is computed with it. An image reaches half a voxel beyond its outer voxel centres; there, the outermost voxel
goes on. Beyond, there is nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from s3facade.core.region import Region

Method = Literal["nearest", "linear", "cubic"]
Floats: TypeAlias = npt.NDArray[np.floating[Any]]
Coordinates: TypeAlias = npt.NDArray[np.float64]
Indices: TypeAlias = npt.NDArray[np.intp]
PIECE = 2**14
"""Points worked on at once: few enough for the processor's cache, enough to forget the calls."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of an image's space axes that was read."""

    start: tuple[int, ...]
    """Index of its first voxel."""
    shape: tuple[int, ...]
    full: tuple[int, ...]
    """Shape of the whole level."""
    ends: tuple[float, ...] = ()
    """Coordinates at which the image ends; default: half a voxel beyond the last centres. A level that leaves out what
    does not fill a block ends before its image does."""

    def end(self, axis: int) -> float:
        """The coordinate at which the image ends."""
        return self.ends[axis] if self.ends else self.full[axis] - 0.5


def work_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type that values of ``dtype`` are weighted in: single precision holds integers of 16 bits exactly."""
    if dtype.kind == "c":
        return np.dtype(np.complex128)
    small = dtype.itemsize <= 2 and dtype.kind in "iuf"
    return np.dtype(np.float32 if small else np.float64)


def real_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type of weights for values of ``dtype``."""
    work = work_dtype(dtype)
    return np.dtype(np.float64) if work.kind == "c" else work


def finish(values: npt.NDArray[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """``values`` as ``dtype``: integers are rounded, halves to even, and end at the limits of the type."""
    if values.dtype == dtype or dtype.kind not in "iu":
        return values.astype(dtype, copy=False)
    info = np.iinfo(dtype)
    np.rint(values, out=values)
    # The nearest float may lie above the largest integer of 32 or 64 bits.
    high = np.nextafter(values.dtype.type(info.max), 0) if int(values.dtype.type(info.max)) > info.max else info.max
    np.clip(values, info.min, high, out=values)
    return values.astype(dtype)


def reach(low: float, high: float, full: int, method: Method, end: float | None = None) -> tuple[int, int] | None:
    """Half-open span of voxels that coordinates from ``low`` to ``high`` are worked out from; None outside."""
    if high < -0.5 or low >= (full - 0.5 if end is None else end):
        return None
    low, high = min(max(low, 0.0), full - 1.0), min(max(high, 0.0), full - 1.0)
    if method == "nearest":
        first, last = int(np.floor(low + 0.5)), int(np.floor(high + 0.5))
    elif method == "linear":
        first, last = int(np.floor(low)), int(np.ceil(high))
    else:
        first, last = int(np.floor(low)) - 1, int(np.floor(high)) + 2
    return max(first, 0), min(last, full - 1) + 1


def inside(coordinates: Coordinates, full: int, end: float | None = None) -> npt.NDArray[np.bool_]:
    """Where coordinates lie on the image."""
    return (coordinates >= -0.5) & (coordinates < (full - 0.5 if end is None else end))


def along(values: npt.NDArray[Any], axis: int, at: Coordinates, start: int, full: int, method: Method) -> Any:
    """One axis resampled at the coordinates ``at`` (1-D): of ``values``, whose index 0 there is voxel ``start``.

    Values keep their type where all of ``at`` is whole or ``method`` is nearest; else they are in their work type.
    """
    at = np.clip(at, 0, full - 1)
    if method == "nearest":
        return _taken(values, axis, np.floor(at + 0.5) - start)
    low = np.floor(at)
    part = at - low
    work = values.dtype if values.dtype.kind in "fc" else work_dtype(values.dtype)
    view = (-1,) + (1,) * (values.ndim - 1 - axis)
    if method == "linear":
        first = _taken(values, axis, low - start).astype(work, copy=False)
        out = _taken(values, axis, np.ceil(at) - start).astype(work, copy=False)
        with np.errstate(invalid="ignore", over="ignore"):
            out -= first
        # Infinity less infinity is not 0, but where the coordinate is whole it has no weight.
        out[(slice(None),) * axis + (part == 0,)] = 0
        out *= part.astype(work, copy=False).reshape(view)
        out += first
        return out
    total: Any = None
    for tap, weight in enumerate(keys(part)):
        # Whole coordinates read their own voxel alone.
        index = np.where(part == 0, low, np.clip(low + (tap - 1), 0, full - 1))
        term = _taken(values, axis, index - start).astype(work, copy=False)
        term *= weight.astype(work, copy=False).reshape(view)
        total = term if total is None else np.add(total, term, out=total)
    return total


def _taken(values: npt.NDArray[Any], axis: int, index: Coordinates) -> npt.NDArray[Any]:
    where = index.astype(np.intp)
    if where.size == values.shape[axis] and np.array_equal(where, np.arange(where.size)):
        return values.copy()
    return values.take(where, axis=axis)


def keys(part: Floats) -> tuple[Floats, ...]:
    """Weights of the four voxels around a fraction: cubic convolution after Keys, a = -1/2."""
    t = part
    return (
        ((-0.5 * t + 1) * t - 0.5) * t,
        (1.5 * t - 2.5) * t * t + 1,
        ((-1.5 * t + 2) * t + 0.5) * t,
        (0.5 * t - 0.5) * t * t,
    )


@dataclass(frozen=True, slots=True)
class Points:
    """Places in a flat window: the voxel below each, and what is needed to weight its neighbours."""

    base: Indices
    parts: tuple[Floats, ...]
    """Fractions per axis; none for nearest."""
    steps: tuple[int, ...]
    """Voxels of the flat window per step of each axis."""
    taps: tuple[tuple[Indices, ...], ...] = ()
    """Cubic: four offsets per axis."""
    outside: npt.NDArray[np.bool_] | None = None


def points(at: Sequence[Coordinates], window: Window, method: Method, work: np.dtype[Any], *, edge: bool) -> Points:
    """Places at coordinates ``at``: one array per axis, equal shapes. May change them.

    Args:
        at: Coordinates in voxels of the level.
        window: What was read.
        method: How values are weighted.
        work: Real type of the weights.
        edge: Whether some coordinates may lie beyond the outer voxel centres.
    """
    steps = tuple(int(np.prod(window.shape[i + 1 :])) for i in range(len(at)))
    out: npt.NDArray[np.bool_] | None = None
    flat: Coordinates | None = None
    parts: list[Floats] = []
    taps: list[tuple[Indices, ...]] = []
    for axis, (c, full, step) in enumerate(zip(at, window.full, steps, strict=True)):
        if edge:
            on = inside(c, full, window.end(axis))
            if not on.all():
                out = ~on if out is None else out | ~on
            np.clip(c, 0, full - 1, out=c)
        if method == "nearest":
            np.add(c, 0.5, out=c)
        low = np.floor(c)
        if method != "nearest":
            parts.append(np.subtract(c, low, out=np.empty(c.shape, work), casting="same_kind"))
        if method == "cubic":
            taps.append(_offsets(c, low, full, step))
        if step != 1:
            low *= step
        flat = low if flat is None else np.add(flat, low, out=flat)
    assert flat is not None  # noqa: S101 - an image has axes
    flat -= sum(start * step for start, step in zip(window.start, steps, strict=True))
    return Points(flat.astype(np.intp), tuple(parts), steps, tuple(taps), out)


def _offsets(c: Coordinates, low: Coordinates, full: int, step: int) -> tuple[Indices, ...]:
    whole = c == low
    made = []
    for tap in range(-1, 3):
        offset = np.clip(low + tap, 0, full - 1) - low
        offset[whole] = 0
        made.append((offset * step).astype(np.intp))
    return tuple(made)


@dataclass(frozen=True, slots=True)
class Flat:
    """A window's values in C order, ready to be looked up."""

    values: npt.NDArray[Any]
    paired: npt.NDArray[Any] | None
    """Each value with the next one, as a complex number: one look-up for two."""
    finite: bool
    """Whether a weight of 0 hides any of the values."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A part of a window that holds all that some coordinates need."""

    window: Window
    where: tuple[slice, ...]


def cut(ends: Sequence[tuple[float, float]], window: Window, method: Method) -> Cut | None:
    """The part of ``window`` for coordinates between ``ends``, one pair per axis; None if they miss it."""
    spans = []
    each = zip(ends, window.full, window.start, window.shape, strict=True)
    for axis, ((low, high), full, start, size) in enumerate(each):
        first, last = reach(low, high, full, method, window.end(axis)) or (0, 0)
        first, last = max(first, start), min(last, start + size)
        if first >= last:
            return None
        spans.append((first, last))
    begin = tuple(a for a, _ in spans)
    where = tuple(slice(a - o, b - o) for (a, b), o in zip(spans, window.start, strict=True))
    return Cut(Window(begin, tuple(b - a for a, b in spans), window.full, window.ends), where)


def halves(region: Region) -> tuple[Region, Region]:
    """A region cut in the middle of its longest axis."""
    axis = max(range(len(region.shape)), key=lambda a: region.shape[a])
    middle = region.start[axis] + region.shape[axis] // 2
    first = tuple(middle if i == axis else b for i, b in enumerate(region.stop))
    second = tuple(middle if i == axis else a for i, a in enumerate(region.start))
    return Region(region.start, first), Region(second, region.stop)


def flat(values: npt.NDArray[Any], work: np.dtype[Any], method: Method) -> Flat:
    """A window of an image for `sample`."""
    if method == "nearest":
        return Flat(values.reshape(-1), None, finite=True)
    finite = values.dtype.kind in "iub" or bool((np.abs(values) < _LARGE.get(values.dtype.itemsize, 1e300)).all())
    # Adding 0 turns -0 into 0, whose sign would else depend on neighbours of weight 0.
    line = np.add(values, 0, dtype=work).reshape(-1)
    if method != "linear" or line.dtype.kind == "c":
        return Flat(line, None, finite)
    paired = np.empty(line.size, np.result_type(work, np.complex64))
    paired.real = line
    paired.imag[:-1] = line[1:]
    paired.imag[-1] = line[-1]
    return Flat(line, paired, finite)


_LARGE = {2: 6e4, 4: 1e37}
"""Below this no difference overflows in the work type."""


def sample(source: Flat, at: Points, method: Method) -> npt.NDArray[Any]:
    """Values at ``at``, in the work type (nearest: the type of the source), one per point."""
    if method == "nearest":
        return source.values.take(at.base, mode="clip")
    # Functions inside functions that call themselves would keep the voxels alive until garbage is collected.
    if method == "cubic":
        return _cubic(source.values, at, at.base, 0)
    if source.paired is None or not source.finite:
        ups = [np.where(part > 0, step, 0) for part, step in zip(at.parts, at.steps, strict=True)]
        return _linear(source.values, at, ups, at.base, 0)
    return _paired(source.paired, at, at.base, 0)


def _paired(values: npt.NDArray[Any], at: Points, base: Indices, axis: int) -> npt.NDArray[Any]:
    """Linear, two values a look-up: a neighbour of weight 0 may be any voxel, for its value is finite."""
    if axis == len(at.parts) - 1:
        pair = values.take(base, mode="clip")
        out: npt.NDArray[Any] = pair.imag - pair.real
        out *= at.parts[axis]
        out += pair.real
        return out
    first = _paired(values, at, base, axis + 1)
    second = _paired(values, at, base + at.steps[axis], axis + 1)
    second -= first
    second *= at.parts[axis]
    second += first
    return second


def _linear(values: npt.NDArray[Any], at: Points, ups: Sequence[Indices], base: Indices, axis: int) -> npt.NDArray[Any]:
    """Linear, for values among which there are NaN or infinity: those of weight 0 are not looked at."""
    if axis == len(ups):
        return values.take(base, mode="clip")
    first = _linear(values, at, ups, base, axis + 1)
    second = _linear(values, at, ups, base + ups[axis], axis + 1)
    with np.errstate(invalid="ignore", over="ignore"):
        second -= first
        second[at.parts[axis] == 0] = 0
        second *= at.parts[axis]
        second += first
    return second


def _cubic(values: npt.NDArray[Any], at: Points, base: Indices, axis: int) -> npt.NDArray[Any]:
    if axis == len(at.parts):
        return values.take(base, mode="clip")
    total: npt.NDArray[Any] | None = None
    for offset, weight in zip(at.taps[axis], keys(at.parts[axis]), strict=True):
        term = _cubic(values, at, base + offset, axis + 1)
        term *= weight
        total = term if total is None else np.add(total, term, out=total)
    assert total is not None  # noqa: S101 - four terms
    return total
