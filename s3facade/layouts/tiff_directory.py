"""Headers of TIFF files as arithmetic: directories that all have one size, and tables of tiles, any part by itself.

A file has its header first: directories of the planes, OME-XML, tables of tile positions, then tiles. Tiles of one
level stand one after the other through all planes, so that a table of positions is one sum of steps. Directories of
planes differ only in numbers that grow by a fixed step. Sources: TIFF 6.0, sections 2 and 15; its supplement 1 for
SubIFDs; the BigTIFF design for offsets of 8 bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from s3facade.core.objects import Literal, Run

SHORT, LONG, RATIONAL, LONG8, IFD, IFD8, ASCII = 3, 4, 5, 16, 13, 18, 2
WINDOW = 8192
"""Entries of a table that are made at a time."""


@dataclass(frozen=True, slots=True)
class Form:
    """The two forms of TIFF; what counts in bytes."""

    big: bool

    @property
    def head(self) -> int:
        """Bytes kept for the file's header; directories begin behind it."""
        return 16

    @property
    def word(self) -> int:
        """Bytes of an offset, and of a value that stands in its entry."""
        return 8 if self.big else 4

    @property
    def entry(self) -> int:
        """Bytes of one entry."""
        return 20 if self.big else 12

    @property
    def count(self) -> int:
        """Bytes of the number of entries."""
        return 8 if self.big else 2

    @property
    def offset_type(self) -> int:
        """Type of offsets of tiles."""
        return LONG8 if self.big else LONG

    def pack(self, value: int) -> bytes:
        """An offset."""
        return struct.pack("<Q" if self.big else "<I", value)

    def header(self, first: int) -> bytes:
        """The first bytes of a file whose first directory is at ``first``."""
        start = struct.pack("<2sHHHQ", b"II", 43, 8, 0, first) if self.big else struct.pack("<2sHI", b"II", 42, first)
        return start.ljust(self.head, b"\0")

    def directory(self, entries: int) -> int:
        """Bytes of a directory, the offset of the next one included."""
        return self.count + entries * self.entry + self.word


@dataclass(frozen=True, slots=True)
class Line:
    """An offset that grows from plane to plane: ``base + plane * step``."""

    base: int
    step: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a directory, before it has a place."""

    tag: int
    type: int
    count: int
    value: bytes | tuple[Line, ...]
    """The values, or offsets that grow from plane to plane; of arrays that lie elsewhere, where they lie."""

    def nbytes(self, form: Form) -> int:
        """Bytes of the value."""
        return len(self.value) if isinstance(self.value, bytes) else len(self.value) * form.word


def extent(form: Form, entries: Sequence[Entry]) -> int:
    """Bytes of a directory with the values that do not fit into its entries; a multiple of 8."""
    beside = [n + -n % 8 for n in (entry.nbytes(form) for entry in entries) if n > form.word]
    size = form.directory(len(entries)) + sum(beside)
    return size + -size % 8


@dataclass(frozen=True, slots=True)
class Block:
    """The directories of one plane: of its finest level and, behind it, those of the others.

    ``data`` is that of plane 0. ``places`` are the positions in it of offsets, with how they grow; the first is that of
    the offset of the next plane's block.
    """

    form: Form
    data: bytes
    places: tuple[tuple[int, Line], ...]

    def plane(self, p: int, *, last: bool) -> bytes:
        """The directories of plane ``p``; ``last`` ends the chain."""
        out = bytearray(self.data)
        pack = struct.Struct("<Q" if self.form.big else "<I").pack_into
        for at, line in self.places:
            pack(out, at, line.base + p * line.step)
        if last:
            pack(out, self.places[0][0], 0)
        return bytes(out)


def block(form: Form, start: int, nbytes: int, directories: Sequence[Sequence[Entry]]) -> Block:
    """Directories one after the other.

    Args:
        form: Classic or big.
        start: Where the block of plane 0 lies in the file.
        nbytes: Bytes of the block; that of the next plane follows it.
        directories: Entries of each, sorted by tag; the first is that of the main chain.
    """
    data = bytearray()
    places = [(form.directory(len(directories[0])) - form.word, Line(start + nbytes, nbytes))]
    for entries in directories:
        at, beside = len(data), bytearray()
        size = form.directory(len(entries))
        head = bytearray(len(entries).to_bytes(form.count, "little"))
        for entry in entries:
            head += struct.pack("<HHQ" if form.big else "<HHI", entry.tag, entry.type, entry.count)
            inside = entry.nbytes(form) <= form.word
            where = at + (len(head) if inside else size + len(beside))
            if isinstance(entry.value, bytes):
                raw = entry.value
            else:
                raw = bytes(entry.nbytes(form))
                places += [(where + i * form.word, line) for i, line in enumerate(entry.value)]
            if inside:
                head += raw.ljust(form.word, b"\0")
            else:
                places.append((at + len(head), Line(start + where, nbytes)))
                head += bytes(form.word)
                beside += raw + bytes(-len(raw) % 8)
        data += head + bytes(form.word) + beside
        data += bytes(-len(data) % 8)
    return Block(form, bytes(data).ljust(nbytes, b"\0"), tuple(places))


@dataclass(frozen=True, slots=True)
class Table:
    """Numbers ``first + i * step`` for ``0 <= i < count``, as one value of a directory after the other has them."""

    first: int
    step: int
    count: int
    width: int
    """Bytes of a number."""

    @property
    def nbytes(self) -> int:
        """Size, a multiple of 8."""
        return self.count * self.width + self.padding

    @property
    def padding(self) -> int:
        """Bytes behind the last number."""
        return -(self.count * self.width) % 8

    def parts(self) -> list[Run | Literal]:
        """The table in pieces that are made when they are wanted."""
        whole, rest = divmod(self.count, WINDOW)
        found: list[Run | Literal] = []
        if whole:
            found.append(Run(whole, WINDOW * self.width, partial(self._window, 0, WINDOW)))
        if rest:
            found.append(Run(1, rest * self.width, partial(self._window, whole, rest)))
        if self.padding:
            found.append(Literal(bytes(self.padding)))
        return found

    def _window(self, first: int, length: int, i: int) -> Literal:
        at = (first + i) * WINDOW
        numbers = np.arange(at, at + length, dtype=np.int64) * self.step + self.first
        return Literal(numbers.astype(f"<u{self.width}").tobytes())
