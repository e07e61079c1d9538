"""The smallest interpreter of plans: images in memory, no caches, no threads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np

from s3facade.core.image import Combined, Image, Opened
from s3facade.core.operators import Block, Need
from s3facade.core.region import Region

LEVELS = "levels"
"""The reader option that holds the arrays of an image in memory."""


def read(image: Image, level: int, region: Region) -> Block:
    """Voxels of ``region``, checked against what `Transform` and `Combination` promise.

    Every block is handed on read-only, and in memory of its own, as the engine may do.

    Raises:
        AssertionError: An operator asks for, or gives, something that it must not.
    """
    if isinstance(image, Opened):
        block = cast("Sequence[Block]", image.options[LEVELS])[level][region.slices()].copy()
    elif isinstance(image, Combined):
        specs = [parent.spec for parent in image.parents]
        needs = image.combination.needs(specs, level, region)
        blocks = _blocks([(image.parents[i], need) for i, need in needs])
        block = image.combination.apply(specs, level, region, blocks)
    else:
        wanted = image.transform.need(image.parent.spec, level, region)
        needed = next(_blocks([(image.parent, wanted)]), None) if wanted is not None else None
        block = image.transform.apply(image.parent.spec, level, region, needed)
    _check(image, level, region, block)
    block = block.view()
    block.flags.writeable = False
    return block


def whole(image: Image, level: int = 0) -> Block:
    """Every voxel of a level."""
    return read(image, level, Region.whole(image.spec.levels[level].shape))


def _blocks(needs: Sequence[tuple[Image, Need]]) -> Iterator[Block]:
    for image, need in needs:
        levels = image.spec.levels
        assert 0 <= need.level < len(levels), f"{need} asks for a level that the source does not have"
        inside = need.region.clip(levels[need.level].shape) == need.region
        assert inside and not need.region.empty, f"{need} is empty or leaves its level {levels[need.level].shape}"
        yield read(image, need.level, need.region)


def _check(image: Image, level: int, region: Region, block: Block) -> None:
    where = f"level {level}, {region}"
    assert isinstance(block, np.ndarray), f"{where}: {type(block).__name__} instead of an array"
    assert block.shape == region.shape, f"{where}: voxels of shape {block.shape} instead of {region.shape}"
    assert block.dtype == image.spec.dtype, f"{where}: voxels are {block.dtype}, the spec says {image.spec.dtype}"
    assert block.flags.c_contiguous, f"{where}: voxels are not in C order"
