"""Two images, or two channels of one, made into one by arithmetic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from s3facade.core.errors import Unsupported
from s3facade.core.operators import Block, Need
from s3facade.core.options import OtherImage
from s3facade.core.region import Region
from s3facade.core.spec import Channel, Spec
from s3facade.transforms.combining.beside import as_axes_of, beside, beside_levels, check_beside
from s3facade.transforms.combining.formulas import Operation, computed, described, result_type
from s3facade.transforms.geometry.channels import channel_number


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """The image (a) and another one (b), voxel by voxel; an axis that b lacks, or has once, is the same everywhere."""

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = True
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    image: OtherImage
    operation: Operation = "subtract"
    weights: tuple[float, float] = (1.0, 1.0)
    """Of both images in a ``weighted`` sum."""
    offset: float = 0.0
    """Added to the result."""
    dtype: str | None = None
    """Default: that of the image; of ratios float32 or float64."""
    approximate: bool = False
    """Whether levels are computed from the levels of both images, instead of from the finest result."""

    def spec(self, sources: Sequence[Spec]) -> Spec:
        """The image with the results.

        Raises:
            Unsupported: Images that do not cover the same voxels, or types that cannot be computed with.
        """
        source, other = sources
        check_beside("arithmetic", source, other, self.image, placed=True)
        dtype = result_type("arithmetic", self.operation, self.dtype, sources)
        levels = source.levels[: beside_levels(source, other)]
        return described(replace(source, levels=levels), self.operation, dtype, approximate=self.approximate)

    def needs(self, sources: Sequence[Spec], level: int, region: Region) -> Sequence[tuple[int, Need]]:
        """The same voxels of both."""
        return [(0, Need(level, region)), (1, beside(sources[0], sources[1], level, region))]

    def apply(self, sources: Sequence[Spec], level: int, region: Region, blocks: Iterator[Block]) -> Block:  # noqa: ARG002 - the seam
        """The results.

        Raises:
            BadSource: A result is not a number, and the type holds numbers only.
        """
        source, other = sources
        a, b = next(blocks), as_axes_of(source, other, next(blocks))
        dtype = result_type("arithmetic", self.operation, self.dtype, sources)
        return computed(self.operation, a, b, dtype, self.weights, self.offset)


@dataclass(frozen=True, slots=True)
class ChannelArithmetic:
    """Two channels, a and b, of one image: the result is its only channel."""

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = True
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    channels: tuple[int | str, int | str]
    """By number from 0, or by name."""
    operation: Operation = "subtract"
    weights: tuple[float, float] = (1.0, 1.0)
    """Of both channels in a ``weighted`` sum."""
    offset: float = 0.0
    """Added to the result."""
    dtype: str | None = None
    """Default: that of the image; of ratios float32 or float64."""
    name: str | None = None
    """Of the result."""
    approximate: bool = False
    """Whether levels are computed from the levels of the image, instead of from the finest result."""

    def spec(self, source: Spec) -> Spec:
        """The image with one channel.

        Raises:
            Unsupported: No such channels, or a type that cannot be computed with.
        """
        if source.axis("c") is None:
            raise Unsupported("channel_arithmetic: the image has no channels; `arithmetic` takes another image.")
        self._numbers(source)
        dtype = result_type("channel_arithmetic", self.operation, self.dtype, [source])
        spec = described(source, self.operation, dtype, approximate=self.approximate)
        c = source.names.index("c")
        levels = tuple(
            replace(
                level,
                shape=(*level.shape[:c], 1, *level.shape[c + 1 :]),
                block=(*level.block[:c], 1, *level.block[c + 1 :]),
            )
            for level in spec.levels
        )
        attrs = {key: value for key, value in spec.attrs.items() if key not in {"axes", "positions", "times"}}
        return replace(spec, levels=levels, channels=(Channel(self.name),), attrs=attrs)

    def need(self, source: Spec, level: int, region: Region) -> Need:
        """Both channels, and those between them."""
        c, numbers = source.names.index("c"), self._numbers(source)
        start, stop = list(region.start), list(region.stop)
        start[c], stop[c] = min(numbers), max(numbers) + 1
        return Need(level, Region(tuple(start), tuple(stop)))

    def apply(self, source: Spec, level: int, region: Region, block: Block | None) -> Block:  # noqa: ARG002 - the seam
        """The results.

        Raises:
            BadSource: A result is not a number, and the type holds numbers only.
        """
        if block is None:
            raise ValueError("arithmetic needs the voxels of its source")
        c, numbers = source.names.index("c"), self._numbers(source)
        a, b = (np.take(block, [n - min(numbers)], c) for n in numbers)
        dtype = result_type("channel_arithmetic", self.operation, self.dtype, [source])
        return computed(self.operation, a, b, dtype, self.weights, self.offset)

    def _numbers(self, source: Spec) -> tuple[int, int]:
        first, second = self.channels
        return channel_number(source, first), channel_number(source, second)
