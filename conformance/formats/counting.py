"""A file that counts what is read of it, through ``pread`` and through streams alike."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

from s3facade.stores.local import LocalFile

BLOCK = 256 << 10
"""Bytes of the blocks that far-away files are read by when their headers are parsed."""


@dataclass(slots=True)
class Count:
    """What was read."""

    reads: int = 0
    nbytes: int = 0
    blocks: set[tuple[str, int]] = field(default_factory=set)
    streams: list = field(default_factory=list)

    def note(self, path: str, offset: int, nbytes: int) -> None:
        self.reads += 1
        self.nbytes += nbytes
        self.blocks |= {(path, b) for b in range(offset // BLOCK, max(offset, offset + nbytes - 1) // BLOCK + 1)}


class _Raw(io.RawIOBase):
    def __init__(self, raw: io.FileIO, path: str, count: Count) -> None:
        self._raw, self._path, self._count = raw, path, count
        self.name = path

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        at = self._raw.tell()
        n = self._raw.readinto(buffer) or 0
        self._count.note(self._path, at, n)
        return n

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._raw.seek(offset, whence)

    def tell(self) -> int:
        return self._raw.tell()

    def close(self) -> None:
        self._raw.close()
        super().close()


class Counting:
    """A local file, and those beside it, with one `Count` for all."""

    def __init__(self, file: LocalFile, count: Count) -> None:
        self._file = file
        self.count = count

    @property
    def source(self):
        return self._file.source

    def pread(self, offset: int, nbytes: int) -> bytes:
        self.count.note(self.source.path, offset, nbytes)
        return self._file.pread(offset, nbytes)

    def stream(self):
        file = io.BufferedReader(_Raw(io.FileIO(self.source.path), self.source.path, self.count))
        self.count.streams.append(file)
        return file

    def sibling(self, name: str) -> Counting:
        return Counting(self._file.sibling(name), self.count)

    def names(self, below: str = ""):
        return self._file.names(below)

    def folder(self, below: str = "") -> Counting:
        return Counting(self._file.folder(below), self.count)

    def path(self) -> str:
        return self._file.path()
