"""One time, one channel or one plane; its axis is gone."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

from s3facade.core.errors import Unsupported
from s3facade.core.operators import Block, Need
from s3facade.core.region import Region
from s3facade.core.spec import AxisName, Level, Spec
from s3facade.transforms.described import PLANES, followed, kept
from s3facade.transforms.geometry.channels import channel_number
from s3facade.transforms.geometry.places import EDGE, Place, PlaceOption, edge, nearest


@dataclass(frozen=True, slots=True)
class Select:
    """The image at one place along t, c or z, e.g. ``{t: 0, z: 50%, c: DAPI}``: these axes are dropped.

    A place is the voxel that it lies in: a number from 0, a position, percent, or the name of a channel. At coarser
    levels it is the voxel over the centre of the finest one.
    """

    version: ClassVar[int] = 2
    keep: ClassVar[bool] = False
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    t: PlaceOption | None = None
    c: int | str | None = None
    z: PlaceOption | None = None

    def spec(self, source: Spec) -> Spec:
        """The source without these axes.

        Raises:
            Unsupported: No axis, one that the image does not have, or a place outside of it.
        """
        chosen = self._chosen(source)
        if not chosen:
            raise Unsupported("select: say which plane, as in `select: {z: 0}`.")
        stay = [i for i, name in enumerate(source.names) if name not in chosen]

        def without(level: Level) -> Level:
            taken = (tuple(values[i] for i in stay) for values in (level.shape, level.scale, level.origin, level.block))
            return Level(*taken)  # type: ignore[arg-type] # each keeps its type

        levels = tuple(without(level) for level in source.levels)
        channels = source.channels if "c" not in chosen else (source.channels[chosen["c"]],)
        axes = tuple(source.axes[i] for i in stay)
        made = replace(source, axes=axes, levels=levels, channels=channels, attrs=kept(source, PLANES))
        return followed(source, made, {name: at for name, at in chosen.items() if name == "z"})

    def need(self, source: Spec, level: int, region: Region) -> Need:
        """The region in the chosen planes."""
        chosen = self._chosen(source)
        ends = list(zip(region.start, region.stop, strict=True))
        for i, name in enumerate(source.names):
            if name in chosen:
                at = nearest(source, level, i, chosen[name])
                ends.insert(i, (at, at + 1))
        return Need(level, Region(tuple(a for a, _ in ends), tuple(b for _, b in ends)))

    def apply(self, source: Spec, level: int, region: Region, block: Block | None) -> Block:  # noqa: ARG002 - the seam
        """The same voxels."""
        if block is None:
            raise ValueError("a plane is one of a source")
        return block.reshape(region.shape)

    def _chosen(self, source: Spec) -> dict[AxisName, int]:
        """The voxel of the finest level, by axis."""
        chosen: dict[AxisName, int] = {}
        wanted: tuple[tuple[AxisName, Place | int | str | None], ...] = (("t", self.t), ("c", self.c), ("z", self.z))
        for name, at in wanted:
            if at is None:
                continue
            axis = source.axis(name)
            if axis is None:
                raise Unsupported(f"select: the image has no axis {name}; it has {', '.join(source.names)}.")
            chosen[name] = _index(source, axis, at) if isinstance(at, Place) else channel_number(source, at)
        return chosen


def _index(source: Spec, axis: int, at: Place) -> int:
    length = source.levels[0].shape[axis]
    place = edge(source, axis, at) + 0.5
    index = math.floor(place + EDGE)
    if at.unit == "fraction":
        return min(index, length - 1)
    if not 0 <= index < length:
        raise Unsupported(f"select: there is no voxel at {source.names[axis]} = {at}; the image has {length}.")
    return index
