"""object_store and zarrs, the S3 and Zarr crates of Rust, behind one program."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from conformance.contract import ZarrContract, crop_of, cut, same
from conformance.sdk.contract import SdkContract
from conformance.sdk.program import CACHE, MissingError, SdkError, running
from conformance.signed import REFUSAL

PROGRAM = CACHE / "bin" / "object-store"
if not PROGRAM.exists():
    pytest.skip("the program is not built (conformance/install.sh; it needs Rust 1.91)", allow_module_level=True)

pytestmark = pytest.mark.sdk


def version_of(crate):
    """What the lock file of the program says."""
    with running([str(PROGRAM), "http://127.0.0.1:1"]) as program:
        return program.ask("version")[crate]


class TestObjectStore(SdkContract):
    CLIENT, VERSION = "object_store (Rust)", version_of("version")

    @staticmethod
    def command(url):
        return [str(PROGRAM), url]

    def test_buckets(self):
        pytest.skip("object_store does not list buckets")


def voxels(program, bucket, group, level, box):
    """A box of an array, or all of it, as zarrs reads it."""
    where = {} if box is None else {"start": box[0], "stop": box[1]}
    found = program.ask("pixels", bucket=bucket, key=group, path=str(level), **where)
    return np.frombuffer(base64.b64decode(found["data"]), found["dtype"]).reshape(found["shape"])


class TestZarrs(ZarrContract):
    CLIENT, VERSION = "zarrs (object_store)", version_of("zarrs")

    @pytest.fixture(scope="class")
    @classmethod
    def program(cls, facade):
        with running([str(PROGRAM), facade.url]) as program:
            yield program

    @pytest.fixture
    def read(self, program):
        return lambda group, level, box: voxels(program, "images", group, level, box)

    def test_missing_array(self, program):
        with pytest.raises(MissingError):
            voxels(program, "images", "absent.ome.zarr", 0, None)

    def test_list_with_delimiter(self, program, levels):
        found = program.ask("members", bucket="images", prefix="pyramid.ome.zarr/")
        assert "pyramid.ome.zarr/zarr.json" in found["keys"]
        names = [*range(len(levels["pyramid.ome.zarr"])), "OME"]
        assert found["prefixes"] == [f"pyramid.ome.zarr/{name}/" for name in names]

    def test_signed_pixels(self, private, samples, levels):
        with running([str(PROGRAM), private.facade.url], private.key, private.secret) as program:
            for name in ("pyramid.ome.zarr", "two.ome.zarr/0", "stack.ome.zarr"):
                for i, shape in enumerate(levels[name]):
                    box = crop_of(shape)
                    found = voxels(program, "vault-images", name, i, box)
                    same(found, cut(samples[name].level(i, shape), box), f"{name} level {i}")

    def test_wrong_secret(self, private):
        self._refused(private, "vault-images", private.key, private.secret[:-1] + "x")

    def test_denied_bucket(self, private):
        self._refused(private, "closed", private.key, private.secret)

    def test_anonymous_is_refused(self, private):
        self._refused(private, "vault-images", "", "")

    def _refused(self, private, bucket, key, secret):
        command = [str(PROGRAM), private.facade.url]
        with running(command, key, secret) as program, pytest.raises(SdkError, match=REFUSAL) as caught:
            voxels(program, bucket, "two.ome.zarr/0", 0, None)
        assert not isinstance(caught.value, MissingError)
