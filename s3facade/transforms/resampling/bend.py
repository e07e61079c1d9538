"""The operator behind displacement fields, and chains of them with affine maps: interpolated once, however long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from s3facade.core.errors import Unsupported
from s3facade.core.image import Image, Source, derive
from s3facade.core.operators import Block, Need
from s3facade.core.region import Region
from s3facade.core.spec import Level, Spec
from s3facade.transforms.described import PLANES, kept
from s3facade.transforms.resampling.mapping import Matrix, bounds, compose, identity, inverse
from s3facade.transforms.resampling.onto import Grid, Onto, grid_of, grid_onto, space_names
from s3facade.transforms.resampling.outlook import View, level_of, views
from s3facade.transforms.resampling.parameters.vectors import Field, limits, read
from s3facade.transforms.resampling.sampling import (
    PIECE,
    Coordinates,
    Method,
    Window,
    along,
    cut,
    finish,
    flat,
    halves,
    inside,
    points,
    reach,
    real_dtype,
    sample,
    work_dtype,
)
from s3facade.transforms.resampling.warp import Warp, check, ends, method_for, prepared, warped

Step: TypeAlias = Matrix | Field
Box: TypeAlias = tuple[tuple[float, float], ...]
_FINE = 2.0**24
"""Coordinates are multiples of 1/this of a voxel, so that rounding on the way does not show."""
_SLACK = 1e-6
"""Voxels by which bounds are widened, for roundings on the way."""
_NOWHERE = -1e9
VECTORS = 2**18
"""Vectors of a field that are held at once, about."""


@dataclass(frozen=True, slots=True)
class Bend:
    """Values of the source at the places that a chain of maps leads to from the output's voxel centres."""

    version: ClassVar[int] = 2
    keep: ClassVar[bool] = True

    steps: tuple[Step, ...]
    """From the output to the source, the first one applied first; axis units, space axes in the image's order."""
    grid: Grid
    """The output's finest level, space axes."""
    method: Method
    outside: float = 0.0
    """The value of voxels whose place is not on the source."""
    files: tuple[Source, ...] = ()

    @property
    def matrix(self) -> Matrix:
        """The chain without its fields: how much it stretches by and large."""
        matrix = identity(len(self.grid.shape))
        for step in self.steps:
            matrix = matrix if isinstance(step, Field) else compose(matrix, step)
        return matrix

    def spec(self, source: Spec) -> Spec:
        """``source`` on the new grid.

        Raises:
            Unsupported: ``outside`` is not a value of the image's type, or names would be interpolated.
        """
        check(source, self.method, self.outside)
        levels = tuple(level_of(view, source.axes, source.levels[0]) for view in _views(self, source.levels))
        return replace(source, levels=levels, attrs=kept(source, PLANES))

    def need(self, source: Spec, level: int, region: Region) -> Need | None:
        """The box around all places that vectors of the touched parts of fields can lead to."""
        view = _views(self, source.levels)[level]
        ahead = len(source.axes) - len(self.grid.shape)
        space = Region(region.start[ahead:], region.stop[ahead:])
        box = self._boxes(_ends(view.grid, space))[-1]
        spans = []
        base = grid_of(source.levels[view.source], len(box))
        far = ends(source.levels, view.source, len(box))
        each = zip(box, base.scale, base.origin, base.shape, far, strict=True)
        for (low, high), scale, origin, full, end in each:
            span = reach((low - origin) / scale - _SLACK, (high - origin) / scale + _SLACK, full, self.method, end)
            if span is None:
                return None
            spans.append(span)
        start = region.start[:ahead] + tuple(a for a, _ in spans)
        return Need(view.source, Region(start, region.stop[:ahead] + tuple(b for _, b in spans)))

    def apply(self, source: Spec, level: int, region: Region, block: Block | None) -> Block:
        """Voxels of ``region``: ``outside`` where there is no source behind them."""
        out = np.full(region.shape, self.outside, source.dtype)
        need = self.need(source, level, region)
        if block is None or need is None:
            return out
        view = _views(self, source.levels)[level]
        base = grid_of(source.levels[view.source], len(self.grid.shape))
        ahead = len(source.axes) - len(base.shape)
        far = ends(source.levels, view.source, len(base.shape))
        window = Window(need.region.start[ahead:], need.region.shape[ahead:], base.shape, far)
        kind = source.dtype if self.method == "nearest" else work_dtype(source.dtype)
        planes = block.reshape(-1, *window.shape)
        results = out.reshape(-1, *region.shape[ahead:])
        space = Region(region.start[ahead:], region.stop[ahead:])
        for part, places in self._places(view.grid, space):
            at = [_snapped((p - o) / s) for p, o, s in zip(places, base.origin, base.scale, strict=True)]
            held = cut([(float(a.min()), float(a.max())) for a in at], window, self.method)
            if held is None:
                continue
            found = points(at, held.window, self.method, real_dtype(source.dtype), edge=True)
            where = part.slices(space.start)
            for plane, result in zip(planes, results, strict=True):
                values = sample(flat(plane[held.where], kind, self.method), found, self.method)
                if found.outside is not None:
                    values[found.outside] = self.outside
                result[where] = finish(values, source.dtype)
        return out

    def _boxes(self, box: Box) -> list[Box]:
        """Bounds of the coordinates before each step and behind the last."""
        out = [box]
        for step in self.steps:
            out.append(_behind(step, out[-1]) if isinstance(step, Field) else bounds(step, out[-1]))
        return out

    def _places(self, grid: Grid, space: Region) -> Iterator[tuple[Region, list[Coordinates]]]:
        """The region in parts, with the source coordinates (axis units) of their points."""
        boxes = self._boxes(_ends(grid, space))
        held = sum(_touched(step, box).size for step, box in zip(self.steps, boxes, strict=False) if _field(step))
        if space.size > 1 and (held > VECTORS or space.size > 2 * PIECE):
            for half in halves(space):
                yield from self._places(grid, half)
            return
        spans = zip(grid.origin, grid.scale, space.start, space.stop, strict=True)
        axes: list[Coordinates] = [np.asarray(o + s * np.arange(a, b), np.float64) for o, s, a, b in spans]
        places: Sequence[Coordinates] = np.meshgrid(*axes, indexing="ij")
        for i, (step, box) in enumerate(zip(self.steps, boxes, strict=False)):
            if not isinstance(step, Field):
                places = _mapped(step, places)
            elif i == 0 and _straight(step):
                places = _displaced_along(step, box, axes, places)
            else:
                places = _displaced(step, box, places)
        yield space, list(places)


