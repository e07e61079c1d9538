"""The few facts of Exif that matter here (CIPA DC-008): orientation, time, camera."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field

_TEXTS = {0x010F: "make", 0x0110: "model", 0x0131: "software", 0x010E: "description"}
_TIMES = (0x9003, 0x9004, 0x0132)
"""Taken, digitised, changed: the first that is there counts."""


@dataclass(frozen=True, slots=True)
class Exif:
    """What was found."""

    orientation: int = 1
    acquired: str | None = None
    """ISO 8601, in the camera's own time."""
    texts: dict[str, str] = field(default_factory=dict)


def exif(data: bytes) -> Exif:
    """Facts of an Exif block, which is a TIFF without pixels; what is damaged is left out."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None or len(data) < 8:
        return Exif()
    found = _directory(data, order, struct.unpack_from(order + "I", data, 4)[0])
    below = found.get(0x8769)
    if isinstance(below, int):
        found = {**_directory(data, order, below), **found}
    orientation = found.get(0x0112)
    times = [moment(t) for t in (found.get(code) for code in _TIMES) if isinstance(t, str)]
    texts = {name: t for code, name in _TEXTS.items() if isinstance(t := found.get(code), str) and t}
    return Exif(
        orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1,
        next((t for t in times if t), None),
        texts,
    )


def moment(text: str) -> str | None:
    """``2024:01:31 12:00:00`` as ISO 8601; None if it is no such time."""
    found = re.fullmatch(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.\d+)?", text.strip())
    return "{}-{}-{}T{}:{}:{}".format(*found.groups()) if found and found[1] != "0000" else None


def _directory(data: bytes, order: str, offset: int) -> dict[int, int | str]:
    found: dict[int, int | str] = {}
    if offset + 2 > len(data):
        return found
    (count,) = struct.unpack_from(order + "H", data, offset)
    for i in range(min(count, (len(data) - offset - 2) // 12)):
        at = offset + 2 + 12 * i
        code, kind, number, place = struct.unpack_from(order + "HHII", data, at)
        if kind == 3 and number == 1:
            found[code] = struct.unpack_from(order + "H", data, at + 8)[0]
        elif kind == 4 and number == 1:
            found[code] = place
        elif kind == 2 and number <= 4096:
            start = at + 8 if number <= 4 else place
            found[code] = data[start : start + number].split(b"\0")[0].decode("utf-8", "replace").strip()
    return found
