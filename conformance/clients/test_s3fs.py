"""s3fs: buckets as file systems."""

from __future__ import annotations

import pytest
import s3fs

from conformance.contract import S3Contract
from conformance.signed import SignedContract

CLIENT, VERSION = "s3fs", s3fs.__version__


class S3fs:
    """The verbs of the contract."""

    missing = (FileNotFoundError,)
    refused = (PermissionError,)

    def __init__(self, fs: s3fs.S3FileSystem) -> None:
        self.fs = fs

    def keys(self, bucket, prefix):
        self.fs.invalidate_cache()
        found = self.fs.find(f"{bucket}/{prefix}", detail=True)
        return sorted(
            ((path.partition("/")[2], info["size"]) for path, info in found.items()), key=lambda kv: kv[0].encode()
        )

    def folder(self, bucket, prefix):
        self.fs.invalidate_cache()
        found = self.fs.ls(f"{bucket}/{prefix}".rstrip("/"), detail=True)
        names = {i["name"].partition("/")[2]: i["type"] for i in found}
        ordered = sorted(names, key=str.encode)
        keys = [n for n in ordered if names[n] == "file"]
        return keys, sorted((f"{n}/" for n in names if names[n] == "directory"), key=str.encode)

    def head(self, bucket, key):
        self.fs.invalidate_cache()
        info = self.fs.info(f"{bucket}/{key}")
        assert info["type"] == "file" or self._absent(key)
        return info["size"], info["ETag"]

    def _absent(self, key):
        raise FileNotFoundError(key)

    def get(self, bucket, key, start=None, stop=None):
        return self.fs.cat_file(f"{bucket}/{key}", start=start, end=stop)

    def presign(self, bucket, key):
        return self.fs.sign(f"{bucket}/{key}", expiration=60)

    def if_none_match(self, bucket, key, etag):
        try:
            self.fs.call_s3("get_object", Bucket=bucket, Key=key, IfNoneMatch=etag)
        except OSError as error:
            return "304" if "304" in str(error) or "Not Modified" in str(error) else str(error)
        return "200"

    def if_match(self, bucket, key, etag):
        try:
            self.fs.call_s3("get_object", Bucket=bucket, Key=key, IfMatch=etag)
        except OSError as error:
            text = str(error) + str(error.__cause__)
            return "412" if "PreconditionFailed" in text or "pre-conditions" in text.lower() else text
        return "200"


@pytest.fixture(scope="module")
def adapter(facade):
    fs = s3fs.S3FileSystem(
        anon=True, endpoint_url=facade.url, client_kwargs={"region_name": "us-east-1"}, skip_instance_cache=True
    )
    return S3fs(fs)


@pytest.fixture(scope="module")
def sign(private):
    def made(key, secret):
        account = {"key": key, "secret": secret} if key else {"anon": True}
        fs = s3fs.S3FileSystem(endpoint_url=private.facade.url, skip_instance_cache=True, **account)
        return S3fs(fs)

    return made


class TestS3fs(S3Contract, SignedContract):
    def test_exists(self, adapter):
        fs = adapter.fs
        fs.invalidate_cache()
        assert fs.exists("files/slide.svs")
        assert fs.isfile("files/slide.svs")
        assert fs.isdir("images/stack.ome.zarr")
        assert fs.isdir("images/stack.ome.zarr/0")
        assert not fs.exists("files/slide")
        assert not fs.exists("images/stack.ome.zarr/9")
        assert not fs.exists("no-such-bucket/key")

    def test_glob_and_walk(self, adapter):
        fs = adapter.fs
        assert sorted(fs.glob("files/*.tif")) == [
            f"files/{n}" for n in ("flat.tif", "pyramid.ome.tif", "stack.tif", "timelapse.tif", "two.ome.tif")
        ]
        assert ("files/deep", ["größe"], []) in list(fs.walk("files"))

    def test_open_and_seek(self, adapter, folder):
        data = (folder / "pyramid.ome.tif").read_bytes()
        with adapter.fs.open("files/pyramid.ome.tif", block_size=1 << 16) as file:
            file.seek(-1000, 2)
            assert file.read() == data[-1000:]
            file.seek(123_456)
            assert file.read(70_000) == data[123_456 : 123_456 + 70_000]

    def test_writes_are_refused(self, adapter):
        with pytest.raises(PermissionError):
            adapter.fs.pipe_file("files/new", b"x")
        with pytest.raises(PermissionError):
            adapter.fs.rm_file("files/slide.svs")
