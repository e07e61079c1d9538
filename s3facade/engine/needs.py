"""What a region of a plan needs: boxes of its parents, bytes of the originals, memory. From descriptions alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from s3facade.core.image import Combined, Derived, Image, Opened
from s3facade.core.operators import Need
from s3facade.core.region import Region, cells, hull
from s3facade.transforms.pyramids.downsample import AddLevel

Key = tuple[str, int, tuple[int, ...]]
"""Of a block that may be kept: identity, level, index."""
Seen = set[tuple[str, int, Region]]
"""Boxes of images, by identity and level."""


def needed(image: Derived | Combined, level: int, region: Region) -> list[tuple[Image, Need]]:
    """The boxes of its parents that a region of a plan is computed from."""
    if isinstance(image, Combined):
        specs = [parent.spec for parent in image.parents]
        return [(image.parents[i], need) for i, need in image.combination.needs(specs, level, region)]
    need = image.transform.need(image.parent.spec, level, region)
    return [] if need is None else [(image.parent, need)]


def kept(image: Derived | Combined, level: int, region: Region) -> bool:
    """Whether the region is put together from blocks that are kept; what only passes through a transform is not."""
    # Told by one voxel: a whole level needs nothing beyond itself even where every part of it does.
    voxel = Region(region.start, tuple(a + 1 for a in region.start))
    if isinstance(image, Combined):
        if len(image.parents) > 1 or not image.combination.keep:
            return image.combination.keep
        return list(image.combination.needs([image.parents[0].spec], level, voxel)) != [(0, Need(level, voxel))]
    return image.transform.keep and image.transform.need(image.parent.spec, level, voxel) != Need(level, voxel)


def planned_from_files(image: Image) -> bool:
    """Whether `needed` may read a parameter file, such as a displacement field: ask for it in a worker then."""
    if isinstance(image, Opened):
        return False
    operator = image.combination if isinstance(image, Combined) else image.transform
    parents = image.parents if isinstance(image, Combined) else (image.parent,)
    return bool(getattr(operator, "files", ())) or any(map(planned_from_files, parents))


def reach(image: Image, level: int, region: Region, seen: Seen | None = None) -> int:
    """Bytes of decoded source chunks behind a region, if nothing were kept. Overlaps count as often as they are read.

    Costs a few steps for each node of the plan, however large the region is. A box that two ways of a fork lead to is
    counted once: it is there the second time. ``seen`` holds those that were counted, where there are forks.
    """
    if seen is not None:
        if (box := (image.spec.identity, level, region)) in seen:
            return 0
        seen.add(box)
    about = image.spec.levels[level]
    if isinstance(image, Opened):
        return whole_blocks(region, about.block, about.shape).size * image.spec.dtype.itemsize
    if kept(image, level, region):
        region = whole_blocks(region, about.block, about.shape)
    if seen is None and isinstance(image, Combined):
        seen = set()
    return sum(reach(parent, need.level, need.region, seen) for parent, need in needed(image, level, region))


def missing(
    image: Image, level: int, region: Region, has: Callable[[Key], bool], limit: int, seen: Seen | None = None
) -> int:
    """`reach` of what is not kept yet; counting ends when it is beyond ``limit``.

    Args:
        image: The plan.
        level: Of the plan.
        region: Inside the level.
        has: Whether a block is kept.
        limit: Bytes.
        seen: As for `reach`.
    """
    if isinstance(image, Opened):
        return reach(image, level, region, seen)
    if seen is not None:
        if (whole := (image.spec.identity, level, region)) in seen:
            return 0
        seen.add(whole)
    if seen is None and isinstance(image, Combined):
        seen = set()
    if not kept(image, level, region):
        return _sum(image, level, region, has, limit, seen)
    about, total = image.spec.levels[level], 0
    for index, box in cells(region, about.block):
        if not has((image.spec.identity, level, index)):
            total += _sum(image, level, box.clip(about.shape), has, limit - total, seen)
        if total > limit:
            break
    return total


def _sum(
    image: Derived | Combined,
    level: int,
    region: Region,
    has: Callable[[Key], bool],
    limit: int,
    seen: Seen | None,
) -> int:
    total = 0
    for parent, need in needed(image, level, region):
        total += missing(parent, need.level, need.region, has, limit - total, seen)
        if total > limit:
            break
    return total


def whole_blocks(region: Region, block: tuple[int, ...], shape: tuple[int, ...]) -> Region:
    """The box of all blocks that a region touches, inside a level of ``shape``."""
    return Region(
        tuple(a // n * n for a, n in zip(region.start, block, strict=True)),
        tuple(min(-(-b // n) * n, s) for b, n, s in zip(region.stop, block, shape, strict=True)),
    )


def told(nbytes: int) -> str:
    """A number of bytes as people say it: three digits and a unit."""
    power = 0 if nbytes < 1000 else min(int(math.log10(nbytes) // 3), 5)
    return f"{nbytes / 1000**power:.3g} {('bytes', 'kB', 'MB', 'GB', 'TB', 'PB')[power]}"


LARGE = 4
"""A region that is computed at once, not block by block, is at most this many blocks."""
PIECE = 1 << 14
"""Voxels from which on it pays to begin anew for each piece."""
WASTE = 2
"""Whole blocks are computed unless they are more than this many times what is wanted of them."""


def sparing(
    image: Derived | Combined, region: Region, absent: Sequence[Region], block: tuple[int, ...]
) -> Region | None:
    """The part of ``region`` that is better computed by itself than as the whole blocks it lies in, if there is one.

    A filter wants the rims of all blocks around one: 26 whole blocks for a twentieth of their voxels. Whoever moves on
    from there wants some of those blocks next, but a rim computed twice is cheaper than a neighbour in vain. A part of
    one block is no rim: who wants it wants the rest soon. Nor are parts of a pyramid, which coarser levels want.

    Args:
        image: What it is a region of.
        region: What is wanted.
        absent: Boxes of the blocks that are not kept.
        block: Size of a block.

    Returns:
        The box around all that is wanted of ``absent``; None where they are to be computed as they are.
    """
    if len(absent) < 2 or (isinstance(image, Derived) and isinstance(image.transform, AddLevel)):
        return None
    parts = [box.intersect(region) for box in absent]
    wanted = hull(parts)
    if wanted.size > LARGE * math.prod(block) or sum(box.size for box in absent) <= WASTE * wanted.size:
        return None
    return wanted


def in_pieces(image: Derived, level: int, region: Region) -> tuple[int, ...] | None:
    """The grid of pieces that need one block of the parent each, if the transform can tell; None for all at once.

    A piece is worked on while it is in the processor's cache, and the parent's blocks are never put together.
    """
    if not isinstance(image.transform, AddLevel):
        return None
    grid = image.transform.pieces(image.parent.spec, level)
    if grid is None or math.prod(min(n, m) for n, m in zip(grid, region.shape, strict=True)) < PIECE:
        return None
    alone = all(a // n == (b - 1) // n for a, b, n in zip(region.start, region.stop, grid, strict=True))
    return None if alone else grid


CHEAP = 8
"""A block of a pyramid that takes at most this many times its own bytes of the original is not kept on disk."""


def worth(image: Derived | Combined, level: int, box: Region) -> bool:
    """Whether a block should be kept on disk: reading it there is much cheaper than making it again.

    The first levels of a pyramid are the most bytes and the least work: they come from a few source chunks each.
    """
    if isinstance(image, Derived) and isinstance(image.transform, AddLevel):
        return reach(image, level, box) > CHEAP * box.size * image.spec.dtype.itemsize
    return True


def cost(image: Image, level: int, region: Region, known: dict[tuple[str, int, Region], int] | None = None) -> int:
    """Bytes that `Evaluator.read` holds at its peak, the result included.

    ``known`` holds what was worked out already, where there are forks: their ways are many, their boxes few.
    """
    if known is None:
        return _cost(image, level, region, {} if isinstance(image, Combined) else None)
    box = (image.spec.identity, level, region)
    if box not in known:
        known[box] = _cost(image, level, region, known)
    return known[box]


def _cost(image: Image, level: int, region: Region, known: dict[tuple[str, int, Region], int] | None) -> int:
    size = region.size * image.spec.dtype.itemsize
    if isinstance(image, Opened):
        chunk = math.prod(image.spec.levels[level].block) * image.spec.dtype.itemsize
        return size + 2 * chunk
    if kept(image, level, region):
        about = image.spec.levels[level]
        ends = zip(region.start, about.block, about.shape, strict=True)
        size += region.size * image.spec.dtype.itemsize
        stop = tuple(min(s, a + n) for a, n, s in ends)
        if region.size <= LARGE * math.prod(about.block):
            stop = tuple(max(b, k) for b, k in zip(region.stop, stop, strict=True))
        region = Region(region.start, stop)
    # The blocks of one computation may all be held at once, with one more of the largest in a wider type; a combination
    # may say that it holds fewer.
    boxes = [
        (parent, need, need.region.size * parent.spec.dtype.itemsize) for parent, need in needed(image, level, region)
    ]
    holds = getattr(image.combination, "holds", None) if isinstance(image, Combined) else None
    held = sum(sorted((nbytes for _, _, nbytes in boxes), reverse=True)[:holds])
    return size + held + max((cost(parent, need.level, need.region, known) for parent, need, _ in boxes), default=0)
