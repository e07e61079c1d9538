"""Compound files: a small file system in one file, read by ranges.

Source: [MS-CFB] Compound File Binary File Format by Microsoft. Sectors are chained by a table (FAT), whose own sectors
are listed in the header and in a chain of further lists (DIFAT); short streams lie in sectors of 64 bytes inside a
stream of their own. All numbers are little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from s3facade.core.errors import BadSource
from s3facade.core.protocols import SourceFile

SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
MAX_ENTRIES = 1 << 20
_NONE = 0xFFFFFFFA
"""Numbers from here on name no sector."""
Table = npt.NDArray[np.uint32]
Extent = tuple[int, int]
"""First byte in the file, and bytes."""


@dataclass(frozen=True, slots=True)
class Compound:
    """The streams of a compound file."""

    streams: Mapping[str, tuple[Extent, ...]]
    """By path, with ``/`` between: where the bytes lie, in order."""

    def read(self, file: SourceFile, path: str) -> bytes:
        """All bytes of a stream. Raises `BadSource`."""
        return b"".join(bytes(file.pread(*extent)) for extent in self.streams[path])


@dataclass(frozen=True, slots=True)
class _Sectors:
    file: SourceFile
    size: int
    fat: Table

    def run(self, first: int, what: str) -> list[int]:
        """The chain of sectors from ``first`` on. Raises `BadSource`."""
        found = _chain(self.fat, first, what)
        if any((k + 2) * self.size > self.file.source.size + self.size - 1 for k in found):
            raise BadSource(f"The file is incomplete: {what} lies behind its end.")
        return found

    def extents(self, first: int, nbytes: int, what: str) -> tuple[Extent, ...]:
        """Where ``nbytes`` of a chain lie; neighbours are joined."""
        return _joined([(k + 1) * self.size for k in self.run(first, what)], self.size, nbytes, what)

    def read(self, first: int, what: str) -> bytes:
        """The sectors of a chain, whole."""
        found = self.run(first, what)
        extents = _joined([(k + 1) * self.size for k in found], self.size, len(found) * self.size, what)
        end = self.file.source.size
        return b"".join(bytes(self.file.pread(at, min(n, end - at))).ljust(n, b"\0") for at, n in extents)


def _chain(table: Table, first: int, what: str) -> list[int]:
    found: list[int] = []
    at = first
    while at < _NONE:
        if at >= len(table) or len(found) > len(table):
            raise BadSource(f"The file is damaged: the sectors of {what} lead nowhere, or in a circle.")
        found.append(at)
        at = int(table[at])
    return found


def _joined(places: Sequence[int], size: int, nbytes: int, what: str) -> tuple[Extent, ...]:
    if len(places) * size < nbytes:
        raise BadSource(f"The file is damaged: {what} has fewer sectors than its {nbytes} bytes need.")
    out: list[list[int]] = []
    left = nbytes
    for place in places:
        if left <= 0:
            break
        if out and sum(out[-1]) == place:
            out[-1][1] += min(size, left)
        else:
            out.append([place, min(size, left)])
        left -= size
    return tuple((at, n) for at, n in out)


def compound(file: SourceFile) -> Compound:
    """The streams of a compound file. Raises `BadSource`."""
    if file.source.size < 512:
        raise BadSource("The file is cut short: it has no head of a compound file.")
    head = bytes(file.pread(0, 512))
    version, shift, small = struct.unpack_from("<H2xHH", head, 26)
    if head[:8] != SIGNATURE or (version, shift) not in ((3, 9), (4, 12)) or small != 6:
        raise BadSource(f"The head of the compound file names version {version} with sectors of 2^{shift} bytes.")
    root, cutoff, first_small = struct.unpack_from("<I4xII", head, 48)
    sectors = _Sectors(file, 1 << shift, _fat(file, head, 1 << shift))
    entries = _entries(sectors.read(root, "its directory"))
    start, size = entries[0][5:]
    small_fat = np.frombuffer(sectors.read(first_small, "its table of short streams"), "<u4")
    inside = sectors.extents(start, size, "its short streams") if start < _NONE and size else ()
    streams: dict[str, tuple[Extent, ...]] = {}
    for path, (_, _, _, _, _, begin, nbytes) in _paths(entries):
        if nbytes > file.source.size:
            raise BadSource(f"The file is incomplete: {path} has {nbytes} bytes.")
        if nbytes == 0:
            streams[path] = ()
        elif nbytes < cutoff:
            streams[path] = _short(inside, small_fat, begin, nbytes, path)
        else:
            streams[path] = sectors.extents(begin, nbytes, path)
    return Compound(streams)


def _fat(file: SourceFile, head: bytes, size: int) -> Table:
    """The table of chains. Raises `BadSource`."""
    most = file.source.size // size + 1
    (more,) = struct.unpack_from("<I", head, 68)
    listed = [k for k in struct.unpack_from("<109I", head, 76) if k < _NONE]
    while more < _NONE:
        at = (more + 1) * size
        if at + size > file.source.size or len(listed) > most:
            raise BadSource("The file is damaged: the list of its sectors leads nowhere, or in a circle.")
        numbers = struct.unpack(f"<{size // 4}I", file.pread(at, size))
        listed += [k for k in numbers[:-1] if k < _NONE]
        more = numbers[-1]
    if len(listed) > most or any((k + 2) * size > file.source.size for k in listed):
        raise BadSource("The file is incomplete: the table of its sectors lies behind its end.")
    extents = _joined([(k + 1) * size for k in listed], size, len(listed) * size, "the table of sectors")
    return np.frombuffer(b"".join(bytes(file.pread(*e)) for e in extents), "<u4")


Entry = tuple[int, str, int, int, int, int, int]
"""Kind (1 storage, 2 stream, 5 root), name, left, right and first child, first sector, bytes."""


def _entries(data: bytes) -> list[Entry]:
    found = []
    for at in range(0, min(len(data), MAX_ENTRIES * 128) - 127, 128):
        length, kind, left, right, child = struct.unpack_from("<HBxIII", data, at + 64)
        start, size = struct.unpack_from("<IQ", data, at + 116)
        name = data[at : at + max(0, min(length, 64) - 2)].decode("utf-16-le", "replace")
        found.append((kind, name, left, right, child, start, size))
    if not found or found[0][0] != 5:
        raise BadSource("The directory of the compound file does not begin with its root; it is damaged.")
    return found


def _paths(entries: Sequence[Entry]) -> list[tuple[str, Entry]]:
    """All streams with their paths; needs no recursion, and ends in circles."""
    found, seen = [], {0}
    waiting = [(entries[0][4], "")]
    while waiting:
        at, above = waiting.pop()
        if at >= len(entries) or at in seen:
            continue
        seen.add(at)
        kind, name, left, right, child, _, _ = entry = entries[at]
        waiting += [(left, above), (right, above)]
        if kind == 1:
            waiting.append((child, f"{above}{name}/"))
        elif kind == 2:
            found.append((above + name, entry))
    return found


def _short(inside: tuple[Extent, ...], table: Table, first: int, nbytes: int, what: str) -> tuple[Extent, ...]:
    """Where a short stream lies, in sectors of 64 bytes of the stream that holds them all."""
    starts = np.cumsum([0, *(n for _, n in inside)])
    places = []
    for k in _chain(table, first, what):
        at = 64 * k
        part = int(np.searchsorted(starts, at, "right")) - 1
        if part >= len(inside):
            raise BadSource(f"The file is damaged: {what} lies outside the short streams.")
        places.append(inside[part][0] + at - int(starts[part]))
    return _joined(places, 64, nbytes, what)
