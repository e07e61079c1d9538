"""Blocks into the disk cache, one by one or side by side.

Where a chunk of the original is as wide as the image (strips, whole planes), every block of a row needs all chunks of
that row, and they may be more than memory holds. Then a row is computed slab by slab, each as wide as the chunks are.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from s3facade.core.operators import Block
from s3facade.core.region import Region, hull
from s3facade.engine.disk import Disk
from s3facade.engine.evaluate import Evaluator
from s3facade.engine.flight import Work
from s3facade.engine.needs import cost, needed
from s3facade.engine.warm import Step


def keep(evaluator: Evaluator, disk: Disk, steps: Sequence[Step], most: int, work: Work) -> None:
    """Compute blocks and put them on disk, blocking.

    Args:
        evaluator: Computes.
        disk: Where they go.
        steps: One block, or blocks of a row, as `Warming.rows` gives them.
        most: Bytes that a slab may read at once, unless its chunks are larger.
        work: Calls it off.

    Raises:
        SourceError: They cannot be read.
        Cancelled: ``work`` was called off.
    """
    first = steps[0]
    if len(steps) == 1:
        _put(disk, first, evaluator.read(first.image, first.level, first.box, work), work)
        return
    boxes = [step.box for step in steps]
    row = hull(boxes)
    blocks = [np.empty(box.shape, first.image.spec.dtype) for box in boxes]
    axis = len(row.start) - first.wide - 1
    at, depth = row.start[axis], _depth(first, row, axis, most)
    while at < row.stop[axis]:
        slab = _slab(row, axis, at, min(at + depth, row.stop[axis]))
        made = evaluator.once(first.image, first.level, slab, work)
        for box, block in zip(boxes, blocks, strict=True):
            part = box.intersect(slab)
            if not part.empty:
                block[part.slices(box.start)] = made[part.slices(slab.start)]
        at += depth
    for step, block in zip(steps, blocks, strict=True):
        _put(disk, step, block, work)


def held(steps: Sequence[Step], most: int) -> int:
    """Bytes that `keep` holds at its peak."""
    first = steps[0]
    if len(steps) == 1:
        return cost(first.image, first.level, first.box)
    row = hull(step.box for step in steps)
    axis = len(row.start) - first.wide - 1
    slab = _slab(row, axis, row.start[axis], row.start[axis] + _depth(first, row, axis, most))
    needs = needed(first.image, first.level, slab)
    voxels = sum(step.box.size for step in steps) + slab.size
    return (
        voxels * first.image.spec.dtype.itemsize
        + sum(need.region.size * parent.spec.dtype.itemsize for parent, need in needs)
        + max((cost(parent, need.level, need.region) for parent, need in needs), default=0)
    )


def _put(disk: Disk, step: Step, block: Block, work: Work) -> None:
    """It may be there already; or it came from memory, where it may have come by another way."""
    if not disk.has(step.key):
        disk.array(step.key, block.shape, block.dtype, partial(_same, block), work)


def _same(block: Block) -> Block:
    return block


def _depth(step: Step, row: Region, axis: int, most: int) -> int:
    """How deep slabs may be."""
    depth = row.shape[axis]
    while depth > 1:
        slab = _slab(row, axis, row.start[axis], row.start[axis] + depth)
        needs = needed(step.image, step.level, slab)
        if sum(need.region.size * parent.spec.dtype.itemsize for parent, need in needs) <= most:
            break
        depth = -(-depth // 2)
    return depth


def _slab(row: Region, axis: int, start: int, stop: int) -> Region:
    return Region((*row.start[:axis], start, *row.start[axis + 1 :]), (*row.stop[:axis], stop, *row.stop[axis + 1 :]))
