"""Where the tiles of a mosaic stand, in whole voxels of each level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from s3facade.core.errors import Unsupported
from s3facade.core.levels import block_of
from s3facade.core.region import Region
from s3facade.core.spec import Level, Spec
from s3facade.transforms.geometry.places import EDGE, Place, physical

Whole = npt.NDArray[np.int64]
Real = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class Tiles:
    """Boxes of all tiles at one level."""

    starts: Whole
    """Tile by axis."""
    stops: Whole
    order: Whole
    """Numbers of the tiles by their start along y."""
    tallest: int
    """The greatest length along y."""

    def touching(self, region: Region) -> list[tuple[int, Region]]:
        """Numbers of the tiles that a region touches, in order, with the part of it that each covers."""
        tops = self.starts[:, -2]
        first = np.searchsorted(tops, region.start[-2] - self.tallest, "right", sorter=self.order)
        last = np.searchsorted(tops, region.stop[-2], "left", sorter=self.order)
        near = np.sort(self.order[first:last])
        low, high = np.maximum(self.starts[near], region.start), np.minimum(self.stops[near], region.stop)
        found = (low < high).all(1)
        parts = zip(near[found].tolist(), low[found].tolist(), high[found].tolist(), strict=True)
        return [(n, Region(tuple(a), tuple(b))) for n, a, b in parts]


def _tiles(starts: Whole, stops: Whole) -> Tiles:
    tops, bottoms = starts[:, -2], stops[:, -2]
    return Tiles(starts, stops, np.argsort(tops, kind="stable"), int((bottoms - tops).max()))


def by_stage(sources: Sequence[Spec]) -> tuple[Real, tuple[float, ...]]:
    """Positions as the images state them, and where the lowest are.

    Returns:
        Voxels of the finest level from the lowest position, tile by axis; and that position in units. Axes of time
        and channels, and z where all images are one plane, do not count.

    Raises:
        Unsupported: They state none, or all the same.
    """
    first = sources[0]
    axes = _placed(sources)
    if any(first.axes[i].unit is None for i in axes if first.names[i] in "yx"):
        raise Unsupported("mosaic: the images do not say where they are; state `columns` or `positions`.")
    origins = np.array([spec.levels[0].origin for spec in sources])
    origins[:, [i for i in range(len(first.axes)) if i not in axes]] = 0
    if len(sources) > 1 and not (np.ptp(origins, axis=0) > 0).any():
        raise Unsupported("mosaic: all images say that they are at the same place; state `columns` or `positions`.")
    lowest = origins.min(0)
    voxels = (origins - lowest) / first.levels[0].scale
    for i in range(len(first.axes)):
        if i not in axes:
            lowest[i] = first.levels[0].origin[i]
    return voxels, tuple(lowest.tolist())


def by_list(sources: Sequence[Spec], positions: Sequence[Sequence[Place]]) -> tuple[Real, tuple[float, ...]]:
    """Positions as given for each image, as (y, x) or (z, y, x), in lengths or in voxels; otherwise as `by_stage`."""
    if len(positions) != len(sources):
        raise Unsupported(f"mosaic: {len(positions)} positions for {len(sources)} images; state one for each.")
    counted = {at.unit == "voxel" for position in positions for at in position}
    if len(counted) > 1:
        raise Unsupported("mosaic: some positions are lengths and some are voxels; write all of them alike.")
    axes = []
    for spec, position in zip(sources, positions, strict=True):
        found = [spec.axis(name) for name in ("z", "y", "x")[-len(position) :]] if len(position) in {2, 3} else []
        axes.append([i for i in found if i is not None and (spec.axes[i].unit is not None or counted == {True})])
        if not found or len(axes[-1]) != len(position):
            raise Unsupported(
                "mosaic: a position is (y, x) or (z, y, x), of images that have these axes, and state their voxel size"
                " where it is a length."
            )
    if counted == {True}:
        return _by_voxels(sources, positions, axes)
    moved = []
    for spec, position, which in zip(sources, positions, axes, strict=True):
        level = spec.levels[0]
        origin = list(level.origin)
        for i, at in zip(which, position, strict=True):
            origin[i] = at.value
        moved.append(replace(spec, levels=(replace(level, origin=tuple(origin)),)))
    return by_stage(moved)


def _by_voxels(
    sources: Sequence[Spec], positions: Sequence[Sequence[Place]], axes: Sequence[Sequence[int]]
) -> tuple[Real, tuple[float, ...]]:
    """Positions in voxels from where the first image states that it is."""
    level = sources[0].levels[0]
    voxels = np.zeros((len(sources), len(level.shape)))
    for n, (position, which) in enumerate(zip(positions, axes, strict=True)):
        voxels[n, list(which)] = [at.value for at in position]
    counted = _placed(sources, sized=False)
    voxels[:, [i for i in range(len(level.shape)) if i not in counted]] = 0
    voxels -= voxels[0]
    lowest = np.array(level.origin) + voxels.min(0) * level.scale
    return voxels - voxels.min(0), tuple(lowest.tolist())


def by_grid(
    sources: Sequence[Spec], columns: int, overlap: Place | None, *, snake: bool
) -> tuple[Real, tuple[float, ...]]:
    """Positions row by row, ``columns`` to a row; the first image stays where it is. Otherwise as `by_stage`.

    Raises:
        Unsupported: Images of several sizes, no column, or an overlap that leaves nothing.
    """
    first = sources[0]
    y, x = len(first.axes) - 2, len(first.axes) - 1
    if columns < 1:
        raise Unsupported("mosaic: `columns` must be at least 1.")
    if any(spec.levels[0].shape != first.levels[0].shape for spec in sources):
        raise Unsupported("mosaic: images of several sizes form no grid; state `positions`.")
    steps = {}
    for i in (y, x):
        length = first.levels[0].shape[i]
        steps[i] = length - (0 if overlap is None else _voxels(first, i, overlap))
        if not 1 <= steps[i] <= length:
            raise Unsupported(f"mosaic: an overlap of {overlap} does not fit images of {length} voxels.")
    voxels = np.zeros((len(sources), len(first.axes)))
    for n in range(len(sources)):
        line, at = divmod(n, columns)
        voxels[n, y] = line * steps[y]
        voxels[n, x] = (columns - 1 - at if snake and line % 2 else at) * steps[x]
    return voxels, first.levels[0].origin


def laid_out(
    sources: Sequence[Spec], voxels: Real, lowest: tuple[float, ...], count: int
) -> tuple[list[Tiles], list[Level]]:
    """Tiles in whole voxels of each of ``count`` levels, and these levels.

    Positions are rounded at each level for itself, so no tile is further from its place than half a voxel of the level
    that is shown.
    """
    first = sources[0]
    tiles, levels = [], []
    for k in range(count):
        about = first.levels[k]
        shift = np.array([_shift(spec, k) for spec in sources])
        places = (voxels * first.levels[0].scale + shift) / about.scale
        base = places.min(0)
        starts = np.floor(places - base + 0.5 + EDGE).astype(np.int64)
        stops = starts + np.array([spec.levels[k].shape for spec in sources], np.int64)
        shape = tuple(int(n) for n in stops.max(0))
        origin = tuple(float(o + b * s) for o, b, s in zip(lowest, base, about.scale, strict=True))
        tiles.append(_tiles(starts, stops))
        levels.append(Level(shape, about.scale, origin, block_of(first.names, shape)))
    return tiles, levels


def _voxels(spec: Spec, axis: int, length: Place) -> int:
    """A length along one axis, rounded to voxels."""
    if length.unit == "voxel":
        return int(length.value)
    if length.unit == "fraction":
        return round(length.value * spec.levels[0].shape[axis])
    return round(length.value / physical(spec, axis, length))


def _shift(spec: Spec, level: int) -> tuple[float, ...]:
    return tuple(a - b for a, b in zip(spec.levels[level].origin, spec.levels[0].origin, strict=True))


def _placed(sources: Sequence[Spec], *, sized: bool = True) -> set[int]:
    """Axes along which positions count; z without unit does not if they are lengths, ``sized``."""
    first: Any = sources[0]
    deep = any(spec.length("z") > 1 for spec in sources)
    deep = deep and not (sized and first.axes[first.axis("z")].unit is None)
    return {i for i, name in enumerate(first.names) if name in "yx" or (name == "z" and deep)}
