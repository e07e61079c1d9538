"""tensorstore over its S3 and HTTP key-value stores."""

from __future__ import annotations

import importlib.metadata

import pytest
import tensorstore as ts

from conformance.contract import ZarrContract

VERSION = importlib.metadata.version("tensorstore")


def _s3(url, path):
    return {
        "driver": "s3",
        "bucket": "images",
        "path": path,
        "endpoint": url,
        "aws_region": "us-east-1",
        "aws_credentials": {"type": "anonymous"},
    }


def _http(url, path):
    return {"driver": "http", "base_url": f"{url}/images/", "path": path}


class _Contract(ZarrContract):
    def test_missing_array(self, kvstore):
        with pytest.raises(ValueError, match="NOT_FOUND"):
            ts.open({"driver": "zarr3", "kvstore": kvstore("absent.ome.zarr/0/")}, read=True).result()

    def test_get(self, kvstore, folder):
        found = ts.KvStore.open(kvstore("stack.ome.zarr/")).result().read("zarr.json").result()
        assert found.state == "value"
        assert b"multiscales" in found.value

    def test_missing_key(self, kvstore):
        assert ts.KvStore.open(kvstore("stack.ome.zarr/")).result().read("absent").result().state == "missing"

    def test_not_modified(self, kvstore):
        store = ts.KvStore.open(kvstore("stack.ome.zarr/")).result()
        stamp = store.read("zarr.json").result().stamp.generation
        assert store.read("zarr.json", if_not_equal=stamp).result().state == "unspecified"

    def test_ranged_get(self, kvstore):
        store = ts.KvStore.open(kvstore("stack.ome.zarr/")).result()
        whole = store.read("0/c/0/0/0").result().value
        part = store.read("0/c/0/0/0", byte_range=slice(11, 99)).result().value
        assert part == whole[11:99]


def _reader(make):
    @pytest.fixture
    def kvstore(self, facade):
        return lambda path: make(facade.url, path)

    @pytest.fixture
    def read(self, kvstore):
        def reading(group, level, box):
            # no open() of the group: tensorstore reads arrays, and ours are named by level
            array = ts.open(
                {"driver": "zarr3", "kvstore": kvstore(f"{group}/{level}/")},
                read=True,
                context=ts.Context({"cache_pool": {"total_bytes_limit": 1 << 26}}),
            ).result()
            if box is not None:
                array = array[tuple(slice(a, b) for a, b in zip(*box, strict=True))]
            return array.read().result()

        return reading

    return kvstore, read


class TestS3(_Contract):
    CLIENT = "tensorstore (s3)"
    kvstore, read = _reader(_s3)

    def test_list_recursive(self, kvstore, facade):
        store = ts.KvStore.open(kvstore("timelapse.ome.zarr/")).result()
        keys = store.list().result()
        assert len(keys) > 1100
        assert b"zarr.json" in keys


class TestHttp(_Contract):
    CLIENT = "tensorstore (http)"
    kvstore, read = _reader(_http)
