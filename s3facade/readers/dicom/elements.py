"""Data elements of a DICOM file up to its pixels (PS3.5 chapter 7, PS3.10 chapter 7)."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from s3facade.core.errors import BadSource
from s3facade.core.protocols import SourceFile

UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
IMPLICIT, BIG, DEFLATED = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
EXPLICIT = "1.2.840.10008.1.2.1"
_LONG = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
_KEPT = 64 << 20
"""Bytes of a value that are read; longer ones are passed over."""
_HEADER = 256 << 20
"""Bytes of all values that are read."""
_DEEP = 32
_MANY = 2_000_000
"""Elements of one file."""
MAX_INFLATED = 256 << 20
"""Bytes of a deflated data set."""

Value = tuple[str, "bytes | list[dict[int, Value]]"]
"""VR, and the bytes or, of a sequence, its items."""
Elements = dict[int, Value]


@dataclass(frozen=True, slots=True)
class PixelData:
    """Where the element with the pixels is."""

    tag: int
    vr: str
    offset: int
    """First byte of its value."""
    nbytes: int
    """`UNDEFINED` for fragments."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """The data set of a file."""

    elements: Elements
    """Those of the file's meta information included."""
    syntax: str
    """UID of the transfer syntax; empty where none is stated."""
    implicit: bool
    little: bool
    pixels: PixelData | None
    start: int = 0
    """Where the deflated data begin; 0 if none are."""


def plausible(head: bytes) -> bool:
    """Whether bytes are the start of a DICOM file: ``DICM`` behind the preamble, or a first element without one."""
    if head[128:132] == b"DICM":
        return True
    if len(head) < 16 or head[:2] not in (b"\x08\0", b"\x02\0", b"\0\x08"):
        return False
    if head[2:4] not in (
        b"\0\0",
        b"\x01\0",
        b"\x05\0",
        b"\x08\0",
        b"\x10\0",
        b"\x12\0",
        b"\x16\0",
        b"\x18\0",
        b"\0\x05",
        b"\0\x08",
        b"\0\x10",
        b"\0\x12",
        b"\0\x16",
        b"\0\x18",
    ):
        return False
    if head[4:6] in (b"UL", b"CS", b"UI", b"DA", b"TM", b"OB", b"SH"):
        return True
    # implicit VR: a length that fits, and another element of group 2 or 8 behind it
    (length,) = struct.unpack_from("<I", head, 4)
    after = 8 + int(length)
    if length % 2 or after + 4 > len(head):
        return False
    first, following = struct.unpack_from("<HH", head), struct.unpack_from("<HH", head, after)
    # elements stand in rising order
    return following > first and following[0] in (first[0], 8)


def parse(file: SourceFile, vr_of: Callable[[int], str]) -> Parsed:
    """The elements of a file up to its pixels; those behind them are not looked at.

    Args:
        file: The file.
        vr_of: The VR of a tag, for implicit files; ``UN`` for what is not known.

    Raises:
        BadSource: The structure is broken.
    """
    with file.stream() as stream:
        head = stream.read(132)
        start = 132 if head[128:132] == b"DICM" else 0
        stream.seek(start)
        walk = _Walk(stream, file.source.size, vr_of)
        try:
            return _file(walk, stream)
        except (struct.error, ValueError, OverflowError, zlib.error, UnicodeDecodeError) as error:
            raise BadSource("The DICOM file's header is damaged.", private=f"{error!r:.200}") from error


def _file(walk: _Walk, stream: BinaryIO) -> Parsed:
    meta: Elements = {}
    begin = stream.tell()
    if stream.read(2) == b"\x02\0":
        stream.seek(begin)
        implicit = walk.guess_implicit()
        meta = walk.elements(implicit=implicit, little=True, stop=lambda tag: tag >> 16 != 2)[0]
    else:
        stream.seek(begin)
    value = meta.get(0x00020010, ("UI", b""))[1]
    syntax = value.decode("ascii", "replace").strip("\0 ") if isinstance(value, bytes) else ""
    origin = 0
    if syntax == DEFLATED:
        origin = stream.tell()
        data = inflate(stream.read(), MAX_INFLATED)
        walk = _Walk(io.BytesIO(data), len(data), walk.vr_of)
    implicit, little = _coding(walk, syntax)
    elements, pixels = walk.elements(implicit=implicit, little=little, stop=PIXELS.__contains__)
    return Parsed({**meta, **elements}, syntax, implicit, little, pixels, origin)


def inflate(data: bytes, limit: int) -> bytes:
    """Raw deflate data (PS3.5 A.5), at most ``limit`` bytes.

    Raises:
        BadSource: They would be more, or end early.
    """
    inflater = zlib.decompressobj(-15)
    out = inflater.decompress(data, limit)
    if not inflater.eof:
        raise BadSource(f"The deflated data set is damaged, or longer than {limit >> 20} MiB.")
    return out


