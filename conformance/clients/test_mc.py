"""mc, MinIO's command line, built from source."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from conformance.contract import S3Contract, lacks
from conformance.sdk.program import CACHE
from conformance.signed import SignedContract

PROGRAM = CACHE / "bin" / "mc"
if not PROGRAM.exists():
    pytest.skip("it is not built (conformance/install.sh; it needs Go)", allow_module_level=True)

pytestmark = pytest.mark.sdk
CLIENT = "mc"


def VERSION() -> str:  # noqa: N802 - read by the recorder, like the constant of the other clients
    """The version of the module; built from source, the program knows none."""
    return PROGRAM.resolve().name.partition("mc-")[2]


class MissingError(Exception):
    """The command found nothing."""


class Mc:
    """The verbs of the contracts; one process each."""

    missing = (MissingError,)
    refused = (RuntimeError,)

    def __init__(self, url, scratch, key="", secret="") -> None:
        who = f"{key}:{secret}@" if key else ""  # taken as it is, although it looks like a URL
        self.env = {**os.environ, "MC_HOST_it": url.replace("http://", f"http://{who}"), "MC_CONFIG_DIR": str(scratch)}

    def run(self, *args):
        """Standard output of ``mc ARGS``."""
        command = [str(PROGRAM), "--quiet", "--disable-pager", *args]
        done = subprocess.run(command, capture_output=True, check=False, timeout=300, env=self.env)
        if done.returncode:
            text = (done.stderr + done.stdout).decode(errors="replace")
            raise (MissingError if "does not exist" in text and "key Id" not in text else RuntimeError)(text)
        return done.stdout

    def listed(self, *args):
        return [json.loads(line) for line in self.run("--json", "ls", *args).splitlines()]

    def keys(self, bucket, prefix):
        found = self.listed("--recursive", f"it/{bucket}/{prefix}")
        return sorted(((prefix + o["key"], o["size"]) for o in found), key=lambda kv: kv[0].encode())

    def folder(self, bucket, prefix):
        names = [prefix + o["key"] for o in self.listed(f"it/{bucket}/{prefix}")]
        names.sort(key=str.encode)
        return [n for n in names if not n.endswith("/")], [n for n in names if n.endswith("/")]

    def head(self, bucket, key):
        found = json.loads(self.run("--json", "stat", f"it/{bucket}/{key}"))
        if found["type"] != "file":
            raise MissingError(key)
        return found["size"], f'"{found["etag"]}"'

    def get(self, bucket, key, start=None, stop=None):
        options = [] if start is None else ["--offset", str(start)]
        data = self.run("cat", *options, f"it/{bucket}/{key}")
        return data if stop is None else data[: stop - start]

    def presign(self, bucket, key):
        return json.loads(self.run("--json", "share", "download", "--expire", "1m", f"it/{bucket}/{key}"))["share"]


@pytest.fixture(scope="module")
def adapter(facade, tmp_path_factory):
    return Mc(facade.url, tmp_path_factory.mktemp("mc"))


@pytest.fixture(scope="module")
def sign(private, tmp_path_factory):
    return lambda key, secret: Mc(private.facade.url, tmp_path_factory.mktemp("mc"), key, secret)


class TestMc(S3Contract, SignedContract):
    """A process per call is slow: pixels are covered by the checksums of `copy of an image`."""

    test_pixels_of_every_level = test_pixels_of_a_crop = None
    test_not_modified = test_precondition_failed = lacks("mc sends no conditional requests")

    def test_ranged_get(self, adapter, folder_bytes):
        for key, data in folder_bytes.items():
            assert adapter.get("files", key, 10) == data[10:], key

    def test_sync_again_does_nothing(self, sign, private, tmp_path):
        client = sign(private.key, private.secret)
        first = client.run("--json", "mirror", "it/vault-images/two.ome.zarr", str(tmp_path))
        assert b"zarr.json" in first
        assert b"zarr.json" not in client.run("--json", "mirror", "it/vault-images/two.ome.zarr", str(tmp_path))
        assert client.run("diff", "it/vault-images/two.ome.zarr", str(tmp_path)) == b""

    def test_find_and_du(self, adapter, tree):
        found = adapter.run("find", "it/files", "--name", "*.svs").decode().split()
        assert found == ["it/files/slide.svs"]
        assert json.loads(adapter.run("--json", "du", "it/files"))["size"] == sum(tree.values())

    def test_buckets(self, adapter, sign, private):
        assert [o["key"] for o in adapter.listed("it")] == ["files/", "images/"]
        assert [o["key"] for o in sign(private.key, private.secret).listed("it")] == ["vault/", "vault-images/"]
