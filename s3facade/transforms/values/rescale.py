"""Windows of values stretched to a range: what a display does, as voxels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from s3facade.core.errors import Unsupported
from s3facade.core.image import Image, combine, derive
from s3facade.core.operators import Block, Need
from s3facade.core.region import Region
from s3facade.core.spec import Spec
from s3facade.transforms.values.common import changed, dtype_of, full_range, pointwise, quantities, rounded
from s3facade.transforms.values.statistics import percentiles
from s3facade.transforms.values.windows import Windows, each_channel, per_channel

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Rescale:
    """Values from ``window`` stretched over ``range``; those outside it become its ends.

    With ``percentiles`` instead of ``window``, the window of each channel is taken from the whole image, once.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    window: Windows | None = None
    """Values that become the ends of the range: [low, high] for all channels, or one pair for each; default: the
    windows that the image states."""
    percentiles: Range | None = None
    """Percentiles of each channel as its window, as in [1, 99.8]."""
    range: Range | None = None
    """Ends of the new values; default: the range of integers, 0 to 1 of floats."""
    dtype: str = "uint8"
    """Type of the new values; integers are rounded."""
    approximate: bool = False
    """Act on the image's own levels instead of computing levels of the result."""

    def build(self, image: Image) -> Image:
        """The rescaled image. Raises `Unsupported`."""
        stretched = Stretch(self.window, self.range, self.dtype, self.approximate)
        if self.percentiles is None:
            return derive(image, stretched)
        if self.window is not None:
            raise Unsupported("`rescale` takes `window` or `percentiles`, not both.")
        low, high = self.percentiles
        if not 0 <= low < high <= 100:
            raise Unsupported(f"`percentiles` must be two rising numbers from 0 to 100, not {low} and {high}.")
        return combine([image, percentiles(image, (low, high))], Stretched(self.range, self.dtype, self.approximate))


@dataclass(frozen=True, slots=True)
class Stretch:
    """`Rescale` by known windows."""

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = False

    window: Windows | None
    range: Range | None
    dtype: str
    approximate: bool = False

    def spec(self, source: Spec) -> Spec:
        """``source`` with new values. Raises `Unsupported`."""
        per_channel(self.window, source, "window")
        return _spec(source, self.range, self.dtype, approximate=self.approximate)

    def need(self, source: Spec, level: int, region: Region) -> Need:  # noqa: ARG002 - the seam
        """The same box."""
        return Need(level, region)

    def apply(self, source: Spec, level: int, region: Region, block: Block | None) -> Block:  # noqa: ARG002 - the seam
        """New values, rounded once."""
        if block is None:
            raise ValueError("rescaling needs the voxels of its source")
        return _stretched(source, region, block, per_channel(self.window, source, "window"), self.range, self.dtype)


@dataclass(frozen=True, slots=True)
class Stretched:
    """`Rescale` by the windows in a second image: one row of two values per channel."""

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = False

    range: Range | None
    dtype: str
    approximate: bool = False

    def spec(self, sources: Sequence[Spec]) -> Spec:
        """The first image with new values. Raises `Unsupported`."""
        return _spec(sources[0], self.range, self.dtype, approximate=self.approximate)

    def needs(self, sources: Sequence[Spec], level: int, region: Region) -> Sequence[tuple[int, Need]]:
        """The same box, and all numbers about its channels."""
        return [(1, Need(0, of_channels(sources[0], sources[1], region))), (0, Need(level, region))]

    def apply(self, sources: Sequence[Spec], level: int, region: Region, blocks: Iterator[Block]) -> Block:  # noqa: ARG002
        """New values, rounded once; of a channel that has one value only, the lower end of the range."""
        rows = next(blocks).reshape(-1, 2)
        c = sources[0].axis("c")
        first = region.start[c] if c is not None else 0
        found = {first + i: (float(low), float(high)) for i, (low, high) in enumerate(rows)}
        return _stretched(sources[0], region, next(blocks), found, self.range, self.dtype)


def of_channels(source: Spec, numbers: Spec, region: Region) -> Region:
    """The box of the image of `Percentiles` that belongs to the channels of ``region``."""
    whole = Region.whole(numbers.levels[0].shape)
    c = source.axis("c")
    if c is None:
        return whole
    return Region((region.start[c], *whole.start[1:]), (region.stop[c], *whole.stop[1:]))


def _spec(source: Spec, given: Range | None, name: str, *, approximate: bool) -> Spec:
    quantities(source, "rescale")
    dtype = dtype_of(name, source.dtype)
    low, high = given or full_range(dtype)
    if not (math.isfinite(low) and math.isfinite(high)) or low == high:
        raise Unsupported(f"`range` must have two different ends, not {low} and {high}.")
    return changed(source, dtype, (min(low, high), max(low, high)), approximate=approximate)


def _stretched(
    source: Spec,
    region: Region,
    block: Block,
    found: Sequence[Range] | dict[int, Range],
    given: Range | None,
    name: str,
) -> Block:
    dtype = dtype_of(name, source.dtype)
    bottom, top = given or full_range(dtype)
    out = np.empty(region.shape, dtype)
    for i, at, channel in each_channel(source, region, block):
        low, high = found[i]

        def stretch(values: Block, low: float = low, high: float = high) -> Block:
            wide = values.astype(np.float64)
            wide -= low
            wide *= top - bottom
            wide /= high - low if high > low else np.inf
            wide += bottom
            np.clip(wide, min(bottom, top), max(bottom, top), out=wide)
            return rounded(wide, dtype)

        out[at] = pointwise(channel, stretch)
    return out
