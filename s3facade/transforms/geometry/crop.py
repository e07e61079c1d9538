"""A box of an image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, TypeAlias

import numpy as np

from s3facade.core.errors import Unsupported
from s3facade.core.operators import Block, Need
from s3facade.core.region import Region
from s3facade.core.spec import AXES, Level, Spec
from s3facade.transforms.described import GEOMETRY, PLANES, followed, kept
from s3facade.transforms.geometry.places import Place, PlaceOption, edge, inside

Span: TypeAlias = tuple[PlaceOption, PlaceOption] | None
"""From where to where; None: everything."""


@dataclass(frozen=True, slots=True)
class Crop:
    """The voxels of each level whose centres lie in a box, e.g. ``{z: [5, 20], x: [10 um, 500 um], y: [10%, 90%]}``.

    Places are voxels of the finest level counted from 0, positions in the image's own coordinates, or percent of its
    length; the start belongs to the box, the stop does not. What lies outside of the image is not shown. Every voxel
    keeps its value and its physical position. Levels of which no centre lies in the box are left out.
    """

    version: ClassVar[int] = 2
    keep: ClassVar[bool] = False
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    t: Span = None
    c: Span = None
    z: Span = None
    y: Span = None
    x: Span = None

    def spec(self, source: Spec) -> Spec:
        """The levels of the source, cut.

        Raises:
            Unsupported: An axis that the image does not have, a unit that it does not have, or an empty box.
        """
        spans = self._spans()
        for name, (start, stop) in spans.items():
            axis = source.axis(name)
            if axis is None:
                raise Unsupported(f"crop: the image has no axis {name}; it has {', '.join(source.names)}.")
            if not edge(source, axis, start) < edge(source, axis, stop):
                raise Unsupported(f"crop: {name}: [{start}, {stop}] is empty; the first place comes before the second.")
        boxes = [self._box(source, k) for k in range(len(source.levels))]
        for name, (a, b) in zip(source.names, zip(boxes[0].start, boxes[0].stop, strict=True), strict=True):
            if a >= b:
                start, stop = spans[name]
                raise Unsupported(f"crop: {name}: [{start}, {stop}] holds no voxel; {_extent(source, name)}.")
        levels = []
        for level, box in zip(source.levels, boxes, strict=True):
            if box.empty:
                break
            levels.append(_cut(level, box))
        c = source.axis("c")
        channels = source.channels if c is None else source.channels[boxes[0].start[c] : boxes[0].stop[c]]
        dropped = PLANES if spans.keys() & {"t", "c", "z"} else GEOMETRY
        made = replace(source, levels=tuple(levels), channels=channels, attrs=kept(source, dropped))
        return followed(source, made)

    def need(self, source: Spec, level: int, region: Region) -> Need:
        """The same voxels, counted from the source's first."""
        first = self._box(source, level).start
        return Need(level, Region(_plus(region.start, first), _plus(region.stop, first)))

    def apply(self, source: Spec, level: int, region: Region, block: Block | None) -> Block:  # noqa: ARG002 - the seam
        """The same voxels."""
        if block is None:
            raise ValueError("a crop needs the voxels of its source")
        return np.ascontiguousarray(block)

    def _spans(self) -> dict[str, tuple[Place, Place]]:
        spans = {name: getattr(self, name) for name in AXES}
        return {name: span for name, span in spans.items() if span is not None}

    def _box(self, source: Spec, level: int) -> Region:
        spans = self._spans()
        ends = [(0, n) for n in source.levels[level].shape]
        for i, name in enumerate(source.names):
            if name in spans:
                start, stop = spans[name]
                ends[i] = inside(source, level, i, edge(source, i, start), edge(source, i, stop))
        return Region(tuple(a for a, _ in ends), tuple(b for _, b in ends))


def _plus(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(i + k for i, k in zip(a, b, strict=True))


def _cut(level: Level, box: Region) -> Level:
    origin = tuple(o + a * s for o, a, s in zip(level.origin, box.start, level.scale, strict=True))
    block = tuple(min(b, n) for b, n in zip(level.block, box.shape, strict=True))
    return Level(box.shape, level.scale, origin, block)


def _extent(source: Spec, name: str) -> str:
    """Where the image lies along an axis, in words."""
    i = source.names.index(next(a for a in AXES if a == name))
    level, unit = source.levels[0], {"micrometer": " um", "second": " s"}.get(source.axes[i].unit or "")
    count = f"the image has {level.shape[i]} voxels"
    if unit is None:
        return count
    first, step = level.origin[i], level.scale[i]
    return f"{count}, from {first - step / 2:g}{unit} to {first + (level.shape[i] - 0.5) * step:g}{unit}"
