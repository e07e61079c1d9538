"""Checksums of documents: nothing else is known whole without computing pixels or reading a file twice."""

from __future__ import annotations

import zlib
from base64 import b64encode
from collections.abc import Sequence
from typing import TYPE_CHECKING

from multidict import istr

from s3facade.core.objects import Literal, Object, Packed

if TYPE_CHECKING:
    from s3facade.core.operators import Buffer
    from s3facade.s3.ports import Engine, Headers

LONGEST = 256 << 10
"""Bytes of the longest document with a checksum: it is computed on the event loop, anew for every answer."""
_MODE = istr("x-amz-checksum-mode")


def asked(headers: Headers) -> bool:
    """Whether the client wants to check what it gets: every AWS SDK does, unless told otherwise."""
    mode = headers.get(_MODE)
    return mode is not None and mode.upper() == "ENABLED"


def checked(obj: Object, size: int) -> bool:
    """Whether ``obj`` is a document of at most `LONGEST` bytes: text at hand, not pixels and not source bytes."""
    return size <= LONGEST and all(isinstance(part, Literal | Packed) for part in obj.parts)


def whole(engine: Engine, obj: Object, size: int) -> str:
    """The checksum of an object; empty where it is no document, or one that has not been made yet."""
    body = engine.ready(obj, 0, size) if checked(obj, size) else None
    return "" if body is None else crc32(body)


def crc32(pieces: Sequence[Buffer]) -> str:
    """CRC-32 in the spelling of S3: the one that every SDK can check without a native library."""
    value = 0
    for piece in pieces:
        value = zlib.crc32(piece, value)
    return b64encode(value.to_bytes(4, "big")).decode()


def lines(checksum: str) -> bytes:
    """Header lines of a whole answer; none for an empty ``checksum``."""
    if not checksum:
        return b""
    return f"x-amz-checksum-crc32: {checksum}\r\nx-amz-checksum-type: FULL_OBJECT\r\n".encode()
