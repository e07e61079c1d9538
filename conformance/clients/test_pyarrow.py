"""Apache Arrow's file system for S3 (the AWS SDK for C++)."""

from __future__ import annotations

import pytest

pyarrow = pytest.importorskip("pyarrow")
from pyarrow import fs  # noqa: E402 - after the check that there is a client

from conformance.contract import S3Contract  # noqa: E402
from conformance.signed import SignedContract  # noqa: E402

CLIENT, VERSION = "pyarrow (AWS SDK for C++)", pyarrow.__version__


class Arrow:
    """The verbs of the contracts."""

    missing = (FileNotFoundError,)
    refused = (OSError,)

    def __init__(self, facade, key="", secret="") -> None:
        who = {"access_key": key, "secret_key": secret} if key else {"anonymous": True}
        self.system = fs.S3FileSystem(
            scheme="http", endpoint_override=facade.url.removeprefix("http://"), region="us-east-1", **who
        )

    def _found(self, bucket, prefix, *, recursive):
        folder = f"{bucket}/{prefix}".rstrip("/")
        skip = len(bucket) + 1
        infos = self.system.get_file_info(fs.FileSelector(folder, recursive=recursive))
        return [(i.path[skip:], i) for i in infos]

    def keys(self, bucket, prefix):
        found = self._found(bucket, prefix, recursive=True)
        return sorted(((k, i.size) for k, i in found if i.is_file), key=lambda kv: kv[0].encode())

    def folder(self, bucket, prefix):
        found = self._found(bucket, prefix, recursive=False)
        keys = [k for k, i in found if i.is_file]
        prefixes = [f"{k}/" for k, i in found if not i.is_file]
        return sorted(keys, key=str.encode), sorted(prefixes, key=str.encode)

    def head(self, bucket, key):
        info = self.system.get_file_info(f"{bucket}/{key}")
        if not info.is_file:
            raise FileNotFoundError(key)
        return info.size, str(info.mtime_ns)  # Arrow shows no ETag, but a time

    def get(self, bucket, key, start=None, stop=None):
        with self.system.open_input_file(f"{bucket}/{key}") as file:
            if start is None:
                return file.read()
            size = file.size()
            first = size + start if start < 0 else start
            return file.read_at(min(stop or size, size) - first, first)

    def if_none_match(self, bucket, key, etag):
        pytest.skip("Arrow sends no conditional requests")

    if_match = if_none_match


@pytest.fixture(scope="module")
def adapter(facade):
    return Arrow(facade)


@pytest.fixture(scope="module")
def sign(private):
    return lambda key, secret: Arrow(private.facade, key, secret)


class TestPyarrow(S3Contract, SignedContract):
    def test_presigned_get(self):
        pytest.skip("Arrow makes no presigned URLs")

    def test_streaming_read(self, adapter, folder_bytes):
        for key, data in folder_bytes.items():
            with adapter.system.open_input_stream(f"files/{key}", buffer_size=1 << 16) as stream:
                assert stream.read() == data, key

    def test_buckets(self, adapter):
        found = adapter.system.get_file_info(fs.FileSelector(""))
        assert sorted(i.path for i in found) == ["files", "images"]
