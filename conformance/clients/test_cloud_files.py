"""cloud-files, the storage of cloud-volume, signed over S3 and anonymous over HTTP."""

from __future__ import annotations

import importlib.metadata
import types

import pytest

cloudfiles = pytest.importorskip("cloudfiles")

from botocore.exceptions import ClientError  # noqa: E402 - after the check that there is a client
from cloudfiles.interfaces import reset_connection_pools  # noqa: E402

from conformance.contract import lacks  # noqa: E402
from conformance.signed import REFUSAL, object_url, plain  # noqa: E402

CLIENT, VERSION = "cloud-files", importlib.metadata.version("cloud-files")


@pytest.fixture(scope="module")
def opened(private):
    """A folder of a bucket by cloud-files' own way to name another server."""

    def opening(path, key=private.key, secret=private.secret):
        secrets = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
        return cloudfiles.CloudFiles(f"s3://{private.facade.url}/{path}", secrets=secrets, green=False, num_threads=4)

    return opening


class TestCloudFiles:
    def test_list_recursive(self, opened, tree):
        assert sorted(opened("vault").list()) == sorted(tree)

    def test_list_thousands(self, opened):
        assert len(list(opened("vault-images/timelapse.ome.zarr").list())) > 1000

    def test_list_with_delimiter(self, opened, tree):
        assert sorted(opened("vault").list(flat=True)) == sorted({k[: k.find("/") + 1] or k for k in tree})

    def test_head(self, opened, tree):
        files = opened("vault")
        assert files.size("slide.svs") == tree["slide.svs"]
        assert files.head("slide.svs")["Content-Length"] == tree["slide.svs"]
        assert files.exists("slide.svs")

    def test_get(self, opened, folder_bytes):
        files = opened("vault")
        for key, data in folder_bytes.items():
            assert files.get(key, raw=True) == data, key

    def test_ranged_get(self, opened, folder_bytes):
        files = opened("vault")
        for key, data in folder_bytes.items():
            assert files[key, 10:300] == data[10:300], key

    def test_missing_key(self, opened):
        files = opened("vault")
        assert files.get("absent.tif") is None
        assert not files.exists("absent.tif")

    def test_http(self, facade, folder_bytes):
        files = cloudfiles.CloudFiles(f"{facade.url}/files", green=False, num_threads=4)
        for key, data in folder_bytes.items():
            if key.isascii():
                assert files.get(key, raw=True) == data, key

    def test_copy_of_an_image(self, opened, facade, tmp_path):
        source = opened("vault-images/two.ome.zarr")
        keys = sorted(source.list())
        assert len(keys) > 5
        source.transfer_to(f"file://{tmp_path}", paths=keys)
        for key in keys:
            assert (tmp_path / key).read_bytes() == plain(object_url(facade, "images", f"two.ome.zarr/{key}")), key

    test_not_modified = test_precondition_failed = lacks("cloud-files sends no conditional requests")
    test_presigned_get = lacks("cloud-files makes no presigned URLs")

    def test_wrong_secret(self, opened, private, impatient):
        self._refused(opened("vault", secret=private.secret[:-1] + "x"))

    def test_denied_bucket(self, opened, impatient):
        self._refused(opened("closed"))

    @pytest.fixture
    def impatient(self, monkeypatch):
        """It repeats what was refused for half a minute, and shares connections whatever their secret."""
        monkeypatch.setattr("tenacity.nap.time", types.SimpleNamespace(sleep=lambda _: None))
        reset_connection_pools()
        yield
        reset_connection_pools()

    def _refused(self, files):
        with pytest.raises(ClientError, match=REFUSAL):
            files.get("many/7.txt")
        with pytest.raises(ClientError, match=REFUSAL):
            list(files.list())

    def test_link(self, private, opened):
        files = cloudfiles.CloudFiles(private.link("vault-images", "two.ome.zarr"), green=False, num_threads=4)
        assert files.get("zarr.json", raw=True) == opened("vault-images/two.ome.zarr").get("zarr.json", raw=True)

    def test_anonymous_over_s3(self):
        pytest.skip("cloud-files 6.4 takes no_sign_request but does not hand it to boto3, which then finds no key")
