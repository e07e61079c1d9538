"""zarr-python over each of its remote stores."""

from __future__ import annotations

import fsspec
import pytest
import zarr
from obstore.store import S3Store
from zarr.errors import NodeNotFoundError
from zarr.storage import FsspecStore, ObjectStore

from conformance.contract import ZarrContract

VERSION = zarr.__version__


def _slices(box):
    return ... if box is None else tuple(slice(a, b) for a, b in zip(*box, strict=True))


def _via_s3fs(url, group):
    options = {"anon": True, "endpoint_url": url, "client_kwargs": {"region_name": "us-east-1"}, "asynchronous": True}
    return FsspecStore.from_url(f"s3://images/{group}", storage_options=options, read_only=True)


def _via_http(url, group):
    fs = fsspec.filesystem("http", asynchronous=True)
    return FsspecStore(fs, path=f"{url}/images/{_quoted(group)}", read_only=True)


def _quoted(group):
    from urllib.parse import quote

    return quote(group)


def _via_obstore(url, group):
    store = S3Store(
        "images",
        prefix=group,
        endpoint=url,
        region="us-east-1",
        skip_signature=True,
        client_options={"allow_http": True},
    )
    return ObjectStore(store, read_only=True)


class _Contract(ZarrContract):
    def test_open_group(self, store_of):
        group = zarr.open_group(store_of("pyramid.ome.zarr"), mode="r")
        paths = [d["path"] for d in group.attrs["ome"]["multiscales"][0]["datasets"]]
        assert group[paths[0]].shape == (2, 2500, 3000)
        assert group[paths[0]].metadata.dimension_names == ("c", "y", "x")

    def test_consolidated_metadata_is_complete(self, store_of):
        for name in ("pyramid.ome.zarr", "two.ome.zarr"):
            consolidated = zarr.open_consolidated(store_of(name), mode="r")
            plain = zarr.open_group(store_of(name), mode="r", use_consolidated=False)
            members = dict(consolidated.members(max_depth=None))
            assert members
            for path, member in members.items():
                # a group's own document carries no consolidated metadata below the root
                assert plain[path].attrs.asdict() == member.attrs.asdict(), path
                if isinstance(member, zarr.Array):
                    assert plain[path].metadata == member.metadata, path

    def test_missing_group(self, store_of):
        with pytest.raises((FileNotFoundError, NodeNotFoundError)):
            zarr.open_group(store_of("absent.ome.zarr"), mode="r")


def _fixtures(opener):
    @pytest.fixture
    def store_of(self, facade):
        return lambda group: opener(facade.url, group)

    @pytest.fixture
    def read(self, store_of):
        def reading(group, level, box):
            root = zarr.open_group(store_of(group), mode="r")
            path = root.attrs["ome"]["multiscales"][0]["datasets"][level]["path"]
            return root[path][_slices(box)]

        return reading

    return store_of, read


class TestS3fsStore(_Contract):
    CLIENT = "zarr-python (s3fs)"
    store_of, read = _fixtures(_via_s3fs)


class TestHttpStore(_Contract):
    CLIENT = "zarr-python (http)"
    store_of, read = _fixtures(_via_http)


class TestObjectStore(_Contract):
    CLIENT = "zarr-python (obstore)"
    store_of, read = _fixtures(_via_obstore)

    def test_members_by_listing(self, store_of):
        group = zarr.open_group(store_of("pyramid.ome.zarr"), mode="r", use_consolidated=False)
        paths = {d["path"] for d in group.attrs["ome"]["multiscales"][0]["datasets"]}
        assert paths <= {name for name, _ in group.members()}
