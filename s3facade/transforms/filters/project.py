"""Projections: one value for all planes, time points or channels of a place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from s3facade.core.errors import Unsupported
from s3facade.core.image import Image, combine
from s3facade.core.operators import Block, Need
from s3facade.core.region import Region
from s3facade.core.spec import Channel, Spec
from s3facade.transforms.described import PLANES, kept
from s3facade.transforms.values.channel_axis import without
from s3facade.transforms.values.common import along, changed, rounded

Along = Literal["z", "t", "c"]
Method = Literal["max", "min", "mean", "sum"]
SLAB = 1 << 22
"""Voxels of the source that are held at once, at most, unless one plane has more."""


@dataclass(frozen=True, slots=True)
class Project:
    """The greatest, least or mean value along an axis, or the sum; the axis is gone.

    A chunk of the result is computed from all planes behind it, some of which are held at a time.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    method: Method = "max"
    """`max`, `min`, `mean` or `sum`."""
    along: Along = "z"
    """The axis: `z`, `t` or `c`."""
    approximate: bool = False
    """Act on the image's own levels instead of computing levels of the result."""

    def build(self, image: Image) -> Image:
        """The projection. Raises `Unsupported`."""
        return combine([image], Projection(self.method, self.along, self.approximate))


@dataclass(frozen=True, slots=True)
class Projection:
    """`Project`, of a single image: a combination, so that its slabs are read one after the other."""

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = True
    holds: ClassVar[int] = 1
    """Blocks that are held at a time: what tells the engine how much memory a region takes."""

    method: Method
    along: Along
    approximate: bool = False

    def spec(self, sources: Sequence[Spec]) -> Spec:
        """The source without the axis.

        Sums of integers are of 32 bits if they fit, else of 64. Raises `Unsupported`.
        """
        (source,) = sources
        axis = source.axis(self.along)
        if axis is None:
            raise Unsupported(f"`project` goes along {self.along}, which the image does not have.")
        if source.attrs.get("categorical") and self.method in {"mean", "sum"}:
            raise Unsupported(f"Labels have no {self.method}; project them with `max` or `min`.")
        if self.method in {"mean", "sum"} and (source.dtype.kind not in "iuf" or source.dtype.itemsize > 8):
            raise Unsupported(f"Voxels of type {source.dtype} have no {self.method} here; add a `cast` before it.")
        if self.method in {"mean", "sum"} and source.dtype.kind in "iu" and source.dtype.itemsize == 8:
            raise Unsupported(
                f"`project: {self.method}` acts on integers of at most 32 bits; add `cast: float64` before it."
            )
        if source.dtype.kind == "c":
            raise Unsupported("Complex numbers have no order; `project` does not act on them.")
        keep = self.method != "sum"
        spec = changed(source, self._dtype(source), None, approximate=self.approximate, keep=keep)
        channels = spec.channels
        if self.along == "c":
            windows = {channel.window for channel in channels}
            channels = (Channel(None, None, windows.pop() if len(windows) == 1 else None),)
        return replace(without(spec, axis), channels=channels, attrs=kept(spec, PLANES))

    def needs(self, sources: Sequence[Spec], level: int, region: Region) -> Sequence[tuple[int, Need]]:
        """Slabs of the same box, from the first plane to the last: whole blocks of the source where those are small."""
        (source,) = sources
        axis = source.axis(self.along) or 0
        about = source.levels[level]
        planes = max(1, SLAB // max(region.size, 1))
        if planes >= about.block[axis]:
            planes -= planes % about.block[axis]
        depth = about.shape[axis]
        out = []
        for first in range(0, depth, planes):
            start = (*region.start[:axis], first, *region.start[axis:])
            stop = (*region.stop[:axis], min(first + planes, depth), *region.stop[axis:])
            out.append((0, Need(level, Region(start, stop))))
        return out

    def apply(self, sources: Sequence[Spec], level: int, region: Region, blocks: Iterator[Block]) -> Block:
        """Planes taken together one after the other: floats are summed in double precision, from first to last."""
        (source,) = sources
        axis = source.axis(self.along) or 0
        kind = source.dtype.kind
        wide = np.dtype(np.float64 if kind == "f" else np.int64 if kind == "i" else np.uint64)
        total = np.zeros(region.shape, wide) if self.method in {"mean", "sum"} else None
        best: Block | None = None
        for block in blocks:
            for i in range(block.shape[axis]):
                plane = block[along(axis, i)]
                if total is not None:
                    np.add(total, plane, out=total)
                elif best is None:
                    best = plane.copy()
                else:
                    (np.maximum if self.method == "max" else np.minimum)(best, plane, out=best)
        if total is None:
            assert best is not None  # noqa: S101 - an axis has at least one plane
            return best
        depth = source.levels[level].shape[axis]
        if self.method == "mean":
            return rounded(total / depth, source.dtype) if kind == "f" else _mean(total, depth).astype(source.dtype)
        with np.errstate(over="ignore"):
            return total.astype(self._dtype(source), copy=False)

    def _dtype(self, source: Spec) -> np.dtype[Any]:
        if self.method != "sum" or source.dtype.kind == "f":
            return source.dtype
        info = np.iinfo(source.dtype)
        most = max(level.shape[source.axis(self.along) or 0] for level in source.levels) * max(
            -int(info.min), int(info.max)
        )
        small, large = (np.uint32, np.uint64) if info.min == 0 else (np.int32, np.int64)
        return np.dtype(small if most <= np.iinfo(small).max else large)


def _mean(total: Block, count: int) -> Block:
    """Integers divided, halves to the even neighbour."""
    quotient, rest = np.divmod(total, total.dtype.type(count))
    twice = 2 * rest
    up = (twice > count) | ((twice == count) & (quotient & total.dtype.type(1)).astype(np.bool_))
    result: Block = quotient + up
    return result
