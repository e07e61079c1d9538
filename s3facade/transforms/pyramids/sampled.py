"""One more, coarser level from a part of a finer one: a preview of what would have to read too much."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from s3facade.core.errors import Unsupported
from s3facade.core.levels import block_of
from s3facade.core.operators import Block, Need
from s3facade.core.region import Region
from s3facade.core.spec import Level, Spec


@dataclass(frozen=True, slots=True)
class SampleLevel:
    """Appends a level of single voxels of level ``base``, taken from every n-th block of it along each axis.

    Output voxel i stands where voxel ``i * factor + factor // 2`` of the base stands, and shows the nearest voxel along
    each axis of those blocks that are read: itself where its own block is, else one at the edge of the block that is
    read in place of its neighbours. Levels before it pass through. Blocks are those of the base level's own grid, so
    that the others are not even decoded.
    """

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = True
    holds: ClassVar[int] = 1

    base: int
    """The level that is sampled."""
    factors: tuple[int, ...]
    """Voxels of the base per output voxel and axis."""
    every: tuple[int, ...]
    """One of so many blocks along each axis is read: the middle one."""

    def spec(self, sources: Sequence[Spec]) -> Spec:
        """The image with one level more.

        Raises:
            Unsupported: Not one image, or numbers that do not fit its axes.
        """
        if len(sources) != 1:
            raise Unsupported(f"A preview is made of one image, not {len(sources)}.")
        (source,) = sources
        fitting = len(self.factors) == len(self.every) == len(source.axes) and 0 <= self.base < len(source.levels)
        if not fitting or any(n < 1 for n in (*self.factors, *self.every)):
            raise Unsupported(f"A preview needs a level, and one factor for each of {', '.join(source.names)}.")
        base = source.levels[self.base]
        shape = tuple(n // f for n, f in zip(base.shape, self.factors, strict=True))
        if 0 in shape:
            raise Unsupported(f"A preview {self.factors} times smaller than {base.shape} voxels has no voxel left.")
        scale = tuple(s * f for s, f in zip(base.scale, self.factors, strict=True))
        origin = tuple(o + s * (f // 2) for o, s, f in zip(base.origin, base.scale, self.factors, strict=True))
        return replace(source, levels=(*source.levels, Level(shape, scale, origin, block_of(source.names, shape))))

    def needs(self, sources: Sequence[Spec], level: int, region: Region) -> list[tuple[int, Need]]:
        """A box in each block that is read; of other levels the region itself."""
        (source,) = sources
        if level < len(source.levels):
            return [(0, Need(level, region))]
        return [
            (0, Need(self.base, Region(tuple(int(at[0]) for _, at in runs), tuple(int(at[-1]) + 1 for _, at in runs))))
            for runs in self._pieces(source.levels[self.base], region)
        ]

    def apply(self, sources: Sequence[Spec], level: int, region: Region, blocks: Iterator[Block]) -> Block:
        """Voxels of the new level, block by block; of other levels the block itself."""
        (source,) = sources
        if level < len(source.levels):
            return next(blocks)
        out = np.empty(region.shape, source.dtype)
        for runs, block in zip(self._pieces(source.levels[self.base], region), blocks, strict=True):
            out[tuple(where for where, _ in runs)] = block[np.ix_(*(at - at[0] for _, at in runs))]
        return out

    def blocks(self, source: Spec, region: Region) -> int:
        """How many blocks of the base are read for a box of the new level."""
        return sum(1 for _ in self._pieces(source.levels[self.base], region))

    def _pieces(self, base: Level, region: Region) -> Iterator[tuple[tuple[slice, npt.NDArray[Any]], ...]]:
        """For each block that is read, along each axis: which voxels of the region, and where in the base they are."""
        return product(*(self._runs(base, axis, a, b) for axis, (a, b) in enumerate(zip(region.start, region.stop))))  # noqa: B905 - of one region

    def _runs(self, base: Level, axis: int, start: int, stop: int) -> list[tuple[slice, npt.NDArray[Any]]]:
        """Along one axis: output voxels that come from the same block, and where they are in the base."""
        factor, every, size, total = self.factors[axis], self.every[axis], base.block[axis], base.shape[axis]
        at = np.arange(start, stop) * factor + factor // 2
        block = np.minimum(at // size // every * every + every // 2, (total - 1) // size)
        at = np.clip(at, block * size, np.minimum(block * size + size, total) - 1)
        ends = [0, *(np.flatnonzero(np.diff(block)) + 1), stop - start]
        return [(slice(a, b), at[a:b]) for a, b in pairwise(ends)]
