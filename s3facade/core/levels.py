"""What transforms that make new levels have in common: which levels stay, and how blocks are cut."""

from __future__ import annotations

from collections.abc import Sequence

from s3facade.core.spec import Level, Spec

VOLUME = 16
"""From this many z planes on images are computed in cubes, below in tiles of one plane."""


def block_of(names: Sequence[str], shape: tuple[int, ...]) -> tuple[int, ...]:
    """How computed levels are cut, axes as ``names``: cubes of 64 voxels, or tiles of 512 for images of few planes."""
    depth = dict(zip(names, shape, strict=True)).get("z", 1)
    most = {"z": 64, "y": 64, "x": 64} if depth >= VOLUME else {"z": 1, "y": 512, "x": 512}
    return tuple(min(most.get(name, 1), 1 << (n - 1).bit_length()) for name, n in zip(names, shape, strict=True))


def shown_levels(source: Spec, *, approximate: bool) -> tuple[Level, ...]:
    """The levels that a transform of values works on.

    Level k of a filtered image is the mean of the filtered level below it, not the filter of the source's level k:
    so only the finest level stays, and a pyramid is computed from it. All stay where ``approximate`` says that the
    difference does not matter.
    """
    return source.levels if approximate else source.levels[:1]
