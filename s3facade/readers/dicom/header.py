"""Values of data elements as Python's: numbers, texts, items (PS3.5 chapter 6)."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from s3facade.core.errors import BadSource
from s3facade.readers.dicom.elements import Elements, Value, sequence

_BINARY = {
    "US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "SV": "q", "UV": "Q", "AT": "HH", "OW": "H",
    "OL": "I", "OV": "Q", "OF": "f", "OD": "d",
}  # fmt: skip
_CODECS = {
    "": "ascii", "ISO_IR 6": "ascii", "ISO_IR 100": "latin-1", "ISO_IR 101": "iso8859-2", "ISO_IR 109": "iso8859-3",
    "ISO_IR 110": "iso8859-4", "ISO_IR 144": "iso8859-5", "ISO_IR 127": "iso8859-6", "ISO_IR 126": "iso8859-7",
    "ISO_IR 138": "iso8859-8", "ISO_IR 148": "iso8859-9", "ISO_IR 203": "iso8859-15", "ISO_IR 13": "shift_jis",
    "ISO_IR 166": "tis_620", "ISO_IR 192": "utf-8", "GB18030": "gb18030", "GBK": "gbk",
    "ISO 2022 IR 87": "iso2022_jp_2", "ISO 2022 IR 159": "iso2022_jp_2", "ISO 2022 IR 149": "euc_kr",
}  # fmt: skip
_TEXTS = frozenset({"LO", "LT", "SH", "ST", "UT", "UC", "PN"})


@cache
def dictionary() -> Callable[[int], str]:
    """The VR of a public tag, by the data dictionary (PS3.6). Raises `ModuleNotFoundError`."""
    from pydicom.datadict import dictionary_VR

    @lru_cache(8192)
    def vr_of(tag: int) -> str:
        if tag & 0xFFFF == 0:
            return "UL"
        try:
            return dictionary_VR(tag).split(" or ")[0]
        except KeyError:
            return "UN"

    return vr_of


@dataclass(frozen=True, slots=True)
class Header:
    """A data set, or an item of a sequence."""

    elements: Mapping[int, Value]
    little: bool = True
    charset: str = ""

    @classmethod
    def of(cls, elements: Elements, *, little: bool) -> Header:
        """The header of a data set, with the character set that it states."""
        value = elements.get(0x00080005, ("CS", b""))[1]
        names = value.decode("ascii", "replace").split("\\") if isinstance(value, bytes) else [""]
        stated = [n.strip("\0 ") for n in names]
        return cls(elements, little, next((n for n in reversed(stated) if n), ""))

    def __contains__(self, tag: int) -> bool:
        return tag in self.elements

    def raw(self, tag: int) -> bytes:
        """The bytes of a value; none if it is not there."""
        value = self.elements.get(tag, ("", b""))[1]
        return value if isinstance(value, bytes) else b""

    def text(self, tag: int) -> str:
        """A text without padding; empty if there is none."""
        data = self.raw(tag).rstrip(b"\0 ")
        codec = _CODECS.get(self.charset, _CODECS.get(self.charset.replace("ISO 2022 IR", "ISO_IR"), "latin-1"))
        vr = self.elements.get(tag, ("", b""))[0]
        return data.decode(codec if vr in _TEXTS else "latin-1", "replace").strip()

    def texts(self, tag: int) -> list[str]:
        """The values of a text of several."""
        text = self.text(tag)
        return [part.strip() for part in text.split("\\")] if text else []

    def numbers(self, tag: int) -> list[float]:
        """Numbers, whatever they are stored as; none where they cannot be read."""
        vr, value = self.elements.get(tag, ("", b""))
        if not isinstance(value, bytes):
            return []
        if vr in _BINARY:
            kind = _BINARY[vr]
            size = struct.calcsize("=" + kind)
            order = "<" if self.little else ">"
            return list(
                struct.unpack(f"{order}{len(value) // size * len(kind)}{kind[0]}", value[: len(value) // size * size])
            )
        try:
            return [float(part) for part in value.decode("ascii").strip("\0 ").split("\\") if part.strip()]
        except (ValueError, UnicodeDecodeError):
            return []

    def number(self, tag: int) -> float | None:
        """One number, or None."""
        found = self.numbers(tag)
        return found[0] if found and math.isfinite(found[0]) else None

    def integer(self, tag: int, default: int | None = None) -> int:
        """A whole number.

        Raises:
            BadSource: There is none, and no default.
        """
        value = self.number(tag)
        if value is None:
            if default is None:
                raise BadSource(f"The DICOM file does not state {tag_name(tag)}.")
            return default
        return int(value)

    def items(self, tag: int) -> list[Header]:
        """The items of a sequence."""
        return [Header(item, self.little, self.charset) for item in sequence(self.elements, tag)]

    def item(self, tag: int) -> Header:
        """The first item of a sequence; an empty one if there is none."""
        found = self.items(tag)
        return found[0] if found else Header({}, self.little, self.charset)


def tag_name(tag: int) -> str:
    """A tag for a sentence, e.g. ``Rows (0028,0010)``."""
    number = f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
    name = keyword(tag)
    return f"{name} {number}" if name else number


@lru_cache(8192)
def keyword(tag: int) -> str:
    """The keyword of a public tag; empty if there is none."""
    from pydicom.datadict import keyword_for_tag

    return str(keyword_for_tag(tag) or "")


def plain(header: Header, tag: int) -> Any:
    """A value for JSON: a number, a text, or a list of these; None for what is empty or no such thing."""
    vr = header.elements[tag][0]
    if vr in {"DS", "IS", *_BINARY} - {"OW", "OL", "OV", "OF", "OD", "AT"}:
        found: list[Any] = [
            int(n) if n == int(n) and vr not in {"DS", "FL", "FD"} else n
            for n in header.numbers(tag)
            if math.isfinite(n)
        ]
    elif vr in {"LT", "ST", "UT", "UR"}:
        found = [header.text(tag)] if header.text(tag) else []
    elif vr in {"OB", "OW", "OL", "OV", "OF", "OD", "UN", "SQ", "AT"}:
        return None
    else:
        found = list(header.texts(tag))
    return found[0] if len(found) == 1 else found or None
