"""Headers of a file, read in few pieces."""

from __future__ import annotations

from s3facade.core.errors import BadSource
from s3facade.core.protocols import SourceFile

_PIECE = 1 << 16


class Window:
    """Bytes of a file by offset; pieces of 64 KiB are read and the last one is kept."""

    def __init__(self, file: SourceFile) -> None:
        self._file = file
        self._start = 0
        self._data = b""
        self.size = file.source.size

    def __call__(self, offset: int, nbytes: int) -> bytes:
        """``nbytes`` bytes from ``offset``. Raises `BadSource` where the file ends before."""
        if offset < 0 or nbytes < 0 or offset + nbytes > self.size:
            raise BadSource(
                "The picture is incomplete: the file ends within its header.",
                private=f"bytes {offset} to {offset + nbytes} of {self.size}",
            )
        if not self._start <= offset <= offset + nbytes <= self._start + len(self._data):
            wanted = min(max(nbytes, _PIECE), self.size - offset)
            self._start, self._data = offset, bytes(self._file.pread(offset, wanted))
        at = offset - self._start
        return self._data[at : at + nbytes]

    def number(self, offset: int, nbytes: int, order: str = "big") -> int:
        """An unsigned integer of ``nbytes`` bytes, ``big`` or ``little`` endian."""
        return int.from_bytes(self(offset, nbytes), "little" if order == "little" else "big")
