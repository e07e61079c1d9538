"""One client connection: aiohttp's request handler with a loop of its own.

aiohttp gives the parser, flow control and book-keeping of connections. What differs: requests that can be
answered at once are answered where they are parsed, without a task; all others, in order, by one task per
connection. Times are kept by one sweep over all connections a second instead of timers per connection.
"""

from __future__ import annotations

import asyncio
import enum
from typing import TYPE_CHECKING, Any

from aiohttp import web_protocol
from aiohttp.http import HttpVersion11
from aiohttp.streams import EMPTY_PAYLOAD

from s3facade.core.errors import FacadeError
from s3facade.s3.sendfile import push
from s3facade.s3.service import log

if TYPE_CHECKING:
    from s3facade.s3.reply import Reply
    from s3facade.s3.server import Server

Malformed = web_protocol._ErrInfo  # noqa: SLF001 - the one way to tell what could not be parsed
PIECES = 4 << 20
"""Bytes that may wait for a client before more is produced: four pieces of 1 MiB."""
LINGER = 2.0
"""Seconds for which the rest of a refused body is read and dropped, so that the client sees the answer."""


class Phase(enum.Enum):
    """What a connection waits for."""

    HEAD = enum.auto()
    IDLE = enum.auto()
    BUSY = enum.auto()
    LINGER = enum.auto()


