"""How much of the originals a region would read: from descriptions alone, and from what is kept already."""

from __future__ import annotations

import math
from collections.abc import Callable

from s3facade.core.image import Combined, Derived, Image, Opened
from s3facade.core.region import Region, cells
from s3facade.engine.evaluate import kept, needed

Key = tuple[str, int, tuple[int, ...]]
"""Of a block that may be kept: identity, level, index."""


def reach(image: Image, level: int, region: Region) -> int:
    """Bytes of decoded source chunks behind a region, if nothing were kept. Overlaps count as often as they are read.

    Costs a few steps for each node of the plan, however large the region is.
    """
    about = image.spec.levels[level]
    if isinstance(image, Opened):
        return _whole_blocks(region, about.block, about.shape).size * image.spec.dtype.itemsize
    if kept(image, level, region):
        region = _whole_blocks(region, about.block, about.shape)
    return sum(reach(parent, need.level, need.region) for parent, need in needed(image, level, region))


def missing(image: Image, level: int, region: Region, has: Callable[[Key], bool], limit: int) -> int:
    """`reach` of what is not kept yet; counting ends when it is beyond ``limit``.

    Args:
        image: The plan.
        level: Of the plan.
        region: Inside the level.
        has: Whether a block is kept.
        limit: Bytes.
    """
    if isinstance(image, Opened):
        return reach(image, level, region)
    if not kept(image, level, region):
        return _sum(image, level, region, has, limit)
    about, total = image.spec.levels[level], 0
    for index, box in cells(region, about.block):
        if not has((image.spec.identity, level, index)):
            total += _sum(image, level, box.clip(about.shape), has, limit - total)
        if total > limit:
            break
    return total


def _sum(image: Derived | Combined, level: int, region: Region, has: Callable[[Key], bool], limit: int) -> int:
    total = 0
    for parent, need in needed(image, level, region):
        total += missing(parent, need.level, need.region, has, limit - total)
        if total > limit:
            break
    return total


def _whole_blocks(region: Region, block: tuple[int, ...], shape: tuple[int, ...]) -> Region:
    return Region(
        tuple(a // n * n for a, n in zip(region.start, block, strict=True)),
        tuple(min(-(-b // n) * n, s) for b, n, s in zip(region.stop, block, shape, strict=True)),
    )


def told(nbytes: int) -> str:
    """A number of bytes as people say it: three digits and a unit."""
    power = 0 if nbytes < 1000 else min(int(math.log10(nbytes) // 3), 5)
    return f"{nbytes / 1000**power:.3g} {('bytes', 'kB', 'MB', 'GB', 'TB', 'PB')[power]}"
