"""How many requests an image costs where it lies in S3 storage: to be opened, and for one chunk more.

``python -m conformance.remote FILE…`` prints a table. The server is written here, so that every request is counted.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from urllib.parse import unquote
from xml.sax.saxutils import escape

from aiohttp import web

from s3facade import registry
from s3facade.catalog.sources.remote import recognised
from s3facade.core.errors import SourceError
from s3facade.core.region import cell
from s3facade.engine.engine import Engine
from s3facade.stores import files
from s3facade.stores.spool import Spool
from s3facade.stores.transport import Address

BUCKET = "measured"
CELLS = 4


@dataclass
class Counting:
    """An S3 server over a folder: HEAD, ranges, and listings by folder. Each answer may be made to take a while."""

    root: Path
    latency: float = 0.0
    status: int = 0
    """What everything is answered with."""
    asked: list[str] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path_qs} {request.headers.get('Range', '')}")
        if self.latency:
            await asyncio.sleep(self.latency)
        if self.status:
            return web.Response(status=self.status)
        key = unquote(request.raw_path.partition("?")[0]).removeprefix(f"/{BUCKET}").lstrip("/")
        if "list-type" in request.query:
            return web.Response(body=self._listed(request.query.get("prefix", "")), content_type="application/xml")
        path = self.root / key
        if not path.is_file():
            return web.Response(status=404)
        about, tag = path.stat(), _tag(path)
        if request.headers.get("If-Match", tag) != tag:
            return web.Response(status=412)
        data, status = path.read_bytes() if request.method == "GET" else b"", 200
        headers = {"ETag": tag, "Last-Modified": formatdate(about.st_mtime, usegmt=True)}
        if span := request.headers.get("Range", "").removeprefix("bytes="):
            first, last = (int(n) for n in span.split("-"))
            last = min(last, about.st_size - 1)
            data, status = data[first : last + 1], 206
            headers["Content-Range"] = f"bytes {first}-{last}/{about.st_size}"
        if request.method == "HEAD":
            headers["Content-Length"] = str(about.st_size)
        return web.Response(status=status, body=data or None, headers=headers)

    def _listed(self, prefix: str) -> bytes:
        folder, parts = self.root / prefix, []
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            name = escape(f"{prefix}{path.name}")
            if path.is_dir():
                parts.append(f"<CommonPrefixes><Prefix>{name}/</Prefix></CommonPrefixes>")
            else:
                when = formatdate(path.stat().st_mtime, usegmt=True)
                about = f"<LastModified>{when}</LastModified><ETag>{escape(_tag(path))}</ETag>"
                parts.append(f"<Contents><Key>{name}</Key>{about}<Size>{path.stat().st_size}</Size></Contents>")
        text = f"<ListBucketResult><IsTruncated>false</IsTruncated>{''.join(parts)}</ListBucketResult>"
        return text.encode()


def _tag(path: Path) -> str:
    about = path.stat()
    return '"' + hashlib.md5(f"{about.st_size} {about.st_mtime_ns}".encode(), usedforsecurity=False).hexdigest() + '"'


@contextmanager
def counting(root: Path, latency: float = 0.0) -> Iterator[Counting]:
    """A server over ``root``, and the store ``measured`` of it made known."""
    server, loop = Counting(root, latency), asyncio.new_event_loop()

    async def begin() -> web.AppRunner:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", server.answer)
        runner = web.AppRunner(app, shutdown_timeout=0.2)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    runner = loop.run_until_complete(begin())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        with tempfile.TemporaryDirectory() as spool:
            register(server, spool)
            yield server
    finally:
        files.register({})
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


def register(server: Counting, spool: str) -> None:
    """Make the store known anew: nothing is remembered of it."""
    address = Address(f"s3://{BUCKET}/", server.url, "us-east-1", anonymous=True)
    files.register({BUCKET: address}, spool=Spool(spool, 1 << 30))


def measure(path: Path, root: Path | None = None) -> tuple[int, float]:
    """Requests until an image is described, and requests for each further chunk of its finest level.

    Nothing is kept of what opening has read when chunks are read: large files do not fit into what is kept.

    Args:
        path: A file; of a folder that is one image, the file that makes it one.
        root: Folder that its other files lie below; default: its own.

    Raises:
        SourceError: It does not open.
    """
    root = path.parent if root is None else root
    with counting(root) as server:
        place = f"{BUCKET}:/{path.relative_to(root).as_posix()}"
        reader = recognised(place)
        engine = Engine(registry.reader)
        try:
            image = engine.rasters.describe(place, reader, {})[0]
            opened = len(server.asked)
            level = image.spec.levels[0]
            grid = [-(-n // b) for n, b in zip(level.shape, level.block, strict=True)]
            places = dict.fromkeys(tuple(n * i // CELLS for n in grid) for i in range(CELLS))
            for index in places:
                files.store(place).blocks.empty()
                engine.read(image, 0, cell(index, level.block).clip(level.shape))
            return opened, (len(server.asked) - opened) / len(places)
        finally:
            engine.close()


def main(paths: list[str]) -> None:
    print(f"{'file':40} {'open':>6} {'chunk':>6}")
    for path in map(Path, paths):
        try:
            opened, chunk = measure(path)
            print(f"{path.name[:40]:40} {opened:6} {chunk:6.1f}")
        except SourceError as error:
            print(f"{path.name[:40]:40} {error.explain()[:120]}")


if __name__ == "__main__":
    main(sys.argv[1:])
