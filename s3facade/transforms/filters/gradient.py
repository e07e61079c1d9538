"""How steep values are, and how they bend: Sobel magnitude and Laplacian of Gaussian."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from s3facade.core.errors import Unsupported
from s3facade.core.extents import SPACE, Extents, in_voxels
from s3facade.core.operators import Block, Need
from s3facade.core.region import Region
from s3facade.core.spec import Spec
from s3facade.transforms.filters.neighbours import Edges, around, check_sigma, gaussian, grown, separable
from s3facade.transforms.values.common import changed, quantities, working

Per = Literal["px", "um"]
_SLOPE = np.array([-0.5, 0.0, 0.5])
_SMOOTH = np.array([0.25, 0.5, 0.25])


@dataclass(frozen=True, slots=True)
class Sobel:
    """The magnitude of the gradient: central differences, smoothed across; a ramp of 1 per voxel gives 1."""

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = True
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    axes: str = ""
    """Axes of the gradient, as in `yx` or `zyx`; default: every space axis."""
    per: Per = "px"
    """Change per voxel, or per µm, which makes voxels that are no cubes comparable."""
    edges: Edges = "nearest"
    """What lies beyond the image."""
    approximate: bool = False
    """Act on the image's own levels instead of computing levels of the result."""

    def spec(self, source: Spec) -> Spec:
        """Magnitudes, float32 (float64 for wider types). Raises `Unsupported`."""
        quantities(source, "sobel")
        if set(self.axes) - {n for n in source.names if n in SPACE} or len(set(self.axes)) < len(self.axes):
            raise Unsupported(f"`axes` of sobel must be some of the image's space axes, as in 'yx', not {self.axes!r}.")
        _steps(source, 0, self.per)
        return changed(source, working(source.dtype), None, approximate=self.approximate)

    def need(self, source: Spec, level: int, region: Region) -> Need:
        """The box and one voxel around it."""
        return grown(source, level, region, [int(name in self._axes(source)) for name in source.names])

    def apply(self, source: Spec, level: int, region: Region, block: Block | None) -> Block:
        """The root of the sum of squares of one derivative per axis."""
        if block is None:
            raise ValueError("a filter needs the voxels of its source")
        wide, chosen = working(source.dtype), self._axes(source)
        box = self.need(source, level, region).region
        total = np.zeros(region.shape, wide)
        for name, step in zip(source.names, _steps(source, level, self.per), strict=True):
            if name in chosen:
                kernels = [_SLOPE if n == name else _SMOOTH if n in chosen else None for n in source.names]
                slope = separable(block, box, region, kernels, self.edges, wide)
                slope /= wide.type(step)
                slope *= slope
                total += slope
        return np.sqrt(total, out=total)

    def _axes(self, source: Spec) -> str:
        return self.axes or "".join(n for n in source.names if n in SPACE)


@dataclass(frozen=True, slots=True)
class LaplaceOfGaussian:
    """The sum of second derivatives of the image smoothed by a Gaussian: negative on bright spots of about its size."""

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = True
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    sigma: Extents
    """Standard deviation of the Gaussian, as in `gaussian`."""
    per: Per = "px"
    """Curvature per voxel², or per µm²."""
    edges: Edges = "nearest"
    """What lies beyond the image."""
    approximate: bool = False
    """Act on the image's own levels instead of computing levels of the result."""

    def spec(self, source: Spec) -> Spec:
        """Curvatures, float32 (float64 for wider types). Raises `Unsupported`."""
        quantities(source, "laplace_of_gaussian")
        check_sigma(self.sigma, source)
        _steps(source, 0, self.per)
        return changed(source, working(source.dtype), None, approximate=self.approximate)

    def need(self, source: Spec, level: int, region: Region) -> Need:
        """The box and four standard deviations around it."""
        return around(source, level, region, self.sigma, order=2)

    def apply(self, source: Spec, level: int, region: Region, block: Block | None) -> Block:
        """One pass of all axes for each axis that is derived."""
        if block is None:
            raise ValueError("a filter needs the voxels of its source")
        wide = working(source.dtype)
        sigmas = in_voxels(self.sigma, source, level, "sigma")
        box = self.need(source, level, region).region
        total = np.zeros(region.shape, wide)
        for axis, step in enumerate(_steps(source, level, self.per)):
            if sigmas[axis]:
                kernels = [gaussian(s, 2 if i == axis else 0) for i, s in enumerate(sigmas)]
                bend = separable(block, box, region, kernels, self.edges, wide)
                bend /= wide.type(step * step)
                total += bend
        return total


def _steps(source: Spec, level: int, per: Per) -> tuple[float, ...]:
    """Length of a voxel per axis: 1, or µm."""
    if per == "px":
        return (1.0,) * len(source.axes)
    if any(axis.unit is None for axis in source.axes if axis.name in SPACE):
        raise Unsupported("`per: um` needs voxels of known size; set `pixel_size` of the source, or write `per: px`.")
    return source.levels[level].scale
