"""What a file says about an image beside its pixels, and the description made of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from s3facade.core.spec import Axis, AxisName, Channel, Level, Spec

UNITS: Mapping[str, str] = {"t": "second", "z": "micrometer", "y": "micrometer", "x": "micrometer"}
_MOST = 1e100
"""What is larger, infinite or no number is damage, and would make documents that are no JSON."""
RGB = (("Red", "FF0000"), ("Green", "00FF00"), ("Blue", "0000FF"))


@dataclass(frozen=True, slots=True)
class Facts:
    """What the source says about one image."""

    scale: Mapping[str, float] = field(default_factory=dict)
    """By axis: µm or seconds per voxel."""
    origin: Mapping[str, float] = field(default_factory=dict)
    """By axis: µm; centre of the first voxel."""
    channels: Sequence[Channel] = ()
    """One per channel of the source, RGB samples not counted."""
    attrs: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Grid:
    """One level: what a table says about it."""

    shape: tuple[int, ...]
    block: tuple[int, ...]


def described(
    names: Sequence[AxisName],
    dtype: np.dtype[Any],
    grids: Sequence[Grid],
    facts: Facts,
    channels: Sequence[Channel] = (),
) -> Spec:
    """The description of an image.

    Args:
        names: Axes, a subsequence of t, c, z, y, x that ends in y, x.
        dtype: Of the voxels, native byte order.
        grids: One per level, finest first; those of `Stored` are ``Grid(stored.shape, stored.block)``.
        facts: What the file says. Of no axis is a size made up; one that is no positive number is taken for unknown.
        channels: In place of those of ``facts``.
    """
    first = grids[0].shape
    stated = {a: s for a, s in facts.scale.items() if 0 < s < _MOST}
    scale = tuple(stated.get(a, 1.0) for a in names)
    places = (facts.origin.get(a, 0.0) for a in names)
    origin = tuple(o if abs(o) < _MOST else 0.0 for o in places)
    axes = tuple(Axis(a, UNITS.get(a) if a in stated else None) for a in names)
    count = first[list(names).index("c")] if "c" in names else 1
    known = (*(channels or facts.channels), *([Channel()] * count))[:count]
    levels = tuple(level(g, first, scale, origin) for g in grids)
    return Spec(axes, dtype, levels, known, attrs=facts.attrs)


def level(grid: Grid, full: tuple[int, ...], scale: tuple[float, ...], origin: tuple[float, ...]) -> Level:
    """Scale by whole powers of two where the shapes say so; the outer edges of all levels coincide.

    Args:
        grid: The level.
        full: Shape of the finest level.
        scale: Of the finest level.
        origin: Of the finest level.
    """
    factors = tuple(_factor(n, m) for n, m in zip(full, grid.shape, strict=True))
    scales = tuple(s * f for s, f in zip(scale, factors, strict=True))
    origins = tuple(o + (s - b) / 2 for o, s, b in zip(origin, scales, scale, strict=True))
    return Level(grid.shape, scales, origins, grid.block)


def _factor(full: int, size: int) -> float:
    if size == full:
        return 1.0
    ratio = full / size
    power: float = 2.0 ** round(math.log2(ratio))
    # rounding of a size, up or down at every step of halving, moves it by less than two voxels
    return power if abs(full / power - size) < 2 else ratio


def colours(dtype: np.dtype[Any], count: int, bits: int | None = None) -> tuple[Channel, ...]:
    """Channels of red, green and blue samples, and of alpha, which is not shown, as a fourth.

    Args:
        dtype: Of the samples.
        count: 3 or 4.
        bits: How many of the type's bits are used; all of an unsigned integer by default.
    """
    window = (0.0, float((1 << (bits or 8 * dtype.itemsize)) - 1)) if dtype.kind == "u" else None
    found = tuple(Channel(name, color, window) for name, color in RGB)
    return found if count == 3 else (*found, Channel("Alpha", None, window, active=False))