def bent(
    image: Image,
    steps: tuple[Step, ...],
    onto: Onto | None,
    method: Method | None,
    outside: float,
    files: tuple[Source, ...] = (),
) -> Image:
    """``image`` through a chain of maps; one without fields is the exact affine one.

    Raises:
        Unsupported: It cannot be warped so.
    """
    source = image.spec
    steps = _merged(steps, len(space_names(source)))
    own = grid_of(source.levels[0], len(space_names(source)))
    onto = onto or Onto()
    box = None
    if onto.fit:
        if any(isinstance(step, Field) for step in steps):
            raise Unsupported(
                "`onto: {fit: true}` is for affine maps; write `spacing`, `shape` and `origin` for fields."
            )
        box = bounds(inverse(_merged(steps, len(own.shape))[0]), own.corners)  # type: ignore[arg-type]
    grid = grid_onto(source, onto, box)
    chosen = method_for(source, method)
    files = tuple(dict.fromkeys((*files, *(step.source for step in steps if isinstance(step, Field)))))
    if len(steps) == 1 and not isinstance(steps[0], Field):
        return warped(image, Warp(steps[0], grid, chosen, outside, files))
    bend = Bend(steps, grid, chosen, outside, files)
    check(source, chosen, outside)
    return derive(prepared(image, bend.matrix, grid, chosen), bend)


def _merged(steps: tuple[Step, ...], count: int) -> tuple[Step, ...]:
    """Neighbouring affine maps made into one."""
    out: list[Step] = []
    for step in steps or (identity(count),):
        last = out[-1] if out else None
        if isinstance(step, Field) or last is None or isinstance(last, Field):
            out.append(step)
        else:
            out[-1] = compose(last, step)
    return tuple(out)


