"""Axes in another order or direction: every voxel keeps its value."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, cast

import numpy as np

from s3facade.core.errors import Unsupported
from s3facade.core.operators import Block, Need
from s3facade.core.region import Region
from s3facade.core.spec import AXES, KINDS, Axis, AxisName, Channel, Level, Spec
from s3facade.transforms.described import GEOMETRY, PLANES, kept

Space = Literal["z", "y", "x"]


@dataclass(frozen=True, slots=True)
class Permute:
    """Axes with other names: ``{z: y, y: z}`` makes the source's y the z of the result, and its z the y.

    Sizes, positions and units go with the axis, so content moves in space as if mirrored at a diagonal. Axes that
    are not named stay. Between space, time and channels nothing physical is taken along: a time axis that becomes z
    counts voxels.
    """

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = False
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    t: AxisName | None = None
    c: AxisName | None = None
    z: AxisName | None = None
    y: AxisName | None = None
    x: AxisName | None = None

    def spec(self, source: Spec) -> Spec:
        """The source with its axes renamed.

        Raises:
            Unsupported: Not every axis of the source becomes one axis of the result.
        """
        named = self._named(source)
        for name in source.names:
            count = list(named.values()).count(name)
            if count != 1:
                what = "no axis" if count == 0 else "more than one axis"
                raise Unsupported(f"permute: {name} of the image becomes {what} of the result; say which it becomes.")
        wrong = next((name for name in named.values() if name not in source.names), None)
        if wrong is not None:
            raise Unsupported(f"permute: the image has no axis {wrong}; it has {', '.join(source.names)}.")
        if not {"y", "x"} <= named.keys():
            raise Unsupported("permute: the result needs the axes y and x.")
        order = self._turn(source).order
        axes = tuple(
            Axis(name, source.axes[i].unit if KINDS[name] == source.axes[i].kind else None)
            for name, i in zip(named, order, strict=True)
        )
        strange = tuple(KINDS[name] != source.axes[i].kind for name, i in zip(named, order, strict=True))
        levels = tuple(_bare(level, source, order, strange) for level in _turned(source, self._turn(source), order))
        c = next((i for name, i in zip(named, order, strict=True) if name == "c"), None)
        channels = source.channels
        if c != source.axis("c"):
            channels = (Channel(),) * (1 if c is None else source.levels[0].shape[c])
        return replace(source, axes=axes, levels=levels, channels=channels, attrs=kept(source, PLANES))

    def need(self, source: Spec, level: int, region: Region) -> Need:
        """The same voxels."""
        return _needed(self._turn(source), source, level, region)

    def apply(self, source: Spec, level: int, region: Region, block: Block | None) -> Block:  # noqa: ARG002 - the seam
        """The same voxels, transposed."""
        return _applied(self._turn(source), block)

    def _named(self, source: Spec) -> dict[AxisName, AxisName]:
        """The source's axis of each axis of the result."""
        stated = {name: getattr(self, name) for name in AXES}
        used = {name for name in stated.values() if name is not None}
        found = {name: stated[name] or (name if name in source.names and name not in used else None) for name in AXES}
        return {name: cast(AxisName, of) for name, of in found.items() if of is not None}

    def _turn(self, source: Spec) -> Turn:
        order = tuple(source.names.index(name) for name in self._named(source).values())
        return Turn(order, (False,) * len(order))


@dataclass(frozen=True, slots=True)
class Flip:
    """The image mirrored along axes, e.g. ``[x]``.

    The finest level covers the same space as before, with its content mirrored about its centre.
    """

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = False
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    axes: tuple[Space | Literal["t"], ...]

    def spec(self, source: Spec) -> Spec:
        """The same description, levels moved by what their pyramid left out at the far edge.

        Raises:
            Unsupported: No axis, or one that the image does not have.
        """
        wrong = next((name for name in self.axes if name not in source.names), None)
        if wrong is not None or not self.axes:
            raise Unsupported(f"flip: name some of the axes {', '.join(source.names)}, as in `flip: [x]`.")
        levels = _turned(source, self._turn(source), range(len(source.axes)))
        dropped = PLANES if {"t", "z"} & set(self.axes) else GEOMETRY
        return replace(source, levels=levels, attrs=kept(source, dropped))

    def need(self, source: Spec, level: int, region: Region) -> Need:
        """The same voxels, counted from the other end."""
        return _needed(self._turn(source), source, level, region)

    def apply(self, source: Spec, level: int, region: Region, block: Block | None) -> Block:  # noqa: ARG002 - the seam
        """The same voxels, backwards."""
        return _applied(self._turn(source), block)

    def _turn(self, source: Spec) -> Turn:
        return Turn(tuple(range(len(source.axes))), tuple(name in self.axes for name in source.names))


