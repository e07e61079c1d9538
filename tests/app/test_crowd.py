"""A server under many clients at once: work is done once, what nobody waits for ends, and a crash stays alone."""

from __future__ import annotations

import http.client
import json
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest
import tifffile
from test_serving import TILE, Running, serving

PIXELS = np.random.default_rng(3).integers(0, 4000, (2048, 2048), dtype=np.uint16)
# Notes every computation in one byte of a file, over all workers, and takes a while.
MODULE = """
import os, time
def slow(block, into, seconds):
    fd = os.open(into, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, b"x")
    os.close(fd)
    time.sleep(seconds)
    return block + block.dtype.type(1)
"""
CONFIG = """
sources:
  plain: {{files: "data/{{name}}.tif"}}
images:
  slow:
    from: plain
    steps: [{{python: {{function: "crowd_module:slow", halo: 1 px, options: {{into: "{noted}", seconds: {seconds}}}}}}}]
buckets:
  images:
    views:
      - {{type: ome-zarr, from: slow, path: "slow/{{name}}.ome.zarr", chunks: 256, shards: false}}
      - {{type: ome-zarr, from: plain, path: "plain/{{name}}.ome.zarr", chunks: 256, shards: false}}
limits: {{workers: {workers}, memory: 256 MiB, disk: {disk}, cache_dir: "{base}/kept"}}
"""


