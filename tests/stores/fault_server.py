"""A web server of ranges that can be told to fail: over real sockets, in a thread of its own."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web

Handler = Callable[[web.Request], "web.StreamResponse | None"]


@dataclass
class FaultServer:
    files: dict[str, bytes] = field(default_factory=dict)
    latency: float = 0.0
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    """Method, path and range of every request."""
    headers: list[dict[str, str]] = field(default_factory=list)
    failing: list[object] = field(default_factory=list)
    """What the next requests come to: a status, or "reset", "cut", "hang"; used up one by one."""
    tags: bool = True
    ranges: bool = True
    heads: bool = True
    down: int = 0
    """A status that everything is answered with."""
    redirect: str = ""
    url: str = ""
    modified: str = "Wed, 01 Jan 2025 00:00:00 GMT"
    weak: bool = False

    def count(self, method: str = "") -> int:
        return sum(1 for m, _, _ in self.asked if not method or m == method)

    def forget(self) -> None:
        self.asked.clear()
        self.headers.clear()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.method, request.path, request.headers.get("Range", "")))
        self.headers.append(dict(request.headers))
        if self.latency:
            await asyncio.sleep(self.latency)
        fault = self.failing.pop(0) if self.failing else None
        if self.down or isinstance(fault, int):
            return web.Response(status=self.down or int(str(fault)))
        if fault == "hang":
            await asyncio.sleep(3)
        if fault == "reset":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if self.redirect and not request.path.startswith("/moved"):
            return web.Response(status=302, headers={"Location": self.redirect})
        data = self.files.get(request.path.removeprefix("/moved").lstrip("/"))
        if data is None:
            return web.Response(status=404)
        if request.method == "HEAD" and not self.heads:
            return web.Response(status=405)
        return await self.file(request, data, cut=fault == "cut")

    async def file(self, request: web.Request, data: bytes, *, cut: bool) -> web.StreamResponse:
        tag = '"' + hashlib.md5(data, usedforsecurity=False).hexdigest() + '"'
        headers = {"Last-Modified": self.modified}
        if self.tags:
            headers["ETag"] = ("W/" if self.weak else "") + tag
        wanted = request.headers.get("If-Match")
        if self.tags and wanted and wanted != tag:
            return web.Response(status=412)
        span = request.headers.get("Range", "").removeprefix("bytes=")
        status = 200
        whole = len(data)
        if span and self.ranges:
            first, _, last = span.partition("-")
            if int(first) >= whole:
                return web.Response(status=416, headers={"Content-Range": f"bytes */{whole}"})
            end = min(int(last) + 1, whole)
            data = data[int(first) : end]
            headers["Content-Range"] = f"bytes {first}-{end - 1}/{whole}"
            status = 206
        headers["Content-Length"] = str(len(data))
        response = web.StreamResponse(status=status, headers=headers)
        await response.prepare(request)
        if request.method != "HEAD":
            await response.write(data[: len(data) // 2] if cut else data)
            if cut:
                assert request.transport is not None
                request.transport.abort()
        return response


@contextmanager
def fault_server(files: dict[str, bytes] | None = None) -> Iterator[FaultServer]:
    server = FaultServer(files or {})
    loop = asyncio.new_event_loop()
    begun = threading.Event()

    async def begin() -> web.AppRunner:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", server.answer)
        runner = web.AppRunner(app, shutdown_timeout=0.2)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        server.url = f"http://127.0.0.1:{port}/"
        return runner

    runner = loop.run_until_complete(begin())

    def run() -> None:
        begun.set()
        loop.run_forever()

    thread = threading.Thread(target=run, name="fault-server", daemon=True)
    thread.start()
    begun.wait()
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()
