"""Debian's rclone with its S3 back end, provider Other; what the newest shares is here, too."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from conformance.contract import S3Contract, lacks, same
from conformance.shards import group_arrays
from conformance.signed import SignedContract

PROGRAM = shutil.which("rclone")
if PROGRAM is None:
    pytest.skip("the command rclone is not installed (conformance/install.sh)", allow_module_level=True)


def VERSION() -> str:  # noqa: N802 - read by the recorder, like the constant of the other clients
    """What ``rclone version`` says."""
    done = subprocess.run([PROGRAM, "version"], capture_output=True, text=True, check=True)
    return done.stdout.split()[1].removeprefix("v")


class MissingError(Exception):
    """The command found nothing."""


class Rclone:
    """The verbs of the contracts; one process each."""

    missing = (MissingError,)
    refused = (RuntimeError,)

    def __init__(self, program: str, url: str, key: str = "", secret: str = "") -> None:
        self.program = program
        self.remote = f":s3,provider=Other,env_auth=false,endpoint='{url}',region=us-east-1"
        if key:
            self.remote += f",access_key_id={key},secret_access_key='{secret}'"

    def run(self, *args: str) -> bytes:
        """Standard output of ``rclone ARGS``."""
        command = [self.program, "--retries", "1", "--low-level-retries", "1", *args]
        done = subprocess.run(command, capture_output=True, check=False, timeout=300)
        if done.returncode:
            text = done.stderr.decode(errors="replace")
            raise (MissingError if "not found" in text or done.returncode in (3, 4) else RuntimeError)(text)
        return done.stdout + (done.stderr if "-v" in args else b"")

    def path(self, bucket: str, key: str = "") -> str:
        """A remote path."""
        return f"{self.remote}:{bucket}/{key}"

    def keys(self, bucket, prefix):
        out = self.run("lsf", "-R", "--files-only", "--format", "sp", self.path(bucket, prefix)).decode()
        pairs = (line.partition(";")[::2] for line in out.splitlines())
        return sorted(((prefix + path, int(size)) for size, path in pairs), key=lambda kv: kv[0].encode())

    def folder(self, bucket, prefix):
        names = [prefix + n for n in self.run("lsf", self.path(bucket, prefix)).decode().splitlines()]
        names.sort(key=str.encode)
        return [n for n in names if not n.endswith("/")], [n for n in names if n.endswith("/")]

    def head(self, bucket, key):
        found = json.loads(self.run("lsjson", "--stat", self.path(bucket, key)))
        if found is None or found["IsDir"]:
            raise MissingError(key)
        return found["Size"], found["ModTime"]

    def get(self, bucket, key, start=None, stop=None):
        options: list[str] = []
        if start is not None:
            options = ["--offset", str(start)]
            if stop is not None:
                options += ["--count", str(stop - start)]
        self.head(bucket, key)  # rclone cat of nothing prints nothing
        return self.run("cat", *options, self.path(bucket, key))

    def presign(self, bucket, key):
        return self.run("link", "--expire", "1m", self.path(bucket, key)).decode().strip()


class RcloneContract(S3Contract, SignedContract):
    """Every verb is a process, so that levels are read from a copy; each class says which ``program``."""

    program: str

    test_not_modified = test_precondition_failed = lacks("rclone sends no conditional requests")

    @pytest.fixture(scope="class")
    @classmethod
    def adapter(cls, facade):
        return Rclone(cls.program, facade.url)

    @pytest.fixture(scope="class")
    @classmethod
    def sign(cls, private):
        return lambda key, secret: Rclone(cls.program, private.facade.url, key, secret)

    @pytest.fixture(scope="class")
    @classmethod
    def copied(cls, adapter, tmp_path_factory):
        target = tmp_path_factory.mktemp("copied")
        options = ("--include", "/pyramid*/**", "--include", "/stack*/**", "--include", "/two*/**")
        adapter.run("copy", *options, adapter.path("images"), str(target))
        return target, options

    def test_sync_again_does_nothing(self, sign, private, tmp_path):
        client = sign(private.key, private.secret)
        source = client.path("vault-images", "two.ome.zarr")
        client.run("sync", source, str(tmp_path))
        out = client.run("sync", "-v", "--stats-one-line", source, str(tmp_path)).decode()
        assert "There was nothing to transfer" in out, out
        client.run("check", source, str(tmp_path))
        client.run("check", "--download", source, str(tmp_path))

    def test_copy_again_transfers_nothing(self, adapter, copied):
        target, options = copied
        out = adapter.run("copy", "-v", "--stats-one-line", *options, adapter.path("images"), str(target)).decode()
        assert "There was nothing to transfer" in out, out

    def test_check(self, adapter, copied, folder):
        target, options = copied
        adapter.run("check", "--one-way", *options, adapter.path("images"), str(target))
        adapter.run("check", adapter.path("files"), str(folder))

    def test_check_by_download(self, adapter, folder):
        adapter.run("check", "--download", adapter.path("files"), str(folder))

    def test_listed_sizes_are_true(self, adapter, copied):
        listed = adapter.keys("images", "two.ome.zarr/")
        assert listed
        for key, size in listed:
            assert (copied[0] / key).stat().st_size == size, key

    def test_pixels_of_every_level(self, copied, samples):
        for name in ("pyramid.ome.zarr", "stack.ome.zarr", "two.ome.zarr/0", "two.ome.zarr/1"):
            for i, array in enumerate(group_arrays(_local(copied[0]), name)):
                same(array.read(), samples[name].level(i, array.shape), f"{name} level {i}")

    def test_size_and_tree(self, adapter, tree):
        found = json.loads(adapter.run("size", "--json", adapter.path("files")))
        assert (found["count"], found["bytes"]) == (len(tree), sum(tree.values()))


class TestRclone(RcloneContract):
    CLIENT, VERSION, program = "rclone", VERSION, PROGRAM


def _local(root: Path):
    def fetch(key: str, start: int | None, stop: int | None) -> bytes:
        data = (root / key).read_bytes()
        return data if start is None else data[start:stop]

    return fetch
