"""A DICOM header as attributes: what describes the image, and nothing that says whose it is."""

from __future__ import annotations

import json
import re
from typing import Any

from s3facade.readers.dicom.header import Header, dictionary, keyword, plain

IDENTIFYING = frozenset({
    # PS3.15 table E.1-1, the attributes that the basic profile removes or replaces and that occur in images
    0x00080014, 0x00080050, 0x00080054, 0x00080080, 0x00080081, 0x00080082, 0x00080090, 0x00080092, 0x00080094,
    0x00080096, 0x0008009C, 0x0008009D, 0x00080201, 0x00081010, 0x00081030, 0x0008103E, 0x00081040, 0x00081048,
    0x00081049, 0x00081050, 0x00081052, 0x00081060, 0x00081062, 0x00081070, 0x00081072, 0x00081080, 0x00081084,
    0x00081110, 0x00081111, 0x00081120, 0x00081155, 0x00081195, 0x00082111, 0x00082112, 0x00083010, 0x00084000,
    0x00080018, 0x00080058, 0x00080024, 0x00080034, 0x00181000, 0x00181002, 0x00181004, 0x00181005, 0x00181007,
    0x00181008, 0x00181030, 0x00181400, 0x00184000, 0x0018700A, 0x00189424, 0x0018A003, 0x0020000D, 0x0020000E,
    0x00200010, 0x00200052, 0x00200200, 0x00203401, 0x00203404, 0x00203406, 0x00204000, 0x00209158, 0x00209161,
    0x00209164, 0x00209165, 0x00209172, 0x00281199, 0x00281214, 0x00284000, 0x0040A124, 0x00880140, 0x30060024,
    0x300600C2, 0x300A0013, 0x00020003, 0x00041511, 0x00081140, 0x00081250,
})  # fmt: skip
"""Public elements that say whose image it is, by whom or where it was made, or lead to it by a unique identifier."""
_GROUPS = frozenset({0x0008, 0x0018, 0x0020, 0x0022, 0x0028, 0x0040, 0x0048, 0x0052, 0x0054, 0x0062, 0x3004})
"""Groups that describe images: how they were acquired, where they lie, what their values are. Of all others, patient,
study, labels, comments, storage, whatever is added to the standard next, nothing is told."""
_PREFIXES = (0x0040,)
"""Group of procedures, requests and staff; but for the real-world values and specimen preparation it is left out."""
_LEFT_IN = frozenset(
    {
        0x00400314,
        0x00409096,
        0x00409098,
        0x00409210,
        0x00409224,
        0x00409225,
        0x00409216,
        0x00409211,
        0x004008EA,
        0x00080100,
        0x0040072A,
        0x0040073A,
        0x0040074A,
        0x00400710,
    }
)
_PEOPLE = frozenset({"PN", "UI", "DA", "TM", "DT", "AS", "AE", "LT", "ST", "UT", "UC", "UR"})
"""VRs whose values may identify wherever they stand: names of people and of stations, unique identifiers, dates, ages,
and text that somebody wrote."""
_SHORT = frozenset({"LO", "SH"})
"""VRs of short texts; told are only those of `_NAMES`."""
_NAMES = frozenset({
    0x00080070, 0x00081090, 0x00080100, 0x00080102, 0x00080103, 0x00080104, 0x00180024, 0x00180031, 0x00180085,
    0x00181020, 0x00181160, 0x00181180, 0x001811B0, 0x00181210, 0x00181250, 0x00181251, 0x00189005, 0x00189041,
    0x00189047, 0x00189050, 0x00189320, 0x00201040, 0x00209056, 0x00209421, 0x00281054, 0x00281055, 0x00283003,
    0x00283004, 0x00409210, 0x00480106, 0x00480107, 0x00540018, 0x00541101, 0x00541103, 0x00541105, 0x00620005,
    0x00620009, 0x0018702A, 0x0018702B,
})  # fmt: skip
"""Texts of kinds: makers and models, codes and their meaning, kernels, coils, sequences, units, paths, segments."""
_CLASSES = frozenset({0x00080016, 0x00020010, 0x00020002, 0x00080005})
"""Identifiers of kinds, not of things."""
_LONG = 400
"""Values of an element that are told; longer ones are measurements of every frame."""
_ITEMS = 16
_DEEP = 6
_TOTAL = 1 << 20
"""Characters of all that is told; sequences are left out where it would be more."""


def original(header: Header, *, identifying: bool) -> dict[str, Any]:
    """The public elements by keyword, without pixels.

    Args:
        header: The data set.
        identifying: Whether those that say whose image it is stay.
    """
    found = _told(header, identifying=identifying, deep=0)
    if len(json.dumps(found)) > _TOTAL:
        found = {name: value for name, value in found.items() if not _items(value)}
    return found


def _items(value: object) -> bool:
    return isinstance(value, list) and isinstance(value[0], dict)


def _told(header: Header, *, identifying: bool, deep: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for tag in sorted(header.elements):
        name = keyword(tag)
        group = tag >> 16
        if not name or group % 2 or group in (0x7FE0, 0x6000) or 0x6000 <= group <= 0x60FF or not tag & 0xFFFF:
            continue
        if not identifying and _identifies(header, tag):
            continue
        value = header.elements[tag][1]
        if isinstance(value, list):
            if deep < _DEEP and tag != 0x52009230:
                items = header.items(tag)[:_ITEMS]
                told = [t for item in items if (t := _told(item, identifying=identifying, deep=deep + 1))]
                if told:
                    found[name] = told
            continue
        one = plain(header, tag) if len(value) <= 1 << 16 else None
        if one is not None and not (isinstance(one, list) and len(one) > _LONG):
            found[name] = one
    return found


def _identifies(header: Header, tag: int) -> bool:
    group = tag >> 16
    if tag in _CLASSES:
        return False
    if tag in IDENTIFYING or group not in _GROUPS or (group in _PREFIXES and tag not in _LEFT_IN):
        return True
    if tag in _NAMES:
        return False
    # files may state another VR than that of the element
    return not {header.elements[tag][0], dictionary()(tag)}.isdisjoint(_PEOPLE | _SHORT)


def acquired(header: Header) -> str | None:
    """When the image was acquired, ISO 8601 with the time zone if it is stated; None if it is not."""
    joined = header.text(0x0008002A)
    if not joined:
        for date, time in ((0x00080022, 0x00080032), (0x00080023, 0x00080033), (0x00080021, 0x00080031)):
            if header.text(date):
                joined = header.text(date).replace(".", "") + header.text(time).replace(":", "")
                break
    match = re.fullmatch(
        r"(\d{4})(\d\d)(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(\.\d{1,6})?)?)?)?([+-]\d{4})?", joined.strip()
    )
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    text = f"{year}-{month}-{day}"
    if hour is not None:
        text += f"T{hour}:{minute or '00'}:{second or '00'}{fraction or ''}"
        zone = zone or header.text(0x00080201)
        if re.fullmatch(r"[+-]\d{4}", zone or ""):
            text += f"{zone[:3]}:{zone[3:]}"
    return text
