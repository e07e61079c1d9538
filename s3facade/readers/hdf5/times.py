"""Times of planes as a regular interval, and dates as ISO 8601."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

_DATE = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:\.\d{1,6})?)\d*(Z|[+-]\d\d:?\d\d)?")


def interval(seconds: Sequence[float]) -> float | None:
    """Seconds from one time point to the next, if they are regular within 1 %; None otherwise."""
    steps = [b - a for a, b in pairwise(seconds)]
    if not steps:
        return None
    mean = sum(steps) / len(steps)
    return mean if mean > 0 and max(abs(s - mean) for s in steps) <= mean / 100 else None


def moment(text: str | None) -> datetime | None:
    """A date with a time of day; None if it is none."""
    found = _DATE.match((text or "").strip())
    if found is None:
        return None
    try:
        return datetime.fromisoformat(f"{found[1]}T{found[2]}{found[3] or ''}")
    except ValueError:
        return None


def iso(text: str | None) -> str | None:
    """A date with a time of day in ISO 8601; None if it is none."""
    found = moment(text)
    return None if found is None else found.isoformat()
