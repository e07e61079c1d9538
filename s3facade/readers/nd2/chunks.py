"""The chunks of an ND2 file and the map of them.

Source: the layout as the BSD-licensed library nd2 (T. Lambert) documents it. A chunk is the number 0x0ABECEDA, the
length of its name (uint32) and of its data (uint64), the name up to ``!`` with padding, the data. The last 40 bytes of
the file are the signature of the map and where the map lies; the map is a list of names with place and length. All
numbers are little-endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.protocols import SourceFile

MAGIC = b"\xda\xce\xbe\x0a"
JPEG_2000 = b"\x00\x00\x00\x0cjP  "
_FILE = b"ND2 FILE SIGNATURE CHUNK NAME01!"
_MAP = b"ND2 CHUNK MAP SIGNATURE 0000001!"
_NAMES = b"ND2 FILEMAP SIGNATURE NAME 0001!"
MAX_MAP = 1 << 28
"""Bytes of the map of chunks; more than six million chunks."""
MAX_CHUNK = 64 << 20
"""Bytes of a chunk of metadata."""


@dataclass(frozen=True, slots=True)
class Chunks:
    """The map of a file."""

    file: SourceFile
    version: tuple[int, int]
    places: dict[bytes, tuple[int, int]]
    """By name, with its ``!``: where the chunk begins, and how long its data are."""

    def data(self, name: bytes) -> bytes | None:
        """The data of a chunk; None if there is none. Raises `BadSource`."""
        place = self.places.get(name)
        if place is None:
            return None
        start, length = head(self.file, place[0])
        if length > MAX_CHUNK:
            raise BadSource(f"The chunk {name.decode('latin-1')} of the ND2 file has {length} bytes; it is damaged.")
        return bytes(self.file.pread(start, length))


def head(file: SourceFile, position: int) -> tuple[int, int]:
    """First byte and length of the data of the chunk at ``position``. Raises `BadSource`."""
    size = file.source.size
    if not 0 <= position <= size - 16:
        raise BadSource("The ND2 file is incomplete: chunks of it lie behind its end.")
    magic, name, length = struct.unpack("<4sIQ", file.pread(position, 16))
    if magic != MAGIC:
        raise BadSource("The ND2 file has no chunk where its map says that there is one; it is damaged.")
    start = position + 16 + name
    if start + length > size:
        raise BadSource("The ND2 file is incomplete: a chunk ends behind the end of the file.")
    return start, length


def opened(file: SourceFile) -> Chunks:
    """The map of the chunks. Raises `BadSource`, `Unsupported`."""
    size = file.source.size
    first = bytes(file.pread(0, min(size, 112)))
    if first[:8] == JPEG_2000:
        raise Unsupported(
            "The ND2 file is of the old kind, made of JPEG 2000 (NIS-Elements before version 3); "
            "save it anew in NIS-Elements, or as TIFF."
        )
    if first[:4] != MAGIC or first[16:48] != _FILE:
        raise BadSource("The ND2 file has no signature at its beginning.")
    found = first[48:56].split(b"\0")[0]
    version = (int(found[3:4]), int(found[5:6])) if found[3:4].isdigit() and found[5:6].isdigit() else (0, 0)
    if size < 160:
        raise BadSource("The ND2 file is cut short.")
    signature, position = struct.unpack("<32sQ", file.pread(size - 40, 40))
    if signature != _MAP:
        raise BadSource(
            "The ND2 file has no map of its chunks at its end: it is cut short, or was not closed when it was recorded."
        )
    start, length = head(file, position)
    if length > MAX_MAP:
        raise Unsupported(f"The map of the ND2 file has {length} bytes; up to {MAX_MAP} can be read.")
    return Chunks(file, version, _places(bytes(file.pread(start, length))))


def _places(data: bytes) -> dict[bytes, tuple[int, int]]:
    places: dict[bytes, tuple[int, int]] = {}
    at = 0
    while True:
        end = data.find(b"!", at)
        if end < 0 or end + 17 > len(data):
            raise BadSource("The map of the ND2 file's chunks is cut short.")
        name = data[at : end + 1]
        if name == _MAP:
            return places
        places[name] = struct.unpack_from("<QQ", data, end + 1)
        at = end + 17
