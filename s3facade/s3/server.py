"""The S3 server of one worker: what a listening socket makes connections with."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from aiohttp import http_parser, web

from s3facade.core.errors import ConfigError
from s3facade.s3.connection import Connection
from s3facade.s3.service import Service

if TYPE_CHECKING:
    from s3facade.s3.ports import Catalog, Engine, Guard, Internal
    from s3facade.s3.settings import S3Settings

LIMITS = {"max_line_size": 16384, "max_field_size": 8190, "max_headers": 100, "auto_decompress": False}
"""A key of 1,024 bytes, all of them escaped, and a presigned query with a session token fit in a line."""


class Server:
    """A protocol factory for ``loop.create_server``."""

    def __init__(self, service: Service, settings: S3Settings) -> None:
        self.service = service
        self.settings = settings
        self.now = time.monotonic()
        self._manager = web.Server(_never, handler_cancellation=True)
        self._loop = asyncio.get_running_loop()
        self._sweep: asyncio.TimerHandle | None = self._loop.call_later(1.0, self._tick)

    def __call__(self) -> Connection:
        """A new connection's protocol."""
        return Connection(self, self._manager, loop=self._loop, **LIMITS)

    def admits(self) -> bool:
        """Whether there are not more connections than allowed, the newest included."""
        return len(self._manager._connections) <= self.settings.max_connections  # noqa: SLF001

    def busy(self) -> bytes:
        """What a connection too many is told."""
        return self.service.busy()

    def open_connections(self) -> int:
        """Connections that are open."""
        return len(self._manager._connections)  # noqa: SLF001

    async def shutdown(self, timeout: float) -> None:  # noqa: ASYNC109 - aiohttp's signature
        """Let requests in work end within ``timeout`` seconds; idle connections end at once."""
        self._manager.pre_shutdown()
        await self._manager.shutdown(timeout)
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    def _tick(self) -> None:
        """Once a second: the date line, and connections that waited too long."""
        self.now = time.monotonic()
        self.service.stamp.tick()
        for connection in self._manager.connections:
            if isinstance(connection, Connection):
                connection.sweep(self.now)
        self._sweep = self._loop.call_later(1.0, self._tick)


async def _never(request: web.BaseRequest) -> web.StreamResponse:
    """Stand in for aiohttp's handler; connections answer by themselves."""
    raise NotImplementedError(request.path)


def create_server(
    catalog: Catalog, engine: Engine, auth: Guard, settings: S3Settings, internal: Internal | None = None
) -> Server:
    """Put a server together; call it inside the running loop that will serve.

    Raises:
        ConfigError: This aiohttp lacks its C parser, or does not take the limits.
    """
    server = Server(Service(catalog, engine, auth, settings, internal or {}), settings)
    if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
        raise ConfigError("aiohttp's C parser is not loaded; install aiohttp from a wheel.")
    probe = server()
    if any(getattr(probe, name) != LIMITS[name] for name in ("max_line_size", "max_field_size", "max_headers")):
        raise ConfigError("This version of aiohttp does not apply the request limits.")
    return server
