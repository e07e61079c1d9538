"""One more, coarser level, computed from the last one block by block."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from s3facade.core.errors import Unsupported
from s3facade.core.levels import block_of
from s3facade.core.operators import Block, Need
from s3facade.core.region import Region
from s3facade.core.spec import Level, Spec
from s3facade.transforms.pyramids.reduce import mean, mode

Method = Literal["mean", "mode", "nearest"]


@dataclass(frozen=True, slots=True)
class AddLevel:
    """Appends a level of ``shape // factors``: what does not fill a block at the far edge is left out.

    Levels before it pass through. An axis shorter than its factor becomes one block. ``mean`` and ``mode`` put the new
    voxels in the middle of their blocks, ``nearest`` keeps the first voxel of each and where it stood. How values are
    worked out is told in `s3facade.transforms.pyramids.reduce`.
    """

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = True
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    factors: tuple[int, ...]
    """Voxels per block and axis, axes of the image."""
    method: Method = "mean"
    planes: bool | None = None
    """Whether the level is computed plane by plane, for what reads it so: a file of planes would have 64 of them
    computed for each, again and again where memory does not hold them."""

    def spec(self, source: Spec) -> Spec:
        """``source`` with one level more.

        Raises:
            Unsupported: Factors that do not fit the axes, or an unknown method.
        """
        if len(self.factors) != len(source.axes) or any(f < 1 for f in self.factors):
            names = ", ".join(source.names)
            raise Unsupported(f"Downsampling needs one factor of at least 1 for each of {names}, not {self.factors}.")
        if self.method not in {"mean", "mode", "nearest"}:
            raise Unsupported(f"Downsampling method {self.method!r} is not known; use mean, mode or nearest.")
        last = source.levels[-1]
        sizes = self._blocks(source)
        shape = tuple(n // f for n, f in zip(last.shape, sizes, strict=True))
        scale = tuple(s * f for s, f in zip(last.scale, sizes, strict=True))
        origin = last.origin
        if self.method != "nearest":
            origin = tuple(o + (new - s) / 2 for o, new, s in zip(origin, scale, last.scale, strict=True))
        block = block_of(source.names, (*(1 for _ in shape[:-2]), *shape[-2:]) if self.planes else shape)
        return replace(source, levels=(*source.levels, Level(shape, scale, origin, block)))

    def need(self, source: Spec, level: int, region: Region) -> Need:
        """The blocks behind ``region`` of the new level; of other levels the region itself."""
        if level < len(source.levels):
            return Need(level, region)
        sizes = self._blocks(source)
        start = tuple(a * f for a, f in zip(region.start, sizes, strict=True))
        if self.method == "nearest":
            stop = tuple((b - 1) * f + 1 for b, f in zip(region.stop, sizes, strict=True))
        else:
            stop = tuple(b * f for b, f in zip(region.stop, sizes, strict=True))
        return Need(level - 1, Region(start, stop))

    def apply(self, source: Spec, level: int, region: Region, block: Block | None) -> Block:  # noqa: ARG002 - the seam
        """Voxels of the new level from ``block``; of other levels ``block`` itself."""
        if block is None:
            raise ValueError("every level needs voxels of its source")
        if level < len(source.levels):
            return block
        sizes = self._blocks(source)
        if self.method == "mean":
            return mean(block, sizes)
        if self.method == "mode":
            return mode(block, sizes)
        return block[tuple(slice(None, None, f) for f in sizes)].copy()

    def pieces(self, source: Spec, level: int) -> tuple[int, ...] | None:
        """A grid of the new level, each cell of which lies over one block of the source; None where there is none."""
        block, sizes = source.levels[-1].block, self._blocks(source)
        if level < len(source.levels) or any(n % f for n, f in zip(block, sizes, strict=True)):
            return None
        return tuple(n // f for n, f in zip(block, sizes, strict=True))

    def _blocks(self, source: Spec) -> tuple[int, ...]:
        """The factors, shortened where the axis is."""
        return tuple(min(f, n) for f, n in zip(self.factors, source.levels[-1].shape, strict=True))
