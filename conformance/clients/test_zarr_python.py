"""zarr-python over each of its remote stores."""

from __future__ import annotations

from urllib.parse import quote

import aiohttp
import fsspec
import obstore
import pytest
import zarr
from obstore.store import S3Store
from zarr.abc.store import OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync
from zarr.errors import NodeNotFoundError
from zarr.storage import FsspecStore, LocalStore, ObjectStore

from conformance.contract import ZarrContract, lacks, same
from conformance.signed import REFUSAL, object_url, plain

VERSION = zarr.__version__
REFUSED = (PermissionError, obstore.exceptions.BaseError, aiohttp.ClientResponseError)


def _slices(box):
    return ... if box is None else tuple(slice(a, b) for a, b in zip(*box, strict=True))


def _via_s3fs(url, group, bucket="images", key="", secret=""):
    account = {"key": key, "secret": secret} if key else {"anon": True}
    client = {"client_kwargs": {"region_name": "us-east-1"}, "asynchronous": True}
    options = {"endpoint_url": url, **account, **client}
    return FsspecStore.from_url(f"s3://{bucket}/{group}", storage_options=options, read_only=True)


def _via_http(url, group, bucket="images"):
    return _http_store(f"{url}/{bucket}/{quote(group)}")


def _http_store(url):
    return FsspecStore(fsspec.filesystem("http", asynchronous=True), path=url, read_only=True)


def _via_obstore(url, group, bucket="images", key="", secret=""):
    account = {"access_key_id": key, "secret_access_key": secret} if key else {"skip_signature": True}
    store = S3Store(
        bucket,
        prefix=group or None,
        endpoint=url,
        region="us-east-1",
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
        **account,
    )
    return ObjectStore(store, read_only=True)


async def _all(lister, prefix):
    return sorted([key async for key in lister(prefix)], key=str.encode)


def listed(store, prefix=""):
    """Every key below ``prefix``, as the store lists it."""
    return sync(_all(store.list_prefix, prefix))


def fetched(store, key, byte_range=None):
    """An object or a part of it; None where there is none."""
    found = sync(store.get(key, default_buffer_prototype(), byte_range))
    return None if found is None else found.to_bytes()


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