@dataclass(frozen=True, slots=True)
class Rotate90:
    """The image turned by quarter turns, in the direction from the plane's first axis to its second.

    ``times: 1`` in the plane ``yx`` shows what was at the right at the top: counter-clockwise, where y points down.
    The lower corner of the image stays where it is in space.
    """

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = False
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    times: int = 1
    """Quarter turns; negative ones turn back."""
    plane: Literal["yx", "xy", "zy", "yz", "zx", "xz"] = "yx"

    def spec(self, source: Spec) -> Spec:
        """The turned levels.

        Raises:
            Unsupported: The image does not have both axes, or one of them has a unit and the other none.
        """
        found = [source.axis(name) for name in self.plane]
        if None in found:
            raise Unsupported(f"rotate90: the image has no plane {self.plane}; it has {', '.join(source.names)}.")
        a, b = (source.axes[i] for i in found if i is not None)
        if a.unit != b.unit:
            raise Unsupported(f"rotate90: only one of {a.name} and {b.name} has a size; state `pixel_size` for both.")
        levels = _turned(source, self._turn(source), range(len(source.axes)))
        dropped = PLANES if "z" in self.plane else GEOMETRY
        return replace(source, levels=levels, attrs=kept(source, dropped))

    def need(self, source: Spec, level: int, region: Region) -> Need:
        """The same voxels."""
        return _needed(self._turn(source), source, level, region)

    def apply(self, source: Spec, level: int, region: Region, block: Block | None) -> Block:  # noqa: ARG002 - the seam
        """The same voxels, turned."""
        return _applied(self._turn(source), block)

    def _turn(self, source: Spec) -> Turn:
        order, back = list(range(len(source.axes))), [False] * len(source.axes)
        a, b = (source.names.index(cast(AxisName, name)) for name in self.plane)
        turns = self.times % 4
        if turns % 2:
            order[a], order[b] = b, a
        back[a], back[b] = turns in (1, 2), turns in (2, 3)
        return Turn(tuple(order), tuple(back))


@dataclass(frozen=True, slots=True)
class Turn:
    """Axes in another order, some of them backwards."""

    order: tuple[int, ...]
    """The source's axis of each axis of the result."""
    back: tuple[bool, ...]
    """Which axes of the result run against the source's."""


def _needed(turn: Turn, source: Spec, level: int, region: Region) -> Need:
    shape = source.levels[level].shape
    ends = [(0, 0)] * len(shape)
    for i, back, a, b in zip(turn.order, turn.back, region.start, region.stop, strict=True):
        ends[i] = (shape[i] - b, shape[i] - a) if back else (a, b)
    return Need(level, Region(tuple(a for a, _ in ends), tuple(b for _, b in ends)))


def _applied(turn: Turn, block: Block | None) -> Block:
    if block is None:
        raise ValueError("turning needs the voxels of the source")
    turned = block.transpose(turn.order)[tuple(slice(None, None, -1 if back else 1) for back in turn.back)]
    return np.ascontiguousarray(turned)


def _turned(source: Spec, turn: Turn, corners: tuple[int, ...] | range) -> tuple[Level, ...]:
    """The levels; the finest one begins at the edges that it has along ``corners``, axes of the source."""
    return tuple(_turned_level(source, level, turn, corners) for level in source.levels)


def _turned_level(source: Spec, level: Level, turn: Turn, corners: tuple[int, ...] | range) -> Level:
    fine = source.levels[0]
    origin = []
    for i, back, corner in zip(turn.order, turn.back, corners, strict=True):
        shift = level.origin[i] - fine.origin[i]
        if back:
            length = (level.shape[i] - 1) * level.scale[i]
            shift = (fine.shape[i] - 1) * fine.scale[i] - (shift + length)
        origin.append(fine.origin[corner] + (fine.scale[i] - fine.scale[corner]) / 2 + shift)
    shape, scale, block = (tuple(values[i] for i in turn.order) for values in (level.shape, level.scale, level.block))
    return Level(tuple(map(int, shape)), scale, tuple(origin), tuple(map(int, block)))


def _bare(level: Level, source: Spec, order: tuple[int, ...], strange: tuple[bool, ...]) -> Level:
    """The level with axes that are ``strange`` to their new kind counted in voxels of the finest level."""
    fine = source.levels[0]
    scale, origin = list(level.scale), list(level.origin)
    for j, i in enumerate(order):
        if strange[j]:
            scale[j] /= fine.scale[i]
            origin[j] = (origin[j] - fine.origin[i]) / fine.scale[i]
    return replace(level, scale=tuple(scale), origin=tuple(origin))
