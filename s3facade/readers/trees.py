"""Metadata of microscopes as trees of mappings and lists: how single values are found in them, and kept whole."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.parsers.expat import ExpatError

import numpy as np
import xmltodict

from s3facade.core.errors import Unsupported

MAX_XML = 64 << 20
"""Bytes of metadata that are parsed; more is ignored with a note."""
MAX_ORIGINAL = 1 << 20
"""Bytes of metadata that are kept with the image, as JSON."""


def parsed(text: str | bytes) -> dict[str, Any] | None:
    """An XML document as nested mappings, attributes with ``@``; None if it is none, or too large."""
    if len(text) > MAX_XML:
        return None
    try:
        return dict(xmltodict.parse(text))
    except (ExpatError, ValueError, TypeError, LookupError):
        # The last two are what Python's expat raises for encodings that it does not know.
        return None


def every(tree: object, path: str = "") -> list[Any]:
    """All values at ``path`` (names with ``/`` between), in the order of the document; repeated elements are followed.

    Names that are missing give an empty list. An empty path gives the items of a list, or the one value there is.
    """
    found = [tree]
    for name in path.split("/") if path else [""]:
        flat = [item for value in found for item in (value if isinstance(value, list) else [value])]
        found = [v[name] for v in flat if isinstance(v, Mapping) and name in v] if name else flat
    return [item for value in found for item in (value if isinstance(value, list) else [value]) if item is not None]


def first(tree: object, path: str) -> Any:
    """The first value at ``path``, or None."""
    return next(iter(every(tree, path)), None)


def text(tree: object, path: str) -> str | None:
    """The first value at ``path`` as text without space around it; None if it is missing, empty or no text."""
    value = first(tree, path)
    if isinstance(value, Mapping):
        value = value.get("#text")
    return str(value).strip() or None if isinstance(value, str | int | float) else None


def number(value: object) -> float | None:
    """A finite number, also written as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def positive(value: object) -> float | None:
    """A finite number greater than zero, also written as text; None for anything else."""
    found = number(value)
    return found if found is not None and found > 0 else None


def integer(value: object) -> int | None:
    """A whole number, also written as text; None for anything else."""
    found = number(value)
    return int(found) if found is not None and found == int(found) else None


def walk(tree: object) -> Iterator[tuple[str, Any]]:
    """All names and values at any depth, outer ones first; needs no recursion."""
    waiting: list[object] = [tree]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            yield from value.items()
            waiting += value.values()
        elif isinstance(value, list | tuple):
            waiting += value


def original(tree: object) -> dict[str, object]:
    """``tree`` as the ``original`` of a `Spec.attrs`, if it is JSON of at most `MAX_ORIGINAL` bytes; else nothing."""
    try:
        small = len(json.dumps(tree, allow_nan=False)) <= MAX_ORIGINAL
    except (TypeError, ValueError, RecursionError):
        return {}
    return {"original": tree} if tree and small else {}


def interval(times: Sequence[float]) -> float | None:
    """Seconds between time points, if they are regular within 1 %."""
    if len(times) < 2:
        return None
    steps = np.diff(np.asarray(times, float))
    mean = float(steps.mean())
    return mean if mean > 0 and float(np.abs(steps - mean).max()) <= 0.01 * mean else None


def colour(red: int, green: int, blue: int) -> str:
    """RRGGBB."""
    return f"{red & 255:02X}{green & 255:02X}{blue & 255:02X}"


def no_options(options: Mapping[str, object], reader: str) -> None:
    """Raises `Unsupported` on any option."""
    if options:
        raise Unsupported(f"The {reader} reader has no option {next(iter(options))!r}; it takes none.")
