"""Chunks of a precomputed volume: their sizes, and the voxels behind them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from s3facade.codecs.raw import Raw
from s3facade.core.image import Image
from s3facade.core.keyspace import File
from s3facade.core.objects import Object, Pixels
from s3facade.core.region import Region
from s3facade.layouts.volume import Scale

RAW = Raw()


@dataclass(frozen=True, slots=True)
class ScaleKeys:
    """What the keys of one scale need, worked out once: a listing makes a `File` per key."""

    image: Image
    scale: Scale
    chunk: tuple[int, ...]
    """Voxels along x, y, z of a chunk that is whole."""
    channels: int
    identity: str
    modified: int

    def leaf(self, index: tuple[int, ...]) -> File:
        """The chunk at an index x, y, z; its size is arithmetic."""
        return File(
            self.nbytes(index), "application/octet-stream", self.identity, self.modified, partial(self._body, index)
        )

    def _body(self, index: tuple[int, ...]) -> Object:
        return Object((self.segment(index),))

    def nbytes(self, index: tuple[int, ...]) -> int:
        """Size of the chunk at an index x, y, z."""
        size = self.channels * self.image.spec.dtype.itemsize
        for i, n, length in zip(index, self.chunk, self.scale.size):  # noqa: B905 - hot, equal by design
            size *= min(n, length - i * n)
        return size

    def segment(self, index: tuple[int, ...]) -> Pixels:
        """The voxels of a chunk. Their C order c, z, y, x is the Fortran order x, y, z, c of the format."""
        spec = self.image.spec
        low = {axis: i * n for axis, i, n in zip("xyz", index, self.chunk, strict=True)}
        size = {"c": self.channels, **dict(zip("xyz", self.chunk, strict=True))}
        start = tuple(low.get(name, 0) for name in spec.names)
        stop = tuple(a + size.get(name, 1) for a, name in zip(start, spec.names, strict=True))
        region = Region(start, stop).clip(spec.levels[self.scale.level].shape)
        return Pixels(self.image, self.scale.level, region, region.shape, RAW)
