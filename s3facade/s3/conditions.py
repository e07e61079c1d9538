"""Conditional requests in S3's precedence."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from s3facade.core.errors import ConditionFailed, Unmodified
from s3facade.s3 import documents

if TYPE_CHECKING:
    from s3facade.s3.ports import Headers


def check(headers: Headers, etag: str, modified: int) -> None:
    """Compare what the client knows with what is here.

    If-Match decides alone where it is given, else If-Unmodified-Since; then If-None-Match, else If-Modified-Since.

    Args:
        headers: Of the request.
        etag: Unquoted.
        modified: Whole seconds since 1970.

    Raises:
        ConditionFailed: If-Match or If-Unmodified-Since does not hold.
        Unmodified: The client has this version.
    """
    modified = documents.writable(modified)
    if (tags := headers.get("If-Match")) is not None:
        if not matches(tags, etag):
            raise _failed("If-Match")
    elif (when := seconds(headers.get("If-Unmodified-Since"))) is not None and modified > when:
        raise _failed("If-Unmodified-Since")
    if (tags := headers.get("If-None-Match")) is not None:
        if matches(tags, etag):
            raise Unmodified("Not modified.")
    elif (when := seconds(headers.get("If-Modified-Since"))) is not None and modified <= when:
        raise Unmodified("Not modified.")


def in_range(value: str, etag: str, modified: int) -> bool:
    """Whether an If-Range of ``value`` lets the Range header count."""
    if (when := seconds(value)) is not None:
        return when == documents.writable(modified)
    return matches(value, etag)


def matches(tags: str, etag: str) -> bool:
    """Whether ``etag`` is among ``tags``: a list, quoted or not, or ``*``."""
    for tag in tags.split(","):
        text = tag.strip().removeprefix("W/")
        if text in ("*", etag) or text == f'"{etag}"':
            return True
    return False


def seconds(date: str | None) -> int | None:
    """An HTTP date as seconds since 1970; None if there is none or it cannot be read (then it does not count)."""
    if date is None:
        return None
    try:
        moment = parsedate_to_datetime(date)
        # The form without a zone, asctime's, is UTC too, and not the time of wherever this runs.
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, TypeError, OverflowError):
        return None


def _failed(condition: str) -> ConditionFailed:
    return ConditionFailed("At least one of the pre-conditions you specified did not hold.", Condition=condition)
