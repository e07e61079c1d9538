"""boto3, the reference client: unsigned and signed, and its own transfer manager."""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from conformance.contract import S3Contract
from conformance.server import Facade
from conformance.signed import SignedContract

CLIENT, VERSION = "boto3", boto3.__version__


def client_for(facade: Facade, key: str = "", secret: str = ""):
    """A client with few retries, so that a 5xx shows; unsigned without a key."""
    signing = {} if key else {"signature_version": UNSIGNED}
    config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, **signing)
    account = {"aws_access_key_id": key, "aws_secret_access_key": secret} if key else {}
    return boto3.client("s3", endpoint_url=facade.url, region_name="us-east-1", config=config, **account)


class Boto3:
    """The verbs of the contract."""

    missing = (ClientError,)
    refused = (ClientError,)

    def __init__(self, client) -> None:
        self.client = client

    def keys(self, bucket, prefix):
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [(o["Key"], o["Size"]) for page in pages for o in page.get("Contents", ())]

    def folder(self, bucket, prefix):
        pages = list(
            self.client.get_paginator("list_objects_v2").paginate(
                Bucket=bucket, Prefix=prefix, Delimiter="/", PaginationConfig={"PageSize": 3}
            )
        )
        return (
            [o["Key"] for page in pages for o in page.get("Contents", ())],
            [p["Prefix"] for page in pages for p in page.get("CommonPrefixes", ())],
        )

    def head(self, bucket, key):
        found = self.client.head_object(Bucket=bucket, Key=key)
        return found["ContentLength"], found["ETag"]

    def get(self, bucket, key, start=None, stop=None):
        wanted = {}
        if start is not None:
            wanted["Range"] = f"bytes={start}" if start < 0 else f"bytes={start}-{'' if stop is None else stop - 1}"
        found = self.client.get_object(Bucket=bucket, Key=key, **wanted)
        assert found["ResponseMetadata"]["HTTPStatusCode"] == (206 if wanted else 200)
        return found["Body"].read()

    def presign(self, bucket, key):
        wanted = {"Bucket": bucket, "Key": key}
        return self.client.generate_presigned_url("get_object", wanted, ExpiresIn=60)

    def _status(self, **conditions) -> str:
        try:
            return str(self.client.get_object(**conditions)["ResponseMetadata"]["HTTPStatusCode"])
        except ClientError as error:
            return str(error.response["ResponseMetadata"]["HTTPStatusCode"])

    def if_none_match(self, bucket, key, etag):
        return self._status(Bucket=bucket, Key=key, IfNoneMatch=etag)

    def if_match(self, bucket, key, etag):
        return self._status(Bucket=bucket, Key=key, IfMatch=etag)


@pytest.fixture(scope="module")
def adapter(facade):
    client = client_for(facade)
    yield Boto3(client)
    client.close()


@pytest.fixture(scope="module")
def sign(private):
    return lambda key, secret: Boto3(client_for(private.facade, key, secret))


class TestBoto3(S3Contract, SignedContract):
    def test_error_codes(self, adapter):
        with pytest.raises(adapter.client.exceptions.NoSuchKey):
            adapter.get("files", "absent")
        with pytest.raises(ClientError, match="404"):
            adapter.head("files", "absent")
        with pytest.raises(adapter.client.exceptions.NoSuchBucket):
            adapter.keys("no-such-bucket", "")
        with pytest.raises(ClientError, match="InvalidRange"):
            adapter.get("files", "many/7.txt", 100, 200)

    def test_buckets(self, adapter):
        assert [b["Name"] for b in adapter.client.list_buckets()["Buckets"]] == ["files", "images"]
        for name in ("files", "images"):
            assert adapter.client.head_bucket(Bucket=name)["ResponseMetadata"]["HTTPStatusCode"] == 200
            assert adapter.client.get_bucket_location(Bucket=name)["LocationConstraint"] is None

    def test_writes_are_refused(self, adapter):
        for attempt in (
            lambda: adapter.client.put_object(Bucket="files", Key="new", Body=b"x" * 100_000),
            lambda: adapter.client.delete_object(Bucket="files", Key="slide.svs"),
            lambda: adapter.client.create_bucket(Bucket="another"),
            lambda: adapter.client.copy_object(Bucket="files", Key="new", CopySource="files/slide.svs"),
            lambda: adapter.client.create_multipart_upload(Bucket="files", Key="new"),
        ):
            with pytest.raises(ClientError, match="AccessDenied"):
                attempt()

    def test_list_v1(self, adapter, tree):
        pages = adapter.client.get_paginator("list_objects").paginate(
            Bucket="files", PaginationConfig={"PageSize": 100}
        )
        assert [o["Key"] for page in pages for o in page["Contents"]] == sorted(tree, key=str.encode)

    def test_start_after(self, adapter, tree):
        keys = sorted(tree, key=str.encode)
        found = adapter.client.list_objects_v2(Bucket="files", StartAfter=keys[500], MaxKeys=7)
        assert [o["Key"] for o in found["Contents"]] == keys[501:508]

    def test_listing_agrees_with_head(self, adapter):
        listed = adapter.client.list_objects_v2(Bucket="images", Prefix="stack.ome.zarr/")["Contents"]
        for entry in listed:
            head = adapter.client.head_object(Bucket="images", Key=entry["Key"])
            assert (head["ContentLength"], head["ETag"]) == (entry["Size"], entry["ETag"])
            assert head["LastModified"] == entry["LastModified"].replace(microsecond=0)

    def test_download_file(self, adapter, folder, tmp_path: Path):
        from boto3.s3.transfer import TransferConfig

        parts = TransferConfig(multipart_threshold=1 << 20, multipart_chunksize=1 << 20)
        for bucket, key in (("files", "pyramid.ome.tif"), ("images", "flat.ome.zarr/0/c/0/0")):
            adapter.client.download_file(bucket, key, str(tmp_path / "got"), Config=parts)
            expected = (folder / key).read_bytes() if bucket == "files" else adapter.get(bucket, key)
            assert (tmp_path / "got").read_bytes() == expected
