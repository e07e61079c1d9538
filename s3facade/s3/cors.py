"""What browsers need: every answer readable from any page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from s3facade.core.errors import BadRequest

if TYPE_CHECKING:
    from s3facade.s3.ports import Headers

EXPOSED = (
    "ETag, Content-Range, Content-Length, Content-Type, Last-Modified, Accept-Ranges, Date, "
    "x-amz-request-id, x-amz-id-2, x-amz-bucket-region"
)
ANSWER = (
    "Access-Control-Allow-Origin: *\r\n"
    f"Access-Control-Expose-Headers: {EXPOSED}\r\n"
    "Vary: Origin, Access-Control-Request-Headers, Access-Control-Request-Method\r\n"
).encode()
"""Header lines of every answer to a request with an Origin."""
_NAMES = re.compile(r"[\w!#$%&'*+.^`|~ ,-]*", re.ASCII)


def preflight(headers: Headers) -> bytes:
    """Header lines that allow what a browser asks for.

    Raises:
        BadRequest: Not a preflight, or its headers are unreadable.
    """
    method = headers.get("Access-Control-Request-Method")
    if headers.get("Origin") is None or method is None:
        raise BadRequest("Insufficient information. Origin and Access-Control-Request-Method headers are needed.")
    # Echoed, not "*": a star does not cover Authorization.
    names = headers.get("Access-Control-Request-Headers") or ""
    if not _NAMES.fullmatch(names):
        raise BadRequest("Access-Control-Request-Headers is not a list of header names.")
    lines = "Access-Control-Allow-Methods: GET, HEAD\r\nAccess-Control-Max-Age: 86400\r\n"
    if names:
        lines += f"Access-Control-Allow-Headers: {names}\r\n"
    if headers.get("Access-Control-Request-Private-Network") == "true":
        lines += "Access-Control-Allow-Private-Network: true\r\n"
    return lines.encode()
