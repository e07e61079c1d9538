"""Numbers about a whole image, as an image: computed once from an overview, and kept."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.image import Image, derive
from s3facade.core.operators import Block, Need
from s3facade.core.region import Region
from s3facade.core.spec import Axis, Level, Spec
from s3facade.transforms.pyramids.downsample import AddLevel
from s3facade.transforms.values.common import quantities

MOST = 1 << 22
"""Voxels per channel of the overview that percentiles are taken from, at most."""


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Percentiles of every channel over the coarsest level: one row of them per channel, axes c (if any), y, x.

    Values that are not finite do not count. Between two values it is the linear mixture, as numpy has it.
    """

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = True

    percent: tuple[float, ...]
    """From 0 to 100; the order along x."""

    def spec(self, source: Spec) -> Spec:
        """Numbers in double precision, one level without a unit. Raises `Unsupported`."""
        quantities(source, "percentiles")
        if not self.percent or not all(0 <= p <= 100 for p in self.percent):
            raise Unsupported(f"Percentiles lie between 0 and 100, not at {list(self.percent)}.")
        axes = (*(a for a in source.axes if a.name == "c"), Axis("y"), Axis("x"))
        shape = (*((source.length("c"),) if len(axes) == 3 else ()), 1, len(self.percent))
        ones = (1.0,) * len(axes)
        block = (*(1,) * (len(axes) - 1), len(self.percent))
        level = Level(shape, ones, (0.0,) * len(axes), block)
        return replace(source, axes=axes, dtype=np.dtype(np.float64), levels=(level,), attrs={})

    def need(self, source: Spec, level: int, region: Region) -> Need:  # noqa: ARG002 - one level
        """The whole coarsest level of the channels asked for."""
        last = len(source.levels) - 1
        box = Region.whole(source.levels[last].shape)
        c = source.axis("c")
        if c is None:
            return Need(last, box)
        span = (region.start[0],), (region.stop[0],)
        start, stop = (end[:c] + new + end[c + 1 :] for end, new in zip((box.start, box.stop), span, strict=True))
        return Need(last, Region(start, stop))

    def apply(self, source: Spec, level: int, region: Region, block: Block | None) -> Block:  # noqa: ARG002 - one level
        """Percentiles of each channel.

        Raises:
            BadSource: A channel has no finite value.
        """
        if block is None:
            raise ValueError("statistics need the voxels of their source")
        c = source.axis("c")
        channels = [block] if c is None else list(np.moveaxis(block, c, 0))
        rows = np.array([self._of(channel) for channel in channels])
        return np.ascontiguousarray(rows[:, region.start[-1] : region.stop[-1]].reshape(region.shape))

    def _of(self, values: Block) -> Block:
        if values.dtype.kind == "f":
            values = values[np.isfinite(values)]
            if values.size == 0:
                raise BadSource("A channel holds no finite value: it has no percentiles; write numbers instead.")
        return np.percentile(values.ravel().astype(np.float64), self.percent)


def percentiles(image: Image, percent: tuple[float, ...]) -> Image:
    """`Percentiles` of ``image``: from its coarsest level if that is small enough, else from means added below it.

    Raises:
        Unsupported: The voxels are no quantities.
    """
    quantities(image.spec, "percentiles")
    while math.prod(image.spec.levels[-1].shape) // image.spec.length("c") > MOST:
        shape = image.spec.levels[-1].shape
        longest = max(n for n, axis in zip(shape, image.spec.axes, strict=True) if axis.name != "c")
        halved = (2 if 2 * n > longest and a.name != "c" else 1 for n, a in zip(shape, image.spec.axes, strict=True))
        image = derive(image, AddLevel(tuple(halved)))
    return derive(image, Percentiles(percent))
