"""A second image beside the first: with the same axes or fewer; what it lacks is the same everywhere."""

from __future__ import annotations

import numpy as np

from s3facade.core.errors import Unsupported
from s3facade.core.operators import Block, Need
from s3facade.core.region import Region
from s3facade.core.spec import Spec
from s3facade.transforms.combining.together import HALF


def check_beside(what: str, source: Spec, other: Spec, name: str, *, placed: bool) -> None:
    """Whether voxels of ``other`` belong to those of ``source``, axes of one voxel or none to all of them.

    Args:
        what: The operation, for sentences.
        source: The first image.
        other: The second one.
        name: What it is called.
        placed: Whether sizes and positions must agree where both state them, to half a voxel over the whole image.

    Raises:
        Unsupported: They do not; says in what.
    """
    start = f"{what}: the image does not go with {name!r}:"
    for j, axis in enumerate(other.axes):
        i = source.axis(axis.name)
        n = other.levels[0].shape[j]
        if n == 1:
            continue
        if i is None:
            raise Unsupported(f"{start} that has an axis {axis.name} of {n} voxels, which the image lacks.")
        fine, there = source.levels[0], other.levels[0]
        if fine.shape[i] != n:
            raise Unsupported(f"{start} they have {fine.shape[i]} and {n} voxels along {axis.name}.")
        if placed and axis.unit is not None and source.axes[i].unit is not None:
            step = fine.scale[i]
            if abs(there.scale[j] - step) * n > HALF * step:
                raise Unsupported(f"{start} voxels along {axis.name} are {step:g} and {there.scale[j]:g} long.")
            if abs(there.origin[j] - fine.origin[i]) > HALF * step:
                raise Unsupported(
                    f"{start} along {axis.name} they begin at {fine.origin[i]:g} and {there.origin[j]:g}."
                )


def beside_levels(source: Spec, other: Spec) -> int:
    """How many levels, from the finest on, have the same voxels in both."""
    count = min(len(source.levels), len(other.levels))
    for k in range(1, count):
        for j, axis in enumerate(other.axes):
            n, i = other.levels[k].shape[j], source.axis(axis.name)
            if other.levels[0].shape[j] == 1 or i is None:
                continue
            here, there = source.levels[k], other.levels[k]
            mine, theirs = here.scale[i] / source.levels[0].scale[i], there.scale[j] / other.levels[0].scale[j]
            if here.shape[i] != n or abs(mine - theirs) * n > HALF * mine:
                return k
    return count


def beside(source: Spec, other: Spec, level: int, region: Region) -> Need:
    """The box of ``other`` that belongs to a region of ``source``."""
    ends = []
    for j, axis in enumerate(other.axes):
        i = source.axis(axis.name)
        one = i is None or other.levels[0].shape[j] == 1
        ends.append((0, 1) if one or i is None else (region.start[i], region.stop[i]))
    return Need(level, Region(tuple(a for a, _ in ends), tuple(b for _, b in ends)))


def as_axes_of(source: Spec, other: Spec, block: Block) -> Block:
    """A block of ``other`` with the axes of ``source``: one voxel long where it has none."""
    lengths = dict(zip(other.names, block.shape, strict=True))
    return np.reshape(block, [lengths.get(name, 1) for name in source.names])
