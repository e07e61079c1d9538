"""A real server on a real socket, in a thread of its own."""

import asyncio
import http.client
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
import uvloop
from s3_fakes import FakeCatalog, FakeEngine, OpenGuard

from s3facade.s3.server import create_server
from s3facade.s3.settings import S3Settings


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes


@dataclass
class Served:
    catalog: FakeCatalog
    engine: FakeEngine
    port: int = 0
    loop: object = None
    server: object = None
    done: object = None
    thread: object = None
    started: threading.Event = field(default_factory=threading.Event)

    def ask(self, method, target, headers=None, body=None):
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.putrequest(method, target, skip_accept_encoding=True, skip_host="Host" in (headers or {}))
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def get(self, target, **headers):
        return self.ask("GET", target, {k.replace("_", "-"): v for k, v in headers.items()})

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def raw(self, data):
        """All that comes back for ``data`` until the server closes."""
        with self.connect() as s:
            s.sendall(data)
            out = b""
            while piece := s.recv(1 << 20):
                out += piece
            return out


@contextmanager
def serving(catalog=None, engine=None, guard=None, internal=None, run=uvloop.run, **settings):
    s = Served(catalog or FakeCatalog(), engine or FakeEngine())

    async def main():
        s.loop = asyncio.get_running_loop()
        s.done = asyncio.Event()
        s.server = create_server(s.catalog, s.engine, guard or OpenGuard(), S3Settings(**settings), internal)
        listener = await s.loop.create_server(s.server, "127.0.0.1", 0)
        s.port = listener.sockets[0].getsockname()[1]
        s.started.set()
        await s.done.wait()
        listener.close()
        await s.server.shutdown(1.0)
        await asyncio.sleep(0.05)

    s.thread = threading.Thread(target=run, args=(main(),))
    s.thread.start()
    assert s.started.wait(10)
    try:
        yield s
    finally:
        s.loop.call_soon_threadsafe(s.done.set)
        s.thread.join(10)


@pytest.fixture(scope="module")
def served():
    with serving() as s:
        yield s
