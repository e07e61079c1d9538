"""What several makers' metadata have in common: numbers, times, objectives, XML."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from xml.parsers.expat import ExpatError

import xmltodict

from s3facade.readers.ome_xml import MAX_XML

_IMMERSION = {
    "oil": "Oil",
    "imm": "Multi",
    "w": "Water",
    "water": "Water",
    "glyc": "Glycerol",
    "air": "Air",
    "dry": "Air",
}


def number(value: object) -> float | None:
    """A finite number, also out of a text; None if it is none."""
    try:
        found = float(str(value).strip())
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def positive(value: object, factor: float = 1.0) -> float | None:
    """``factor`` times a number above zero; None if it is none."""
    found = number(value)
    return found * factor if found is not None and found > 0 else None


def sizes(**lengths: float | None) -> dict[str, float]:
    """Those lengths that are known."""
    return {axis: size for axis, size in lengths.items() if size is not None}


def objective(name: object = None, magnification: object = None, na: object = None) -> dict[str, object]:
    """An objective as `Spec.attrs` has it; what is not stated is taken from the name (``Plan-Apo 63x/1.40 Oil``)."""
    text = str(name).strip() if name else ""
    found: dict[str, object] = {"name": text} if text else {}
    pattern = re.search(r"(?<![\d.])(\d+(?:\.\d+)?)\s*[xX](?:\s*/?\s*(?:NA\s*)?([01]\.\d+))?", text)
    power, aperture = positive(magnification), positive(na)
    if pattern is not None:
        power = power or positive(pattern[1])
        aperture = aperture or positive(pattern[2])
    if power:
        found["magnification"] = power
    if aperture:
        found["na"] = aperture
    words = {w.lower() for w in re.findall(r"[A-Za-z]+", text)}
    known = next((kind for word, kind in _IMMERSION.items() if word in words), None)
    return {**found, "immersion": known} if known and found else found


def days(value: object, epoch: datetime) -> str | None:
    """A time in days since ``epoch``, in ISO 8601 to the second."""
    found = positive(value)
    if found is None or found > 200_000:
        return None
    return (epoch + timedelta(seconds=round(found * 86400))).isoformat()


def moment(text: object, *forms: str) -> str | None:
    """A text as ISO 8601, if it is of one of ``forms`` (those of `datetime.strptime`)."""
    for form in forms:
        try:
            return datetime.strptime(str(text).strip(), form).isoformat()  # noqa: DTZ007 - no zone is stated
        except ValueError:
            continue
    return None


def iso(text: object) -> str | None:
    """A text that is ISO 8601 already, as it is; fractions of seconds of any length."""
    found = str(text).strip()
    pattern = r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[-+]\d\d:?\d\d)?"
    return found if re.fullmatch(pattern, found) else None


def known(**attrs: object) -> dict[str, object]:
    """Those attributes that say something."""
    return {name: value for name, value in attrs.items() if value}


def tree(text: object) -> dict[str, Any]:
    """XML as mappings, names without prefixes; empty if it is none, too long, or declares entities."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    if not isinstance(text, str) or len(text) > MAX_XML or "<!DOCTYPE" in text:
        return {}
    try:
        found = xmltodict.parse(text.strip("\0 \r\n\t"), postprocessor=_local, disable_entities=True)
    except (ExpatError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _local(_path: object, key: str, value: Any) -> tuple[str, Any]:
    at = "@" if key.startswith("@") else ""
    return at + key.removeprefix("@").rpartition(":")[2], value


def items(node: object, *path: str) -> list[dict[str, Any]]:
    """Elements below ``node``, all that match a path of names; attributes are keys with ``@``."""
    nodes: list[Any] = [node]
    for name in path:
        nodes = [m for n in nodes if isinstance(n, dict) for m in _many(n.get(name))]
    return [n if isinstance(n, dict) else {"#text": n} for n in nodes]


def text(node: object, *path: str) -> str | None:
    """Text of the first element at a path."""
    found = items(node, *path)
    value = found[0].get("#text") if found else None
    return None if value is None else str(value)


def everywhere(node: object, name: str) -> Iterator[dict[str, Any]]:
    """All elements called ``name``, however deep."""
    ahead = [node]
    while ahead:
        at = ahead.pop()
        if isinstance(at, dict):
            for key, value in at.items():
                if key == name:
                    yield from items(at, name)
                ahead += _many(value)


def _many(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]
