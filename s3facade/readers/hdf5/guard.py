"""What the HDF5 library reads, looked at before: damage that it does not notice itself makes it run for ever."""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

from s3facade.core.errors import BadSource

_MARK = b"GCOL\x01\0\0\0"
"""Signature, version and reserved bytes of a global heap collection (HDF5 File Format Specification 3.0, III.E)."""
_HEAD = struct.Struct("<8sQ")
_ENTRY = struct.Struct("<HHIQ")
MAX_METADATA = 1 << 20
"""Bytes of one read that are looked through; longer ones are of voxels."""
MAX_HEAP = 64 << 20
"""Bytes of a heap collection; HDF5 makes them of 4 kB, or as large as one object."""


class Guarded:
    """A binary file for h5py whose heaps of texts are checked as they are read: each entry has to lead to the next.

    Args:
        stream: The file.
        size: Its bytes.
    """

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._size = size
        self._checked: set[int] = set()

    def seek(self, offset: int, whence: int = 0) -> int:
        """As of a file."""
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """As of a file."""
        return self._stream.tell()

    def read(self, size: int = -1) -> bytes:
        """As of a file. Raises `BadSource` for a heap that is damaged."""
        start = self._stream.tell()
        data = self._stream.read(size)
        self._look(start, data)
        return data

    def readinto(self, buffer: Any) -> int:
        """As of a file. Raises `BadSource` for a heap that is damaged."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def flush(self) -> None:
        """Nothing is written."""

    def _look(self, start: int, data: bytes) -> None:
        at = data.find(_MARK) if len(data) <= MAX_METADATA else -1
        while at >= 0:
            if start + at not in self._checked:
                self._check(start + at)
                self._checked.add(start + at)
                self._stream.seek(start + len(data))
            at = data.find(_MARK, at + 1)

    def _check(self, place: int) -> None:
        self._stream.seek(place)
        head = self._stream.read(_HEAD.size)
        size = _HEAD.unpack(head)[1] if len(head) == _HEAD.size else 0
        if not _HEAD.size <= size <= min(MAX_HEAP, self._size - place):
            raise _damaged(place, f"{size} bytes")
        heap = head + self._stream.read(size - _HEAD.size)
        at = _HEAD.size
        while at + _ENTRY.size <= len(heap):
            index, _, _, length = _ENTRY.unpack_from(heap, at)
            # Index 0 is the free space at the end, whose length is that of its entry, too.
            step = _ENTRY.size + -(-length // 8) * 8 if index else length
            if step < _ENTRY.size or at + step > len(heap):
                raise _damaged(place, f"entry {index} at {at}: {length} bytes")
            at += step


def _damaged(place: int, what: str) -> BadSource:
    return BadSource(
        "The HDF5 file is damaged: the texts of its attributes cannot be found.", private=f"heap at {place}: {what}"
    )
