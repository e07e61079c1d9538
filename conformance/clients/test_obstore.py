"""obstore: the Rust crate object_store for Python."""

from __future__ import annotations

import datetime as dt

import obstore
import pytest
from obstore.exceptions import NotModifiedError, PreconditionError
from obstore.store import S3Store

from conformance.contract import S3Contract
from conformance.signed import SignedContract

CLIENT, VERSION = "obstore", obstore.__version__


class Obstore:
    """The verbs of the contract; one store a bucket."""

    missing = (FileNotFoundError,)
    refused = (obstore.exceptions.BaseError, PermissionError)

    def __init__(
        self, url: str, key: str = "", secret: str = "", buckets: tuple[str, ...] = ("files", "images")
    ) -> None:
        account = {"access_key_id": key, "secret_access_key": secret} if key else {"skip_signature": True}
        self.stores = {
            name: S3Store(
                name,
                endpoint=url,
                region="us-east-1",
                **account,
                virtual_hosted_style_request=False,
                client_options={"allow_http": True},
                retry_config={"max_retries": 0},
            )
            for name in buckets
        }

    def keys(self, bucket, prefix):
        pages = obstore.list(self.stores[bucket], prefix=prefix or None)
        return [(o["path"], o["size"]) for page in pages for o in page]

    def folder(self, bucket, prefix):
        found = obstore.list_with_delimiter(self.stores[bucket], prefix=prefix or None)
        return [o["path"] for o in found["objects"]], [f"{p}/" for p in found["common_prefixes"]]

    def head(self, bucket, key):
        found = obstore.head(self.stores[bucket], key)
        return found["size"], found["e_tag"]

    def get(self, bucket, key, start=None, stop=None):
        options = {}
        if start is not None:
            options = {"range": {"suffix": -start} if start < 0 else (start, stop)}
        return bytes(obstore.get(self.stores[bucket], key, options=options).bytes())

    def presign(self, bucket, key):
        return obstore.sign(self.stores[bucket], "GET", key, dt.timedelta(minutes=1))

    def if_none_match(self, bucket, key, etag):
        try:
            obstore.get(self.stores[bucket], key, options={"if_none_match": etag})
        except NotModifiedError:
            return "304"
        return "200"

    def if_match(self, bucket, key, etag):
        try:
            obstore.get(self.stores[bucket], key, options={"if_match": etag})
        except PreconditionError:
            return "412"
        return "200"


@pytest.fixture(scope="module")
def adapter(facade):
    return Obstore(facade.url)


@pytest.fixture(scope="module")
def sign(private):
    buckets = ("vault", "vault-images", "closed")
    return lambda key, secret: Obstore(private.facade.url, key, secret, buckets)


class TestObstore(S3Contract, SignedContract):
    def test_list_from_an_offset(self, adapter, tree):
        keys = sorted(tree, key=str.encode)
        pages = obstore.list(adapter.stores["files"], offset=keys[700])
        assert [o["path"] for page in pages for o in page] == keys[701:]

    def test_coalesced_ranges(self, adapter, folder):
        data = (folder / "slide.svs").read_bytes()
        starts = [0, 100, 5000, 5100, 90_000]
        found = obstore.get_ranges(adapter.stores["files"], "slide.svs", starts=starts, lengths=[64] * 5)
        assert [bytes(f) for f in found] == [data[s : s + 64] for s in starts]
