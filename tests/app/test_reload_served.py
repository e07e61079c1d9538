"""Other configurations while clients ask: over real sockets, in several workers, whole or not at all."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import tifffile

from tests.app.test_serving import Running, serving

IMAGES = 12
KEY = re.compile(rb"<Key>([^<]+)</Key>")
NEXT = re.compile(rb"<NextContinuationToken>([^<]+)</NextContinuationToken>")


def config(name: str, extra: str = "") -> str:
    return (
        "sources: {all: {files: 'images/*.tif'}}\n"
        f"buckets: {{lab: {{access: public, views: [{{type: ome-zarr, from: all, path: '{name}/{{stem}}.zarr'}}]}}}}\n"
        f"limits: {{workers: 2, memory: 128 MB}}\nserver: {{rescan: 1 s}}\n{extra}"
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    root = tmp_path_factory.mktemp("reload")
    (root / "images").mkdir()
    for n in range(IMAGES):
        tifffile.imwrite(root / f"images/{n:02}.tif", np.full((32, 32), n, np.uint16))
    (root / "c.yaml").write_text(config("a"))
    with serving(root, root / "log", str(root / "c.yaml")) as running:
        yield running


def write(server: Running, text: str) -> None:
    """As editors and `cp` do: the old file is gone at once, the new one there as a whole."""
    new = server.root / "c.yaml.new"
    new.write_text(text)
    new.replace(server.root / "c.yaml")


def status(server: Running) -> dict[str, str | None]:
    found: dict[str, str | None] = json.loads(server.get("/-/status").body)["configuration"]
    return found


def shows(server: Running, name: str) -> bool:
    """Whether every worker does: each connection may reach another one."""
    return all(server.get(f"/lab/{name}/00.zarr/zarr.json").status == 200 for _ in range(8))


class Client(threading.Thread):
    """Asks without a pause, over one connection as long as that lives; notes all that is not as it should be."""

    def __init__(self, port: int, names: tuple[str, str]) -> None:
        super().__init__(daemon=True)
        self.done = threading.Event()
        self.wrong: list[str] = []
        self.asked = 0
        self.seen: set[str] = set()
        self._port, self._names = port, names

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        while not self.done.is_set():
            try:
                self._listing(connection)
                self._object(connection)
            except (OSError, http.client.HTTPException) as error:
                self.wrong.append(repr(error))
                connection.close()
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection, target: str) -> tuple[int, bytes]:
        connection.request("GET", target)
        response = connection.getresponse()
        self.asked += 1
        return response.status, response.read()

    def _listing(self, connection: http.client.HTTPConnection) -> None:
        """All keys in one page: those of one configuration, all of them."""
        code, body = self._ask(connection, "/lab?list-type=2")
        keys = [key.decode() for key in KEY.findall(body)]
        names = {key.partition("/")[0] for key in keys}
        images = {key.split("/")[1] for key in keys}
        if code != 200 or len(names) != 1 or not names <= {*self._names} or len(images) != IMAGES:
            self.wrong.append(f"a listing: {code} {names} {len(images)} {body[:200]!r}")
        self.seen |= names

    def _object(self, connection: http.client.HTTPConnection) -> None:
        """Exactly what one of the two has: there, or absent; never an error of the server."""
        found = [self._ask(connection, f"/lab/{name}/03.zarr/zarr.json")[0] for name in self._names]
        if not {*found} <= {200, 404}:
            self.wrong.append(f"an object: {found}")


def test_no_request_fails_while_configurations_come_and_go(server: Running) -> None:
    clients = [Client(server.port, ("a", "b")) for _ in range(3)]
    for client in clients:
        client.start()
    name = "a"
    for turn in range(20):
        if turn % 4 == 3:
            write(server, config("c").replace("from: all", "from: nothing") if turn % 8 == 3 else "buckets: [")
            server.process.send_signal(signal.SIGHUP)
            server.eventually(lambda: bool(status(server)["error"]))
            assert shows(server, name), "what is wrong changes nothing"
            continue
        name = "b" if name == "a" else "a"
        write(server, config(name))
        if turn % 2:
            # Otherwise it is noticed without being told.
            server.process.send_signal(signal.SIGHUP)
        server.eventually(lambda: shows(server, name))  # noqa: B023
        assert status(server)["error"] is None
    for client in clients:
        client.done.set()
    for client in clients:
        client.join(30)
        assert not client.wrong, client.wrong[:5]
        assert client.seen == {"a", "b"}
        assert client.asked > 100
    assert "the configuration stays as it was" in server.log.read_text()


def test_the_pages_of_a_listing_are_those_of_one_configuration_up_to_a_key(server: Running) -> None:
    write(server, config("a"))
    server.eventually(lambda: shows(server, "a"))
    first = server.get("/lab?list-type=2&max-keys=20")
    token = NEXT.search(first.body)
    assert token
    write(server, config("b"))
    server.eventually(lambda: shows(server, "b"))
    # S3 promises no more: what lies behind the last key, as it is now.
    second = server.get(f"/lab?list-type=2&max-keys=1000&continuation-token={token[1].decode()}")
    assert second.status == 200
    assert {key.partition(b"/")[0] for key in KEY.findall(second.body)} == {b"b"}


def test_what_is_wrong_is_told_without_folders_of_this_machine(server: Running) -> None:
    write(server, config("a").replace("ome-zarr", "ome-zar"))
    server.eventually(lambda: "ome-zar" in (status(server)["error"] or ""))
    assert str(server.root) not in (status(server)["error"] or "")
    assert str(server.root / "c.yaml") in server.log.read_text(), "the log names the file"
    write(server, config("a"))
    server.eventually(lambda: status(server)["error"] is None and shows(server, "a"))


def test_what_needs_a_restart_is_named(server: Running) -> None:
    text = config("a").replace("128 MB", "256 MB").replace("rescan: 1 s", "rescan: 1 s, port: 1234")
    write(server, text)
    server.process.send_signal(signal.SIGHUP)
    server.eventually(lambda: "limits.memory, server.port" in server.log.read_text())
    assert shows(server, "a")


def test_a_running_answer_ends_with_what_it_began_with(server: Running) -> None:
    write(server, config("a"))
    server.eventually(lambda: shows(server, "a"))
    whole = server.get("/lab/a/05.zarr/0/c/0/0").body
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", "/lab/a/05.zarr/0/c/0/0")
    response = connection.getresponse()
    write(server, config("b"))
    server.eventually(lambda: shows(server, "b"))
    assert response.read() == whole
    connection.close()


def test_workers_that_are_started_later_begin_with_the_newest(server: Running) -> None:
    write(server, config("b"))
    server.eventually(lambda: shows(server, "b"))
    workers = {json.loads(server.get("/-/status").body)["worker"] for _ in range(20)}
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    server.eventually(lambda: not workers & {json.loads(server.get("/-/status").body)["worker"]})
    time.sleep(0.2)
    assert shows(server, "b")


def test_a_new_file_and_one_that_goes_away(server: Running) -> None:
    write(server, config("a"))
    server.eventually(lambda: shows(server, "a"))
    before = dict(re.findall(rb"<Key>([^<]+)</Key>.*?<ETag>([^<]+)</ETag>", server.get("/lab?list-type=2").body))
    tifffile.imwrite(server.root / "images/new.tif", np.zeros((32, 32), np.uint16))
    server.eventually(lambda: shows_image(server, "new"), seconds=5)
    after = dict(re.findall(rb"<Key>([^<]+)</Key>.*?<ETag>([^<]+)</ETag>", server.get("/lab?list-type=2").body))
    assert {key: after[key] for key in before} == before, "no other object has another ETag"
    assert {key.split(b"/")[1] for key in after.keys() - before.keys()} == {b"new.zarr"}
    (server.root / "images/new.tif").unlink()
    server.eventually(lambda: b"new.zarr" not in server.get("/lab?list-type=2").body, seconds=5)


def shows_image(server: Running, name: str) -> bool:
    return all(server.get(f"/lab/a/{name}.zarr/zarr.json").status == 200 for _ in range(8))