class _StoreContract:
    """What the two stores do that speak S3; ``opened`` is their opener, with access keys."""

    def test_list_recursive(self, facade, tree):
        assert listed(self.opened(facade.url, "", "files")) == sorted(tree, key=str.encode)

    def test_list_thousands(self, facade):
        expected = ["zarr.json", *(f"c/{i}/0/0" for i in range(1100))]
        assert listed(self.opened(facade.url, "timelapse.ome.zarr/0")) == sorted(expected)

    def test_list_with_delimiter(self, facade, tree):
        found = sync(_all(self.opened(facade.url, "", "files").list_dir, ""))
        assert found == sorted({key.partition("/")[0] for key in tree}, key=str.encode)

    def test_head(self, facade, tree):
        store = self.opened(facade.url, "", "files")
        assert sync(store.getsize("pyramid.ome.tif")) == tree["pyramid.ome.tif"]
        assert sync(store.exists("slide.svs"))
        assert not sync(store.exists("absent.tif"))

    def test_get(self, facade, folder_bytes):
        store = self.opened(facade.url, "", "files")
        for key, data in folder_bytes.items():
            assert fetched(store, key) == data, key

    def test_ranged_get(self, facade, folder_bytes):
        store = self.opened(facade.url, "", "files")
        for key, data in folder_bytes.items():
            assert fetched(store, key, RangeByteRequest(10, 300)) == data[10:300], key
            assert fetched(store, key, OffsetByteRequest(len(data) - 7)) == data[-7:], key
            assert fetched(store, key, SuffixByteRequest(100)) == data[-100:], key

    def test_missing_key(self, facade):
        assert fetched(self.opened(facade.url, "", "files"), "absent.tif") is None

    test_not_modified = test_precondition_failed = lacks("zarr-python sends no conditional requests")
    test_presigned_get = lacks("zarr-python reads hierarchies: a presigned URL is of one object")

    def test_signed_list(self, private, tree):
        store = self.opened(private.facade.url, "", "vault", private.key, private.secret)
        assert listed(store) == sorted(tree, key=str.encode)

    def test_signed_get(self, private, folder_bytes):
        store = self.opened(private.facade.url, "", "vault", private.key, private.secret)
        for key, data in folder_bytes.items():
            assert fetched(store, key) == data, key
        assert fetched(store, "absent.tif") is None

    def test_signed_pixels(self, private, samples, levels):
        for name in ("pyramid.ome.zarr", "two.ome.zarr/0"):
            store = self.opened(private.facade.url, name, "vault-images", private.key, private.secret)
            group = zarr.open_group(store, mode="r")
            for i, shape in enumerate(levels[name]):
                same(group[str(i)][...], samples[name].level(i, shape), f"{name} level {i}")

    def test_copy_of_an_image(self, private, facade, tmp_path):
        """Into a folder, which then is the same image for zarr-python."""
        source = self.opened(private.facade.url, "two.ome.zarr", "vault-images", private.key, private.secret)
        target = LocalStore(tmp_path)
        keys = listed(source)
        assert len(keys) > 5
        for key in keys:
            data = sync(source.get(key, default_buffer_prototype()))
            sync(target.set(key, data))
            assert (tmp_path / key).read_bytes() == plain(object_url(facade, "images", f"two.ome.zarr/{key}")), key
        copy, shown = (zarr.open_group(store, mode="r") for store in (target, source))
        assert dict(copy.members(max_depth=None)).keys() == dict(shown.members(max_depth=None)).keys()

    def test_wrong_secret(self, private):
        self._refused(private, "vault", private.key, private.secret[:-1] + "x")

    def test_unknown_access_key(self, private):
        self._refused(private, "vault", "AKIAUNKNOWNUNKNOWN00", private.secret)

    def test_denied_bucket(self, private):
        self._refused(private, "closed", private.key, private.secret)

    def test_anonymous_is_refused(self, private):
        self._refused(private, "vault", "", "")

    def _refused(self, private, bucket, key, secret):
        store = self.opened(private.facade.url, "", bucket, key, secret)
        with pytest.raises(REFUSED, match=REFUSAL):
            fetched(store, "many/7.txt")
        with pytest.raises(REFUSED, match=REFUSAL):
            listed(store, "many/")
        with pytest.raises(REFUSED, match=REFUSAL):
            zarr.open_group(store, mode="r")


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


class TestS3fsStore(_Contract, _StoreContract):
    CLIENT = "zarr-python (s3fs)"
    store_of, read = _fixtures(_via_s3fs)
    opened = staticmethod(_via_s3fs)


class TestHttpStore(_Contract):
    CLIENT = "zarr-python (http)"
    store_of, read = _fixtures(_via_http)

    test_list_recursive = lacks("there is no listing over HTTP")

    def test_link(self, private, samples, levels):
        name = "pyramid.ome.zarr"
        group = zarr.open_group(_http_store(private.link("vault-images", name)), mode="r")
        for i, shape in enumerate(levels[name]):
            same(group[str(i)][...], samples[name].level(i, shape), f"{name} level {i}")

    def test_denied_bucket(self, private):
        with pytest.raises(REFUSED, match=REFUSAL):
            zarr.open_group(_via_http(private.facade.url, "pyramid.ome.zarr", "vault-images"), mode="r")


class TestObjectStore(_Contract, _StoreContract):
    CLIENT = "zarr-python (obstore)"
    store_of, read = _fixtures(_via_obstore)
    opened = staticmethod(_via_obstore)

    @pytest.mark.filterwarnings("ignore:Object at s3facade.json is not recognized")  # as of every key that is no node
    def test_members_by_listing(self, store_of):
        group = zarr.open_group(store_of("pyramid.ome.zarr"), mode="r", use_consolidated=False)
        paths = {d["path"] for d in group.attrs["ome"]["multiscales"][0]["datasets"]}
        assert paths <= {name for name, _ in group.members()}
