"""The one operator behind all transforms that move voxels between grids.

`Affine`, `Resample` and their like say what they want in a user's words; a `Warp` is what that comes to for one image:
numbers only, files read. However many maps are chained, values are interpolated once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import ClassVar, Literal

import numpy as np

from s3facade.core.errors import Unsupported
from s3facade.core.image import Image, Source, derive
from s3facade.core.operators import Block, Need
from s3facade.core.region import Region
from s3facade.core.spec import Level, Spec
from s3facade.transforms.described import PLANES, followed, kept
from s3facade.transforms.pyramids.downsample import AddLevel
from s3facade.transforms.resampling.mapping import Matrix, identity, indices
from s3facade.transforms.resampling.onto import Grid, grid_of
from s3facade.transforms.resampling.outlook import View, level_of, too_fine, views
from s3facade.transforms.resampling.sampling import Method, Window, finish
from s3facade.transforms.resampling.straight import reached, resampled

_SAME = 1e-6
"""Voxels by which two edges may differ and still be one: sums of decimal fractions are not exact."""


@dataclass(frozen=True, slots=True)
class Warp:
    """Values of the source at the places that an affine map of the output's voxel centres leads to."""

    version: ClassVar[int] = 3
    keep: ClassVar[bool] = True

    matrix: Matrix
    """Physical coordinates of the output to those of the source, axis units; one row per space axis, in their order."""
    grid: Grid
    """The output's finest level, space axes."""
    method: Method
    outside: float = 0.0
    """The value of voxels whose place is not on the source."""
    files: tuple[Source, ...] = ()

    def spec(self, source: Spec) -> Spec:
        """``source`` on the new grid.

        Raises:
            Unsupported: ``outside`` is not a value of the image's type, or names would be interpolated.
        """
        check(source, self.method, self.outside)
        levels = tuple(level_of(view, source.axes, source.levels[0]) for view in self._views(source))
        made = replace(source, levels=levels, attrs=kept(source, PLANES))
        # Only where nothing moves: elsewhere it would be places in the frame that was left.
        return followed(source, made) if self.matrix == identity(len(self.matrix)) else made

    def need(self, source: Spec, level: int, region: Region) -> Need | None:
        """The box around the places of ``region``, with the neighbours that they are interpolated from."""
        view, matrix = self._view(source, level)
        count = len(self.matrix)
        ahead = len(source.axes) - count
        shape = source.levels[view.source].shape[ahead:]
        space = Region(region.start[ahead:], region.stop[ahead:])
        spans = reached(matrix, space, shape, self.method, ends(source.levels, view.source, count))
        if spans is None:
            return None
        start = region.start[:ahead] + tuple(a for a, _ in spans)
        return Need(view.source, Region(start, region.stop[:ahead] + tuple(b for _, b in spans)))

    def apply(self, source: Spec, level: int, region: Region, block: Block | None) -> Block:
        """Voxels of ``region``: ``outside`` where there is no source behind them."""
        if block is None:
            return np.full(region.shape, self.outside, source.dtype)
        view, matrix = self._view(source, level)
        ahead = len(source.axes) - len(self.matrix)
        need = self.need(source, level, region)
        if need is None:
            raise ValueError("there is no source behind this region")
        window = Window(
            need.region.start[ahead:],
            need.region.shape[ahead:],
            source.levels[view.source].shape[ahead:],
            ends(source.levels, view.source, len(self.matrix)),
        )
        space = Region(region.start[ahead:], region.stop[ahead:])
        planes = block.reshape(-1, *window.shape)
        out = resampled(planes, matrix, space, window, self.method, self.outside)
        return finish(out, source.dtype).reshape(region.shape)

    def _views(self, source: Spec) -> tuple[View, ...]:
        return _plan(self, source.levels)[0]

    def _view(self, source: Spec, level: int) -> tuple[View, Matrix]:
        found, matrices = _plan(self, source.levels)
        return found[level], matrices[level]


@lru_cache(maxsize=1024)
def _plan(warp: Warp, levels: tuple[Level, ...]) -> tuple[tuple[View, ...], tuple[Matrix, ...]]:
    """The output's levels, each with its map of voxel indices to those of its source level."""
    found = views(levels, warp.matrix, warp.grid)
    count = len(warp.matrix)
    return found, tuple(indices(warp.matrix, view.grid, grid_of(levels[view.source], count)) for view in found)


@lru_cache(maxsize=1024)
def ends(levels: tuple[Level, ...], number: int, count: int) -> tuple[float, ...]:
    """Where the image ends, in voxels of one of its levels, along its ``count`` space axes.

    That is where its finest level does: a coarser one lacks what does not fill a block at the far edge, up to one of
    its voxels, and its last voxel goes on there.
    """
    fine, level = (grid_of(levels[k], count) for k in (0, number))
    out = []
    for (_, far), scale, origin, full in zip(fine.corners, level.scale, level.origin, level.shape, strict=True):
        own, whole = full - 0.5, (far - origin) / scale
        out.append(min(whole, own + 1) if whole > own + _SAME else own)
    return tuple(out)


def check(source: Spec, method: Method, outside: float) -> None:
    """Whether ``source`` can be sampled so.

    Raises:
        Unsupported: ``outside`` is not a value of the image's type, or names would be interpolated.
    """
    if method != "nearest" and (source.dtype.kind == "b" or source.attrs.get("categorical") is True):
        raise Unsupported(f"Labels and masks are names, not quantities: method {method!r} cannot be used; use nearest.")
    if source.dtype.kind in "biu":
        limits = (0, 1) if source.dtype.kind == "b" else (np.iinfo(source.dtype).min, np.iinfo(source.dtype).max)
        if not (float(outside).is_integer() and limits[0] <= outside <= limits[1]):
            raise Unsupported(f"`outside: {outside}` is no value of {source.dtype}; choose another, or cast first.")


def prepared(image: Image, matrix: Matrix, grid: Grid, method: Method) -> Image:
    """``image`` with levels that are coarse enough for ``grid``.

    Where the output is coarser than the coarsest level that the source brings, levels are added to the source until
    one fits: single voxels picked from fine levels would show patterns that are not there.
    """
    names = method_for(image.spec, None) == "nearest"
    if method == "nearest" and not names:
        return image
    how: Literal["mean", "mode"] = "mode" if names else "mean"
    while any(halved := too_fine(image.spec.levels[-1], matrix, grid)):
        factors = (1,) * (len(image.spec.axes) - len(halved)) + tuple(2 if h else 1 for h in halved)
        image = derive(image, AddLevel(factors, how))
    return image


def warped(image: Image, warp: Warp) -> Image:
    """``image`` through ``warp``, from levels that are coarse enough. Raises Unsupported."""
    check(image.spec, warp.method, warp.outside)
    return derive(prepared(image, warp.matrix, warp.grid, warp.method), warp)


def method_for(source: Spec, method: Method | None) -> Method:
    """``method``, or what suits the image: nearest for labels and masks, else linear."""
    if method is not None:
        return method
    return "nearest" if source.dtype.kind == "b" or source.attrs.get("categorical") is True else "linear"
