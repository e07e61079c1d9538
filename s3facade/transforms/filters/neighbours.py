"""What filters have in common: halos, edges, and passes along one axis after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from s3facade.core.errors import Unsupported
from s3facade.core.extents import Extents, in_voxels
from s3facade.core.operators import Block, Need
from s3facade.core.region import Region
from s3facade.core.spec import Spec

Edges: TypeAlias = Literal["nearest", "reflect", "mirror", "constant"]
"""What lies beyond the image: its outermost voxel again; the image reflected, with or without the outermost voxel
twice; or zero. Names are those of scipy.ndimage."""
Weights: TypeAlias = npt.NDArray[np.float64]
"""A kernel of one axis, of odd length."""
WIDEST = 1024.0
"""Voxels of a standard deviation: a unit mistaken must not take all memory for its kernel."""


def check_sigma(sigma: Extents, source: Spec) -> None:
    """Whether ``sigma`` can be computed.

    Raises:
        Unsupported: An axis or a unit that the image does not have, or more than `WIDEST` voxels.
    """
    for name, voxels in zip(source.names, in_voxels(sigma, source, 0, "sigma"), strict=True):
        if voxels > WIDEST:
            raise Unsupported(
                f"`sigma` is {voxels:g} voxels along {name}, more than {WIDEST:g}; check its unit, or `downsample` "
                "before."
            )


def grown(source: Spec, level: int, region: Region, halo: Sequence[int]) -> Need:
    """``region`` with its halo, clipped to the image."""
    return Need(level, region.grow(tuple(halo)).clip(source.levels[level].shape))


def around(source: Spec, level: int, region: Region, sigma: Extents, order: int = 0) -> Need:
    """``region`` and what a Gaussian, or its derivative of ``order``, weighs around it."""
    return grown(source, level, region, [reach(s, order) for s in in_voxels(sigma, source, level, "sigma")])


def smoothed(
    source: Spec, level: int, region: Region, block: Block, sigma: Extents, edges: Edges, dtype: npt.DTypeLike
) -> Block:
    """New voxels of ``region`` through a Gaussian, from the voxels of `around` it."""
    box = around(source, level, region, sigma).region
    kernels = [gaussian(s) for s in in_voxels(sigma, source, level, "sigma")]
    return separable(block, box, region, kernels, edges, dtype)


def separable(
    block: Block, box: Region, region: Region, kernels: Sequence[Weights | None], edges: Edges, dtype: npt.DTypeLike
) -> Block:
    """Kernels one after the other, each along its axis; the halo of an axis is cut off after its pass.

    Args:
        block: Voxels of ``box``.
        box: ``region`` with halos of at least half the kernels, clipped to the image.
        region: What is wanted.
        kernels: One per axis, None where nothing is done.
        edges: What lies beyond the image.
        dtype: Float type of the result and of what stands between passes.

    Returns:
        New voxels of ``region``. Each is worked out by the same additions wherever the box ends.
    """
    from scipy.ndimage import correlate1d

    out = block if block.dtype != np.float16 else block.astype(np.float32)
    for axis, kernel in enumerate(kernels):
        if kernel is not None:
            out = correlate1d(out, kernel, axis, dtype, edges)
        start = region.start[axis] - box.start[axis]
        stop = start + region.stop[axis] - region.start[axis]
        if (start, stop) != (0, out.shape[axis]):
            out = out[(slice(None),) * axis + (slice(start, stop),)]
    return np.ascontiguousarray(out, dtype) if out is not block else block.astype(dtype)


def gaussian(sigma: float, order: int = 0) -> Weights | None:
    """Samples of a Gaussian or its second derivative, out to four standard deviations; None if ``sigma`` is 0.

    Weights of a Gaussian sum to 1, those of the second derivative to 0, and to 2 on x²: flat regions stay what they
    are, or vanish, and a parabola gives its curvature, however few samples there are.

    Args:
        sigma: Standard deviation in voxels.
        order: 0 or 2.
    """
    if sigma <= 0:
        return None
    sigma = max(sigma, 0.01)
    x = np.arange(-reach(sigma, order), reach(sigma, order) + 1)
    weights: Weights = np.exp(-0.5 / (sigma * sigma) * x**2)
    weights = weights / weights.sum()
    if order == 2:
        weights = weights * (x**2 / sigma**2 - 1) / sigma**2
        weights = weights - weights.mean()
        weights *= 2 / (weights * x**2).sum()
    return weights


def reach(sigma: float, order: int = 0) -> int:
    """Voxels on each side that a Gaussian of ``sigma`` voxels, or its second derivative, sees."""
    return max(int(4.0 * sigma + 0.5), order // 2 if sigma > 0 else 0)