@lru_cache(maxsize=256)
def _views(bend: Bend, levels: tuple[Level, ...]) -> tuple[View, ...]:
    return views(levels, bend.matrix, bend.grid)


def _field(step: Step) -> bool:
    return isinstance(step, Field)


def _ends(grid: Grid, space: Region) -> Box:
    each = zip(grid.origin, grid.scale, space.start, space.stop, strict=True)
    return tuple((o + s * a, o + s * (b - 1)) for o, s, a, b in each)


@lru_cache(maxsize=256)
def _unplaced(field: Field) -> Matrix:
    return inverse(field.placed)


def _touched(step: Step, box: Box) -> Region:
    """The vectors of a field that places in ``box`` are interpolated from; empty if none."""
    if not isinstance(step, Field):
        return Region((0,), (0,))
    spans = []
    for (low, high), full in zip(bounds(_unplaced(step), box), step.shape, strict=True):
        spans.append(reach(low - _SLACK, high + _SLACK, full, "linear") or (0, 0))
    return Region(tuple(a for a, _ in spans), tuple(b for _, b in spans))


def _behind(field: Field, box: Box) -> Box:
    part = _touched(field, box)
    if part.empty:
        return box
    found = limits(field, part)
    if field.absolute:
        return found
    reached = bounds(_unplaced(field), box)
    beyond = any(a < -0.5 or b >= n - 0.5 for (a, b), n in zip(reached, field.shape, strict=True))
    if beyond:
        found = tuple((min(a, 0.0), max(b, 0.0)) for a, b in found)
    return tuple((low + a, high + b) for (low, high), (a, b) in zip(box, found, strict=True))


def _mapped(matrix: Matrix, places: Sequence[Coordinates]) -> list[Coordinates]:
    out = []
    for row in matrix:
        total: npt.NDArray[Any] = np.full(places[0].shape, row[-1])
        for m, place in zip(row, places, strict=False):
            if m:
                total = total + m * place
        out.append(total)
    return out


def _displaced(field: Field, box: Box, places: Sequence[Coordinates]) -> Sequence[Coordinates]:
    part = _touched(field, box)
    if part.empty:
        return [np.full(p.shape, np.nan) for p in places] if field.absolute else places
    at = _mapped(_unplaced(field), places)
    for axis in at:
        axis[np.isnan(axis)] = _NOWHERE
    window = Window(part.start, part.shape, field.shape)
    here = points(at, window, "linear", np.dtype(np.float64), edge=True)
    moved = []
    for place, component in zip(places, read(field, part), strict=True):
        values = sample(flat(component, np.dtype(np.float64), "linear"), here, "linear")
        if field.absolute:
            if here.outside is not None:
                values[here.outside] = np.nan
        else:
            if here.outside is not None:
                values[here.outside] = 0
            values += place
        moved.append(values)
    return moved


def _straight(field: Field) -> bool:
    """Whether the field's axes are those of the image."""
    return all(m == 0 for a, row in enumerate(field.placed) for b, m in enumerate(row[:-1]) if a != b)


def _displaced_along(
    field: Field, box: Box, axes: Sequence[Coordinates], places: Sequence[Coordinates]
) -> Sequence[Coordinates]:
    """As `_displaced` for places on a grid along the field's axes: interpolated one axis after the other."""
    part = _touched(field, box)
    if part.empty:
        return [np.full(p.shape, np.nan) for p in places] if field.absolute else places
    vectors = read(field, part)
    for axis, (line, row) in enumerate(zip(axes, _unplaced(field), strict=True)):
        at = row[axis] * line + row[-1]
        vectors = along(vectors, axis + 1, at, part.start[axis], field.shape[axis], "linear")
        missed = ~inside(at, field.shape[axis])
        if missed.any():
            vectors[(slice(None),) * (axis + 1) + (missed,)] = np.nan if field.absolute else 0
    if field.absolute:
        return list(vectors)
    return [np.add(place, vector, out=vector) for place, vector in zip(places, vectors, strict=True)]


def _snapped(at: Coordinates) -> Coordinates:
    """``at`` in multiples of the finest step; places that a field does not tell are far outside."""
    at *= _FINE
    np.rint(at, out=at)
    at /= _FINE
    at[np.isnan(at)] = _NOWHERE
    return at
