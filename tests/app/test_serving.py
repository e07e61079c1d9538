"""The whole server as a user runs it: a subprocess with workers, a folder of TIFFs, bad input by example."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tifffile

TILE = 256
PIXELS = np.random.default_rng(1).integers(0, 4000, (1024, 1024), dtype=np.uint16)


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        found = re.search(rb"<Code>(\w+)</Code>", self.body)
        return found[1].decode() if found else ""


@dataclass
class Running:
    root: Path
    port: int
    log: Path
    process: subprocess.Popen[str]

    def ask(self, method: str, target: str, headers: dict[str, str] | None = None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, target, headers=headers or {})
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def get(self, target: str, **headers: str) -> Answer:
        return self.ask("GET", target, {k.replace("_", "-"): v for k, v in headers.items()})

    def eventually(self, holds: Callable[[], bool], seconds: float = 20) -> None:
        until = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.1)


@contextmanager
def serving(root: Path, log: Path, *arguments: str) -> Iterator[Running]:
    command = [sys.executable, "-m", "s3facade", "serve", *arguments, "--port", "0"]
    with log.open("w") as stderr:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)
    assert process.stdout is not None
    try:
        first = process.stdout.readline()
        found = re.search(r"http://[^ :]+:(\d+)", first)
        assert found, first + log.read_text()
        yield Running(root, int(found[1]), log, process)
    finally:
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=40)
        (log.parent / "out").write_text(first + out)
        assert process.returncode == 0, log.read_text()


def folder(root: Path) -> Path:
    root.mkdir()
    for name in ("kept", "gone", "replaced", "corrupt"):
        tifffile.imwrite(root / f"{name}.tif", PIXELS, tile=(TILE, TILE), compression="zlib")
    with tifffile.TiffFile(root / "corrupt.tif") as file:
        offset, nbytes = file.pages[0].dataoffsets[5], file.pages[0].databytecounts[5]
    with (root / "corrupt.tif").open("r+b") as stream:
        stream.seek(offset)
        stream.write(os.urandom(nbytes))
    (root / "truncated.tif").write_bytes((root / "kept.tif").read_bytes()[:100_000])
    return root


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    base = tmp_path_factory.mktemp("serving")
    root = folder(base / "data")
    config = base / "config.yaml"
    config.write_text(
        "sources:\n  all: {files: 'data/{name}.tif'}\n"
        "buckets:\n  images:\n    views: [{type: ome-zarr, from: all, path: '{name}.ome.zarr'}]\n"
        "  files:\n    views: [{type: files, root: data, path: ''}]\n"
        "  secret:\n    access: private\n    views: [{type: files, root: data, path: ''}]\n"
        "access: [{key: AKIATEST, secret: verysecret, buckets: [secret]}]\n"
        "server: {rescan: 1 s}\nlimits: {workers: 2, memory: 256 MiB}\n"
    )
    with serving(root, base / "log", str(config)) as running:
        yield running


def test_a_key_outside_the_tree_is_absent(server: Running) -> None:
    for key in (
        "kept.ome.zarr",
        "kept.ome.zarr/",
        "kept.ome.zarr/0/c/00/0",
        "kept.ome.zarr/0/c/99/0",
        "none/zarr.json",
    ):
        answer = server.get(f"/images/{key}")
        assert (answer.status, answer.code) == (404, "NoSuchKey"), key
        assert "x-amz-request-id" in answer.headers
    # Where private buckets exist, which other names there are is not told to everybody.
    assert server.get("/none/x").code == "AccessDenied"


def test_sizes_and_tags_agree_in_list_head_get_and_every_worker(server: Running) -> None:
    body = server.get("/images?list-type=2&prefix=kept.ome.zarr/").body.decode()
    listed = re.findall(r"<Key>(.*?)</Key>.*?<ETag>(?:&quot;|\")(.*?)(?:&quot;|\")</ETag><Size>(\d+)", body)
    assert len(listed) > 4
    for key, tag, size in listed:
        for _ in range(3):  # a new connection each: any of the workers
            head, get = server.ask("HEAD", f"/images/{key}"), server.get(f"/images/{key}")
            assert head.headers["etag"] == get.headers["etag"] == f'"{tag}"'
            assert head.headers["content-length"] == size == str(len(get.body))
    assert all(re.fullmatch(r"\d+-", tag) for _, tag, _ in listed)


def test_ranges_are_clamped_ignored_or_refused_as_s3_does(server: Running) -> None:
    key = "/images/kept.ome.zarr/0/c/0/0"
    whole = server.get(key).body
    n = len(whole)
    for text, expected in {
        "bytes=5-9": whole[5:10],
        "bytes=-20": whole[-20:],
        f"bytes={n - 3}-{n * 9}": whole[-3:],
    }.items():
        answer = server.get(key, Range=text)
        assert (answer.status, answer.body) == (206, expected), text
    for text in ("bytes=9-5", "bytes=a-b", "lines=1-2", "bytes=0-1,4-5"):
        answer = server.get(key, Range=text)
        assert (answer.status, len(answer.body)) == (200, n), text
    answer = server.get(key, Range=f"bytes={n}-")
    assert (answer.status, answer.code, answer.headers["content-range"]) == (416, "InvalidRange", f"bytes */{n}")


def test_a_corrupt_tile_spoils_its_own_chunk_and_is_logged(server: Running) -> None:
    whole = server.get("/images/corrupt.ome.zarr/0/c/0/0")
    assert whole.status == 500 or len(whole.body) < int(whole.headers["content-length"])
    chunk = TILE * TILE * 2
    good = server.get("/images/corrupt.ome.zarr/0/c/0/0", Range=f"bytes=0-{chunk - 1}")
    assert good.status == 206
    np.testing.assert_array_equal(np.frombuffer(good.body, "<u2").reshape(TILE, TILE), PIXELS[:TILE, :TILE])
    bad = server.get("/images/corrupt.ome.zarr/0/c/0/0", Range=f"bytes={5 * chunk}-{6 * chunk - 1}")
    assert (bad.status, bad.code) == (500, "InternalError")
    log = server.log.read_text()
    assert bad.headers["x-amz-request-id"] in log
    assert "corrupt.tif" in log
    assert str(server.root).encode() not in bad.body, "paths are the operator's"
    assert server.get("/images/corrupt.ome.zarr/zarr.json").status == 200


def test_a_deleted_file_is_unavailable_then_absent(server: Running) -> None:
    key = "/images/gone.ome.zarr/0/c/0/0"
    assert server.get(key, Range="bytes=0-9").status == 206
    (server.root / "gone.tif").unlink()
    answer = server.get(key, Range="bytes=0-9")
    assert answer.status in {503, 404}
    if answer.status == 503:
        assert answer.code in {"ServiceUnavailable", "SlowDown"}
    server.eventually(lambda: all(server.get(key).status == 404 for _ in range(8)))


def test_a_replaced_file_gets_a_new_tag_and_fails_the_old_condition(server: Running) -> None:
    key = "/images/replaced.ome.zarr/0/c/0/0"
    before = server.get(key)
    assert server.get(key, If_Match=before.headers["etag"], Range="bytes=0-9").status == 206
    assert server.get(key, If_None_Match=before.headers["etag"]).status == 304
    other = server.root / "other.part"
    tifffile.imwrite(other, PIXELS + 1, tile=(TILE, TILE), compression="zlib")
    other.replace(server.root / "replaced.tif")
    for _ in range(4):
        refused = server.get(key, If_Match=before.headers["etag"])
        assert (refused.status, refused.code) == (412, "PreconditionFailed")
    after = server.get(key)
    assert after.headers["etag"] != before.headers["etag"]
    assert after.body[:2] != before.body[:2]


def test_a_truncated_file_is_named_at_start_and_in_the_status(server: Running) -> None:
    status = json.loads(server.get("/-/status").body)
    assert any(b["file"].endswith("truncated.tif") and b["reason"] for b in status["broken"])
    assert server.get("/images/truncated.ome.zarr/zarr.json").status == 500
    assert b"truncated" not in server.get("/images?list-type=2&delimiter=/").body
    assert server.get("/files/truncated.tif").status == 200, "as a file it is what it is"


def test_nothing_can_be_written(server: Running) -> None:
    for method in ("PUT", "POST", "DELETE"):
        answer = server.ask(method, "/images/kept.ome.zarr/zarr.json", {"Expect": "100-continue"})
        assert (answer.status, answer.code) == (403, "AccessDenied"), method
    assert server.get("/images/kept.ome.zarr/zarr.json").status == 200


def test_a_private_bucket_needs_a_signature(server: Running) -> None:
    for target in ("/secret/kept.tif", "/secret/none", "/secret?list-type=2", "/secret"):
        assert server.get(target).status == 403
    assert b"secret" not in server.get("/").body
    assert b"secret" not in server.get("/-/status").body
    assert "verysecret" not in server.log.read_text()


def test_a_whole_file_is_passed_as_it_is(server: Running) -> None:
    data = (server.root / "kept.tif").read_bytes()
    answer = server.get("/files/kept.tif")
    assert answer.body == data
    assert server.get("/files/kept.tif", Range="bytes=100-199").body == data[100:200]
    for key in ("../config.yaml", "%2e%2e/config.yaml", "..%2fconfig.yaml", "//etc/passwd", "kept.tif/"):
        assert server.get(f"/files/{key}").status == 404, key


def test_dropped_requests_leave_no_work_behind(server: Running) -> None:
    def drop(i: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.request("GET", f"/images/kept.ome.zarr/{i % 2}/c/0/0")
        connection.sock.close()
        connection.close()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(drop, range(200)))

    def idle() -> bool:
        return all(json.loads(server.get("/-/status").body)["memory"]["work_bytes"] == 0 for _ in range(8))

    server.eventually(idle)
    assert server.get("/images/kept.ome.zarr/0/c/0/0").status == 200


def test_a_worker_that_dies_is_replaced(server: Running) -> None:
    pid = json.loads(server.get("/-/status").body)["worker"]
    os.kill(pid, signal.SIGKILL)
    server.eventually(lambda: _alive(server, pid))


def _alive(server: Running, gone: int) -> bool:
    try:
        pids = {json.loads(server.get("/-/status").body)["worker"] for _ in range(20)}
    except (OSError, http.client.HTTPException):
        return False
    return len(pids) == 2 and gone not in pids


def test_a_port_that_is_taken_is_one_clear_sentence(server: Running) -> None:
    command = [sys.executable, "-m", "s3facade", "serve", str(server.root), "--port", str(server.port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert str(server.port) in done.stderr
    assert "Traceback" not in done.stderr


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    root = folder(tmp_path / "data")
    command = [sys.executable, "-m", "s3facade", "serve", str(root), "--port", "0", "--workers", "2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    found = re.search(r"http://[^ :]+:(\d+)", process.stdout.readline())
    assert found
    running = Running(root, int(found[1]), tmp_path / "none", process)
    assert running.get("/-/healthz").status == 200
    process.kill()
    process.wait()
    process.stdout.close()
    until = time.monotonic() + 20
    while True:
        try:
            running.get("/-/healthz")
        except ConnectionRefusedError:
            break
        except (OSError, http.client.HTTPException):
            pass
        assert time.monotonic() < until, "orphans hold the port"
        time.sleep(0.1)
