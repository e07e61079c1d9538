"""Bodies straight from a file to the socket.

uvloop has no ``loop.sendfile``. While the transport's own buffer is empty nobody else writes to the socket, so
head and body are written to its descriptor directly.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from s3facade.core.errors import BadSource

if TYPE_CHECKING:
    from s3facade.s3.connection import Connection
    from s3facade.s3.reply import Passing

STEP = 1 << 20
TAIL = 1024
"""Bytes at the end that are read and sent only after the file was found unchanged."""


async def push(connection: Connection, passing: Passing, head: bytes) -> None:
    """Write ``head`` and the file's bytes; the transport must be empty.

    Raises:
        SourceChanged: Before the last bytes: the client sees a body that is too short.
        BadSource: The file ends too early.
        OSError: The client is gone or takes nothing, or the file cannot be read.
    """
    transport = connection.transport
    if transport is None:
        raise ConnectionResetError("The client is gone.")
    fd = transport.get_extra_info("socket").fileno()
    # A second handle on the transport's descriptor, let go before anybody else could close it.
    out = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=fd)
    try:
        await _push(connection, out, passing, head)
    finally:
        out.detach()


async def _push(connection: Connection, out: socket.socket, passing: Passing, head: bytes) -> None:
    source, at, end = passing.source, passing.start, max(passing.stop - TAIL, passing.start)
    fd = out.fileno()
    await _write(connection, out, head, socket.MSG_MORE)
    while at < end:
        done = await _attempt(connection, fd, partial(os.sendfile, fd, source.fd, at, min(STEP, end - at)))
        if done == 0:
            raise BadSource("The original file ends too early.")
        at += done
        connection.progress()
    tail = os.pread(source.fd, passing.stop - end, end)
    source.verify()
    if len(tail) != passing.stop - end:
        raise BadSource("The original file ends too early.")
    await _write(connection, out, tail, 0)


async def _write(connection: Connection, out: socket.socket, data: bytes, flags: int) -> None:
    view = memoryview(data)
    while view:
        view = view[await _attempt(connection, out.fileno(), partial(out.send, view, flags)) :]


async def _attempt(connection: Connection, out: int, call: Callable[[], int]) -> int:
    """``call`` once the socket takes bytes."""
    while True:
        if connection.transport is None or connection.transport.is_closing():
            raise ConnectionResetError("The client is gone.")
        try:
            return call()
        except BlockingIOError:
            async with asyncio.timeout(connection.patience):
                await _writable(out)


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


async def _writable(out: int) -> None:
    """Wait until the socket takes bytes; on a duplicate, as the transport owns ``out`` in the loop."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    double = os.dup(out)
    try:
        loop.add_writer(double, _wake, ready)
        try:
            await ready
        finally:
            loop.remove_writer(double)
    finally:
        os.close(double)
