"""Answers on their way to the wire, and the header lines that all of them share."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from s3facade.core.operators import Buffer
    from s3facade.s3.ports import Descriptor

STATUS = {int(s): f"HTTP/1.1 {int(s)} {s.phrase}\r\n".encode() for s in HTTPStatus}
STATUS[416] = b"HTTP/1.1 416 Requested Range Not Satisfiable\r\n"


@dataclass(slots=True)
class Passing:
    """Bytes ``start <= i < stop`` of an open file, for sendfile."""

    source: Descriptor
    start: int
    stop: int


@dataclass(slots=True)
class Reply:
    """One answer."""

    status: int
    lines: bytes
    """Header lines, each with its line end; without those of `Stamp` and Connection."""
    body: Sequence[Buffer] = ()
    """All of it, or the first pieces of ``flow``."""
    flow: AsyncGenerator[Buffer, None] | None = None
    passing: Passing | None = None
    length: int = 0
    """Bytes of the body that follow the head: of ``body``, ``flow`` and ``passing`` together."""
    request_id: str = ""
    close: bool = False
    cors: bytes = b""
    """Header lines for pages of other origins."""
    release: Callable[[], None] | None = None
    """Called once when the answer has been sent, or given up."""


class Stamp:
    """Date and ids: what differs from answer to answer. The clock's part is refreshed by `tick`."""

    def __init__(self) -> None:
        self.host_id = os.urandom(12).hex()
        self._high = int.from_bytes(os.urandom(4), "big") << 32
        self._count = 0
        self._common = b""
        self.tick()

    def tick(self) -> None:
        """Write the date anew; call once a second."""
        text = f"Date: {formatdate(time.time(), usegmt=True)}\r\nServer: s3facade\r\nx-amz-id-2: {self.host_id}\r\n"
        self._common = text.encode() + b"x-amz-request-id: "

    def next_id(self) -> str:
        """A new request id: 16 hex digits."""
        self._count += 1
        return f"{self._high + self._count:016X}"

    def end(self) -> bytes:
        """The last lines of a head with a new id, blank line included."""
        self._count += 1
        return b"%b%016X\r\n\r\n" % (self._common, self._high + self._count)

    def finish(self, reply: Reply) -> bytes:
        """The whole head of ``reply``."""
        close = b"Connection: close\r\n" if reply.close else b""
        parts = (STATUS[reply.status], reply.lines, reply.cors, close, self._common, reply.request_id.encode())
        return b"".join((*parts, b"\r\n\r\n"))
