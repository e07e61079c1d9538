"""Which channels an image has, in which order, and how they are shown."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from s3facade.core.errors import Unsupported
from s3facade.core.operators import Block, Need
from s3facade.core.region import Region
from s3facade.core.spec import Channel, Spec
from s3facade.transforms.described import DOCUMENT, PLANES, kept


@dataclass(frozen=True, slots=True)
class Pick:
    """One channel of the result; what is not stated stays as the source has it."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    channel: int | str
    """Which channel of the source: its number from 0, or its name."""
    name: str | None = None
    color: str | None = None
    """RRGGBB."""
    window: tuple[float, float] | None = None
    """Values shown as black and as full colour."""
    active: bool | None = None
    """Whether a viewer shows it at first."""


@dataclass(frozen=True, slots=True)
class Channels:
    """Channels of the source in the order given, e.g. ``[2, DAPI, {channel: 0, name: GFP, color: 00FF00}]``.

    A whole number below the number of channels counts them from 0; anything else is a name.
    """

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = False
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    pick: tuple[int | str | Pick, ...]

    def spec(self, source: Spec) -> Spec:
        """The source with these channels.

        Raises:
            Unsupported: No channel, one that the source does not have, or a colour that is none.
        """
        numbers = self._numbers(source)
        if not numbers:
            raise Unsupported("channels: name at least one channel, as in `channels: [0]`.")
        axis = source.axis("c")
        if axis is None and len(numbers) > 1:
            raise Unsupported("channels: the image has one channel only; `merge` puts several images together.")
        channels = tuple(_shown(p, source.channels[n]) for p, n in zip(self.pick, numbers, strict=True))
        levels = source.levels
        if axis is not None:
            levels = tuple(
                replace(
                    level,
                    shape=_at(level.shape, axis, len(numbers)),
                    block=_at(level.block, axis, min(level.block[axis], len(numbers))),
                )
                for level in levels
            )
        same = numbers == list(range(len(source.channels)))
        return replace(source, levels=levels, channels=channels, attrs=kept(source, DOCUMENT if same else PLANES))

    def need(self, source: Spec, level: int, region: Region) -> Need:
        """The channels from the first to the last that the region shows."""
        axis = source.axis("c")
        if axis is None:
            return Need(level, region)
        numbers = self._numbers(source)[region.start[axis] : region.stop[axis]]
        start, stop = _at(region.start, axis, min(numbers)), _at(region.stop, axis, max(numbers) + 1)
        return Need(level, Region(start, stop))

    def apply(self, source: Spec, level: int, region: Region, block: Block | None) -> Block:  # noqa: ARG002 - the seam
        """These channels."""
        if block is None:
            raise ValueError("channels are those of a source")
        axis = source.axis("c")
        if axis is None:
            return block
        numbers = self._numbers(source)[region.start[axis] : region.stop[axis]]
        first = min(numbers)
        if [n - first for n in numbers] == list(range(block.shape[axis])):
            return block
        return np.ascontiguousarray(block.take([n - first for n in numbers], axis))

    def _numbers(self, source: Spec) -> list[int]:
        return [channel_number(source, p.channel if isinstance(p, Pick) else p) for p in self.pick]


def channel_number(source: Spec, wanted: int | str) -> int:
    """The index of a channel, by number or by name.

    Raises:
        Unsupported: There is none, or more than one of this name.
    """
    count = len(source.channels)
    text = str(wanted)
    if text.isascii() and text.isdigit() and int(text) < count:
        return int(text)
    found = [i for i, channel in enumerate(source.channels) if channel.name == text]
    if len(found) == 1:
        return found[0]
    names = ", ".join(repr(c.name) for c in source.channels if c.name) or "none"
    raise Unsupported(
        f"There {'are several channels' if found else 'is no channel'} {text!r}; the image has {count}, "
        f"numbered from 0; names: {names}."
    )


def hex_color(text: str) -> str:
    """``text`` as six upper-case hex digits. Raises `Unsupported`."""
    digits = text.removeprefix("#").upper()
    if not re.fullmatch("[0-9A-F]{6}", digits):
        raise Unsupported(f"The colour {text!r} is not of the form RRGGBB; write for instance 00FF00 for green.")
    return digits


def _shown(pick: int | str | Pick, channel: Channel) -> Channel:
    if not isinstance(pick, Pick):
        return channel
    if pick.window is not None and not (all(map(math.isfinite, pick.window)) and pick.window[0] < pick.window[1]):
        raise Unsupported("channels: a window is two numbers, the smaller one first, as in `window: [0, 4095]`.")
    return Channel(
        channel.name if pick.name is None else pick.name,
        channel.color if pick.color is None else hex_color(pick.color),
        channel.window if pick.window is None else pick.window,
        channel.active if pick.active is None else pick.active,
    )


def _at(values: tuple[int, ...], axis: int, value: int) -> tuple[int, ...]:
    return (*values[:axis], value, *values[axis + 1 :])