@contextmanager
def crowded(
    base: Path, monkeypatch: pytest.MonkeyPatch, *, workers: int, disk: str = "off", seconds: float = 0.3
) -> Iterator[Running]:
    (base / "data").mkdir()
    tifffile.imwrite(base / "data/a.tif", PIXELS, tile=(TILE, TILE), compression="zstd")
    # What was read from a file just written is shared by no workers: it might be written to again.
    os.utime(base / "data/a.tif", (time.time() - 100,) * 2)
    (base / "crowd_module.py").write_text(MODULE)
    values = {"noted": base / "noted", "seconds": seconds, "workers": workers, "disk": disk, "base": base}
    (base / "config.yaml").write_text(CONFIG.format(**values))
    path = os.pathsep.join(filter(None, [str(base), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("PYTHONPATH", path)
    with serving(base / "data", base / "log", str(base / "config.yaml")) as server:
        yield server


def computed(base: Path) -> int:
    noted = base / "noted"
    return noted.stat().st_size if noted.exists() else 0


def at_once(server: Running, count: int, key: str) -> list[tuple[int, bytes]]:
    """The same object for ``count`` clients, who ask at the same moment over connections of their own."""
    ready = threading.Barrier(count)

    def one(_: int) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        try:
            connection.connect()
            ready.wait(30)
            connection.request("GET", key)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


@pytest.mark.parametrize(("workers", "disk", "most"), [(1, "off", 1), (2, "off", 2), (2, "1 GiB", 1)])
def test_a_hundred_clients_cost_one_computation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int, disk: str, most: int
) -> None:
    with crowded(tmp_path, monkeypatch, workers=workers, disk=disk) as server:
        assert server.get("/images/slow/a.ome.zarr/0/zarr.json").status == 200
        before = computed(tmp_path)
        answers = at_once(server, 100, "/images/slow/a.ome.zarr/0/c/1/2")
        assert {status for status, _ in answers} == {200}
        expected = (PIXELS[256:512, 512:768] + 1).tobytes()
        assert all(body == expected for _, body in answers)
        assert 1 <= computed(tmp_path) - before <= most


def workers_of(server: Running) -> list[psutil.Process]:
    def works(process: psutil.Process) -> bool:
        try:
            return "s3facade.engine.isolated_child" not in process.cmdline()
        except psutil.NoSuchProcess:  # ended, or ended and not waited for
            return False

    return [p for p in psutil.Process(server.process.pid).children() if works(p)]


def idle(server: Running) -> bool:
    """Whether no worker holds memory for work, or has anybody waiting: as far as many looks reach both."""
    seen = [json.loads(server.get("/-/status").body)["memory"] for _ in range(8)]
    return all(m["work_bytes"] == 0 and m["waiting"] == 0 for m in seen)


def files(process: psutil.Process) -> int:
    return process.num_fds()


def drop(server: Running, key: str, *, reset: bool) -> None:
    """Ask, wait until the server is at it, and go away: politely, or with a reset."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as sock:
        sock.sendall(f"GET {key} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        time.sleep(0.02)
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_five_hundred_dropped_requests_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with crowded(tmp_path, monkeypatch, workers=2, seconds=0.05) as server:
        for x in range(4):  # everything is imported and opened by then
            at_once(server, 8, f"/images/slow/a.ome.zarr/0/c/3/{x}")
        server.eventually(lambda: idle(server))
        before = {p.pid: (files(p), p.memory_info().rss) for p in workers_of(server)}
        start = computed(tmp_path)
        keys = [f"/images/slow/a.ome.zarr/{i % 2}/c/{i % 3}/{i // 3 % 2}" for i in range(500)]
        with ThreadPoolExecutor(50) as pool:
            list(pool.map(lambda i: drop(server, keys[i], reset=bool(i % 2)), range(500)))
        server.eventually(lambda: idle(server))
        # chunks that somebody waited for when a thread came to them: each is computed once at most, not 500 times
        assert computed(tmp_path) - start <= 4 * 16
        settled = computed(tmp_path)
        spent = sum(sum(p.cpu_times()[:2]) for p in workers_of(server))
        time.sleep(0.5)
        assert computed(tmp_path) == settled
        assert sum(sum(p.cpu_times()[:2]) for p in workers_of(server)) - spent < 0.25

        def as_before() -> bool:
            return all(files(p) <= before[p.pid][0] + 4 for p in workers_of(server))

        server.eventually(as_before)
        for process in workers_of(server):
            _, rss = before[process.pid]
            # a worker that was not asked before starts its pools now; none starts a thread for each request
            assert process.num_threads() <= 12
            # the cache may have filled meanwhile, up to its part of the 256 MiB; requests hold nothing beyond it
            assert process.memory_info().rss - rss < 96 << 20
        assert server.get("/images/slow/a.ome.zarr/0/c/0/0").body == (PIXELS[:256, :256] + 1).tobytes()


CRASHING = """
import ctypes, os
import numpy as np
from s3facade.core.spec import Axis, Level, Spec
class Raster:
    def __init__(self, file):
        self.files = (file,)
        level = Level((1024, 1024), (1.0, 1.0), (0.0, 0.0), (256, 256))
        self.spec = Spec((Axis("y"), Axis("x")), np.dtype("u2"), (level,))
    def chunks(self, level):
        return None
    def read(self, level, region):
        if region.start[0] >= 512:
            ctypes.string_at(0)
        return np.full(region.shape, 7, np.uint16)
class Reader:
    name = "crashing"
    version = 1
    lane = "process"
    def sniff(self, head, name):
        return head.startswith(b"CRASH")
    def open(self, file, options):
        return [Raster(file)]
"""


def test_a_decoder_that_crashes_under_load_leaves_the_others_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "installed"
    about = installed / "crashing_reader-1.dist-info"
    about.mkdir(parents=True)
    (installed / "crashing_reader.py").write_text(CRASHING)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: crashing-reader\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[s3facade.readers]\ncrashing = crashing_reader:Reader\n")
    data = tmp_path / "data"
    data.mkdir()
    tifffile.imwrite(data / "a.tif", PIXELS, tile=(TILE, TILE), compression="zstd")
    for i in range(4):
        (data / f"bad{i}.crash").write_bytes(b"CRASH" + bytes([i]))
    (tmp_path / "config.yaml").write_text(
        "sources:\n  plain: {files: 'data/{name}.tif'}\n"
        "  bad: {files: 'data/{name}.crash', reader: crashing}\n"
        "buckets:\n  images:\n    views:\n"
        "      - {type: ome-zarr, from: plain, path: 'plain/{name}.ome.zarr', chunks: 256, shards: false}\n"
        "      - {type: ome-zarr, from: bad, path: 'bad/{name}.ome.zarr', chunks: 256, shards: false}\n"
        "limits: {workers: 2, memory: 256 MiB}\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(installed), os.environ.get("PYTHONPATH", "")])))
    with serving(data, tmp_path / "log", str(tmp_path / "config.yaml")) as server:
        server.eventually(lambda: len(workers_of(server)) == 2)
        pids = {p.pid for p in workers_of(server)}
        done = threading.Event()
        wrong: list[object] = []

        def read(seed: int) -> int:
            count = 0
            rng = np.random.default_rng(seed)
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
            while not done.is_set():
                y, x = (int(n) for n in rng.integers(0, 8, 2))
                connection.request("GET", f"/images/plain/a.ome.zarr/0/c/{y}/{x}")
                answer = connection.getresponse()
                body = answer.read()
                if body != PIXELS[y * 256 : y * 256 + 256, x * 256 : x * 256 + 256].tobytes():
                    wrong.append((answer.status, y, x))
                count += 1
            connection.close()
            return count

        with ThreadPoolExecutor(8) as pool:
            readers = [pool.submit(read, seed) for seed in range(6)]
            try:
                for i in range(4):
                    assert server.get(f"/images/bad/bad{i}.ome.zarr/0/c/0/{i % 4}").status == 200
                    crash = server.get(f"/images/bad/bad{i}.ome.zarr/0/c/3/{i % 4}")
                    assert (crash.status, crash.code) == (500, "InternalError"), crash
            finally:
                done.set()
            assert sum(r.result() for r in readers) > 50
        assert wrong == []
        assert {p.pid for p in workers_of(server)} == pids
        server.eventually(lambda: idle(server))
