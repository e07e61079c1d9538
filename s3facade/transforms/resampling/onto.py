"""Output grids of transforms that resample: options as the user writes them, and what they come to.

Space axes only, in the order of the image: z, y, x or y, x.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from s3facade.core.errors import Unsupported
from s3facade.core.image import Image, Source, sources
from s3facade.core.options import Length, OtherImage, Position
from s3facade.core.spec import Level, Spec

SPACE = ("z", "y", "x")


@dataclass(frozen=True, slots=True)
class Lengths:
    """A length per axis; None leaves the axis as it is."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    x: Length | None = None
    y: Length | None = None
    z: Length | None = None


@dataclass(frozen=True, slots=True)
class Positions:
    """A position per axis."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    x: Position | None = None
    y: Position | None = None
    z: Position | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """Voxels per axis."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    x: int | None = None
    y: int | None = None
    z: int | None = None


@dataclass(frozen=True, slots=True)
class Onto:
    """The grid that voxels are computed on; what is left out is taken from the source."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    spacing: Length | Lengths | None = None
    """Distance of voxel centres; one for all space axes, or per axis."""
    shape: Counts | None = None
    """Voxels per axis. Without it the box of the source is covered; without ``spacing``, it is divided by this."""
    origin: Positions | None = None
    """Centre of voxel 0. Without it the grid begins at the low corner of the source's box."""
    fit: bool = False
    """Whether the whole transformed image is covered instead of the source's box."""
    image: OtherImage | None = None
    """Another image, whose grid it is; the other options go without it."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Voxel centres at ``origin + index * scale``, axis units, space axes only."""

    shape: tuple[int, ...]
    scale: tuple[float, ...]
    origin: tuple[float, ...]

    @property
    def corners(self) -> tuple[tuple[float, float], ...]:
        """The two ends of the box per axis: half a voxel beyond the outer centres."""
        each = zip(self.shape, self.scale, self.origin, strict=True)
        return tuple((o - s / 2, o + (n - 0.5) * s) for n, s, o in each)


def as_image(onto: Onto | None, others: Sequence[Image]) -> tuple[Onto, tuple[Source, ...]]:
    """The grid in numbers where it is given as another image, and the files that say so.

    Raises:
        Unsupported: Other options beside the image, or an image without voxel sizes.
    """
    onto = onto or Onto()
    if onto.image is None:
        return onto, ()
    if onto != Onto(image=onto.image):
        raise Unsupported("`onto: {image: …}` is a whole grid; leave out `spacing`, `shape`, `origin` and `fit`.")
    (like,) = others
    names = space_names(like.spec)
    if any(like.spec.axes[like.spec.names.index(name)].unit is None for name in names):
        raise Unsupported(f"onto: the image {onto.image!r} has no voxel sizes; set `pixel_size` of its source.")
    grid = grid_of(like.spec.levels[0], len(names))
    spacing, origin = (dict(zip(names, each, strict=True)) for each in (grid.scale, grid.origin))
    shape = dict(zip(names, grid.shape, strict=True))
    files = tuple(dict.fromkeys(source for source in sources(like) if source.path))
    return Onto(Lengths(**spacing), Counts(**shape), Positions(**origin)), files


def space_names(source: Spec) -> tuple[str, ...]:
    """The image's space axes, in its order."""
    return tuple(name for name in source.names if name in SPACE)


def grid_of(level: Level, count: int) -> Grid:
    """The last ``count`` axes of a level: its space axes."""
    return Grid(level.shape[-count:], level.scale[-count:], level.origin[-count:])


def grid_onto(source: Spec, onto: Onto, box: Sequence[tuple[float, float]] | None = None) -> Grid:
    """The grid that ``onto`` asks for, over ``box`` (two ends per space axis, axis units) or the source's own.

    Raises:
        Unsupported: An axis that the image lacks, a length on an axis without unit, or a shape below 1.
    """
    names = space_names(source)
    own = grid_of(source.levels[0], len(names))
    spacing, shape, origin = (_per_axis(source, key, getattr(onto, key)) for key in ("spacing", "shape", "origin"))
    made: list[tuple[int, float, float]] = []
    for name, old, (low, high) in zip(names, own.scale, box or own.corners, strict=True):
        count, step = shape.get(name), spacing.get(name)
        if count is not None and count < 1:
            raise Unsupported(f"A shape of {count} voxels along {name} is none; write at least 1.")
        if step is None:
            step = old if count is None or (origin.get(name) is not None) else (high - low) / count
        if not (math.isfinite(step) and step > 0):
            raise Unsupported(f"A spacing of {step} along {name} is none; write a length greater than zero.")
        if count is None:
            # Rounded so that the centre of the last voxel is still inside of the box, not on its end.
            count = max(1, math.ceil((high - low) / step * (1 - 1e-9) - 0.5))
        made.append((int(count), float(step), float(origin.get(name, low + step / 2))))
    return Grid(*(tuple(column) for column in zip(*made, strict=True)))


def _per_axis(source: Spec, option: str, value: object) -> dict[str, float]:
    """Axis to number, checked against the axes of the image."""
    if value is None:
        return {}
    names = space_names(source)
    if isinstance(value, int | float):
        given = dict.fromkeys(names, float(value))
    else:
        given = {name: getattr(value, name) for name in SPACE if getattr(value, name) is not None}
    for name in given:
        index = source.axis(name)
        if index is None:
            raise Unsupported(f"The image has no axis {name}; leave {name} out of `{option}`.")
        if option != "shape" and source.axes[index].unit is None:
            raise Unsupported(
                f"The image has no voxel size along {name}: `{option}` as a length says nothing; set `pixel_size`."
            )
    return given
