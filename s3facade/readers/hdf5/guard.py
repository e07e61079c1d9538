"""What the HDF5 library reads, looked at before: damage that it does not notice itself makes it run for ever.

Source: HDF5 File Format Specification 3.0, II (superblock), III.D (local heaps) and III.E (global heaps).
"""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

from s3facade.core.errors import BadSource
from s3facade.readers.hdf5.superblock import SIZE, mended

_GLOBAL = b"GCOL\x01\0\0\0"
"""Signature, version and reserved bytes of a collection of texts."""
_LOCAL = b"HEAP\0\0\0\0"
"""Of the names in a group."""
_COLLECTION = struct.Struct("<8sQ")
_ENTRY = struct.Struct("<HHIQ")
_NAMES = struct.Struct("<8sQQQ")
_FREE = struct.Struct("<QQ")
_LAST = 1
"""Place of the next free block behind the last one."""
MAX_METADATA = 1 << 20
"""Bytes of one read that are looked through; longer ones are of voxels."""
MAX_HEAP = 64 << 20
"""Bytes of a heap; those of texts are of 4 kB, or as large as one text."""


class Guarded:
    """A binary file for h5py whose heaps are checked as they are read: each entry has to lead to another one.

    Args:
        stream: The file, which is HDF5.
        size: Its bytes.
    """

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._size = size
        self._checked: set[int] = set()
        stream.seek(0)
        head = stream.read(4096)
        stream.seek(0)
        self._base = next((at for at in (0, 512, 1024, 2048) if head[at : at + 4] == b"\x89HDF"), 0)
        version = head[self._base + 8 : self._base + 9]
        at = self._base + (13 if version in (b"\0", b"\1") else 9)
        self._usual = head[at : at + 2] == b"\x08\x08"
        """Whether places and lengths have eight bytes, as nearly always."""
        self._mended = mended(head[:SIZE], size)

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
        if self._mended is not None and start < SIZE:
            data = self._mended[start : start + len(data)] + data[max(0, SIZE - start) :]
        if self._usual and len(data) <= MAX_METADATA:
            for mark, check in ((_GLOBAL, self._collection), (_LOCAL, self._names)):
                at = data.find(mark)
                while at >= 0:
                    if start + at not in self._checked:
                        check(start + at)
                        self._checked.add(start + at)
                        self._stream.seek(start + len(data))
                    at = data.find(mark, at + 1)
        return data

    def readinto(self, buffer: Any) -> int:
        """As of a file. Raises `BadSource` for a heap that is damaged."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def flush(self) -> None:
        """Nothing is written."""

    def _at(self, place: int, size: int) -> bytes:
        if not 0 <= size <= min(MAX_HEAP, self._size - place):
            raise _damaged(place, f"{size} bytes")
        self._stream.seek(place)
        return self._stream.read(size)

    def _collection(self, place: int) -> None:
        size = _COLLECTION.unpack(self._at(place, _COLLECTION.size))[1]
        heap = self._at(place, size)
        at = _COLLECTION.size
        while at + _ENTRY.size <= len(heap):
            index, _, _, length = _ENTRY.unpack_from(heap, at)
            # Index 0 is the free space at the end, whose length is that of its entry, too.
            step = _ENTRY.size + -(-length // 8) * 8 if index else length
            if step < _ENTRY.size or at + step > len(heap):
                raise _damaged(place, f"entry {index} at {at}: {length} bytes")
            at += step

    def _names(self, place: int) -> None:
        _, size, free, start = _NAMES.unpack(self._at(place, _NAMES.size))
        # The library says so itself where the names lie behind the end.
        if start + size > self._size - self._base:
            return
        heap = self._at(self._base + start, size)
        blocks = 0
        while free != _LAST and free + _FREE.size <= len(heap):
            blocks += 1
            if blocks > len(heap) // _FREE.size:
                raise _damaged(place, "free blocks in a circle")
            free, _ = _FREE.unpack_from(heap, free)


def _damaged(place: int, what: str) -> BadSource:
    return BadSource(
        "The HDF5 file is damaged: the names and texts in it cannot be found.", private=f"heap at {place}: {what}"
    )
