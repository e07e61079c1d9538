"""One byte range, as S3 reads it."""

from __future__ import annotations

import re

from s3facade.core.errors import BadRange

_RANGE = re.compile(r"\s*bytes\s*=\s*([0-9]*)\s*-\s*([0-9]*)\s*", re.ASCII | re.IGNORECASE)
_FAR = 10**18


def resolve(header: str, size: int) -> tuple[int, int] | None:
    """The half-open interval ``(start, stop)`` that ``header`` asks for in an object of ``size`` bytes.

    None where S3 ignores the header and sends the whole: malformed, another unit, reversed, several ranges.

    Raises:
        BadRange: Well formed, but the first byte lies behind the end; any range of an empty object does.
    """
    match = _RANGE.fullmatch(header)
    if match is None or match.groups() == ("", ""):
        return None
    first, last = (_number(text) for text in match.groups())
    if first is None:
        start, stop = max(size - (last or 0), 0), size
        inside = last != 0
    else:
        if last is not None and last < first:
            return None
        start, stop = first, size if last is None else min(last + 1, size)
        inside = True
    if not inside or start >= size:
        raise BadRange(
            "The requested range is not satisfiable.", RangeRequested=header.strip(), ActualObjectSize=str(size)
        )
    return start, stop


def _number(text: str) -> int | None:
    """The value of a run of digits, which may be longer than any object; None if there are none."""
    if not text:
        return None
    digits = text.lstrip("0")
    return _FAR if len(digits) > 18 else int(digits or "0")
