"""Levels of resampled images, and which level of the source each is sampled from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from s3facade.core.levels import block_of
from s3facade.core.spec import Axis, Level
from s3facade.transforms.resampling.mapping import Matrix
from s3facade.transforms.resampling.onto import Grid, grid_of

_COARSER = 1.05
"""A source level whose voxels are at most this much larger than the output's still fits."""


@dataclass(frozen=True, slots=True)
class View:
    """One level of the output."""

    grid: Grid
    source: int
    """The level of the source that it is sampled from."""


def views(levels: tuple[Level, ...], matrix: Matrix, grid: Grid) -> tuple[View, ...]:
    """The output's levels: one on ``grid``, and one for each source level coarser than the one that fits it.

    A level of the source fits if it is the coarsest whose voxels are not larger than those of the output, seen
    through ``matrix`` (output to source).
    """
    count = len(matrix)
    grids = [grid_of(level, count) for level in levels]
    base = _fitting(grids, matrix, grid)
    leading = [
        max(range(count), key=lambda a: abs(matrix[a][b]) * grid.scale[b] / grids[base].scale[a]) for b in range(count)
    ]
    out = [View(grid, base)]
    for coarse in grids[base + 1 :]:
        ratios = [max(1, round(coarse.scale[a] / grids[base].scale[a])) for a in leading]
        factors = tuple(min(f, n) for f, n in zip(ratios, grid.shape, strict=True))
        scale = tuple(s * f for s, f in zip(grid.scale, factors, strict=True))
        shape = tuple(n // f for n, f in zip(grid.shape, factors, strict=True))
        origin = tuple(o + (n - s) / 2 for o, n, s in zip(grid.origin, scale, grid.scale, strict=True))
        level = Grid(shape, scale, origin)
        if shape != out[-1].grid.shape:
            out.append(View(level, _fitting(grids, matrix, level)))
    return tuple(out)


def _pitch(matrix: Matrix, output: Grid) -> list[float]:
    """How long a step along each axis of the source may be to reach no further than a voxel of the output."""
    steps = np.array([row[:-1] for row in matrix]) * output.scale
    return [float(1 / length) for length in np.hypot.reduce(np.linalg.inv(steps), axis=0)]


def too_fine(last: Level, matrix: Matrix, output: Grid) -> tuple[bool, ...]:
    """Per space axis whether halving the source's ``last`` level would still be fine enough for ``output``."""
    grid = grid_of(last, len(matrix))
    each = zip(grid.shape, grid.scale, _pitch(matrix, output), strict=True)
    return tuple(n > 1 and 2 * scale <= _COARSER * step for n, scale, step in each)


def _fitting(grids: list[Grid], matrix: Matrix, output: Grid) -> int:
    pitch = _pitch(matrix, output)

    def fits(grid: Grid) -> bool:
        each = zip(grid.scale, grids[0].scale, pitch, strict=True)
        return all(own <= max(_COARSER * step, first * (1 + 1e-9)) for own, first, step in each)

    return max((i for i, grid in enumerate(grids) if fits(grid)), default=0)


def level_of(view: View, axes: tuple[Axis, ...], source: Level) -> Level:
    """The level of an image that ``view`` describes; other axes than space are those of ``source``."""
    ahead = len(axes) - len(view.grid.shape)
    shape = source.shape[:ahead] + view.grid.shape
    return Level(
        shape,
        source.scale[:ahead] + view.grid.scale,
        source.origin[:ahead] + view.grid.origin,
        block_of([axis.name for axis in axes], shape),
    )
