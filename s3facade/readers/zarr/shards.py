"""Shards: files, or parts of files, that hold many chunks behind an index (Zarr 3, codec ``sharding_indexed``)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import google_crc32c
import numpy as np

from s3facade.core.errors import BadSource
from s3facade.core.operators import Buffer
from s3facade.core.protocols import SourceFile
from s3facade.core.region import place
from s3facade.readers.folders.documents import part
from s3facade.readers.folders.indexes import INDEXES, Index
from s3facade.readers.folders.places import Keys

MAX_ENTRIES = 1 << 21
"""Chunks of one shard; its index takes 32 MiB then."""
_NONE = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Shard:
    """One level of sharding."""

    counts: tuple[int, ...]
    """Chunks along each dimension."""
    at_start: bool = False
    """Whether the index comes first, not last."""
    checked: bool = True
    """Whether a CRC-32C follows the index."""
    big: bool = False
    """Whether the index has the high byte first."""

    @property
    def nbytes(self) -> int:
        """Of the index."""
        return 16 * math.prod(self.counts) + 4 * self.checked

    def index(self, file: SourceFile, start: int, nbytes: int) -> Index:
        """Offset and size of each chunk, from the start of the shard.

        Raises:
            BadSource: The index does not fit.
            SourceError: The file cannot be read.
        """
        key = (file.source.path, file.source.etag, start, nbytes)
        found = INDEXES.get(key)
        if found is None:
            if nbytes < self.nbytes:
                raise _damaged(file, f"a shard of {nbytes} bytes has an index of {self.nbytes}")
            data = bytes(file.pread(start if self.at_start else start + nbytes - self.nbytes, self.nbytes))
            if self.checked:
                data, checksum = data[:-4], data[-4:]
                if google_crc32c.value(data) != int.from_bytes(checksum, "little"):
                    raise _damaged(file, "the checksum of the index does not fit")
            found = np.frombuffer(data, ">u8" if self.big else "<u8").astype(np.uint64).reshape(-1, 2)
            INDEXES.put(key, found)
        return found


@dataclass(frozen=True, slots=True)
class Shards:
    """Chunks in shards, which may lie in shards themselves."""

    keys: Keys
    levels: tuple[Shard, ...]
    """Outermost first."""

    def fetch(self, base: SourceFile, at: tuple[int, ...], most: int) -> Buffer | None:
        """A chunk's bytes; None if its shard does not exist or has none for it. Raises `SourceError`."""
        steps = []
        for level in reversed(self.levels):
            inner = tuple(i % n for i, n in zip(at, level.counts, strict=True))
            at = tuple(i // n for i, n in zip(at, level.counts, strict=True))
            steps.append((level, inner))
        file = part(base, self.keys.name(at))
        if file is None:
            return None
        start, nbytes = 0, file.source.size
        for level, inner in reversed(steps):
            offset, size = map(int, level.index(file, start, nbytes)[place(inner, level.counts)])
            if offset == size == _NONE:
                return None
            if offset + size > nbytes:
                raise _damaged(file, f"chunk {inner}: bytes {offset} to {offset + size} of {nbytes}")
            start, nbytes = start + offset, size
        if nbytes > most:
            raise _damaged(file, f"a chunk of {nbytes} bytes, {most} at most")
        return file.pread(start, nbytes)


def _damaged(file: SourceFile, why: str) -> BadSource:
    return BadSource("A shard of the image is damaged.", private=f"{file.source.path}: {why}")


CLASSES: tuple[type[Any], ...] = (Shard, Shards)
"""For `FolderFreezing`."""
