"""Where chunks of a precomputed volume are: in files named by their bounds, or in shards found by a hash.

Sources: "Precomputed volume format" and "Sharded format" of Neuroglancer's documentation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import imagecodecs
import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.operators import Buffer
from s3facade.core.protocols import SourceFile
from s3facade.readers.arrays.filters import Gzip
from s3facade.readers.folders.documents import Document, part
from s3facade.readers.folders.indexes import INDEXES, Index
from s3facade.readers.folders.places import content

MAX_MINISHARD = 64 << 20
"""Bytes of the index of one minishard, decoded."""
_MASK = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class Boxes:
    """Files named by the bounds of their chunk."""

    folder: str
    """With a final slash."""
    size: tuple[int, int, int]
    """Of the volume: x, y, z, as all here."""
    chunk: tuple[int, int, int]
    offset: tuple[int, int, int]
    """Of the first voxel."""

    def name(self, at: tuple[int, ...]) -> str:
        """The name of a chunk, whose position is in the order c, z, y, x."""
        bounds = []
        for i, n, m, o in zip(reversed(at[-3:]), self.chunk, self.size, self.offset, strict=True):
            bounds.append(f"{o + i * n}-{o + min(m, (i + 1) * n)}")
        return self.folder + "_".join(bounds)

    def fetch(self, base: SourceFile, at: tuple[int, ...], most: int) -> Buffer | None:
        """A chunk's bytes; None if there is no such file. Raises `SourceError`.

        Programs that copy volumes from web servers to disks keep the compression of the transport in the name.
        """
        name = self.name(at)
        found = content(base, name, most)
        if found is None and (packed := content(base, f"{name}.gz", most)) is not None:
            found = _inflated(packed, most, name)
        if found is None and (packed := content(base, f"{name}.br", most)) is not None:
            try:
                found = cast(bytes, imagecodecs.brotli_decode(bytes(packed), out=most))
            except (ValueError, RuntimeError) as error:
                raise BadSource("A chunk of the image does not decode.", private=f"{name}: {error!r:.200}") from error
        return found


@dataclass(frozen=True, slots=True)
class Sharded:
    """Chunks in shard files, by the hash of their number."""

    folder: str
    grid: tuple[int, int, int]
    """Chunks along x, y and z."""
    preshift: int
    murmur: bool
    minishard_bits: int
    shard_bits: int
    packed_index: bool
    packed_data: bool

    def fetch(self, base: SourceFile, at: tuple[int, ...], most: int) -> Buffer | None:
        """A chunk's bytes; None if its shard does not exist or does not list it. Raises `SourceError`."""
        number = morton(tuple(reversed(at[-3:])), self.grid)
        hashed = number >> self.preshift
        if self.murmur:
            hashed = murmur(hashed)
        mini = hashed & ((1 << self.minishard_bits) - 1)
        shard = hashed >> self.minishard_bits & ((1 << self.shard_bits) - 1)
        digits = -(-self.shard_bits // 4)
        file = part(base, f"{self.folder}{shard:0{digits}x}.shard" if digits else f"{self.folder}0.shard")
        if file is None:
            return None
        rows = self._minishard(file, mini)
        place = int(np.searchsorted(rows[:, 0], np.uint64(number)))
        if place == len(rows) or int(rows[place, 0]) != number:
            return None
        offset, size = int(rows[place, 1]), int(rows[place, 2])
        if size > most or offset + size > file.source.size:
            raise _damaged(file, f"chunk {number}: {size} bytes from {offset}, {most} at most")
        data = file.pread(offset, size)
        return _inflated(data, most, file.source.path) if self.packed_data else data

    def _minishard(self, file: SourceFile, mini: int) -> Index:
        """Number, offset in the file and size of the chunks of a minishard, sorted by number."""
        key = (file.source.path, file.source.etag, mini, -1)
        found = INDEXES.get(key)
        if found is not None:
            return found
        head = 16 << self.minishard_bits
        start, end = (int.from_bytes(bytes(file.pread(16 * mini + k, 8)), "little") for k in (0, 8))
        if end < start or head + end > file.source.size or end - start > MAX_MINISHARD:
            raise _damaged(file, f"minishard {mini}: bytes {start} to {end}")
        data: Buffer = file.pread(head + start, end - start)
        if self.packed_index and data:
            data = _inflated(data, MAX_MINISHARD, file.source.path)
        if len(data) % 24:
            raise _damaged(file, f"minishard {mini}: an index of {len(data)} bytes")
        # Numbers and offsets are differences; an offset counts from the end of the chunk before.
        numbers, offsets, sizes = np.frombuffer(data, "<u8").astype(np.uint64).reshape(3, -1)
        starts = np.cumsum(offsets) + np.cumsum(sizes) - sizes + np.uint64(head)
        found = np.stack([np.cumsum(numbers), starts, sizes], 1)
        found = found[np.argsort(found[:, 0], kind="stable")]
        INDEXES.put(key, found)
        return found


def sharded(about: Document, folder: str, grid: Sequence[int]) -> Sharded:
    """From the field ``sharding`` of a scale.

    Raises:
        Unsupported: Another kind of sharding, or more bits than a number has.
    """
    kind, hashing = about.get("@type"), about["hash"]
    if kind != "neuroglancer_uint64_sharded_v1" or hashing not in {"identity", "murmurhash3_x86_128"}:
        raise Unsupported(f"The volume has shards of the kind {kind!r:.40} with the hash {hashing!r:.40}.")
    packings = [about.get(k, "raw") for k in ("minishard_index_encoding", "data_encoding")]
    if not set(packings) <= {"raw", "gzip"}:
        raise Unsupported(f"The volume has shards encoded with {packings}; raw and gzip are read.")
    shift, mini, bits = (about[k] for k in ("preshift_bits", "minishard_bits", "shard_bits"))
    if not all(type(n) is int and 0 <= n <= 64 for n in (shift, mini, bits)) or mini > 32 or mini + bits > 64:
        raise Unsupported(f"The volume has shards of {shift}, {mini} and {bits} bits.")
    counts = tuple(int(n) for n in grid)
    if sum((n - 1).bit_length() for n in counts) > 64:
        raise Unsupported(f"The volume has a grid of {counts} chunks; their numbers do not fit into 64 bits.")
    x, y, z = counts
    murmured = hashing != "identity"
    return Sharded(folder, (x, y, z), shift, murmured, mini, bits, packings[0] == "gzip", packings[1] == "gzip")


def morton(at: tuple[int, ...], grid: tuple[int, ...]) -> int:
    """The compressed Morton code: bits of x, y and z in turns, of each as many as its grid needs."""
    out, place = 0, 0
    lengths = [(n - 1).bit_length() for n in grid]
    for bit in range(max(lengths)):
        for i, length in zip(at, lengths, strict=True):
            if bit < length:
                out |= (i >> bit & 1) << place
                place += 1
    return out


def murmur(number: int) -> int:
    """The lower half of MurmurHash3_x86_128 of eight bytes, seed 0."""
    h1 = _times(_left(_times(number & _MASK, 0x239B961B), 15), 0xAB0E9789) ^ 8
    h2 = _times(_left(_times(number >> 32, 0xAB0E9789), 16), 0x38B34AE5) ^ 8
    h3 = h4 = 8
    h1 = h1 + h2 + h3 + h4 & _MASK
    h2, h3, h4 = h2 + h1 & _MASK, h3 + h1 & _MASK, h4 + h1 & _MASK
    h1, h2, h3, h4 = map(_mixed, (h1, h2, h3, h4))
    h1 = h1 + h2 + h3 + h4 & _MASK
    return (h2 + h1 & _MASK) << 32 | h1


def _times(a: int, b: int) -> int:
    return a * b & _MASK


def _left(a: int, n: int) -> int:
    return (a << n | a >> (32 - n)) & _MASK


def _mixed(h: int) -> int:
    h = _times(h ^ h >> 16, 0x85EBCA6B)
    h = _times(h ^ h >> 13, 0xC2B2AE35)
    return h ^ h >> 16


def _inflated(data: Buffer, most: int, name: str) -> Buffer:
    try:
        return Gzip().decode(data, most)
    except (ValueError, RuntimeError) as error:
        raise BadSource("A chunk of the image does not decode.", private=f"{name}: {error!r:.200}") from error


def _damaged(file: SourceFile, why: str) -> BadSource:
    return BadSource("A shard of the image is damaged.", private=f"{file.source.path}: {why}")


CLASSES: tuple[type[Any], ...] = (Boxes, Sharded)
"""For `FolderFreezing`."""


def grid_of(size: Sequence[int], chunk: Sequence[int]) -> tuple[int, ...]:
    """Chunks along each dimension."""
    return tuple(math.ceil(n / m) for n, m in zip(size, chunk, strict=True))
