"""Channels of several images in one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from s3facade.core.errors import Unsupported
from s3facade.core.operators import Block, Need
from s3facade.core.region import Region
from s3facade.core.spec import Axis, Channel, Spec
from s3facade.transforms.combining.rows import Row, joined, row, row_apply, row_needs
from s3facade.transforms.combining.together import Remembered, check_alike, common, shared_levels
from s3facade.transforms.geometry.channels import hex_color

_ROWS = Remembered()


@dataclass(frozen=True, slots=True)
class Merge:
    """All channels of the first image, then all of the second, and so on.

    A channel keeps its name; one without is called as its image, if that has a name of its own.
    """

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = False
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    names: tuple[str, ...] = ()
    """Of all channels, instead."""
    colors: tuple[str, ...] = ()
    """Of all channels, RRGGBB."""

    def spec(self, sources: Sequence[Spec]) -> Spec:
        """The description of all channels together.

        Raises:
            Unsupported: Images that differ in more than their channels, or names that are not one for each.
        """
        check_alike("merge", sources, free="c")
        channels = [channel for spec in sources for channel in _named(spec, sources)]
        for what, given in (("names", self.names), ("colors", self.colors)):
            if given and len(given) != len(channels):
                raise Unsupported(f"merge: {len(given)} {what} for {len(channels)} channels; state one for each.")
        if self.names:
            channels = [replace(c, name=name) for c, name in zip(channels, self.names, strict=True)]
        if self.colors:
            channels = [replace(c, color=hex_color(color)) for c, color in zip(channels, self.colors, strict=True)]
        axes, levels = joined(sources, self._row(sources), Axis("c"), 1.0, 0.0)
        return replace(sources[0], axes=axes, levels=tuple(levels), channels=tuple(channels), attrs=common(sources))

    def needs(self, sources: Sequence[Spec], level: int, region: Region) -> Sequence[tuple[int, Need]]:
        """The images whose channels the region has."""
        return row_needs(self._row(sources), sources, level, region)

    def apply(self, sources: Sequence[Spec], level: int, region: Region, blocks: Iterator[Block]) -> Block:
        """The same voxels."""
        return row_apply(self._row(sources), sources, level, region, blocks, 0)

    def _row(self, sources: Sequence[Spec]) -> Row:
        return _ROWS.get(self, sources, lambda: row(sources, "c", range(len(sources)), shared_levels(sources, "c")))


def _named(spec: Spec, sources: Sequence[Spec]) -> Iterator[Channel]:
    name = spec.attrs.get("name")
    own = isinstance(name, str) and sum(other.attrs.get("name") == name for other in sources) == 1
    for i, channel in enumerate(spec.channels):
        if channel.name is None and own:
            yield replace(channel, name=str(name) if len(spec.channels) == 1 else f"{name} {i}")
        else:
            yield channel
