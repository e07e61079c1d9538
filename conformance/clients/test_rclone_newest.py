"""The newest rclone, built from source, anonymous and signed; Debian's is in `test_rclone`."""

from __future__ import annotations

import subprocess

import pytest

from conformance.clients.test_rclone import MissingError, Rclone
from conformance.contract import S3Contract
from conformance.sdk.program import CACHE
from conformance.signed import SignedContract

PROGRAM = CACHE / "bin" / "rclone"
if not PROGRAM.exists():
    pytest.skip("it is not built (conformance/install.sh; it needs Go)", allow_module_level=True)

pytestmark = pytest.mark.sdk
CLIENT = "rclone (newest)"


def VERSION() -> str:  # noqa: N802 - read by the recorder, like the constant of the other clients
    """What ``go install`` was asked for: the program calls itself the next version."""
    return PROGRAM.resolve().name.partition("-v")[2]


class Newest(Rclone):
    """The verbs of the contracts; one process each."""

    refused = (RuntimeError,)

    def __init__(self, url, key="", secret="") -> None:
        super().__init__(url)
        if key:
            self.remote += f",access_key_id={key},secret_access_key='{secret}'"

    def run(self, *args):
        """Standard output of ``rclone ARGS``."""
        command = [str(PROGRAM), "--retries", "1", "--low-level-retries", "1", *args]
        done = subprocess.run(command, capture_output=True, check=False, timeout=300)
        if done.returncode:
            text = done.stderr.decode(errors="replace")
            raise (MissingError if "not found" in text or done.returncode in (3, 4) else RuntimeError)(text)
        return done.stdout + (done.stderr if "-v" in args else b"")

    def presign(self, bucket, key):
        return self.run("link", "--expire", "1m", self.path(bucket, key)).decode().strip()


@pytest.fixture(scope="module")
def adapter(facade):
    return Newest(facade.url)


@pytest.fixture(scope="module")
def sign(private):
    return lambda key, secret: Newest(private.facade.url, key, secret)


class TestRcloneNewest(S3Contract, SignedContract):
    """A process per call is slow: pixels are covered by the checksums of `copy of an image`."""

    test_pixels_of_every_level = test_pixels_of_a_crop = test_listed_sizes_are_true = None

    def test_sync_again_does_nothing(self, sign, private, tmp_path):
        client = sign(private.key, private.secret)
        source = client.path("vault-images", "two.ome.zarr")
        client.run("sync", source, str(tmp_path))
        out = client.run("sync", "-v", "--stats-one-line", source, str(tmp_path)).decode()
        assert "There was nothing to transfer" in out, out
        client.run("check", source, str(tmp_path))
        client.run("check", "--download", source, str(tmp_path))
