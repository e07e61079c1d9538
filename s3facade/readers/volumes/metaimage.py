"""MetaImage (.mha, .mhd), as ITK, elastix and 3D Slicer write it.

Source: the MetaIO documentation of ITK (tags, meaning of ElementDataFile, HeaderSize). Lengths are in millimetres, as
in all of ITK, unless DistanceUnits says otherwise; coordinates are LPS.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.protocols import ChunkTable, SourceFile
from s3facade.readers.arrays.raster import TableRaster
from s3facade.readers.facts import Facts
from s3facade.readers.inflated import Inflated, Packing
from s3facade.readers.volumes.common import (
    LENGTHS,
    MM,
    Keeping,
    anonymous,
    checked,
    finite,
    image,
    known_dims,
    peek,
    placed,
    unit_option,
)
from s3facade.readers.volumes.common import samples as colours_of
from s3facade.readers.volumes.parts import Digits, Words, members, numbered, over, text

_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_HEAD = 1 << 16
_TEXT = 1 << 24
_START = re.compile(rb"\s*(ObjectType|NDims|Comment|ObjectSubType)\s*=", re.ASCII)
_NAMES = "xyzt"
_KEEPING = Keeping([Words, Digits])


@dataclass(frozen=True, slots=True)
class Header:
    """The tags, and where the header ends."""

    tags: Mapping[str, str]
    end: int
    listed: tuple[str, ...]
    """Names of files that stand below ``ElementDataFile = LIST``."""

    def numbers(self, count: int, *names: str) -> list[float] | None:
        """Of the first of these tags that there is. Raises `BadSource` if they are not ``count`` numbers."""
        for name in names:
            if name in self.tags:
                try:
                    found = [float(w) for w in self.tags[name].split()]
                except ValueError:
                    found = []
                if len(found) != count or not finite(*found):
                    raise BadSource(f"The tag {name} of the header is {self.tags[name]!r:.80}, not {count} numbers.")
                return found
        return None

    def whole(self, name: str, default: int) -> int:
        """A whole number. Raises `BadSource` if it is none."""
        value = self.tags.get(name, str(default))
        try:
            return int(value)
        except ValueError as error:
            raise BadSource(f"The tag {name} of the header is {value!r:.80}, which is no whole number.") from error

    def true(self, *names: str) -> bool:
        """Whether one of these tags says yes."""
        return any(self.tags.get(n, "")[:1] in {"T", "t", "1", "y", "Y"} for n in names)


class MetaImageReader:
    """MetaImage. Options: ``unit``, of length, in place of millimetres."""

    name: ClassVar[str] = "metaimage"
    version: ClassVar[int] = 1
    lane: ClassVar[Literal["thread", "serial", "process"]] = "thread"
    suffixes: ClassVar[frozenset[str]] = frozenset({".mha", ".mhd"})

    def sniff(self, head: bytes, name: str) -> bool:
        """By its first tag, and those that an image has to have; where comments are long, by the name."""
        if not _START.match(head):
            return False
        return b"DimSize" in head or b"ElementType" in head or name.lower().endswith((".mha", ".mhd"))

    def open(self, file: SourceFile, options: Mapping[str, object]) -> Sequence[TableRaster]:
        """The image of a file, with those that its header names.

        Raises:
            BadSource: The header contradicts itself or the size of the files.
            Unsupported: Types that are no numbers.
            SourceNotFound: A file that the header names is missing.
        """
        known = checked(options, {"unit": unit_option})
        return [_raster(file, header(file), known.get("unit"))]

    freeze = staticmethod(_KEEPING.freeze)
    thaw = staticmethod(_KEEPING.thaw)


def header(file: SourceFile) -> Header:
    """The tags of a file. Raises `BadSource` if there are none."""
    data = peek(file, _HEAD)
    tags: dict[str, str] = {}
    at = 0
    while "ElementDataFile" not in tags:
        end = data.find(b"\n", at)
        end = len(data) if end < 0 else end
        key, found, value = data[at:end].decode("latin-1").partition("=")
        if at >= len(data) or (key.strip() and not found):
            raise BadSource("The header of the MetaImage has no tag ElementDataFile; it is cut short or damaged.")
        tags[key.strip()] = value.strip()
        at = min(end + 1, len(data))
    listed: tuple[str, ...] = ()
    if tags["ElementDataFile"].startswith("LIST"):
        lines = peek(file, _TEXT, at).decode("latin-1").splitlines()
        listed = tuple(line.strip() for line in lines if line.strip())
    tags.pop("", None)
    return Header(tags, at, listed)


def _raster(file: SourceFile, about: Header, unit: float | None) -> TableRaster:
    count = about.whole("NDims", 0)
    if not 1 <= count <= 4:
        raise Unsupported(f"The tag NDims of the header is {count}; images of 1 to 4 dimensions can be shown.")
    sizes = [int(v) for v in about.numbers(count, "DimSize") or ()]
    known_dims(sizes)
    samples = about.whole("ElementNumberOfChannels", 1)
    kind = about.tags.get("ElementType", "").removesuffix("_ARRAY")
    if kind not in _TYPES:
        raise Unsupported(f"The tag ElementType of the header is {kind!r:.40}; numbers such as MET_SHORT can be shown.")
    big = about.true("BinaryDataByteOrderMSB", "ElementByteOrderMSB")
    number = np.dtype((">" if big else "<") + _TYPES[kind])
    dims, lengths = list(_NAMES[:count])[::-1], sizes[::-1]
    if samples > 1:
        dims, lengths = [*dims, "c"], [*lengths, samples]
    known_dims(lengths)
    table, files = _table(file, about, dims, lengths, number)
    return image(table, files, _facts(about, count, unit), colours_of(number, samples))


def _table(
    file: SourceFile, about: Header, dims: Sequence[str], sizes: Sequence[int], number: np.dtype[Any]
) -> tuple[ChunkTable, list[SourceFile]]:
    local = about.tags["ElementDataFile"].upper() == "LOCAL"
    data = [file] if local else members(file, _names(about))
    skip = about.end if local else about.whole("HeaderSize", 0)
    if skip < -1 or (skip > data[0].source.size):
        raise BadSource(f"The tag HeaderSize of the header is {skip}; the file has {data[0].source.size} bytes.")
    if "BinaryData" in about.tags and not about.true("BinaryData"):
        if len(data) > 1:
            raise Unsupported("The numbers are written as text in several files; one file can be read.")
        files = data if local else [file, *data]
        plain = number.newbyteorder("=")
        return text(dims, sizes, plain, files, max(0, skip), [Words(plain)]), files
    if about.true("CompressedData"):
        size = about.whole("CompressedDataSize", -1) if len(data) == 1 else -1
        data = [Inflated(f, Packing("zlib", max(0, skip), size if size > 0 else -1)) for f in data]
        skip = 0
    # The packed part of the file itself stands in its place.
    files = data if local else [file, *data]
    return over(dims, sizes, number, files, [skip] * len(data), 0 if local else 1), files


def _names(about: Header) -> list[str]:
    given = about.tags["ElementDataFile"]
    if given.startswith("LIST"):
        return list(about.listed)
    words = given.split()
    if not words:
        raise BadSource("The tag ElementDataFile of the header is empty; it names the file of the numbers, or LOCAL.")
    if "%" in words[0] and len(words) >= 3:
        try:
            first, last, step = (int(w) for w in [*words[1:4], "1"][:3])
        except ValueError as error:
            raise BadSource(f"The tag ElementDataFile of the header is {given!r:.80}; numbers are missing.") from error
        return numbered(words[0], first, last, step)
    return [given]


def _facts(about: Header, count: int, unit: float | None) -> Facts:
    notes = []
    length = unit or LENGTHS.get(about.tags.get("DistanceUnits", "").lower())
    if length is None:
        length = MM
        notes.append("MetaImage files are in millimetres by convention. The option `unit` says otherwise.")
    spacing = about.numbers(count, "ElementSpacing", "ElementSize")
    offset = about.numbers(count, "Offset", "Position", "Origin")
    turn = about.numbers(count * count, "TransformMatrix", "Rotation", "Orientation")
    scale = {a: abs(s) * length for a, s in zip("xyz", spacing or (), strict=False) if s}
    if count > 3:
        notes.append("The fourth dimension is shown as t, without a scale: the format has no unit of time.")
    attrs: dict[str, Any] = {"original": anonymous(about.tags), "notes": notes}
    n = min(count, 3)
    matrix = np.eye(4)
    # Row i of the tag is the direction of axis i.
    directions = np.eye(count) if turn is None else np.reshape(turn, (count, count)).T
    # what is too large is found by `placed`
    with np.errstate(over="ignore", invalid="ignore"):
        matrix[:n, :n] = (directions * np.array(spacing or [1.0] * count))[:n, :n] * length
        matrix[:n, 3] = np.array(offset or [0.0] * count)[:n] * length
    if n < 3:
        scale_of = {**scale, "z": 1.0}
        origin, _ = placed(matrix, scale_of)
        origin.pop("z", None)
    else:
        origin, rows = placed(matrix, scale)
        if spacing and (turn or offset):
            attrs |= {"affine": rows, "frame": "LPS"}
    return Facts(scale, origin, attrs=attrs)
