"""Labels of what is bright: 1 where a value reaches a threshold, 0 elsewhere."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from s3facade.core.errors import Unsupported
from s3facade.core.image import Image, combine, derive
from s3facade.core.operators import Block, Need
from s3facade.core.region import Region
from s3facade.core.spec import Spec
from s3facade.transforms.values.common import along, changed, quantities
from s3facade.transforms.values.rescale import of_channels
from s3facade.transforms.values.statistics import percentiles


@dataclass(frozen=True, slots=True)
class Threshold:
    """1 where a voxel is at least ``value``, 0 elsewhere: labels, as uint8. NaN reaches nothing."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    value: int | float | None = None
    """The threshold."""
    percentile: float | None = None
    """The percentile of each channel that is its threshold instead, from the whole image, once."""
    below: bool = False
    """1 below the threshold and 0 from there on; NaN still becomes 0."""
    approximate: bool = False
    """Act on the image's own levels instead of computing levels of the result."""

    def build(self, image: Image) -> Image:
        """The labels. Raises `Unsupported`."""
        if (self.value is None) == (self.percentile is None):
            raise Unsupported("`threshold` takes one of `value` and `percentile`.")
        if self.value is not None:
            return derive(image, Above(self.value, self.below, self.approximate))
        limits = percentiles(image, (float(self.percentile or 0.0),))
        return combine([image, limits], AboveOwn(self.below, self.approximate))


@dataclass(frozen=True, slots=True)
class Above:
    """`Threshold` by a known value."""

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = False

    value: int | float
    below: bool = False
    approximate: bool = False

    def spec(self, source: Spec) -> Spec:
        """Labels. Raises `Unsupported`."""
        if not abs(self.value) < 1e308:
            raise Unsupported(f"The threshold must be a number, not {self.value}.")
        return _labels(source, approximate=self.approximate)

    def need(self, source: Spec, level: int, region: Region) -> Need:  # noqa: ARG002 - the seam
        """The same box."""
        return Need(level, region)

    def apply(self, source: Spec, level: int, region: Region, block: Block | None) -> Block:  # noqa: ARG002 - the seam
        """0 and 1."""
        if block is None:
            raise ValueError("a threshold needs the voxels of its source")
        return _marked(np.ascontiguousarray(block), self.value, below=self.below)


@dataclass(frozen=True, slots=True)
class AboveOwn:
    """`Threshold` by the numbers in a second image: one per channel."""

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = False

    below: bool = False
    approximate: bool = False

    def spec(self, sources: Sequence[Spec]) -> Spec:
        """Labels. Raises `Unsupported`."""
        return _labels(sources[0], approximate=self.approximate)

    def needs(self, sources: Sequence[Spec], level: int, region: Region) -> Sequence[tuple[int, Need]]:
        """The same box, and the numbers of its channels."""
        return [(1, Need(0, of_channels(sources[0], sources[1], region))), (0, Need(level, region))]

    def apply(self, sources: Sequence[Spec], level: int, region: Region, blocks: Iterator[Block]) -> Block:  # noqa: ARG002
        """0 and 1."""
        limits = next(blocks).reshape(-1)
        block = next(blocks)
        c = sources[0].axis("c")
        if c is None:
            return _marked(block, float(limits[0]), below=self.below)
        out = np.empty(region.shape, np.uint8)
        for i, limit in enumerate(limits):
            at = along(c, i)
            out[at] = _marked(block[at], float(limit), below=self.below)
        return out


def _labels(source: Spec, *, approximate: bool) -> Spec:
    quantities(source, "threshold")
    spec = changed(source, np.dtype(np.uint8), None, approximate=approximate)
    return replace(spec, attrs={**spec.attrs, "categorical": True})


def _marked(block: Block, limit: float, *, below: bool) -> Block:
    if block.dtype.kind in "iu":
        # Exact also where integers are wider than a double: v >= limit is v >= the next whole number.
        limit = math.ceil(limit)
        info = np.iinfo(block.dtype)
        if not info.min <= limit <= info.max:
            return np.full(block.shape, (limit > info.max) == below, np.uint8)
    bound = block.dtype.type(limit) if block.dtype.kind in "iu" else np.float64(limit)
    return (block < bound if below else block >= bound).view(np.uint8)
