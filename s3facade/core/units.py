"""Quantities with units, as a user writes them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

_QUANTITY = re.compile(r"\s*([-+]?[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)\s*(\S+)\s*")

BYTES: Mapping[str, float] = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
MICROMETERS: Mapping[str, float] = {
    "pm": 1e-6,
    "angstrom": 1e-4,
    "nm": 1e-3,
    "um": 1.0,
    "\N{MICRO SIGN}m": 1.0,
    "\N{GREEK SMALL LETTER MU}m": 1.0,
    "mm": 1e3,
    "cm": 1e4,
    "m": 1e6,
}
PER_SECOND: Mapping[str, float] = {"/s": 1.0, "/min": 1 / 60, "/h": 1 / 3600}
SECONDS: Mapping[str, float] = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def quantity(text: object, units: Mapping[str, float], example: str) -> float:
    """The number before the unit, times the unit.

    Raises:
        ValueError: No number, or no unit of ``units``; says what to write.
    """
    found = _QUANTITY.fullmatch(str(text))
    if found is None or found[2] not in units:
        raise ValueError(f"must be a number and a unit of {', '.join(units)}; write it as in {example!r}")
    value = float(found[1]) * units[found[2]]
    if not math.isfinite(value):
        raise ValueError(f"must be finite; write it as in {example!r}")
    return value


def size(text: object) -> int:
    """``"4 GiB"`` in bytes."""
    value = round(quantity(text, BYTES, "4 GiB"))
    if value < 1:
        raise ValueError("must be at least one byte")
    return value


def length(text: object) -> float:
    """``"0.5 um"`` in µm."""
    value = quantity(text, MICROMETERS, "0.5 um")
    if value <= 0:
        raise ValueError("must be greater than zero")
    return value


def rate(text: object) -> float:
    """``"100/s"`` in events per second."""
    value = quantity(text, PER_SECOND, "100/s")
    if value <= 0:
        raise ValueError("must be greater than zero")
    return value


def duration(text: object) -> float:
    """``"10 s"`` in seconds."""
    value = quantity(text, SECONDS, "10 s")
    if value < 0:
        raise ValueError("must not be negative")
    return value


def position(text: object) -> float:
    """``"-12.5 um"`` in µm."""
    return quantity(text, MICROMETERS, "12.5 um")
