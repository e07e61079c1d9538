"""One level as a Zarr v3 array: its ``zarr.json`` and its keys ``c/…``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from s3facade.codecs.compress import Compressed
from s3facade.codecs.raw import Raw
from s3facade.codecs.shard import index as shard_index
from s3facade.codecs.shard import index_nbytes
from s3facade.core.errors import Unsupported
from s3facade.core.image import Image
from s3facade.core.keyspace import File, Grid
from s3facade.core.objects import Literal, Object, Pixels, Run
from s3facade.core.region import Region, grid
from s3facade.core.spec import Spec
from s3facade.layouts.chunking import Tiling

RAW = Raw()
_BYTES = {"name": "bytes", "configuration": {"endian": "little"}}
_FILLS: dict[str, Any] = {"b": False, "i": 0, "u": 0, "f": 0.0, "c": [0.0, 0.0]}


def array_document(spec: Spec, level: int, cut: Tiling, codec: Compressed | None = None) -> dict[str, Any]:
    """The ``zarr.json`` of one level; ``codec`` goes with chunks that are keys of their own.

    Raises:
        Unsupported: Zarr has no such data type.
    """
    dtype = spec.dtype
    if dtype.kind not in _FILLS or dtype.itemsize > 8 * (1 + (dtype.kind == "c")):
        raise Unsupported(f"OME-Zarr cannot hold voxels of type {dtype}.")
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(spec.levels[level].shape),
        "data_type": dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(cut.outer)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": _FILLS[dtype.kind],
        "codecs": _codecs(dtype, codec) if cut.counts is None else [_sharding(cut.chunk)],
        "attributes": {},
        "dimension_names": list(spec.names),
    }


def _codecs(dtype: np.dtype[Any], codec: Compressed | None) -> list[dict[str, Any]]:
    return [_BYTES] if codec is None else [_BYTES, codec.document(dtype)]


def _sharding(chunk: tuple[int, ...]) -> dict[str, Any]:
    return {
        "name": "sharding_indexed",
        "configuration": {
            "chunk_shape": list(chunk),
            "codecs": [_BYTES],
            "index_codecs": [_BYTES, {"name": "crc32c"}],
            "index_location": "end",
        },
    }


@dataclass(frozen=True, slots=True)
class LevelKeys:
    """What the keys of one level need, worked out once: a listing makes a `File` per key."""

    image: Image
    level: int
    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    nbytes: int
    """Encoded bytes of one chunk."""
    counts: tuple[int, ...]
    """Chunks per key of a full one."""
    last: tuple[int, ...]
    """Highest key index per axis."""
    rest: tuple[int, ...]
    """Chunks per axis of the keys that stand there."""
    index_nbytes: int
    """Bytes of the shard index; 0 without shards."""
    identity: str
    modified: int

    def leaf(self, index: tuple[int, ...]) -> File:
        """The key ``c/index``; its size is arithmetic."""
        size = self.nbytes
        for i, last, rest, count in zip(index, self.last, self.rest, self.counts):  # noqa: B905 - hot, equal by design
            size *= rest if i == last else count
        size += self.index_nbytes
        return File(size, "application/octet-stream", self.identity, self.modified, partial(self._body, index))

    def _body(self, index: tuple[int, ...]) -> Object:
        bounds = tuple(
            rest if i == last else count
            for i, last, rest, count in zip(index, self.last, self.rest, self.counts, strict=True)
        )
        first = tuple(i * count for i, count in zip(index, self.counts, strict=True))
        chunks = Run(math.prod(bounds), self.nbytes, partial(self._chunk, first, bounds))
        if not self.index_nbytes:
            return Object((chunks,))
        return Object((chunks, Run(1, self.index_nbytes, partial(self._index, bounds))))

    def _chunk(self, first: tuple[int, ...], bounds: tuple[int, ...], i: int) -> Pixels:
        """Stored chunk ``i`` of the key whose first chunk is ``first``."""
        start = list(self.chunk)
        stop = list(self.chunk)
        for axis in range(len(bounds) - 1, -1, -1):
            i, at = divmod(i, bounds[axis])
            n = self.chunk[axis]
            low = (first[axis] + at) * n
            start[axis] = low
            stop[axis] = min(low + n, self.shape[axis])
        return Pixels(self.image, self.level, Region(tuple(start), tuple(stop)), self.chunk, RAW)

    def _index(self, bounds: tuple[int, ...], _: int) -> Literal:
        return Literal(shard_index(self.counts, bounds, self.nbytes))


@dataclass(frozen=True, slots=True)
class CompressedKeys:
    """What the keys of one level of compressed chunks need: one chunk each, of unknown size."""

    image: Image
    level: int
    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    codec: Compressed
    identity: str
    modified: int

    def leaf(self, index: tuple[int, ...]) -> File:
        """The key ``c/index``."""
        return File(None, "application/octet-stream", self.identity, self.modified, partial(self._body, index))

    def _body(self, index: tuple[int, ...]) -> Object:
        start = tuple(i * n for i, n in zip(index, self.chunk, strict=True))
        region = Region(start, tuple(a + n for a, n in zip(start, self.chunk, strict=True))).clip(self.shape)
        return Object((Pixels(self.image, self.level, region, self.chunk, self.codec),))


def level_grid(
    image: Image, level: int, cut: Tiling, identity: str, modified: int, codec: Compressed | None = None
) -> Grid:
    """The keys below ``c`` of one level; ``codec`` goes with chunks that are keys of their own."""
    shape = image.spec.levels[level].shape
    if codec is not None:
        compressed = CompressedKeys(image, level, shape, cut.chunk, codec, identity, modified)
        return Grid(grid(shape, cut.chunk), compressed.leaf)
    counts = cut.counts or (1,) * len(shape)
    chunks = grid(shape, cut.chunk)
    keys = grid(chunks, counts)
    rest = tuple(c - (k - 1) * n for c, k, n in zip(chunks, keys, counts, strict=True))
    plan = LevelKeys(
        image,
        level,
        shape,
        cut.chunk,
        RAW.nbytes(cut.chunk, image.spec.dtype),
        counts,
        tuple(k - 1 for k in keys),
        rest,
        0 if cut.counts is None else index_nbytes(counts),
        identity,
        modified,
    )
    return Grid(keys, plan.leaf)
