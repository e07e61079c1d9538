"""Values changed one by one: gamma, invert, clip."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from s3facade.core.errors import Unsupported
from s3facade.core.operators import Block, Need
from s3facade.core.region import Region
from s3facade.core.spec import Spec
from s3facade.transforms.values.common import changed, full_range, pointwise, quantities, rounded

Range = tuple[float, float]
Exact = tuple[int | float, int | float]
"""Numbers as they are written: floats do not hold all integers of 64 bits."""
_MOST = 1e308


@dataclass(frozen=True, slots=True)
class Gamma:
    """The share of ``range`` that a value reaches, to the power of ``gamma``: below 1 brightens, above 1 darkens.

    Values outside the range become its ends.
    """

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = False
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    gamma: float
    """The exponent, greater than 0."""
    range: Range | None = None
    """Values that stay what they are: black and white; default: the range of integers, 0 to 1 of floats."""
    approximate: bool = False
    """Act on the image's own levels instead of computing levels of the result."""

    def spec(self, source: Spec) -> Spec:
        """``source``, of the same type. Raises `Unsupported`."""
        quantities(source, "gamma")
        if not 0 < self.gamma < math.inf:
            raise Unsupported(f"`gamma` must be greater than 0, not {self.gamma}.")
        window = _range(self.range, source, "gamma")
        return changed(source, source.dtype, window, approximate=self.approximate)

    def need(self, source: Spec, level: int, region: Region) -> Need:  # noqa: ARG002 - the seam
        """The same box."""
        return Need(level, region)

    def apply(self, source: Spec, level: int, region: Region, block: Block | None) -> Block:  # noqa: ARG002 - the seam
        """New values, rounded once."""
        if block is None:
            raise ValueError("gamma needs the voxels of its source")
        low, high = _range(self.range, source, "gamma")

        def curve(values: Block) -> Block:
            wide = values.astype(np.float64)
            wide -= low
            wide /= high - low
            np.clip(wide, 0, 1, out=wide)
            np.power(wide, self.gamma, out=wide)
            wide *= high - low
            wide += low
            return rounded(wide, source.dtype)

        return pointwise(block, curve)


@dataclass(frozen=True, slots=True)
class Invert:
    """Black becomes white: the sum of both ends of ``range`` less the value."""

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = False
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    range: Range | None = None
    """Black and white; default: the range of integers, 0 to 1 of floats. Results end at the range of their type."""
    approximate: bool = False
    """Act on the image's own levels instead of computing levels of the result."""

    def spec(self, source: Spec) -> Spec:
        """``source``, of the same type. Raises `Unsupported`."""
        quantities(source, "invert")
        window = _range(self.range, source, "invert")
        return changed(source, source.dtype, window, approximate=self.approximate)

    def need(self, source: Spec, level: int, region: Region) -> Need:  # noqa: ARG002 - the seam
        """The same box."""
        return Need(level, region)

    def apply(self, source: Spec, level: int, region: Region, block: Block | None) -> Block:  # noqa: ARG002 - the seam
        """New values: exact for integers in their whole range."""
        if block is None:
            raise ValueError("inverting needs the voxels of its source")
        if self.range is None and block.dtype.kind in "iu":
            # The greatest less the value, and -1 less the value: both are the complement of its bits.
            return np.invert(block)
        low, high = _range(self.range, source, "invert")
        return pointwise(block, lambda values: rounded(low + high - values.astype(np.float64), source.dtype))


@dataclass(frozen=True, slots=True)
class Clip:
    """Values outside ``range`` become its ends."""

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = False
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    range: Exact
    """Lowest and highest value."""
    approximate: bool = False
    """Act on the image's own levels instead of computing levels of the result."""

    def spec(self, source: Spec) -> Spec:
        """``source``, of the same type. Raises `Unsupported`."""
        quantities(source, "clip")
        if any(abs(end) > _MOST for end in self.range):
            raise Unsupported("The range of `clip` is beyond all numbers that voxels can have.")
        low, high = _range(self.range, source, "clip")
        if source.dtype.kind in "iu" and not all(float(end).is_integer() for end in self.range):
            raise Unsupported(f"`clip` of integers needs whole numbers, not {low} and {high}.")
        return changed(source, source.dtype, None, approximate=self.approximate, keep=True)

    def need(self, source: Spec, level: int, region: Region) -> Need:  # noqa: ARG002 - the seam
        """The same box."""
        return Need(level, region)

    def apply(self, source: Spec, level: int, region: Region, block: Block | None) -> Block:  # noqa: ARG002 - the seam
        """Values within the range; NaN stays."""
        if block is None:
            raise ValueError("clipping needs the voxels of its source")
        low, high = self.range
        if source.dtype.kind in "iu":
            info = np.iinfo(source.dtype)
            low, high = (min(max(int(end), info.min), info.max) for end in (low, high))
        with np.errstate(over="ignore"):
            # An end beyond the type's own becomes infinite.
            clipped: Block = np.clip(np.ascontiguousarray(block), source.dtype.type(low), source.dtype.type(high))
        return clipped


def _range(given: Range | None, source: Spec, what: str) -> Range:
    low, high = given or full_range(source.dtype)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise Unsupported(f"The range of `{what}` must run from a lower to a higher value, not from {low} to {high}.")
    return low, high
