"""Headers of NRRD, versions 1 to 5, attached or detached.

Source: the definition of the NRRD file format of Teem (fields, kinds, spaces, data files).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.protocols import SourceFile
from s3facade.readers.volumes.common import decoded, finite, known_dims, peek

_HEAD = 1 << 20
_FIRST = 1 << 14
_MAGIC = re.compile(rb"NRRD000[1-5]\r?\n")
_LINE = re.compile(r"^([^:]+?): ?(.*)$")
_VECTOR = re.compile(r"\(([^()]*)\)|(none)", re.IGNORECASE)
_C_TYPES = {
    "signed char": "i1",
    "int8": "i1",
    "int8_t": "i1",
    "uchar": "u1",
    "unsigned char": "u1",
    "uint8": "u1",
    "uint8_t": "u1",
    "short": "i2",
    "short int": "i2",
    "signed short": "i2",
    "signed short int": "i2",
    "int16": "i2",
    "ushort": "u2",
    "unsigned short": "u2",
    "unsigned short int": "u2",
    "uint16": "u2",
    "uint16_t": "u2",
    "int": "i4",
    "signed int": "i4",
    "int32": "i4",
    "int32_t": "i4",
    "int16_t": "i2",
    "uint": "u4",
    "unsigned int": "u4",
    "uint32": "u4",
    "uint32_t": "u4",
    "longlong": "i8",
    "long long": "i8",
    "long long int": "i8",
    "signed long long": "i8",
    "int64": "i8",
    "signed long long int": "i8",
    "int64_t": "i8",
    "uint64_t": "u8",
    "uint64": "u8",
    "ulonglong": "u8",
    "unsigned long long": "u8",
    "unsigned long long int": "u8",
    "float": "f4",
    "double": "f8",
}
_SPACES = {
    "right-anterior-superior": "RAS",
    "left-anterior-superior": "LAS",
    "left-posterior-superior": "LPS",
    "ras": "RAS",
    "las": "LAS",
    "lps": "LPS",
}
_OTHER_SPACES = {"scanner-xyz": 3, "3d-right-handed": 3, "3d-left-handed": 3}
_ALIASES = {"centerings": "centers", "datafile": "data file", "lineskip": "line skip", "byteskip": "byte skip"}
Directions = tuple[tuple[float, ...] | None, ...]


@dataclass(frozen=True, slots=True)
class Header:
    """Fields in our words; lists follow ``sizes``, fastest first."""

    fields: Mapping[str, str]
    """As in the file, names in lower case."""
    keys: Mapping[str, str]
    """Key/value pairs."""
    end: int
    """First byte behind the header."""
    listed: tuple[str, ...]
    """Names of files below ``data file: LIST``."""
    sizes: tuple[int, ...]
    number: np.dtype[Any]
    encoding: str
    kinds: tuple[str, ...]
    """Lower case; empty where none is stated."""
    spacings: tuple[float, ...]
    """0 where none is stated."""
    directions: Directions
    """Per dimension a vector in space, None for those that are none of space."""
    origin: tuple[float, ...]
    """Of space; empty if it is not stated."""
    frame: str
    """``LPS`` and the like, or the name that the file gives; empty if it names none."""
    anatomical: bool
    space_units: tuple[str, ...]
    units: tuple[str, ...]
    """Of ``spacings``; empty where none is stated."""
    labels: tuple[str, ...]


def recognised(head: bytes) -> bool:
    """Whether a file begins so."""
    return _MAGIC.match(head) is not None


def parse(file: SourceFile) -> Header:
    """The header of a file.

    Raises:
        BadSource: Fields are missing, or contradict themselves.
        Unsupported: Types that are no numbers.
    """
    text, end = _text(file)
    fields: dict[str, str] = {}
    keys: dict[str, str] = {}
    listed: list[str] = []
    for line in text.splitlines()[1:]:
        if "data file" in fields and fields["data file"].upper().startswith("LIST"):
            listed.append(line.strip())
        elif line.startswith("#") or not line.strip():
            continue
        elif ":=" in line and (": " not in line or line.index(":=") < line.index(": ")):
            key, _, value = line.partition(":=")
            keys[key] = value
        elif found := _LINE.match(line):
            name = found[1].strip().lower()
            fields[_ALIASES.get(name, name)] = found[2].strip()
        else:
            raise BadSource(f"The NRRD header has a line that is no field: {line!r:.80}.")
    return _header(fields, keys, end, tuple(n for n in listed if n))


def _text(file: SourceFile) -> tuple[str, int]:
    """Up to the first empty line, or to the end of the file; and where that is."""
    data = peek(file, _FIRST)
    found = re.search(rb"\r?\n\r?\n", data)
    if found is None and len(data) == _FIRST:
        data = peek(file, _HEAD)
        found = re.search(rb"\r?\n\r?\n", data)
    if not recognised(data):
        raise BadSource("This is no NRRD file, or one of a newer version than 5.")
    if found is None and len(data) == _HEAD:
        raise BadSource("The NRRD header has no end.")
    stop, end = (found.start(), found.end()) if found else (len(data), len(data))
    return decoded(data[:stop]), end


def _header(fields: Mapping[str, str], keys: Mapping[str, str], end: int, listed: tuple[str, ...]) -> Header:
    for name in ("type", "dimension", "sizes", "encoding"):
        if name not in fields:
            raise BadSource(f"The NRRD header lacks the field {name!r}.")
    kind = " ".join(fields["type"].lower().split())
    if kind not in _C_TYPES:
        raise Unsupported(f"The field type of the NRRD header is {kind!r:.40}; only numbers can be shown.")
    sizes = tuple(int(v) for v in _numbers(fields, "sizes"))
    known_dims(sizes)
    n = len(sizes)
    if n != _numbers(fields, "dimension")[0] or n > 16:
        raise BadSource(f"The NRRD header has {n} sizes for dimension {fields['dimension']!r:.20}.")
    order = fields.get("endian", "little").lower()
    if order not in ("little", "big"):
        raise BadSource(f"The field endian of the NRRD header is {order!r:.20}; it is little or big.")
    space = fields.get("space", "").lower()
    short = _SPACES.get(space.removesuffix("-time"), _SPACES.get(space[:3], "") if len(space) in (3, 4) else "")
    directions = _directions(fields, n)
    origin = next(iter(_vectors(fields.get("space origin", ""))), None) or ()
    return Header(
        *(fields, keys, end, listed, sizes, np.dtype((">" if order == "big" else "<") + _C_TYPES[kind])),
        *(fields["encoding"].lower(), _words(fields, "kinds", n), _spacings(fields, n), directions, origin),
        *(short or fields.get("space", ""), bool(short), _quoted(fields.get("space units", ""))),
        *(_padded(_quoted(fields.get("units", "")), n), _padded(_quoted(fields.get("labels", "")), n)),
    )


def _numbers(fields: Mapping[str, str], name: str) -> list[float]:
    try:
        found = [float(w) for w in fields[name].split()]
    except ValueError:
        found = []
    if not found or not finite(*found):
        raise BadSource(f"The field {name} of the NRRD header is {fields[name]!r:.80}, which are no numbers.")
    return found


def _words(fields: Mapping[str, str], name: str, count: int) -> tuple[str, ...]:
    words = fields.get(name, "").lower().split()
    if words and len(words) != count:
        raise BadSource(f"The field {name} of the NRRD header has {len(words)} entries for {count} dimensions.")
    return tuple("" if w in ("???", "none") else w for w in words) or ("",) * count


def _spacings(fields: Mapping[str, str], count: int) -> tuple[float, ...]:
    words = fields.get("spacings", "").split()
    try:
        found = [float(w) for w in words]
    except ValueError as error:
        raise BadSource(f"The field spacings of the NRRD header is {fields['spacings']!r:.80}.") from error
    if found and len(found) != count:
        raise BadSource(f"The field spacings of the NRRD header has {len(found)} entries for {count} dimensions.")
    return tuple(abs(v) if finite(v) else 0.0 for v in found) or (0.0,) * count


def _vectors(text: str) -> Directions:
    found: list[tuple[float, ...] | None] = []
    for inside, none in _VECTOR.findall(text):
        try:
            vector = None if none else tuple(float(v) for v in inside.split(","))
        except ValueError as error:
            raise BadSource(f"The NRRD header has the vector ({inside[:80]}), which is none.") from error
        found.append(vector if vector is None or finite(*vector) else None)
    return tuple(found)


def _directions(fields: Mapping[str, str], count: int) -> Directions:
    found = _vectors(fields.get("space directions", ""))
    if found and len(found) != count:
        raise BadSource(f"The field space directions of the NRRD header has {len(found)} of {count} entries.")
    return found or (None,) * count


def _quoted(text: str) -> tuple[str, ...]:
    return tuple(w.strip() for w in re.findall(r'"([^"]*)"', text))


def _padded(words: tuple[str, ...], count: int) -> tuple[str, ...]:
    return (words + ("",) * count)[:count]
