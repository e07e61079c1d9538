"""Files of a web server: exact ranges of one version, whatever the network does."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from fault_server import FaultServer, fault_server

from s3facade.core.errors import (
    BadSource,
    SourceChanged,
    SourceDenied,
    SourceNotFound,
    SourceUnavailable,
    Unsupported,
)
from s3facade.stores import files
from s3facade.stores.spool import Spool
from s3facade.stores.transport import Address

DATA = os.urandom(3_000_000)
SECRET = "do-not-tell-anybody"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FaultServer]:
    with fault_server({"data/a.bin": DATA, "data/deep/b c%.bin": b"below", "secret": b"not below"}) as running:
        register(running, tmp_path)
        yield running
        files.register({})


def register(server: FaultServer, root: Path, limit: int = 10_000_000, **options: object) -> None:
    address = replace(Address(server.url + "data/", timeout=4.0), **options)  # type: ignore[arg-type]
    files.register({"web": address}, memory=8 << 20, spool=Spool(str(root / "spool"), limit))


def test_reads_are_exact_and_near_ones_share_a_request(server: FaultServer) -> None:
    file = files.file(files.describe("web:/a.bin"))
    assert file.source.size == len(DATA)
    assert file.pread(300_000, 10) == DATA[300_000:300_010]
    assert file.pread(300_010, 100) == DATA[300_010:300_110]
    assert server.count("GET") == 1, "the second read is in the block of the first"
    with pytest.raises(BadSource, match="truncated"):
        file.pread(len(DATA) - 1, 2)
    server.forget()
    parts = files.read_many([(file, 1_000_000, 10), (file, 1_020_000, 10), (file, 2_000_000, 5)])
    assert parts == [DATA[1_000_000:1_000_010], DATA[1_020_000:1_020_010], DATA[2_000_000:2_000_005]]
    assert server.count() == 2, "the first two are near each other"


def test_what_several_threads_want_at_the_same_time_is_fetched_once(server: FaultServer) -> None:
    file = files.file(files.describe("web:/a.bin"))
    wanted = [(file, at, 5000) for at in (0, 5000, 1_000_000, 1_005_000, 2_000_000)]
    expected = [DATA[at : at + n] for _, at, n in wanted]
    server.latency = 0.3
    server.forget()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: files.read_many(wanted), range(8))) == [expected] * 8
    assert server.count() == 3
    server.down = 503
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(file.pread, 1_500_000, 1_200_000) for _ in range(2)]
        assert all(isinstance(future.exception(), SourceUnavailable) for future in both), "errors are shared"


def test_a_stream_reads_the_whole_in_few_requests(server: FaultServer) -> None:
    file = files.file(files.describe("web:/a.bin"))
    with file.stream() as stream:
        assert stream.read() == DATA
        stream.seek(-5, os.SEEK_END)
        assert stream.read(100) == DATA[-5:]
    assert server.count("GET") <= 6


@pytest.mark.parametrize("fault", [503, 500, 429, "reset", "cut", "hang"])
def test_what_passes_is_tried_again(server: FaultServer, fault: object) -> None:
    file = files.file(files.describe("web:/a.bin"))
    server.failing = [fault, fault]
    assert file.pread(2_000_000, 1000) == DATA[2_000_000:2_001_000]


def test_a_server_that_is_down_is_unavailable_within_the_time(server: FaultServer) -> None:
    file = files.file(files.describe("web:/a.bin"))
    server.down = 503
    begun = time.monotonic()
    with pytest.raises(SourceUnavailable) as caught:
        file.pread(0, 10)
    assert time.monotonic() - begun < 6
    assert type(caught.value) is SourceUnavailable
    with pytest.raises(SourceUnavailable):
        files.describe("web:/other.bin")


def test_a_store_that_hangs_is_not_waited_for_again_and_again(server: FaultServer, tmp_path: Path) -> None:
    register(server, tmp_path, timeout=1.5)
    file = files.file(files.describe("web:/a.bin"))
    server.down = 503
    with pytest.raises(SourceUnavailable):
        file.pread(0, 10)
    server.forget()
    begun = time.monotonic()
    with pytest.raises(SourceUnavailable):
        file.pread(0, 10)
    assert time.monotonic() - begun < 1
    assert server.count() == 1, "one try"
    server.down = 0
    assert file.pread(0, 10) == DATA[:10]
    server.failing = [503, 503]
    assert file.pread(2_000_000, 10) == DATA[2_000_000:2_000_010], "several tries again"


def test_a_store_that_hangs_is_asked_by_one_thread_at_a_time(server: FaultServer, tmp_path: Path) -> None:
    register(server, tmp_path, timeout=1.5)
    found = [files.file(files.describe("web:/a.bin")) for _ in range(8)]
    server.failing = ["hang"] * 100
    with pytest.raises(SourceUnavailable):
        found[0].pread(0, 10)
    server.forget()

    def failing(k: int) -> float:
        begun = time.monotonic()
        with pytest.raises(SourceUnavailable):
            found[k].pread(300_000 * k, 10)
        return time.monotonic() - begun

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(failing, range(8)))
    assert server.count() == 1, "one asks for all"
    assert failing(1) < 0.5, "and it is left alone for a while"
    server.failing = []
    until = time.monotonic() + 10
    while True:
        try:
            assert found[3].pread(2_000_000, 10) == DATA[2_000_000:2_000_010]
            break
        except SourceUnavailable:
            assert time.monotonic() < until
            time.sleep(0.1)


def test_credentials_can_be_renewed(server: FaultServer, tmp_path: Path) -> None:
    register(server, tmp_path, secret=SECRET)
    file = files.file(files.describe("web:/a.bin"))
    server.down = 401
    with pytest.raises(SourceUnavailable, match="does not accept the key") as caught:
        file.pread(0, 10)
    assert SECRET not in caught.value.explain()
    server.down = 0
    address = Address(server.url + "data/", timeout=4.0, secret="another")
    files.renew({"web": address, "new": address})
    server.forget()
    assert file.pread(0, 10) == DATA[:10]
    assert [headers["Authorization"] for headers in server.headers] == ["Bearer another"]
    files.renew({"web": replace(address, url=server.url, secret="for somebody else")})
    assert file.pread(2_000_000, 10) == DATA[2_000_000:2_000_010]
    assert server.headers[-1]["Authorization"] == "Bearer another", "another place is another store"


@pytest.mark.parametrize(("status", "error"), [(403, SourceDenied), (401, SourceUnavailable), (404, SourceUnavailable)])
def test_refusals_by_name(server: FaultServer, status: int, error: type[Exception]) -> None:
    server.down = status
    with pytest.raises(error):
        files.describe("web:/a.bin")
    assert server.count() == 1, "no second try"


@pytest.mark.parametrize("how", ["tag", "weak tag", "date"])
def test_another_version_is_never_mixed_in(server: FaultServer, how: str) -> None:
    server.tags, server.weak = how != "date", how == "weak tag"
    source = files.describe("web:/a.bin")
    file = files.file(source)
    assert file.pread(0, 10) == DATA[:10]
    assert files.unchanged(source)
    server.files["data/a.bin"] = b"x" * len(DATA)
    server.modified = "Thu, 02 Jan 2025 00:00:00 GMT"
    with pytest.raises(SourceChanged):
        file.pread(2_000_000, 10)
    assert not files.unchanged(source), "noticed without asking"
    now = files.describe("web:/a.bin")
    assert now.etag != source.etag
    assert files.file(now).pread(2_000_000, 10) == b"x" * 10


def test_a_change_is_noticed_in_the_background(server: FaultServer, tmp_path: Path) -> None:
    register(server, tmp_path, refresh=0.2)
    source = files.describe("web:/a.bin")
    server.forget()
    assert all(files.unchanged(source) for _ in range(100))
    assert server.count() == 0, "nobody asks for each request"
    server.files["data/a.bin"] = b"other"
    time.sleep(0.25)
    assert files.unchanged(source), "never waits"
    until = time.monotonic() + 5
    while files.unchanged(source):
        assert time.monotonic() < until
        time.sleep(0.02)
    assert server.count() == 1
    assert files.describe("web:/a.bin").size == 5


def test_a_server_without_ranges_is_refused_but_for_small_files(server: FaultServer) -> None:
    server.ranges = False
    file = files.file(files.describe("web:/a.bin"))
    assert file.pread(2_000_000, 10) == DATA[2_000_000:2_000_010]
    server.files["data/large.bin"] = bytes(5 << 20)
    file = files.file(files.describe("web:/large.bin"))
    with pytest.raises(Unsupported, match="ignores byte ranges"):
        file.pread(0, 10)


def test_a_server_without_head_is_asked_for_a_byte(server: FaultServer) -> None:
    server.heads = False
    assert files.describe("web:/a.bin").size == len(DATA)


def test_a_server_without_versions_is_refused(server: FaultServer) -> None:
    server.tags, server.modified = False, "never"
    with pytest.raises(Unsupported, match="ETag"):
        files.describe("web:/a.bin")


def test_redirects_lead_to_named_places_only(server: FaultServer, tmp_path: Path) -> None:
    server.redirect = "/moved/data/a.bin"
    assert files.describe("web:/a.bin").size == len(DATA), "the same server"
    with fault_server({"data/a.bin": DATA}) as other:
        for target in (other.url.replace("127.0.0.1", "localhost") + "data/a.bin", "file:///etc/passwd", "http://["):
            server.redirect = target
            register(server, tmp_path, secret=SECRET)
            with pytest.raises(SourceDenied):
                files.describe("web:/a.bin")
        assert other.count() == 0
        server.redirect = other.url.replace("127.0.0.1", "localhost") + "data/a.bin"
        register(server, tmp_path, redirects=("localhost",), secret=SECRET)
        assert files.describe("web:/a.bin").size == len(DATA)
        assert all("Authorization" not in headers for headers in other.headers), "the secret stays with its server"


def test_names_that_data_give_stay_in_their_folder(server: FaultServer) -> None:
    file = files.file(files.describe("web:/a.bin"))
    assert file.sibling("deep/b c%.bin").pread(0, 5) == b"below"
    for name in ("../secret", "/secret", "deep/../../secret", "a\0", server.url + "secret/../../secret"):
        with pytest.raises((SourceDenied, SourceNotFound)):
            file.sibling(name)
    assert not any(path == "/secret" for _, path, _ in server.asked)
    with pytest.raises(SourceNotFound, match=r"'none\.bin'"):
        file.sibling("none.bin")
    with pytest.raises(SourceNotFound, match="does not tell"):
        file.names()


def test_secrets_are_sent_and_never_told(server: FaultServer, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    register(server, tmp_path, secret=SECRET)
    files.describe("web:/a.bin")
    assert server.headers[-1]["Authorization"] == f"Bearer {SECRET}"
    server.down = 403
    with pytest.raises(SourceDenied) as caught:
        files.describe("web:/other.bin")
    assert SECRET not in repr(Address("x", secret=SECRET)) + caught.value.explain() + caplog.text
    assert "other.bin" not in str(caught.value), "the public part names no place"


def test_whole_files_for_libraries_that_take_paths(server: FaultServer, tmp_path: Path) -> None:
    source = files.describe("web:/a.bin")
    path = files.file(source).path()
    assert Path(path).read_bytes() == DATA
    assert Path(path).name == "a.bin"
    server.forget()
    assert files.on_disk(source).size == len(DATA)
    assert server.count() == 0, "fetched once"
    server.files["data/b.bin"] = bytes(8_000_000)
    other = files.file(files.describe("web:/b.bin")).path()
    assert Path(other).stat().st_size == 8_000_000
    assert not Path(path).exists(), "there is room for one of them"
    server.files["data/c.bin"] = bytes(11_000_000)
    with pytest.raises(Unsupported, match="larger"):
        files.file(files.describe("web:/c.bin")).path()


def test_a_child_begins_connections_of_its_own(server: FaultServer) -> None:
    source = files.describe("web:/a.bin")
    file = files.file(source)
    file.pread(0, 10)
    files.rest()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = 0 if file.pread(1_500_000, 10) == DATA[1_500_000:1_500_010] else 2
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
    assert file.pread(2_500_000, 10) == DATA[2_500_000:2_500_010]
