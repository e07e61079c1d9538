"""Compressed files as if they were not: any part of the content, without unpacking what lies before it each time.

A stream of deflate can only be unpacked from its start. While it is, the state of the decompressor is kept every MiB or
more (about 40 KiB each: mostly the last 32 KiB of content), and later reads go on from the nearest one. The first read
of the end of a file unpacks it once; opening one unpacks its header. What was found out lives in the process alone, and
is bounded.

Formats: RFC 1950 (zlib), RFC 1951 (deflate), RFC 1952 (gzip; several members one behind the other, as bgzip and pigz
write them). bzip2 and xz have no such states; they are unpacked whole and kept, up to `ROOM`.
"""

from __future__ import annotations

import bz2
import lzma
import tempfile
import threading
import zlib
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.image import Source
from s3facade.core.protocols import SourceFile

Form = Literal["gzip", "zlib", "deflate", "bzip2", "xz"]
ROOM = 192 << 20
"""Bytes of states and of content that a process keeps for all files; the largest content of bzip2 and xz."""
SPACING = 1 << 20
"""Bytes of content between states, at first."""
MOST = 512
"""States of one file; beyond that every second one is dropped."""
RATIO = 1032
"""Deflate cannot make less than one byte of so many."""

_WBITS = {"gzip": 47, "zlib": 47, "deflate": -15}
_STATE = 40 << 10
_PIECE = 64 << 10
"""Packed bytes given to the decompressor at once; fewer where they hold much, since states are kept between."""
_CONTENT = 512 << 10
"""Content that one piece is to hold at most, by what the pieces before it held."""
_STEP = 1 << 20
_RESUME = 4
_MAGIC: tuple[tuple[bytes, Form], ...] = ((b"\x1f\x8b\x08", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\0", "xz"))


def compression(head: bytes) -> Form | None:
    """How a file that begins with ``head`` is packed as a whole, or None."""
    return next((form for magic, form in _MAGIC if head.startswith(magic)), None)


def unpacked(head: bytes, most: int = 4096) -> bytes:
    """The first bytes of the content, for sniffing: of gzip what the first bytes of the file give, else ``head``."""
    if compression(head) != "gzip":
        return head
    try:
        return zlib.decompressobj(47).decompress(head, most)
    except zlib.error:
        return b""


@dataclass(frozen=True, slots=True)
class Packing:
    """Where the packed bytes lie in a file."""

    form: Form
    start: int = 0
    """First packed byte."""
    packed: int = -1
    """Number of packed bytes; -1: all that follow."""


class Inflated:
    """The content of a compressed file, or of a compressed part of one, as a `SourceFile`. Thread-safe.

    Its `source` is the compressed file: that is what may change.
    """

    __slots__ = ("_file", "packing")

    def __init__(self, file: SourceFile, packing: Packing) -> None:
        self._file = file
        self.packing = packing

    @property
    def source(self) -> Source:
        """The compressed file."""
        return self._file.source

    @property
    def room(self) -> int:
        """Bytes that the content has at most, told from the packed bytes: whoever claims more is wrong."""
        start, end = self._span()
        return (end - start) * RATIO if self.packing.form in _WBITS else ROOM

    def _span(self) -> tuple[int, int]:
        start, size = self.packing.start, self.source.size
        end = size if self.packing.packed < 0 else start + self.packing.packed
        if not 0 <= start <= end <= size:
            raise BadSource("The compressed part of the file lies behind its end.", private=f"{start} to {end}")
        return start, end

    def pread(self, offset: int, nbytes: int) -> bytes:
        """Exactly ``nbytes`` bytes of the content from ``offset``. Raises `BadSource` if it ends before that."""
        data = self.peek(nbytes, offset)
        if len(data) != nbytes:
            raise BadSource(
                "The compressed file ends before the data that its header tells of; it is cut short.",
                private=f"{self.source.path}: {nbytes} bytes at {offset} of the content, {len(data)} found",
            )
        return data

    def peek(self, nbytes: int, offset: int = 0) -> bytes:
        """As `pread`, but fewer bytes where the content ends. Raises `BadSource` if it does not unpack."""
        if offset < 0 or nbytes < 0:
            raise BadSource("The file refers to data before its start.")
        start, end = self._span()
        key = (self.source.path, self.source.etag, self.packing.form, start, end)
        stream = _STREAMS.get(key)
        try:
            return stream.read(self._file, offset, nbytes)
        except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
            raise BadSource(
                "The compressed file is damaged: it does not unpack.", private=f"{self.source.path}: {error}"
            ) from error
        finally:
            _STREAMS.trim()

    def stream(self) -> BinaryIO:
        """The whole content, unpacked into a file without a name; the caller closes it."""
        out = tempfile.TemporaryFile()  # noqa: SIM115 - the caller's to close
        at = 0
        while data := self.peek(_STEP, at):
            out.write(data)
            at += len(data)
        out.seek(0)
        return out

    def sibling(self, name: str) -> SourceFile:
        """As of the compressed file."""
        return self._file.sibling(name)

    def names(self, below: str = "") -> Sequence[str]:
        """As of the compressed file."""
        return self._file.names(below)

    def folder(self, below: str = "") -> SourceFile:
        """As of the compressed file."""
        return self._file.folder(below)

    def path(self) -> str:
        """None has the content. Raises `Unsupported`."""
        raise Unsupported("The file is compressed, and the library that reads its format wants a plain file.")


class _Cursor:
    """A place in the content from which one reader goes on."""

    __slots__ = ("_ahead", "_buffer", "_end", "_form", "_place", "_size", "at", "source", "state")

    def __init__(self, form: Form, at: int, source: int, end: int, state: Any) -> None:
        self._form = form
        self._end = end
        self._buffer = b""
        self._place = 0
        self._size = _PIECE
        self._ahead = 16 << 10
        self.at = at
        self.source = source
        """Next packed byte."""
        self.state = state

    def clean(self, file: SourceFile) -> bool:
        """Whether the state holds no packed bytes of its own; behind the end of a member the next one is begun."""
        if self.state.eof:
            more = self._form == "gzip" and self.source < self._end
            if not more or self._piece(file)[:1] != b"\x1f":
                return False
            self.state = zlib.decompressobj(_WBITS["gzip"])
        return not self.state.unconsumed_tail

    def read(self, file: SourceFile, most: int) -> bytes:
        """Between 1 and ``most`` bytes of content; none at its end. Raises `zlib.error`, `EOFError`."""
        while True:
            if self.state.eof and not self._next_member(file):
                return b""
            piece = self._piece(file)
            out: bytes = self.state.decompress(piece, most)
            if len(out) > _CONTENT:
                self._size = max(1 << 10, self._size // 2)
            used = len(piece) - len(self.state.unused_data if self.state.eof else self.state.unconsumed_tail)
            self._place += used
            self.source += used
            if out:
                self.at += len(out)
                return out
            if not piece and not self.state.eof:
                raise EOFError("the packed data end in the middle")

    def _piece(self, file: SourceFile) -> bytes:
        if self._place >= len(self._buffer):
            # The first read is small, since often only a header is wanted.
            n = min(self._ahead, self._end - self.source)
            self._ahead = min(4 * self._ahead, 1 << 18)
            self._buffer, self._place = bytes(file.pread(self.source, n)) if n else b"", 0
        return self._buffer[self._place : self._place + self._size]

    def _next_member(self, file: SourceFile) -> bool:
        """Whether another member of gzip begins here; padding with zeros ends the file."""
        if self._form != "gzip" or self.source >= self._end:
            return False
        piece = self._piece(file)
        if not piece.strip(b"\0"):
            return False
        if piece[:1] != b"\x1f":
            raise zlib.error("there is something else behind the packed data")
        self.state = zlib.decompressobj(_WBITS["gzip"])
        return True


class _Deflated:
    """States of one stream. Thread-safe."""

    def __init__(self, form: Form, start: int, end: int) -> None:
        self._form: Form = form
        self._end = end
        self._points: list[tuple[int, int, Any]] = [(0, start, zlib.decompressobj(_WBITS[form]))]
        """Offset in the content, next packed byte, state: only ever copied."""
        self._spacing = SPACING
        self._resume: list[_Cursor] = []
        """Where lately reads ended: the next one often begins there."""
        self._lock = threading.Lock()
        self._going_on = threading.Lock()
        """Held by who goes beyond the last state: others wait for the states that are made."""

    @property
    def weight(self) -> int:
        """Bytes kept."""
        return len(self._points) * _STATE + len(self._resume) * (_STATE + (1 << 18))

    def read(self, file: SourceFile, offset: int, nbytes: int) -> bytes:
        """Up to ``nbytes`` bytes of the content."""
        if offset + nbytes <= self._points[-1][0] + self._spacing:
            return self._run(file, offset, nbytes)
        with self._going_on:
            return self._run(file, offset, nbytes)

    def _cursor(self, offset: int) -> _Cursor:
        with self._lock:
            k = bisect_right(self._points, offset, key=lambda p: p[0]) - 1
            at, source, state = self._points[k]
            near = max((c for c in self._resume if at < c.at <= offset), key=lambda c: c.at, default=None)
            if near is not None:
                self._resume.remove(near)
                return near
            return _Cursor(self._form, at, source, self._end, state.copy())

    def _run(self, file: SourceFile, offset: int, nbytes: int) -> bytes:
        cursor, parts, left = self._cursor(offset), [], nbytes
        while left:
            skip = offset - cursor.at
            data = cursor.read(file, min(_STEP, skip if skip > 0 else left))
            if not data:
                break
            if skip <= 0:
                parts.append(data)
                left -= len(data)
            if cursor.at >= self._points[-1][0] + self._spacing and cursor.clean(file):
                self._note(cursor)
        with self._lock:
            self._resume = [*self._resume[1 - _RESUME :], cursor]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _note(self, cursor: _Cursor) -> None:
        with self._lock:
            if cursor.at < self._points[-1][0] + self._spacing:
                return
            self._points.append((cursor.at, cursor.source, cursor.state.copy()))
            if len(self._points) > MOST:
                self._points = self._points[::2]
                self._spacing *= 2


class _Whole:
    """The whole content of one stream, unpacked at the first read. Thread-safe."""

    def __init__(self, form: Form, start: int, end: int) -> None:
        self._form = form
        self._span = start, end
        self._data: bytes | None = None
        self._lock = threading.Lock()

    @property
    def weight(self) -> int:
        """Bytes kept."""
        return len(self._data or b"")

    def read(self, file: SourceFile, offset: int, nbytes: int) -> bytes:
        """Up to ``nbytes`` bytes of the content. Raises `Unsupported` where there is too much of it."""
        with self._lock:
            if self._data is None:
                self._data = self._unpack(file)
            return self._data[offset : offset + nbytes]

    def _fresh(self) -> Any:
        return bz2.BZ2Decompressor() if self._form == "bzip2" else lzma.LZMADecompressor(memlimit=ROOM)

    def _unpack(self, file: SourceFile) -> bytes:
        at, end = self._span
        state, parts, total = self._fresh(), [], 0
        rest = b""
        while at < end or rest or not state.needs_input:
            if state.eof:
                if not rest.strip(b"\0") and at >= end:
                    break
                state = self._fresh()
            if not rest and state.needs_input:
                n = min(_STEP, end - at)
                rest, at = bytes(file.pread(at, n)), at + n
            out = state.decompress(rest, _STEP)
            rest = state.unused_data if state.eof else b""
            parts.append(out)
            total += len(out)
            if total > ROOM:
                raise Unsupported(
                    f"Files packed by {self._form} are unpacked whole, up to {ROOM >> 20} MiB; this one holds more. "
                    "Pack it by gzip, or not at all."
                )
            if state.eof and not rest and at >= end:
                break
        if not state.eof:
            raise EOFError("the packed data end in the middle")
        return b"".join(parts)


class _Streams:
    """Streams by file, those used lately. Thread-safe."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str, Form, int, int], _Deflated | _Whole] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[str, str, Form, int, int]) -> _Deflated | _Whole:
        """The stream, new if it is not known."""
        _, _, form, start, end = key
        with self._lock:
            found = self._known.get(key)
            if found is None:
                found = self._known[key] = (_Deflated if form in _WBITS else _Whole)(form, start, end)
            self._known.move_to_end(key)
            return found

    def trim(self) -> None:
        """Forget the streams not used for longest, as long as all together are too much."""
        with self._lock:
            while len(self._known) > 1 and sum(s.weight for s in self._known.values()) > ROOM:
                self._known.popitem(last=False)


_STREAMS = _Streams()
"""The process's own, as memory is."""
