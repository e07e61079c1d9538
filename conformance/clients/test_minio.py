"""MinIO's client for Python."""

from __future__ import annotations

import datetime as dt
import importlib.metadata

import pytest
import urllib3

minio = pytest.importorskip("minio")
from conformance.contract import S3Contract  # noqa: E402 - after the check that there is a client
from conformance.signed import SignedContract  # noqa: E402

CLIENT, VERSION = "minio (Python)", importlib.metadata.version("minio")


class MissingError(Exception):
    """The client said NoSuchKey."""


class Minio:
    """The verbs of the contracts."""

    missing = (MissingError,)
    refused = (minio.error.S3Error,)

    def __init__(self, facade, key="", secret="") -> None:
        pool = urllib3.PoolManager(retries=False)
        host = facade.url.removeprefix("http://")
        self.client = minio.Minio(
            host, access_key=key or None, secret_key=secret or None, secure=False, region="us-east-1", http_client=pool
        )

    def keys(self, bucket, prefix):
        return [(o.object_name, o.size) for o in self.client.list_objects(bucket, prefix, recursive=True)]

    def folder(self, bucket, prefix):
        found = list(self.client.list_objects(bucket, prefix))
        return [o.object_name for o in found if not o.is_dir], [o.object_name for o in found if o.is_dir]

    def head(self, bucket, key):
        try:
            found = self.client.stat_object(bucket, key)
        except minio.error.S3Error as error:
            raise _own(error) from error
        return found.size, f'"{found.etag}"'

    def _get(self, bucket, key, **options) -> bytes:
        answer = self.client.get_object(bucket, key, **options)
        try:
            return answer.read()
        finally:
            answer.close()
            answer.release_conn()

    def get(self, bucket, key, start=None, stop=None):
        options = {}
        if start is not None:
            options = {"request_headers": {"Range": f"bytes={start}"}} if start < 0 else {"offset": start}
            if stop is not None:
                options["length"] = stop - start
        try:
            return self._get(bucket, key, **options)
        except minio.error.S3Error as error:
            raise _own(error) from error

    def _status(self, bucket, key, **headers) -> str:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            self._get(bucket, key, request_headers=named)
        except minio.error.MinioException as error:
            for code, marks in {"304": ("304",), "412": ("412", "PreconditionFailed")}.items():
                if any(mark in str(error) for mark in marks):
                    return code
            return str(error)
        return "200"

    def if_none_match(self, bucket, key, etag):
        return self._status(bucket, key, If_None_Match=etag)

    def if_match(self, bucket, key, etag):
        return self._status(bucket, key, If_Match=etag)

    def presign(self, bucket, key):
        return self.client.presigned_get_object(bucket, key, expires=dt.timedelta(minutes=1))


def _own(error):
    return MissingError(str(error)) if error.code in {"NoSuchKey", "NoSuchObject"} else error


@pytest.fixture(scope="module")
def adapter(facade):
    return Minio(facade)


@pytest.fixture(scope="module")
def sign(private):
    return lambda key, secret: Minio(private.facade, key, secret)


class TestMinio(S3Contract, SignedContract):
    def test_buckets(self, adapter):
        assert [b.name for b in adapter.client.list_buckets()] == ["files", "images"]
        assert adapter.client.bucket_exists("files")
        assert not adapter.client.bucket_exists("absent")

    def test_download_file(self, adapter, folder, tmp_path):
        adapter.client.fget_object("files", "slide.svs", str(tmp_path / "slide.svs"))
        assert (tmp_path / "slide.svs").read_bytes() == (folder / "slide.svs").read_bytes()

    def test_list_v1(self, adapter, tree):
        found = adapter.client.list_objects("files", recursive=True, use_api_v1=True)
        assert [o.object_name for o in found] == sorted(tree, key=str.encode)

    def test_list_versions(self, adapter, tree):
        found = list(adapter.client.list_objects("files", "many/", recursive=True, include_version=True))
        assert [o.object_name for o in found] == sorted((k for k in tree if k.startswith("many/")), key=str.encode)
