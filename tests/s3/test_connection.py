"""What happens on the wire when clients are slow, rude or gone."""

import asyncio
import os
import socket
import struct
import time

import pytest
import uvloop
from conftest import serving
from s3_fakes import FakeCatalog, FakeEngine, passed

DATA = os.urandom(6_000_000)
GET = b"GET /b/%s HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /b/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def catalog():
    return FakeCatalog().add("b", {"one": b"first", "two": b"second", "big": DATA})


@pytest.fixture(scope="module", params=[uvloop.run, asyncio.run], ids=["uvloop", "asyncio"])
def server(request):
    with serving(catalog(), run=request.param) as s:
        yield s


def until(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


def read_all(s):
    out = b""
    while piece := s.recv(1 << 20):
        out += piece
    return out


def test_pipelined_requests_are_answered_in_order(server):
    names = [b"one", b"two", b"nope", b"big", b"one", b"nope", b"two"] * 3
    out = server.raw(b"".join(GET % n for n in names) + LAST % b"one")
    wanted = {b"one": b"first", b"two": b"second", b"nope": b"NoSuchKey", b"big": DATA}
    for name in [*names, b"one"]:
        head, _, out = out.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        assert wanted[name] in out[:length]
        out = out[length:]
    assert out == b""


def test_a_request_in_single_bytes(server):
    with server.connect() as s:
        for byte in LAST % b"two":
            s.sendall(bytes([byte]))
        assert read_all(s).endswith(b"second")


@pytest.mark.parametrize(
    "data",
    [b"nonsense\r\n\r\n", b"GET /b/one HTTP/9.9\r\nHost: x\r\n\r\n", b"GET /b/one HTTP/1.1\r\nHost x\r\n\r\n",
     b"GET /b/%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"a" * 20000), b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
     b"GET /b/one HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 9000 + b"\r\n\r\n",
     b"GET /b/one HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 200 + b"\r\n",
     b"GET /b/one HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
     b"GET /b/one HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
)  # fmt: skip
def test_malformed(server, data):
    out = server.raw(data)
    assert out.startswith(b"HTTP/1.1 400 ")
    assert b"<Code>InvalidRequest</Code>" in out
    assert b"Connection: close" in out
    assert out.count(b"HTTP/1.1") == 1


def test_keep_alive_after_errors(server):
    with server.connect() as s:
        for name, status in [(b"nope", b"404"), (b"one?torrent", b"501"), (b"%ff", b"400"), (b"one", b"200")]:
            s.sendall(GET % name)
            assert s.recv(65536).startswith(b"HTTP/1.1 " + status)


def test_http_1_0_and_absolute_form(server):
    assert server.raw(b"GET /b/one HTTP/1.0\r\n\r\n").endswith(b"first")
    assert server.raw(LAST.replace(b"/b", b"http://x/b") % b"one").endswith(b"first")


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH"])
def test_writes_are_refused_and_the_connection_lives_on_without_a_body(server, method):
    with server.connect() as s:
        for _ in range(2):
            s.sendall(f"{method} /b/one?uploads HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
            out = s.recv(65536)
            assert out.startswith(b"HTTP/1.1 403 ")
            assert b"<Code>AccessDenied</Code>" in out


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "LINK"])
def test_other_methods(server, method):
    assert server.raw(f"{method} /b/one HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()).startswith(
        b"HTTP/1.1 405 "
    )


def test_expect_is_answered_at_once(server):
    with server.connect() as s:
        s.sendall(b"PUT /b/k HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n")
        out = read_all(s)
    assert out.startswith(b"HTTP/1.1 403 ")
    assert b"100" not in out.split(b"\r\n")[0]
    assert b"Connection: close" in out


@pytest.mark.parametrize("extra", [b"Content-Length: 3000000\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_a_body_does_not_hide_the_refusal(server, extra):
    with server.connect() as s:
        s.sendall(b"PUT /b/k HTTP/1.1\r\nHost: x\r\n" + extra + b"\r\n")
        body = b"10000\r\n" + b"x" * 65536 + b"\r\n" if b"chunked" in extra else b"x" * 65536
        for _ in range(20):
            s.sendall(body)
        assert read_all(s).startswith(b"HTTP/1.1 403 ")


def test_a_body_is_no_second_request(server):
    smuggled = GET % b"one"
    out = server.raw(b"POST /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n" + smuggled)
    assert out.count(b"HTTP/1.1") == 1


def test_upgrade_is_ignored(server):
    out = server.raw(b"GET /b/one HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
    assert out.startswith(b"HTTP/1.1 200 ")
    assert out.endswith(b"first")


def test_slow_heads_are_cut_and_idle_connections_closed():
    with serving(catalog(), head_timeout=1.0, keepalive=1.0) as s:  # noqa: SIM117 - one line too long
        with s.connect() as slow, s.connect() as idle, s.connect() as silent:
            idle.sendall(GET % b"one")
            assert idle.recv(65536).endswith(b"first")
            start = time.monotonic()
            slow.sendall(b"GET /b/one HTTP/1.1\r\nHo")
            for c in (slow, idle, silent):
                assert c.recv(1) == b""
            assert 0.9 < time.monotonic() - start < 5


def test_a_dripping_head_is_cut():
    with serving(catalog(), head_timeout=1.0) as s, s.connect() as c:
        start = time.monotonic()

        def drip():
            for byte in LAST % (b"a" * 500):
                c.sendall(bytes([byte]))
                time.sleep(0.02)

        with pytest.raises(ConnectionError):
            drip()
        assert time.monotonic() - start < 5


def test_a_client_that_takes_nothing_is_cut():
    engine = FakeEngine(memory=False)
    with serving(catalog(), engine, send_timeout=1.0) as s, s.connect() as c:
        c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(3):
            c.sendall(GET % b"big")
        until(lambda: engine.live == 1)
        until(lambda: engine.live == 0, 8)
        until(lambda: s.server.open_connections() == 0)


def test_a_client_that_takes_nothing_of_a_file_is_cut(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(bytes(30_000_000))
    with serving(FakeCatalog().add("b", {"a": passed("a", path)}), send_timeout=0.5) as s, s.connect() as c:
        c.sendall(GET % b"a")
        until(lambda: s.server.open_connections() == 1)
        until(lambda: s.server.open_connections() == 0)


def test_backpressure():
    engine = FakeEngine(memory=False, piece=1 << 20)
    data = bytes(60 << 20)
    with serving(FakeCatalog().add("b", {"huge": data}), engine) as s, s.connect() as c:
        c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        c.sendall(GET % b"huge")
        until(lambda: engine.made > 1)
        time.sleep(0.3)
        # Four pieces, and what the kernel's socket buffers hold.
        assert engine.made <= 16


@pytest.mark.parametrize("reset", [False, True])
def test_a_client_that_leaves_stops_the_work(reset):
    engine = FakeEngine(memory=False, delay=0.02, piece=1000)
    with serving(catalog(), engine) as s:
        with s.connect() as c:
            c.sendall(GET % b"big")
            until(lambda: engine.made > 2)
            if reset:
                c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        until(lambda: engine.live == 0)
        assert engine.made < 100
        until(lambda: s.server.open_connections() == 0)


@pytest.mark.parametrize("failure", [None, RuntimeError, RecursionError])
def test_an_error_on_the_way_cuts_the_body_short(caplog, failure):
    engine = FakeEngine(memory=False, piece=100_000, fail_at=3, failure=failure)
    with serving(catalog(), engine) as s:
        with s.connect() as c:
            c.sendall(GET % b"big")
            out = b""
            try:
                while piece := c.recv(1 << 20):
                    out += piece
            except ConnectionResetError:
                pass
        head, _, body = out.partition(b"\r\n\r\n")
        assert b" 200 " in head.split(b"\r\n")[0]
        assert b"Content-Length: 6000000" in head
        assert DATA.startswith(body)
        assert len(body) <= 300_000
        until(lambda: engine.live == 0)
        assert ("/data/secret.tif" if failure is None else "nobody has thought of this") in caplog.text
        engine.fail_at = 0
        assert s.get("/b/big").status == (503 if failure is None else 500)


def test_a_file_that_changes_while_it_is_sent(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(bytes(30_000_000))
    with serving(FakeCatalog().add("b", {"a": passed("a", path)})) as s, s.connect() as c:
        c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        c.sendall(GET % b"a")
        first = c.recv(65536)
        path.write_bytes(b"1" * 30_000_000)
        os.utime(path, (1, 1))
        out = first
        try:
            while piece := c.recv(1 << 20):
                out += piece
        except ConnectionResetError:
            pass
        assert len(out.partition(b"\r\n\r\n")[2]) < 30_000_000
        until(lambda: s.server.open_connections() == 0)


def test_sendfile_waits_for_a_slow_client(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(DATA)
    with serving(FakeCatalog().add("b", {"a": passed("a", path)})) as s, s.connect() as c:
        c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        c.sendall(GET % b"a" + LAST % b"a")
        out = b""
        while piece := c.recv(65536):
            out += piece
            time.sleep(0.0005)
        assert out.count(b"HTTP/1.1 200") == 2
        assert out.endswith(DATA)


def test_too_many_connections():
    with serving(catalog(), max_connections=2) as s, s.connect() as a, s.connect() as b:
        for c in (a, b):
            c.sendall(GET % b"one")
            assert b"200 OK" in c.recv(65536)
        with s.connect() as c:
            out = read_all(c)
            assert out.startswith(b"HTTP/1.1 503 ")
            assert b"SlowDown" in out


def test_shutdown_lets_requests_end():
    engine = FakeEngine(memory=False, delay=0.05, piece=1_000_000)
    with serving(catalog(), engine) as s, s.connect() as c, s.connect() as idle:
        c.sendall(GET % b"big")
        until(lambda: engine.made > 0)
        s.loop.call_soon_threadsafe(s.done.set)
        out = read_all(c)
        assert out.endswith(DATA)
        assert idle.recv(1) == b""
    assert engine.live == 0


def test_the_access_log(caplog):
    caplog.set_level("INFO", "s3facade.access")
    with serving(catalog(), access_log=True) as s:
        s.get("/b/one%0Aforged")
        for _ in range(2):
            s.get("/b/one")
    lines = [r.getMessage() for r in caplog.records if r.name == "s3facade.access"]
    assert len(lines) == 3
    assert not any("\n" in line for line in lines)
