"""What browsers need: every answer readable from the pages that may read it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from s3facade.core.errors import BadRequest, OriginDenied

if TYPE_CHECKING:
    from s3facade.s3.ports import Headers

ANY = ("*",)
"""Pages of every origin: right where requests carry no cookies, as they never do here."""
MAX_AGE = 86400
"""Seconds for which a browser may remember a preflight."""
EXPOSED = (
    "ETag, Content-Range, Content-Length, Content-Type, Last-Modified, Accept-Ranges, Date, "
    "x-amz-request-id, x-amz-id-2, x-amz-bucket-region, x-amz-checksum-crc32, x-amz-checksum-type"
)
_VARY = "Vary: Origin, Access-Control-Request-Headers, Access-Control-Request-Method\r\n"
_EXPOSE = f"Access-Control-Expose-Headers: {EXPOSED}\r\n{_VARY}"
_ALONE = b"Vary: Origin\r\n"
ANSWER = f"Access-Control-Allow-Origin: *\r\n{_EXPOSE}".encode()
"""Header lines of every answer to a request with an Origin where every origin may read."""
_NAMES = re.compile(r"[\w!#$%&'*+.^`|~ ,-]*", re.ASCII)
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[A-Za-z0-9._:\[\]-]+|null")


def answer(origins: Sequence[str], origin: str | None) -> bytes:
    """Header lines of any answer to a request with the header ``Origin: <origin>``; None is without.

    ``Vary`` also without: a browser must not show a page what it cached for an image tag, which lacks the permission.
    """
    if "*" in origins:
        return _ALONE if origin is None else ANSWER
    if not origins:
        return b""
    if origin is None or not allowed(origins, origin):
        return _ALONE
    return f"Access-Control-Allow-Origin: {origin}\r\n{_EXPOSE}".encode()


def allowed(origins: Sequence[str], origin: str) -> bool:
    """Whether pages of ``origin`` may read."""
    if "*" in origins:
        return True
    if not _ORIGIN.fullmatch(origin):
        return False
    return any(_matches(pattern, origin) for pattern in origins)


def _matches(pattern: str, origin: str) -> bool:
    head, star, tail = pattern.partition("*")
    if not star:
        return pattern == origin
    return len(origin) >= len(head) + len(tail) and origin.startswith(head) and origin.endswith(tail)


def preflight(headers: Headers, origins: Sequence[str] = ANY) -> bytes:
    """Header lines that allow what a browser asks for; those of `answer` come on top.

    Raises:
        BadRequest: Not a preflight, or its headers are unreadable.
        OriginDenied: Pages of this origin may not.
    """
    method, origin = headers.get("Access-Control-Request-Method"), headers.get("Origin")
    if origin is None or method is None:
        raise BadRequest("Insufficient information. Origin and Access-Control-Request-Method headers are needed.")
    # Echoed, not "*": a star does not cover Authorization.
    names = headers.get("Access-Control-Request-Headers") or ""
    if not _NAMES.fullmatch(names):
        raise BadRequest("Access-Control-Request-Headers is not a list of header names.")
    if not allowed(origins, origin):
        raise OriginDenied("CORSResponse: This CORS request is not allowed.")
    lines = f"Access-Control-Allow-Methods: GET, HEAD\r\nAccess-Control-Max-Age: {MAX_AGE}\r\n"
    if names:
        lines += f"Access-Control-Allow-Headers: {names}\r\n"
    if headers.get("Access-Control-Request-Private-Network") == "true":
        lines += "Access-Control-Allow-Private-Network: true\r\n"
    return lines.encode()
