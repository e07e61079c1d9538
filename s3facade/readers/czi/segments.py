"""The segments of a CZI file: header, directory of sub-blocks, attachments, metadata.

Source: "ZISRAW (CZI) File Format Design Specification" 1.2.2 by Zeiss, sections on segments and schemas. All numbers
are little-endian. A segment is 16 bytes of name, two int64 (bytes allocated, bytes used) and its data.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.operators import Buffer
from s3facade.core.protocols import SourceFile

MAX_DIRECTORY = 1 << 30
"""Bytes of a directory that are read; about nine million sub-blocks."""
MAX_DIMENSIONS = 40
_HEAD = 32
_ENTRY = 32
_DIMENSION = 20


@dataclass(frozen=True, slots=True)
class Header:
    """Where the other segments lie; 0 is one that does not exist."""

    directory: int
    metadata: int
    attachments: int


@dataclass(frozen=True, slots=True)
class Extent:
    """A sub-block along one dimension."""

    start: int
    size: int
    """In pixels of the finest level."""
    stored: int
    """In pixels as stored."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A sub-block as the directory has it."""

    pixel: int
    """Code of the pixel type."""
    compression: int
    pyramid: int
    """0 if it is not part of a pyramid."""
    position: int
    """Of its segment in the file."""
    dimensions: int
    extents: dict[str, Extent]
    """By the letters of the format: X, Y, C, Z, T, S, M and others."""

    def start(self, name: str, default: int = 0) -> int:
        """Index along a dimension."""
        found = self.extents.get(name)
        return default if found is None else found.start


def segment(file: SourceFile, position: int, name: bytes) -> tuple[int, int]:
    """Place and length of the data of the segment at ``position``. Raises `BadSource` if it is another one."""
    if not 0 <= position <= file.source.size - _HEAD:
        raise BadSource(f"The CZI file is incomplete: {name.decode()} would lie behind its end.")
    found, allocated, used = struct.unpack("<16sqq", file.pread(position, _HEAD))
    if found.rstrip(b"\0") != name:
        raise BadSource(f"The CZI file has no segment {name.decode()} where it should be; it is damaged.")
    length = used or allocated
    if not 0 <= length <= file.source.size - position - _HEAD:
        raise BadSource(f"The CZI file is incomplete: its segment {name.decode()} ends behind the end of the file.")
    return position + _HEAD, length


def header(file: SourceFile) -> Header:
    """The head of the file. Raises `BadSource`, `Unsupported`."""
    start, length = segment(file, 0, b"ZISRAWFILE")
    if length < 80:
        raise BadSource(f"The head of the CZI file is {length} bytes long instead of 512.")
    found = struct.unpack("<iiii16s16siqqiq", file.pread(start, 80))
    primary, this, part, directory, metadata, pending, attachments = found[4:]
    if part or primary != this:
        raise Unsupported(
            f"The CZI file is part {part} of a set of files; sets cannot be read yet. "
            "Save it as one file (ZEN: Split Scenes, or Save As)."
        )
    if pending and directory <= 0:
        raise BadSource("The CZI file was not closed after it was written: it has no directory of its images.")
    return Header(directory, metadata, attachments)


def directory(file: SourceFile, position: int) -> list[Entry]:
    """All sub-blocks, in the order of the directory. Raises `BadSource`, `Unsupported`."""
    start, length = segment(file, position, b"ZISRAWDIRECTORY")
    if length > MAX_DIRECTORY:
        raise Unsupported(f"The directory of the CZI file has {length} bytes; up to {MAX_DIRECTORY} can be read.")
    if length < 128:
        raise BadSource("The directory of the CZI file is cut short.")
    data = file.pread(start, length)
    (count,) = struct.unpack_from("<i", data)
    if not 0 <= count <= (length - 128) // _ENTRY:
        raise BadSource(f"The directory of the CZI file cannot hold the {count} entries that it speaks of.")
    found, at = [], 128
    for _ in range(count):
        entry, at = _entry(data, at)
        found.append(entry)
    return found


