"""Objects of S3 storage, from a real server over a socket."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fault_server import fault_server
from s3_server import KEY, SECRET, client, s3_server

from s3facade.core.errors import SourceChanged, SourceDenied, SourceNotFound, SourceUnavailable
from s3facade.stores import files
from s3facade.stores.transport import Address

DATA = random.Random(1).randbytes(1_500_000)
NAMES = [f"many/f{i:04}.bin" for i in range(130)]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    objects = {"run/a.bin": DATA, "run/deep/b ü%.bin": b"below", "run/deep/": b"", "run//odd": b"", "outside": b"x"}
    with s3_server(objects | dict.fromkeys((f"run/{n}" for n in NAMES), b"1")) as running:
        yield running


@pytest.fixture
def address(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Address]:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    found = Address("s3://lab-raw/run/", url, "us-east-1", KEY, SECRET, timeout=5.0)
    files.register({"lab": found})
    yield found
    files.register({})


def test_reads_are_exact(address: Address) -> None:
    file = files.file(files.describe("lab:/a.bin"))
    assert file.pread(700_000, 1000) == DATA[700_000:701_000]
    assert file.pread(0, len(DATA)) == DATA
    parts = files.read_many([(file, n, 100) for n in range(0, 1_400_000, 100_000)])
    assert parts == [DATA[n : n + 100] for n in range(0, 1_400_000, 100_000)]
    below = file.sibling("deep/b ü%.bin")
    assert below.pread(0, 5) == b"below"
    with pytest.raises(SourceDenied):
        file.sibling("../outside")
    with pytest.raises(SourceNotFound):
        file.sibling("nothing")


def test_folders_are_listed_whole_and_without_odd_names(address: Address) -> None:
    file = files.file(files.describe("lab:/a.bin"))
    assert file.names() == ["a.bin", "deep/", "many/"]
    assert file.names("deep") == ["b ü%.bin"]
    assert file.names("many") == [n.removeprefix("many/") for n in NAMES], "of two pages"
    with pytest.raises(SourceNotFound):
        file.names("none")
    folder = file.folder("deep").source
    assert files.unchanged(folder)
    assert files.still(folder)


def test_a_listed_file_needs_no_request_to_be_described(address: Address) -> None:
    store = files.store("lab:/")
    listing = store.folder("many/")
    assert len(listing.files) == 130
    files.rest()
    files.register({"lab": replace(address, endpoint="http://127.0.0.1:9", timeout=1.0)})
    files.store("lab:/")._known, files.store("lab:/")._salt = store._known, store._salt
    assert all(files.describe(f"lab:/{name}").size == 1 for name in NAMES)


def test_a_replaced_object_is_never_mixed_in(address: Address, url: str) -> None:
    s3 = client(url)
    s3.put_object(Bucket="lab-raw", Key="run/r.bin", Body=b"a" * 2_000_000)
    source = files.describe("lab:/r.bin")
    file = files.file(source)
    assert file.pread(0, 10) == b"a" * 10
    s3.put_object(Bucket="lab-raw", Key="run/r.bin", Body=b"b" * 2_000_000)
    with pytest.raises(SourceChanged):
        file.pread(1_900_000, 10)
    assert not files.unchanged(source)
    assert files.file(files.describe("lab:/r.bin")).pread(1_900_000, 10) == b"b" * 10
    s3.delete_object(Bucket="lab-raw", Key="run/r.bin")
    with pytest.raises(SourceUnavailable):
        files.file(source).pread(1_200_000, 700_000)
    s3.close()


def test_nobody_is_let_in_without_what_it_takes(address: Address, tmp_path: Path) -> None:
    files.register({"lab": replace(address, url="s3://no-such-bucket/")})
    with pytest.raises(SourceUnavailable):
        files.describe("lab:/a.bin")
    with pytest.raises(SourceNotFound):
        files.store("lab:/").folder("")
    files.register({"lab": replace(address, endpoint="http://127.0.0.1:9", timeout=1.0)})
    with pytest.raises(SourceUnavailable) as caught:
        files.describe("lab:/a.bin")
    assert SECRET not in caught.value.explain() + repr(address)


def test_without_a_key_the_environment_has_one(
    address: Address, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    bare = replace(address, key=None, secret=None)
    files.register({"lab": bare})
    with pytest.raises(SourceDenied):
        files.describe("lab:/a.bin")
    s3 = client(url)
    s3.put_object_acl(Bucket="lab-raw", Key="run/a.bin", ACL="public-read")
    s3.close()
    files.register({"lab": replace(bare, anonymous=True)})
    assert files.describe("lab:/a.bin").size == len(DATA)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    files.register({"lab": bare})
    assert files.describe("lab:/a.bin").size == len(DATA)


def test_redirects_are_not_followed(address: Address) -> None:
    with fault_server() as front, fault_server({"lab-raw/run/a.bin": DATA}) as other:
        front.redirect = other.url + "lab-raw/run/a.bin"
        files.register({"lab": replace(address, endpoint=front.url.rstrip("/"))})
        with pytest.raises(SourceDenied, match="another place"):
            files.describe("lab:/a.bin")
        with pytest.raises(SourceDenied):
            files.store("lab:/").folder("")
        assert other.count() == 0
        assert front.count() == 3, "refused, a try that would say why, and the folder"


@pytest.mark.parametrize(
    "body", [b"", b"<html>no S3</html>", b"<ListBucketResult><Contents/></ListBucketResult>", b"<a"]
)
def test_answers_that_make_no_sense(address: Address, body: bytes) -> None:
    with fault_server({"lab-raw": body, "lab-raw/run/a.bin": body}) as front:
        front.tags, front.modified = False, "whenever"
        files.register({"lab": replace(address, endpoint=front.url.rstrip("/"), timeout=2.0)})
        with pytest.raises(SourceUnavailable):
            files.describe("lab:/a.bin")
        if b"Contents" in body or body == b"<a":
            with pytest.raises(SourceUnavailable):
                files.store("lab:/").folder("")


def test_a_child_begins_connections_of_its_own(address: Address) -> None:
    file = files.file(files.describe("lab:/a.bin"))
    files.rest()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = 0 if file.pread(1_000_000, 10) == DATA[1_000_000:1_000_010] else 2
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0


@pytest.mark.parametrize("tags", ["weak", "none"])
def test_tags_that_are_weak_or_missing(address: Address, tags: str) -> None:
    with fault_server({"lab-raw/run/a.bin": DATA}) as front:
        front.weak, front.tags = tags == "weak", tags != "none"
        files.register({"lab": replace(address, endpoint=front.url.rstrip("/"))})
        file = files.file(files.describe("lab:/a.bin"))
        assert file.pread(5, 10) == DATA[5:15]
        assert "If-Match" not in front.headers[-1]
        front.files["lab-raw/run/a.bin"] = DATA[::-1]
        front.modified = "Thu, 02 Jan 2025 00:00:00 GMT"
        files.store("lab:/").blocks.empty()
        with pytest.raises(SourceChanged):
            file.pread(5, 10)
