"""Pyramids whose upper levels show samples where a mean would read more than one request may."""

from __future__ import annotations

import math
from collections.abc import Callable

from s3facade.core.image import Image, combine, derive
from s3facade.core.region import Region
from s3facade.engine.needs import reach
from s3facade.transforms.pyramids.downsample import AddLevel
from s3facade.transforms.pyramids.sampled import SampleLevel

MOST = 4096
"""Blocks of the original that one block of a preview is put together from."""


def strided(image: Image, limit: int) -> Callable[[Image, AddLevel], Image]:
    """How levels are added to ``image`` (as `pyramid` takes it): by reducing, or by sampling its last level.

    It depends on descriptions alone, never on what is kept: the same image has the same levels on every machine.

    Args:
        image: The image as it is given, before any level is added.
        limit: Bytes of original voxels that one block may need.
    """
    base = len(image.spec.levels) - 1
    least = image.spec.levels[base]
    each = reach(image, base, Region.whole(least.block).clip(least.shape))

    def add(current: Image, step: AddLevel) -> Image:
        reduced = derive(current, step)
        level = len(current.spec.levels)
        about = reduced.spec.levels[level]
        box = Region.whole(about.block).clip(about.shape)
        if reach(reduced, level, box) <= limit:
            return reduced
        factors = tuple(max(1, round(b / a)) for a, b in zip(least.scale, about.scale, strict=True))
        most = min(limit // max(each, 1), MOST)
        whole = max(math.ceil(n / b) for n, b in zip(least.shape, least.block, strict=True))
        for n in range(1, whole + 1):
            sampled = SampleLevel(base, factors, tuple(n if f > 1 else 1 for f in factors))
            if sampled.blocks(current.spec, box) <= most:
                return combine([current], sampled)
        # Not even one block may be read: asking for it gets the reason.
        return reduced

    return add
