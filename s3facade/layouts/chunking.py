"""How an array is cut: chunks that viewers like, shards that keep listings short. Pure arithmetic.

Viewers fetch one inner chunk per request and draw it as one texture, so chunks aim at 0.25 to 1 MiB, are equal powers
of two in y and x (some viewers take the smaller as the tile size of both), and never mix channels or time points.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from s3facade.core.errors import Unsupported
from s3facade.core.region import grid
from s3facade.core.spec import AXES, Spec

Sizes: TypeAlias = int | Mapping[str, int]
"""Voxels along each spatial axis, or per axis by name."""

VOLUME = 16
"""From this many z planes on chunks are blocks, below it they are tiles of one plane."""
TILE_BYTES = 2 * 2**20
BLOCK_BYTES = 2**20
SHARD_BYTES = 256 * 2**20
SHARD_CHUNKS = 1024
"""Some readers fetch the index, 16 bytes per inner chunk, again for every chunk."""
MOST_CHUNKS = 2**14


@dataclass(frozen=True, slots=True)
class Tiling:
    """How one level is cut. Tuples follow the image's axes."""

    chunk: tuple[int, ...]
    """Voxels of one (inner) chunk; chunks at the far edges are padded to it."""
    counts: tuple[int, ...] | None
    """Inner chunks per shard, or None when each chunk is a key of its own."""

    @property
    def outer(self) -> tuple[int, ...]:
        """Voxels behind one key."""
        counts = self.counts or (1,) * len(self.chunk)
        return tuple(c * n for c, n in zip(self.chunk, counts, strict=True))


def power(n: int) -> int:
    """The smallest power of two that is not below ``n`` (>= 1)."""
    return 1 << (n - 1).bit_length()


def tiling(spec: Spec, level: int, *, chunks: Sizes | None = None, shards: Sizes | bool | None = None) -> Tiling:
    """The cut of one level.

    Args:
        spec: The image.
        level: Which of its levels.
        chunks: Overrides the choice for the axes it names; a plain number means y, x, and z of volumes.
        shards: Likewise, in voxels, multiples of the chunks; False for one key per chunk.

    Raises:
        Unsupported: The overrides name other axes, are no positive numbers, or no multiples.
    """
    whole = chunk_shape(spec, chunks)
    chunk = _clipped(spec, level, whole)
    if shards is False:
        return Tiling(chunk, None)
    needed = grid(spec.levels[level].shape, chunk)
    counts = _grown(spec, chunk, needed)
    if shards is not None and shards is not True:
        wanted = _wanted(spec, shards, "shards")
        for axis, name in enumerate(spec.names):
            if name in wanted:
                counts[axis] = max(1, min(_multiple(name, wanted[name], whole[axis]), needed[axis]))
        if math.prod(counts) > MOST_CHUNKS:
            raise Unsupported(f"shards: at most {MOST_CHUNKS} chunks fit into one shard; make shards smaller.")
    return Tiling(chunk, tuple(counts))


def chunk_shape(spec: Spec, chunks: Sizes | None = None) -> tuple[int, ...]:
    """Chunk of the finest level before it is clipped to any level's size.

    Planes: 512² (the source's own tile where that is a square power of two from 256 to 1024 and at most 2 MiB).
    Volumes, of 16 planes or more: 64³, or 64x128x128 for single bytes, halved in z until it is at most 1 MiB.
    """
    itemsize = spec.dtype.itemsize
    shape: dict[str, int] = dict.fromkeys(AXES, 1)
    if spec.length("z") >= VOLUME:
        shape["z"], shape["y"] = 64, 128 if itemsize == 1 else 64
        while shape["z"] * shape["y"] ** 2 * itemsize > BLOCK_BYTES:
            shape["z"] //= 2
    else:
        height, width = spec.levels[0].block[-2:]
        own = height == width == power(height) and 256 <= height <= 1024
        shape["y"] = height if own and height**2 * itemsize <= TILE_BYTES else 512
        while shape["y"] ** 2 * itemsize > TILE_BYTES:
            shape["y"] //= 2
    shape["x"] = shape["y"]
    if chunks is not None:
        shape.update(_wanted(spec, chunks, "chunks"))
    return tuple(shape[name] for name in spec.names)


def _wanted(spec: Spec, sizes: Sizes, option: str) -> dict[str, int]:
    """Sizes by axis name, checked; axes that this image lacks are left out."""
    if isinstance(sizes, Mapping):
        by_name = dict(sizes)
    else:
        by_name = dict.fromkeys("zyx" if spec.length("z") >= VOLUME else "yx", sizes)
    for name, size in by_name.items():
        if name not in AXES:
            raise Unsupported(f"{option}: {name!r} is no axis; use t, c, z, y or x.")
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise Unsupported(f"{option}: the size along {name} must be a whole number of at least 1, not {size!r}.")
    return {name: size for name, size in by_name.items() if name in spec.names}


def _multiple(name: str, shard: int, chunk: int) -> int:
    if shard % chunk:
        raise Unsupported(f"shards: {shard} along {name} is not a multiple of the chunk size {chunk}.")
    return shard // chunk


def _clipped(spec: Spec, level: int, chunk: tuple[int, ...]) -> tuple[int, ...]:
    """No larger than the next power of two of each axis; y and x together, so that they stay equal."""
    shape = spec.levels[level].shape
    plane = power(max(shape[-2:]))
    limits = (*(power(n) for n in shape[:-2]), plane, plane)
    return tuple(min(c, n) for c, n in zip(chunk, limits, strict=True))


def _grown(spec: Spec, chunk: tuple[int, ...], needed: tuple[int, ...]) -> list[int]:
    """Inner chunks per shard: the shortest side is doubled until the level is covered or a limit is met.

    Where chunks are single planes, z grows last: a shard is then one plane unless planes are small.
    """
    size = math.prod(chunk) * spec.dtype.itemsize
    most = max(1, min(SHARD_CHUNKS, SHARD_BYTES // size))
    z = spec.axis("z")
    plane = [len(chunk) - 1, len(chunk) - 2]
    groups = [plane] if z is None else [[*plane, z]] if chunk[z] > 1 else [plane, [z]]
    counts = [1] * len(chunk)
    for axes in groups:
        _grow(counts, axes, chunk, needed, most)
    return counts


def _grow(counts: list[int], axes: Iterable[int], chunk: tuple[int, ...], needed: tuple[int, ...], most: int) -> None:
    growing = list(axes)
    while growing:
        axis = min(growing, key=lambda a: counts[a] * chunk[a])
        larger = min(2 * counts[axis], needed[axis])
        if larger == counts[axis] or math.prod(counts) // counts[axis] * larger > most:
            growing.remove(axis)
        else:
            counts[axis] = larger
