"""aiobotocore: boto's model on aiohttp, what s3fs stands on."""

from __future__ import annotations

import asyncio

import aiobotocore
import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore import UNSIGNED
from botocore.exceptions import ClientError

from conformance.contract import S3Contract
from conformance.signed import SignedContract

CLIENT, VERSION = "aiobotocore", aiobotocore.__version__


class Aiobotocore:
    """The verbs of the contract, each run to its end on one event loop."""

    missing = (ClientError,)
    refused = (ClientError,)

    def __init__(self, client, run) -> None:
        self.client, self.run = client, run

    async def _pages(self, **wanted):
        return [page async for page in self.client.get_paginator("list_objects_v2").paginate(**wanted)]

    def keys(self, bucket, prefix):
        pages = self.run(self._pages(Bucket=bucket, Prefix=prefix))
        return [(o["Key"], o["Size"]) for page in pages for o in page.get("Contents", ())]

    def folder(self, bucket, prefix):
        pages = self.run(self._pages(Bucket=bucket, Prefix=prefix, Delimiter="/"))
        return (
            [o["Key"] for page in pages for o in page.get("Contents", ())],
            [p["Prefix"] for page in pages for p in page.get("CommonPrefixes", ())],
        )

    def head(self, bucket, key):
        found = self.run(self.client.head_object(Bucket=bucket, Key=key))
        return found["ContentLength"], found["ETag"]

    def get(self, bucket, key, start=None, stop=None):
        wanted = {}
        if start is not None:
            wanted["Range"] = f"bytes={start}" if start < 0 else f"bytes={start}-{'' if stop is None else stop - 1}"
        return self.run(self.body(Bucket=bucket, Key=key, **wanted))

    async def body(self, **wanted):
        found = await self.client.get_object(**wanted)
        async with found["Body"] as stream:
            return await stream.read()

    def presign(self, bucket, key):
        wanted = {"Bucket": bucket, "Key": key}
        return self.run(self.client.generate_presigned_url("get_object", wanted, ExpiresIn=60))

    def _status(self, **conditions) -> str:
        try:
            self.run(self.body(**conditions))
        except ClientError as error:
            return str(error.response["ResponseMetadata"]["HTTPStatusCode"])
        return "200"

    def if_none_match(self, bucket, key, etag):
        return self._status(Bucket=bucket, Key=key, IfNoneMatch=etag)

    def if_match(self, bucket, key, etag):
        return self._status(Bucket=bucket, Key=key, IfMatch=etag)


def context(url: str, key: str = "", secret: str = ""):
    """A client with few retries, to be entered; unsigned without a key."""
    signing = {} if key else {"signature_version": UNSIGNED}
    config = AioConfig(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, **signing)
    account = {"aws_access_key_id": key, "aws_secret_access_key": secret} if key else {}
    return get_session().create_client("s3", endpoint_url=url, region_name="us-east-1", config=config, **account)


@pytest.fixture(scope="module")
def adapter(facade):
    with asyncio.Runner() as runner:
        made = context(facade.url)
        yield Aiobotocore(runner.run(made.__aenter__()), runner.run)
        runner.run(made.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def sign(private):
    with asyncio.Runner() as runner:
        entered = []

        def made(key, secret):
            entered.append(context(private.facade.url, key, secret))
            return Aiobotocore(runner.run(entered[-1].__aenter__()), runner.run)

        yield made
        for one in entered:
            runner.run(one.__aexit__(None, None, None))


class TestAiobotocore(S3Contract, SignedContract):
    def test_many_at_once(self, adapter, folder):
        async def all_of_them():
            return await asyncio.gather(*(adapter.body(Bucket="files", Key=f"many/{i}.txt") for i in range(200)))

        assert adapter.run(all_of_them()) == [f"{i}\n".encode() for i in range(200)]
