"""The AWS command line, as a user types it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.contract import S3Contract, crop_of, cut, same
from conformance.shards import group_arrays
from conformance.signed import SignedContract, object_url, plain

PROGRAM = shutil.which("aws", path=str(Path(sys.executable).parent)) or shutil.which("aws")
if PROGRAM is None:
    pytest.skip("the command aws is not installed (pip install awscli)", allow_module_level=True)

CLIENT = "aws cli"


def VERSION() -> str:  # noqa: N802 - read by the recorder, like the constant of the other clients
    """What ``aws --version`` says."""
    done = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True)
    return (done.stdout or done.stderr).split()[0].partition("/")[2]


class MissingError(Exception):
    """The command reported 404."""


class AwsCli:
    """The verbs of the contract; one process each."""

    missing = (MissingError,)
    refused = (RuntimeError,)

    def __init__(self, url: str, scratch: Path, key: str = "", secret: str = "") -> None:
        self.url, self.scratch = url, scratch
        self.account = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_DEFAULT_REGION": "us-east-1"}
        self.signs = bool(key)

    def run(self, *args: str) -> str:
        """Standard output of ``aws ARGS``."""
        unsigned = () if self.signs else ("--no-sign-request",)
        command = [PROGRAM, *unsigned, "--endpoint-url", self.url, *args]
        environment = os.environ | (self.account if self.signs else {})
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environment)
        if done.returncode:
            if "(404)" in done.stderr or "NoSuchKey" in done.stderr:
                raise MissingError(done.stderr)
            raise RuntimeError(done.stderr)
        return done.stdout

    def keys(self, bucket, prefix):
        lines = self.run("s3", "ls", "--recursive", f"s3://{bucket}/{prefix}").splitlines()
        return [(line[31:], int(line[20:30])) for line in lines]

    def folder(self, bucket, prefix):
        keys, prefixes = [], []
        for line in self.run("s3", "ls", f"s3://{bucket}/{prefix}").splitlines():
            if line.lstrip().startswith("PRE "):
                prefixes.append(prefix + line.lstrip()[4:])
            else:
                keys.append(prefix + line[31:])
        return keys, prefixes

    def head(self, bucket, key):
        found = json.loads(self.run("s3api", "head-object", "--bucket", bucket, "--key", key))
        return found["ContentLength"], found["ETag"]

    def get(self, bucket, key, start=None, stop=None):
        target = self.scratch / "object"
        if start is None:
            self.run("s3", "cp", "--only-show-errors", f"s3://{bucket}/{key}", str(target))
        else:
            wanted = f"bytes={start}" if start < 0 else f"bytes={start}-{'' if stop is None else stop - 1}"
            self.run("s3api", "get-object", "--bucket", bucket, "--key", key, "--range", wanted, str(target))
        return target.read_bytes()

    def presign(self, bucket, key):
        return self.run("s3", "presign", f"s3://{bucket}/{key}", "--expires-in", "60").strip()

    def _status(self, bucket, key, *condition) -> str:
        try:
            self.run("s3api", "get-object", "--bucket", bucket, "--key", key, *condition, str(self.scratch / "object"))
        except RuntimeError as error:
            known = {"304": ("(304)",), "412": ("(412)", "PreconditionFailed")}
            return next((code for code, marks in known.items() if any(m in str(error) for m in marks)), str(error))
        return "200"

    def if_none_match(self, bucket, key, etag):
        return self._status(bucket, key, "--if-none-match", etag)

    def if_match(self, bucket, key, etag):
        return self._status(bucket, key, "--if-match", etag)


@pytest.fixture(scope="module")
def adapter(facade, tmp_path_factory):
    return AwsCli(facade.url, tmp_path_factory.mktemp("aws"))


@pytest.fixture(scope="module")
def synced(adapter, tmp_path_factory):
    target = tmp_path_factory.mktemp("synced")
    options = ("--exclude", "*", "--include", "pyramid*", "--include", "stack*", "--include", "two*")
    first = adapter.run("s3", "sync", "--no-progress", "s3://images/", str(target), *options)
    assert "download: s3://images/stack.ome.zarr/zarr.json" in first
    return target, options


@pytest.fixture(scope="module")
def sign(private, tmp_path_factory):
    return lambda key, secret: AwsCli(private.facade.url, tmp_path_factory.mktemp("signed"), key, secret)


class TestAwsCli(S3Contract, SignedContract):
    """A process per call is slow: the pixel tests read what ``aws s3 sync`` brought."""

    def test_copy_of_an_image(self, sign, private, facade, tmp_path):
        """By sync: a process for each object would take minutes."""
        sign(private.key, private.secret).run("s3", "sync", "s3://vault-images/two.ome.zarr", str(tmp_path))
        copied = [p for p in tmp_path.rglob("*") if p.is_file()]
        assert len(copied) > 5
        for path in copied:
            key = f"two.ome.zarr/{path.relative_to(tmp_path).as_posix()}"
            assert path.read_bytes() == plain(object_url(facade, "images", key)), key

    def test_sync_again_does_nothing(self, adapter, synced):
        target, options = synced
        assert adapter.run("s3", "sync", "--no-progress", "s3://images/", str(target), *options) == ""

    def test_sync_files_again_does_nothing(self, adapter, folder, tmp_path):
        adapter.run("s3", "sync", "--quiet", "s3://files/", str(tmp_path))
        assert adapter.run("s3", "sync", "--no-progress", "s3://files/", str(tmp_path)) == ""
        for path in folder.rglob("*"):
            if path.is_file():
                assert (tmp_path / path.relative_to(folder)).read_bytes() == path.read_bytes()

    def test_pixels_of_every_level(self, synced, samples):
        for name in ("pyramid.ome.zarr", "stack.ome.zarr", "two.ome.zarr/0", "two.ome.zarr/1"):
            for i, array in enumerate(group_arrays(_local(synced[0]), name)):
                same(array.read(), samples[name].level(i, array.shape), f"{name} level {i}")

    def test_pixels_of_a_crop(self, adapter, samples):
        name = "deep/größe/a b+c.ome.zarr"
        array = group_arrays(lambda k, a, b: adapter.get("images", k, a, b), name)[0]
        box = crop_of(array.shape)
        same(array.read(*box), cut(samples[name].level(0, array.shape), box), name)

    def test_listed_sizes_are_true(self, adapter, synced):
        listed = adapter.keys("images", "two.ome.zarr/")
        assert listed
        for key, size in listed:
            assert (synced[0] / key).stat().st_size == size, key

    def test_buckets(self, adapter):
        assert [line.split()[-1] for line in adapter.run("s3", "ls").splitlines()] == ["files", "images"]


def _local(root: Path):
    def fetch(key: str, start: int | None, stop: int | None) -> bytes:
        data = (root / key).read_bytes()
        return data if start is None else data[start:stop]

    return fetch