class Connection(web_protocol.RequestHandler):
    """Serves one connection."""

    __slots__ = ("_left", "_owner", "_phase", "_since")

    def __init__(self, owner: Server, manager: Any, **limits: Any) -> None:
        super().__init__(manager, access_log=None, keepalive_timeout=0, **limits)  # type: ignore[arg-type]
        self._owner = owner
        self._phase = Phase.HEAD
        self._since = 0.0
        self._left = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or refuse it when there are too many."""
        super().connection_made(transport)
        assert self.transport is not None  # noqa: S101 - set by the line above
        self.transport.set_write_buffer_limits(high=PIECES - (1 << 20), low=1 << 20)
        self._since = self._owner.now
        if not self._owner.admits():
            self.transport.write(self._owner.busy())
            self.force_close()

    def data_received(self, data: bytes) -> None:
        """Parse, and answer what can be answered at once."""
        if self._phase is Phase.LINGER:
            return
        # Hidden, so that aiohttp does not wake the task for what is answered here.
        waiter, self._waiter = self._waiter, None
        super().data_received(data)
        self._waiter = waiter
        if waiter is None or waiter.done():
            return
        if self._messages:
            self._answer_at_once(waiter)
        elif self._phase is Phase.IDLE:
            self._enter(Phase.HEAD)

    def _answer_at_once(self, waiter: asyncio.Future[None]) -> None:
        quick, messages = self._owner.service.quick, self._messages
        while messages:
            message, payload = messages[0]
            if payload is not EMPTY_PAYLOAD or self._paused or self.transport is None:
                break
            if isinstance(message, Malformed) or _last(message):
                break
            out = quick(message)
            if out is None:
                break
            self._take()
            if len(out) == 1:
                self.transport.write(out[0])
            else:
                self.transport.writelines(out)
        if messages:
            self._enter(Phase.BUSY)
            waiter.set_result(None)
        else:
            self._enter(Phase.IDLE)

    def _take(self) -> tuple[Any, Any]:
        """The next request; lets the parser go on."""
        taken = self._messages.popleft()
        if self._parser is not None:
            self._parser.message_consumed()
        if self._manager is not None:
            self._manager.requests_count += 1
        if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
            self._resume_reading_if_drained()
        return taken

    async def start(self) -> None:
        """Answer, in order, what cannot be answered at once."""
        while not (self._close or self._force_close):
            if not self._messages:
                self._waiter = self._loop.create_future()
                try:
                    await self._waiter
                finally:
                    self._waiter = None
            self._enter(Phase.BUSY)
            self._request_in_progress = True
            try:
                keep = await self._serve(*self._take())
            finally:
                self._request_in_progress = False
            if not keep:
                break
            self._enter(Phase.IDLE)
        if self._phase is not Phase.LINGER:
            self.force_close()

    async def _serve(self, message: Any, payload: Any) -> bool:
        """Answer one request; whether the connection may go on."""
        service = self._owner.service
        if isinstance(message, Malformed):
            reply = service.malformed("The request is not well-formed HTTP.")
        else:
            reply = await service.answer(message)
        unread = not payload.is_eof() if payload is not EMPTY_PAYLOAD else False
        malformed = isinstance(message, Malformed)
        if unread or malformed or self._close or _last(message):
            reply.close = True
        await self._send(reply, service.stamp.finish(reply))
        if unread or malformed:
            self._linger()
        return not reply.close

    async def _send(self, reply: Reply, head: bytes) -> None:
        """Write an answer; on any failure after the status line the connection is cut, never filled up."""
        try:
            if reply.passing is not None:
                await self._drain_all()
                await push(self, reply.passing, head)
                return
            if self._paused:
                await self._drain_helper()
            self._write([head, *reply.body])
            if reply.flow is not None:
                await self._stream(reply)
        except (FacadeError, OSError) as error:
            text = error.explain() if isinstance(error, FacadeError) else str(error)
            if not isinstance(error, ConnectionError | TimeoutError):
                log.error("%s cut off after the status line: %r", reply.request_id, text)
            self.abort()
            reply.close = True
        except Exception:  # noqa: BLE001 - whatever it is, the client must not be left waiting for the rest
            log.exception("%s cut off after the status line", reply.request_id)
            self.abort()
            reply.close = True
        finally:
            if reply.release is not None:
                reply.release()
            if reply.passing is not None:
                reply.passing.source.close()
            if reply.flow is not None:
                await reply.flow.aclose()

    async def _stream(self, reply: Reply) -> None:
        """Write the pieces of a flow, at most `PIECES` ahead of the client."""
        assert reply.flow is not None  # noqa: S101 - the caller looked
        sent = sum(len(piece) for piece in reply.body)
        while True:
            if self._paused:
                await self._drain_helper()
            try:
                piece = await anext(reply.flow)
            except StopAsyncIteration:
                break
            sent += len(piece)
            if sent > reply.length:
                break
            self._write([piece])
        if sent != reply.length:
            log.error("%s made %d bytes where %d were announced", reply.request_id, sent, reply.length)
            self.abort()
            reply.close = True

    def _write(self, buffers: list[Any]) -> None:
        if self.transport is None or self.transport.is_closing():
            raise ConnectionResetError("The client is gone.")
        self.transport.writelines(buffers)

    async def _drain_all(self) -> None:
        """Wait until nothing waits in the transport."""
        if self.transport is None:
            raise ConnectionResetError("The client is gone.")
        if self.transport.get_write_buffer_size():
            self.transport.set_write_buffer_limits(high=0, low=0)
            if self._paused:
                await self._drain_helper()
            if self.transport is not None:
                self.transport.set_write_buffer_limits(high=PIECES - (1 << 20), low=1 << 20)

    def _linger(self) -> None:
        """Say that nothing more comes, and read on for a moment: unread bytes would turn the close into a reset."""
        self._enter(Phase.LINGER)
        if self.transport is not None and self.transport.can_write_eof():
            self.transport.write_eof()

    def _enter(self, phase: Phase) -> None:
        self._phase = phase
        self._since = self._owner.now

    @property
    def patience(self) -> float:
        """Seconds for which a client may take nothing."""
        return self._owner.settings.send_timeout

    def progress(self) -> None:
        """The client took bytes."""
        self._since = self._owner.now

    def abort(self) -> None:
        """Cut the connection without sending what waits."""
        self._force_close = True
        if self.transport is not None:
            self.transport.abort()

    def sweep(self, now: float) -> None:
        """Close the connection if it waited too long; called once a second."""
        settings = self._owner.settings
        waited = now - self._since
        if self._phase is Phase.BUSY or self._paused:
            left = -1 if self.transport is None else self.transport.get_write_buffer_size()
            if left <= 0 or left != self._left:
                self._left = left
                if left > 0:
                    self._since = now
            elif waited > settings.send_timeout:
                self.abort()
        elif (
            (self._phase is Phase.HEAD and waited > settings.head_timeout)
            or (self._phase is Phase.IDLE and waited > settings.keepalive)
            or (self._phase is Phase.LINGER and waited > LINGER)
        ):
            self.force_close()

    async def shutdown(self, timeout: float | None = 15.0) -> None:  # noqa: ASYNC109 - aiohttp's signature
        """Let the request in work end within ``timeout`` seconds, then close."""
        self.close()
        task = self._task_handler
        if task is not None and not task.done():
            await asyncio.wait({task}, timeout=timeout)
            task.cancel()
        self.force_close()


def _last(message: Any) -> bool:
    """Whether the connection ends with this request."""
    return bool(message.should_close or message.upgrade or message.version != HttpVersion11)
