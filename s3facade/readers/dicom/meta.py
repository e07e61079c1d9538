"""A DICOM header as attributes: what describes the image, and nothing that says whose it is."""

from __future__ import annotations

import json
import re
from typing import Any

from s3facade.readers.dicom.header import Header, keyword, plain

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
_GROUPS = frozenset({0x0010, 0x0012, 0x0032, 0x0038, 0x0400, 0x4008, 0x0004, 0xFFFA})
"""Groups left out as a whole: patient, clinical trial, study, visit, signatures, interpretations."""
_PREFIXES = (0x0040,)
"""Group of procedures, requests and staff; but for the real-world values and specimen preparation it is left out."""
_LEFT_IN = frozenset(
    {
        0x00400310,
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
_PEOPLE = frozenset({"PN", "UI", "DA", "TM", "DT"})
"""VRs whose values identify wherever they stand: names of people, unique identifiers, dates."""
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
    if group == 0x0002 or tag in IDENTIFYING or group in _GROUPS or (group in _PREFIXES and tag not in _LEFT_IN):
        return True
    return header.elements[tag][0] in _PEOPLE


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
