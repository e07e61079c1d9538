"""Gaussian smoothing, and the sharpening that subtracts it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from s3facade.core.errors import Unsupported
from s3facade.core.extents import Extents
from s3facade.core.operators import Block, Need
from s3facade.core.region import Region
from s3facade.core.spec import Spec
from s3facade.transforms.filters.neighbours import Edges, around, check_sigma, smoothed
from s3facade.transforms.values.common import changed, dtype_of, quantities, rounded, working


@dataclass(frozen=True, slots=True)
class Gaussian:
    """Every voxel becomes the mean of its neighbours, weighted by a Gaussian that ends at four standard deviations."""

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = True
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    sigma: Extents
    """Standard deviation: of every space axis, as in `2 um` or `1.5 px`, or of those named: `{y: 2 px, x: 2 px}`."""
    edges: Edges = "nearest"
    """What lies beyond the image."""
    dtype: str | None = None
    """Type of the result; default: that of the image, integers rounded."""
    approximate: bool = False
    """Smooth the image's own levels instead of computing levels of the smoothed image."""

    def spec(self, source: Spec) -> Spec:
        """``source``, smoothed. Raises `Unsupported`."""
        quantities(source, "gaussian")
        check_sigma(self.sigma, source)
        dtype = dtype_of(self.dtype, source.dtype)
        return changed(source, dtype, None, approximate=self.approximate, keep=True)

    def need(self, source: Spec, level: int, region: Region) -> Need:
        """The box and four standard deviations around it."""
        return around(source, level, region, self.sigma)

    def apply(self, source: Spec, level: int, region: Region, block: Block | None) -> Block:
        """Smoothed voxels; in single precision for up to 16 bits and float32, else in double."""
        if block is None:
            raise ValueError("a filter needs the voxels of its source")
        dtype = dtype_of(self.dtype, source.dtype)
        wide = working(source.dtype, dtype)
        return rounded(smoothed(source, level, region, block, self.sigma, self.edges, wide), dtype)


@dataclass(frozen=True, slots=True)
class Unsharp:
    """Unsharp masking: what a Gaussian takes away is added to the image, ``amount`` times."""

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = True
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    sigma: Extents
    """Standard deviation of the Gaussian, as in `gaussian`."""
    amount: float = 1.0
    """How much is added; 0 changes nothing."""
    edges: Edges = "nearest"
    """What lies beyond the image."""
    dtype: str | None = None
    """Type of the result; default: that of the image, integers rounded and kept within their range."""
    approximate: bool = False
    """Sharpen the image's own levels instead of computing levels of the sharpened image."""

    def spec(self, source: Spec) -> Spec:
        """``source``, sharpened. Raises `Unsupported`."""
        quantities(source, "unsharp")
        if not 0 <= self.amount < float("inf"):
            raise Unsupported(f"`amount` must be a number of at least 0, not {self.amount}.")
        check_sigma(self.sigma, source)
        dtype = dtype_of(self.dtype, source.dtype)
        return changed(source, dtype, None, approximate=self.approximate, keep=True)

    def need(self, source: Spec, level: int, region: Region) -> Need:
        """The box and four standard deviations around it."""
        return around(source, level, region, self.sigma)

    def apply(self, source: Spec, level: int, region: Region, block: Block | None) -> Block:
        """Sharpened voxels; in single precision for up to 16 bits and float32, else in double."""
        if block is None:
            raise ValueError("a filter needs the voxels of its source")
        dtype = dtype_of(self.dtype, source.dtype)
        wide = working(source.dtype, dtype)
        smooth = smoothed(source, level, region, block, self.sigma, self.edges, wide)
        box = self.need(source, level, region).region
        sharp = block[region.slices(box.start)].astype(wide)
        smooth -= sharp
        smooth *= -self.amount
        sharp += smooth
        return rounded(sharp, dtype)