def _entry(data: bytes | bytearray | memoryview, at: int) -> tuple[Entry, int]:
    try:
        schema, pixel, position, _, compression, pyramid, dimensions = struct.unpack_from("<2siqiiB5xi", data, at)
        if schema != b"DV":
            raise Unsupported(f"The directory of the CZI file has entries of the kind {schema!r}; known is DV.")
        if not 0 <= dimensions <= MAX_DIMENSIONS:
            raise BadSource(f"A sub-block of the CZI file has {dimensions} dimensions.")
        extents = {}
        for k in range(dimensions):
            name, start, size, _, stored = struct.unpack_from("<4siifi", data, at + _ENTRY + k * _DIMENSION)
            letter = name.rstrip(b"\0").decode("latin-1")
            if size < 0 or stored < 0:
                raise BadSource(f"A sub-block of the CZI file has the size {size}, stored {stored}, along {letter!r}.")
            extents[letter] = Extent(start, size, stored or size)
    except struct.error as error:
        raise BadSource("The directory of the CZI file is cut short.") from error
    return Entry(pixel, compression, pyramid, position, dimensions, extents), at + _ENTRY + dimensions * _DIMENSION


def inside(segment_: Buffer) -> Buffer:
    """The pixels in the bytes of a whole sub-block segment. Raises `ValueError`."""
    view = memoryview(segment_)
    if len(view) < 80:
        raise ValueError(f"a sub-block of {len(view)} bytes")
    name, _, _, metadata, _, nbytes = struct.unpack_from("<16sqqiiq", view)
    (dimensions,) = struct.unpack_from("<i", view, 76)
    start = 48 + max(240, _ENTRY + dimensions * _DIMENSION) + metadata
    if name.rstrip(b"\0") != b"ZISRAWSUBBLOCK" or min(metadata, nbytes, dimensions) < 0 or start + nbytes > len(view):
        raise ValueError(f"no sub-block, or one of {metadata} and {nbytes} bytes in {len(view)}")
    return view[start : start + nbytes]


def data(file: SourceFile, entry: Entry) -> tuple[int, int]:
    """First byte and number of bytes of a sub-block's pixels. Raises `BadSource`."""
    try:
        found = struct.unpack("<16sqqiiq", file.pread(entry.position, 48))
    except BadSource as error:
        raise BadSource("The CZI file is incomplete: sub-blocks of it lie behind its end.") from error
    if found[0].rstrip(b"\0") != b"ZISRAWSUBBLOCK":
        raise BadSource("The directory of the CZI file points at places where there are no sub-blocks.")
    metadata, _, nbytes = found[3:]
    start = entry.position + 48 + max(240, _ENTRY + entry.dimensions * _DIMENSION) + metadata
    if metadata < 0 or nbytes < 0 or start + nbytes > file.source.size:
        raise BadSource("The CZI file is incomplete: pixels of it lie behind its end.")
    return start, nbytes


def metadata(file: SourceFile, position: int, limit: int) -> bytes:
    """The XML of the file; empty if there is none or it is longer than ``limit``. Raises `BadSource`."""
    if position <= 0:
        return b""
    start, length = segment(file, position, b"ZISRAWMETADATA")
    size = struct.unpack("<i", file.pread(start, 4))[0] if length >= 4 else 0
    if not 0 < size <= limit:
        return b""
    return bytes(file.pread(start + 256, size))


def attachment(file: SourceFile, position: int, name: str, limit: int) -> bytes:
    """The attachment called ``name``; empty if there is none or it is longer than ``limit``. Raises `BadSource`."""
    if position <= 0:
        return b""
    start, length = segment(file, position, b"ZISRAWATTDIR")
    count = struct.unpack("<i", file.pread(start, 4))[0] if length >= 256 else 0
    count = max(0, min(count, 10_000, (length - 256) // 128))
    entries = file.pread(start + 256, count * 128)
    for k in range(count):
        schema, place, called = struct.unpack_from("<2s10xq28x80s", entries, k * 128)
        if schema == b"A1" and called.partition(b"\0")[0].decode("latin-1") == name:
            at, _ = segment(file, place, b"ZISRAWATTACH")
            size = struct.unpack("<i", file.pread(at, 4))[0]
            return bytes(file.pread(at + 256, size)) if 0 < size <= limit else b""
    return b""
