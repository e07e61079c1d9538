"""What lies in a region of another image, and a constant elsewhere."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from s3facade.core.errors import Unsupported
from s3facade.core.operators import Block, Need
from s3facade.core.options import OtherImage
from s3facade.core.region import Region
from s3facade.core.spec import Spec
from s3facade.transforms.combining.beside import as_axes_of
from s3facade.transforms.combining.together import fits
from s3facade.transforms.geometry.places import EDGE
from s3facade.transforms.values.common import changed


@dataclass(frozen=True, slots=True)
class Mask:
    """The image where the voxel of another one over it is not 0.

    The other image may have other voxel sizes and cover another space, if both state them; where it is not, it counts
    as 0. An axis that it lacks, and t, c or z of one voxel, is the same everywhere.
    """

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = False
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    image: OtherImage
    value: float = 0.0
    """Shown elsewhere."""
    invert: bool = False
    """Whether the image is shown where the other one is 0."""
    approximate: bool = False
    """Whether levels are masked, instead of computed from the masked finest one."""

    def spec(self, sources: Sequence[Spec]) -> Spec:
        """The image as it was.

        Raises:
            Unsupported: The other image holds no whole numbers, has more axes, or lies elsewhere.
        """
        source, other = sources
        if other.dtype.kind not in "biu":
            raise Unsupported(f"mask: {self.image!r} holds {other.dtype}, not labels; add a step `threshold` to it.")
        fits("mask", self.value, source.dtype)
        for j, axis in enumerate(other.axes):
            n = other.levels[0].shape[j]
            if source.axis(axis.name) is None and n > 1:
                raise Unsupported(f"mask: {self.image!r} has an axis {axis.name} of {n} voxels, the image has none.")
            self._check_axis(source, other, j)
        return changed(source, source.dtype, None, approximate=self.approximate, keep=True)

    def needs(self, sources: Sequence[Spec], level: int, region: Region) -> Sequence[tuple[int, Need]]:
        """The region, and the box of the other image that lies over it, unless there is none."""
        found = _over(sources[0], sources[1], level, region)
        first = (0, Need(level, region))
        return [first] if found is None else [first, (1, found.need)]

    def apply(self, sources: Sequence[Spec], level: int, region: Region, blocks: Iterator[Block]) -> Block:
        """The masked voxels."""
        source, other = sources
        found = _over(source, other, level, region)
        block = next(blocks)
        shown: Block = np.zeros((1,) * block.ndim, np.bool_)
        if found is not None:
            mask = next(blocks) != 0
            for j, at in enumerate(found.voxels):
                if at is not None and not np.array_equal(at, np.arange(mask.shape[j])):
                    inside = (at >= 0) & (at < mask.shape[j])
                    mask = mask.take(np.where(inside, at, 0), j)
                    mask &= inside.reshape([-1 if k == j else 1 for k in range(mask.ndim)])
            shown = as_axes_of(source, other, mask)
        if self.invert:
            shown = ~shown
        if self.value == 0 and block.dtype.kind in "iu":
            return block * shown
        return np.where(shown, block, np.asarray(self.value, block.dtype))

    def _check_axis(self, source: Spec, other: Spec, j: int) -> None:
        axis = other.axes[j]
        i = source.axis(axis.name)
        if i is None or _everywhere(source, other, j):
            return
        n, m = source.levels[0].shape[i], other.levels[0].shape[j]
        if not _physical(source, other, i, j):
            if n != m:
                hint = (
                    "without the voxel sizes of both nothing says where they lie" if axis.kind == "space" else "cut one"
                )
                raise Unsupported(
                    f"mask: the image has {n} voxels along {axis.name} and {self.image!r} has {m}; {hint}."
                )
            return
        ends = [(level.origin[k] - level.scale[k] / 2, level.origin[k] + (level.shape[k] - 0.5) * level.scale[k])
                for level, k in ((source.levels[0], i), (other.levels[0], j))]  # fmt: skip
        if ends[1][1] <= ends[0][0] or ends[0][1] <= ends[1][0]:
            raise Unsupported(
                f"mask: the image and {self.image!r} have nothing in common along {axis.name}: "
                f"they end at {ends[0][0]:g} and {ends[0][1]:g}, and at {ends[1][0]:g} and {ends[1][1]:g}."
            )


@dataclass(frozen=True, eq=False, slots=True)
class _Found:
    need: Need
    voxels: tuple[npt.NDArray[np.int64] | None, ...]
    """For each axis of the other image the voxel of the box over each voxel of the region; None: the same for all."""


def _everywhere(source: Spec, other: Spec, j: int) -> bool:
    name, n = other.axes[j].name, other.levels[0].shape[j]
    return source.axis(name) is None or (n == 1 and name in "tcz")


def _physical(source: Spec, other: Spec, i: int, j: int) -> bool:
    return source.axes[i].unit is not None and other.axes[j].unit is not None and source.axes[i].kind == "space"


def _over(source: Spec, other: Spec, level: int, region: Region) -> _Found | None:
    """The box of the other image over a region; None if it lies elsewhere."""
    at = _level(source, other, level)
    ends: list[tuple[int, int]] = []
    voxels: list[npt.NDArray[np.int64] | None] = []
    for j, axis in enumerate(other.axes):
        i = source.axis(axis.name)
        if i is None or _everywhere(source, other, j):
            ends.append((0, 1))
            voxels.append(None)
            continue
        here, there = source.levels[level], other.levels[at]
        first, step = here.origin[i], here.scale[i]
        origin, size = there.origin[j], there.scale[j]
        if not _physical(source, other, i, j):
            fine, lowest = source.levels[0], other.levels[0]
            first, step = (first - fine.origin[i]) / fine.scale[i], step / fine.scale[i]
            origin, size = (origin - lowest.origin[j]) / lowest.scale[j], size / lowest.scale[j]
        places = (first - origin + np.arange(region.start[i], region.stop[i]) * step) / size
        nearest = np.floor(places + 0.5 + EDGE).astype(np.int64)
        low, high = max(int(nearest[0]), 0), min(int(nearest[-1]) + 1, there.shape[j])
        if low >= high:
            return None
        ends.append((low, high))
        voxels.append(nearest - low)
    box = Region(tuple(a for a, _ in ends), tuple(b for _, b in ends))
    return _Found(Need(at, box), tuple(voxels))


def _level(source: Spec, other: Spec, level: int) -> int:
    """The coarsest level of the other image whose voxels are not longer than those of the image."""
    best = 0
    for k, there in enumerate(other.levels):
        fine = True
        for j, axis in enumerate(other.axes):
            i = source.axis(axis.name)
            if i is not None and not _everywhere(source, other, j):
                mine, theirs = source.levels[level].scale[i], there.scale[j]
                if not _physical(source, other, i, j):
                    mine, theirs = mine / source.levels[0].scale[i], theirs / other.levels[0].scale[j]
                fine = fine and (theirs <= mine or math.isclose(theirs, mine, rel_tol=1e-3))
        if fine:
            best = k
    return best