def _coding(walk: _Walk, syntax: str) -> tuple[bool, bool]:
    """Whether the data set is implicit, and whether it is little-endian: as stated, where the first element agrees."""
    at = walk.stream.tell()
    head = walk.stream.read(6)
    walk.stream.seek(at)
    lettered = head[4:6].isalpha() and head[4:6].isupper()
    if syntax == BIG or (not syntax and head[:1] == b"\0" and head[1:2] in (b"\x08", b"\x02")):
        return False, False
    if not syntax:
        return not lettered, True
    return syntax == IMPLICIT and not lettered, True


class _Walk:
    """Reads elements one after the other.

    Args:
        stream: At the first element.
        end: Bytes of the stream.
        vr_of: The VR of a tag.
    """

    def __init__(self, stream: BinaryIO, end: int, vr_of: Callable[[int], str]) -> None:
        self.stream = stream
        self.end = end
        self.vr_of = vr_of
        self._read = 0
        self._count = 0

    def guess_implicit(self) -> bool:
        """Whether the element ahead states no VR."""
        at = self.stream.tell()
        head = self.stream.read(6)
        self.stream.seek(at)
        return not (head[4:6].isalpha() and head[4:6].isupper())

    def elements(
        self, *, implicit: bool, little: bool, stop: Callable[[int], bool], until: int | None = None, deep: int = 0
    ) -> tuple[Elements, PixelData | None]:
        """The elements up to ``until``, the end of an item, or the tag that ``stop`` says yes to."""
        found: Elements = {}
        end = self.end if until is None else until
        tags = struct.Struct("<HH" if little else ">HH")
        while True:
            at = self.stream.tell()
            if at + 8 > end:
                if deep and until is None:
                    raise BadSource("The DICOM file ends inside a sequence; it is cut short.")
                return found, None
            self._count += 1
            if self._count > _MANY:
                raise BadSource(f"The DICOM file has more than {_MANY} elements.")
            group, element = tags.unpack(self.stream.read(4))
            tag = group << 16 | element
            if deep and tag in (ITEM_END, SEQUENCE_END):
                self.stream.read(4)
                return found, None
            vr, length = self._vr(tag, implicit=implicit, little=little)
            if stop(tag):
                here = PixelData(tag, vr, self.stream.tell(), length)
                self.stream.seek(at)
                return found, here
            found[tag] = vr, self._value(vr, length, end, implicit=implicit, little=little, deep=deep)

    def _vr(self, tag: int, *, implicit: bool, little: bool) -> tuple[str, int]:
        order = "<" if little else ">"
        head = self.stream.read(4)
        letters = head[:2]
        if implicit or tag >> 16 == 0xFFFE or not (letters.isalpha() and letters.isupper()):
            return self.vr_of(tag), struct.unpack(order + "I", head)[0]
        vr = letters.decode("ascii")
        if vr in _LONG:
            return vr, struct.unpack(order + "I", self.stream.read(4))[0]
        return vr, struct.unpack(order + "H", head[2:])[0]

    def _value(
        self, vr: str, length: int, end: int, *, implicit: bool, little: bool, deep: int
    ) -> bytes | list[Elements]:
        at = self.stream.tell()
        if length == UNDEFINED or vr == "SQ":
            # a sequence of unknown VR is implicit and little-endian (PS3.5 6.2.2)
            unknown = vr == "UN" and not implicit
            return self._items(
                end if length == UNDEFINED else at + length,
                implicit=implicit or unknown,
                little=little or unknown,
                deep=deep + 1,
                delimited=length == UNDEFINED,
            )
        if at + length > end:
            raise BadSource(
                "The DICOM file's header is cut short or damaged.", private=f"value of {length} bytes at {at}"
            )
        self._read += length
        if length > _KEPT:
            self.stream.seek(at + length)
            return b""
        if self._read > _HEADER:
            raise BadSource(f"The DICOM file's header is longer than {_HEADER >> 20} MiB.")
        return self.stream.read(length)

    def _items(self, end: int, *, implicit: bool, little: bool, deep: int, delimited: bool) -> list[Elements]:
        if deep > _DEEP:
            raise BadSource(f"The DICOM file has sequences more than {_DEEP} deep.")
        if end > self.end:
            raise BadSource("The DICOM file ends inside a sequence; it is cut short.")
        header = struct.Struct("<HHI" if little else ">HHI")
        found: list[Elements] = []
        while self.stream.tell() + 8 <= end:
            group, element, length = header.unpack(self.stream.read(8))
            tag = group << 16 | element
            if tag == SEQUENCE_END:
                return found
            if tag != ITEM:
                raise BadSource("The DICOM file has a damaged sequence.", private=f"tag {tag:08X}")
            until = None if length == UNDEFINED else self.stream.tell() + length
            if until is not None and until > end:
                raise BadSource("The DICOM file ends inside a sequence; it is cut short.")
            items, _ = self.elements(implicit=implicit, little=little, stop=_never, until=until, deep=deep)
            found.append(items)
        if delimited:
            raise BadSource("The DICOM file ends inside a sequence; it is cut short.")
        self.stream.seek(end)
        return found


def _never(_: int) -> bool:
    return False


def sequence(elements: Mapping[int, Value], tag: int) -> list[Elements]:
    """The items of a sequence; none if it is not there."""
    value = elements.get(tag, ("", b""))[1]
    return value if isinstance(value, list) else []
