"""Elements of OME-XML, and the forms that its schema asks of values (types of the 2016-06 XSD)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

NAMESPACE = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
LONGEST = 4096
"""Characters of a text that is kept; more is cut."""
_BAD = re.compile("[\x00-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_SPACED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_DATE = re.compile(r"-?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")


@dataclass(frozen=True, slots=True)
class Element:
    """One element; ``text`` and ``children`` do not occur together."""

    name: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    children: Sequence[Element] = ()
    text: str = ""

    def lines(self) -> list[str]:
        """The element as XML, in pieces."""
        attributes = "".join(f' {key}="{_escaped(value)}"' for key, value in self.attributes.items())
        if not self.children and not self.text:
            return [f"<{self.name}{attributes}/>"]
        found = [f"<{self.name}{attributes}>", _escaped(self.text)]
        for child in self.children:
            found += child.lines()
        found.append(f"</{self.name}>")
        return found


def document(root: Element) -> bytes:
    """``root`` as a file."""
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + "".join(root.lines()).encode() + b"\n"


def _escaped(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    return text.replace("\r", "&#13;").replace("\n", "&#10;").replace("\t", "&#9;")


def printable(text: str) -> str:
    """``text`` without what XML and JSON readers refuse: control characters and lone surrogates."""
    return _BAD.sub("_", text)


def words(value: object, *, spaced: bool = False) -> str | None:
    """A text of bounded length; None if it is none or empty.

    Args:
        value: Anything.
        spaced: Whether lines and tabs stay.
    """
    if not isinstance(value, str) or not value.strip():
        return None
    return (_SPACED if spaced else _BAD).sub("_", value[:LONGEST])


def number(value: object, *, positive: bool = False) -> str | None:
    """A finite number as single precision can hold it; None for anything else."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    if not math.isfinite(found) or abs(found) > 3e38 or (positive and found < 1e-37):
        return None
    return repr(found)


def whole(value: object) -> str | None:
    """A number from 0 on that fits 31 bits; None for anything else."""
    if isinstance(value, str) and re.fullmatch(r"\d{1,10}", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
        return None
    return str(value)


def moment(value: object) -> str | None:
    """A date with a time of day, as XML writes it; None for a day alone, since no time is made up."""
    if not isinstance(value, str):
        return None
    text = value.strip().replace(" ", "T", 1)
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return None
    if not re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d", text) or (read.utcoffset() and read.utcoffset() != _minutes(read)):
        return None
    found = read.isoformat()
    return found if _DATE.fullmatch(found) else None


def _minutes(read: datetime) -> object:
    """The offset in whole minutes, as XML can say it."""
    offset = read.utcoffset()
    return None if offset is None else offset - offset % type(offset)(minutes=1)


def stated(**attributes: str | None) -> dict[str, str]:
    """Attributes that are known."""
    return {name: value for name, value in attributes.items() if value is not None}
