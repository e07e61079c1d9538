"""Images that get a channel axis, and images that lose an axis."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from s3facade.core.region import Region
from s3facade.core.spec import Axis, Channel, Level, Spec


def channel_at(source: Spec) -> int:
    """Where the axis c is, or would be."""
    return int(source.names[0] == "t")


def with_channels(spec: Spec, channels: tuple[Channel, ...]) -> Spec:
    """``spec`` with an axis c of these channels, new or instead of its own; blocks have all of them."""
    at, own = channel_at(spec), spec.axis("c") is not None

    def put(values: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
        return (*values[:at], value, *values[at + own :])

    count = len(channels)
    levels = tuple(
        Level(put(v.shape, count), put(v.scale, 1.0), put(v.origin, 0.0), put(v.block, count)) for v in spec.levels
    )
    return replace(spec, axes=put(spec.axes, Axis("c")), levels=levels, channels=channels)


def with_all_channels(source: Spec, region: Region, level: int) -> Region:
    """The box of the source behind ``region`` of an image `with_channels`: all of its channels."""
    at, own = channel_at(source), source.axis("c") is not None
    start, stop = (end[:at] + end[at + 1 :] for end in (region.start, region.stop))
    if not own:
        return Region(start, stop)
    return Region((*start[:at], 0, *start[at:]), (*stop[:at], source.length("c", level), *stop[at:]))


def without(spec: Spec, axis: int) -> Spec:
    """``spec`` without one of its axes; channels and attributes are left as they are."""

    def cut(values: tuple[Any, ...]) -> tuple[Any, ...]:
        return values[:axis] + values[axis + 1 :]

    levels = tuple(Level(*map(cut, (v.shape, v.scale, v.origin, v.block))) for v in spec.levels)
    return replace(spec, axes=cut(spec.axes), levels=levels)
