"""s3cmd, which signs always: everything is read from the private server."""

from __future__ import annotations

import hashlib
import shutil
import subprocess

import pytest

from conformance.contract import lacks
from conformance.signed import SignedContract, object_url, plain

PROGRAM = shutil.which("s3cmd")
if PROGRAM is None:
    pytest.skip("the command s3cmd is not installed (conformance/install.sh)", allow_module_level=True)

CLIENT = "s3cmd"


def VERSION() -> str:  # noqa: N802 - read by the recorder, like the constant of the other clients
    """What ``s3cmd --version`` says."""
    return subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]


class MissingError(Exception):
    """The command reported 404."""


class S3cmd:
    """The verbs of the contract; one process each."""

    missing = (MissingError,)
    refused = (RuntimeError,)

    def __init__(self, url, scratch, key, secret) -> None:
        host = url.removeprefix("http://")
        config = scratch / "s3cfg"
        config.write_text(
            f"[default]\naccess_key = {key}\nsecret_key = {secret}\nhost_base = {host}\nhost_bucket = {host}\n"
            "use_https = False\nbucket_location = us-east-1\nmax_retries = 1\nprogress_meter = False\n",
            encoding="utf-8",
        )
        self.scratch = scratch
        self.config = ["--config", str(config)]

    def run(self, *args):
        """Standard output of ``s3cmd ARGS``."""
        done = subprocess.run([PROGRAM, *self.config, *args], capture_output=True, text=True, check=False, timeout=300)
        if done.returncode:
            absent = any(m in done.stderr for m in ("404", "NoSuchKey", "Source object"))
            raise (MissingError if absent else RuntimeError)(done.stderr)
        return done.stdout

    def keys(self, bucket, prefix):
        lines = self.run("ls", "--recursive", f"s3://{bucket}/{prefix}").splitlines()
        parts = (line.split(maxsplit=3) for line in lines)
        return [(name.removeprefix(f"s3://{bucket}/"), int(size)) for _, _, size, name in parts]

    def head(self, bucket, key):
        lines = self.run("info", f"s3://{bucket}/{key}").splitlines()
        found = {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
        return int(found["File size"]), found["MD5 sum"]

    def get(self, bucket, key):
        target = self.scratch / "object"
        self.run("get", "--force", f"s3://{bucket}/{key}", str(target))
        return target.read_bytes()

    def presign(self, bucket, key):
        return self.run("signurl", f"s3://{bucket}/{key}", "+60").strip()


@pytest.fixture(scope="module")
def sign(private, tmp_path_factory):
    return lambda key, secret: S3cmd(private.facade.url, tmp_path_factory.mktemp("s3cmd"), key, secret)


@pytest.fixture(scope="module")
def client(sign, private):
    return sign(private.key, private.secret)


@pytest.fixture(scope="module")
def copied(client, tmp_path_factory):
    target = tmp_path_factory.mktemp("copied")
    for group in ("two.ome.zarr", "flat.ome.zarr"):
        client.run("sync", f"s3://vault-images/{group}", str(target))
    return target


class TestS3cmd(SignedContract):
    test_anonymous_is_refused = lacks("s3cmd signs always")
    test_not_modified = test_precondition_failed = lacks("s3cmd sends no conditional requests")

    def test_head(self, client, tree):
        for key in ("slide.svs", "deep/größe/a b+c.tif"):
            size, md5 = client.head("vault", key)
            assert size == tree[key]
            assert md5

    def test_ranged_get(self, client, folder_bytes, tmp_path):
        """What it asks for to go on with a broken download."""
        for i, (key, data) in enumerate(folder_bytes.items()):
            target = tmp_path / str(i)
            target.write_bytes(data[:200])
            client.run("get", "--continue", f"s3://vault/{key}", str(target))
            assert target.read_bytes() == data, key

    def test_list_with_delimiter(self, client, tree):
        lines = client.run("ls", "s3://vault/").splitlines()
        dirs = [line.split(maxsplit=1)[1] for line in lines if line.lstrip().startswith("DIR ")]
        assert dirs == ["s3://vault/deep/", "s3://vault/many/"]
        assert len(lines) == 2 + sum("/" not in k for k in tree)

    def test_list_thousands(self, client):
        assert len(client.keys("vault-images", "timelapse.ome.zarr/")) > 1000

    def test_buckets(self, client):
        assert [line.split()[-1] for line in client.run("ls").splitlines()] == ["s3://vault", "s3://vault-images"]

    def test_copy_of_an_image(self, copied, client, facade):
        listed = [pair for group in ("two.ome.zarr/", "flat.ome.zarr/") for pair in client.keys("vault-images", group)]
        assert len(listed) > 10
        for key, size in listed:
            data = (copied / key).read_bytes()
            assert len(data) == size, key
            expected = plain(object_url(facade, "images", key))
            assert hashlib.sha256(data).digest() == hashlib.sha256(expected).digest(), key

    def test_sync_again_does_nothing(self, client, copied):
        for group in ("two.ome.zarr", "flat.ome.zarr"):
            out = client.run("sync", f"s3://vault-images/{group}", str(copied))
            assert "download:" not in out, out

    def test_bucket_info(self, client):
        assert "Location:" in client.run("info", "s3://vault")

    def test_disk_usage(self, client, tree):
        assert client.run("du", "s3://vault").split()[:2] == [str(sum(tree.values())), str(len(tree))]

    def test_writes_are_refused(self, client, tmp_path):
        (tmp_path / "new").write_bytes(b"x" * 100_000)
        with pytest.raises(RuntimeError, match=r"403|AccessDenied"):
            client.run("put", str(tmp_path / "new"), "s3://vault/new")
        with pytest.raises(RuntimeError, match=r"403|AccessDenied"):
            client.run("del", "s3://vault/slide.svs")
