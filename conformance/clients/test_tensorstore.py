"""tensorstore over its S3 and HTTP key-value stores."""

from __future__ import annotations

import importlib.metadata

import pytest
import tensorstore as ts

from conformance.contract import ZarrContract, crop_of, cut, lacks, same
from conformance.signed import REFUSAL, object_url, plain

VERSION = importlib.metadata.version("tensorstore")


def _s3(url, path, bucket="images", credentials="anonymous", **more):
    return {
        "driver": "s3",
        "bucket": bucket,
        "path": path,
        "endpoint": url,
        "aws_region": "us-east-1",
        "aws_credentials": {"type": credentials, **more},
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


def _bytewise(keys):
    return sorted(key.decode() for key in keys)


def _copied(kvstore, facade, tmp_path):
    """Every object of an image, by tensorstore into a folder, against what urllib gets."""
    source = ts.KvStore.open(kvstore).result()
    target = ts.KvStore.open({"driver": "file", "path": f"{tmp_path}/"}).result()
    keys = _bytewise(source.list().result())
    assert len(keys) > 5
    for key in keys:
        target.write(key, source.read(key).result().value).result()
    for key in keys:
        expected = plain(object_url(facade, "images", f"two.ome.zarr/{key}"))
        assert (tmp_path / key).read_bytes() == expected, key


class TestS3(_Contract):
    CLIENT = "tensorstore (s3)"
    kvstore, read = _reader(_s3)

    test_list_with_delimiter = lacks("tensorstore lists ranges of keys, without a delimiter")
    test_head = lacks("tensorstore has no metadata of a key apart from its value")
    test_presigned_get = lacks("tensorstore makes no presigned URLs")

    def test_list_recursive(self, facade, tree):
        store = ts.KvStore.open(_s3(facade.url, "", "files")).result()
        assert _bytewise(store.list().result()) == sorted(tree)

    def test_list_thousands(self, kvstore):
        keys = ts.KvStore.open(kvstore("timelapse.ome.zarr/0/")).result().list().result()
        assert _bytewise(keys) == sorted(["zarr.json", *(f"c/{i}/0/0" for i in range(1100))])

    def test_list_a_range(self, facade, tree):
        store = ts.KvStore.open(_s3(facade.url, "", "files")).result()
        found = store.list(ts.KvStore.KeyRange("many/3", "many/5")).result()
        assert _bytewise(found) == sorted(key for key in tree if "many/3" <= key < "many/5")

    @pytest.fixture
    def signed(self, private, monkeypatch):
        """The credentials that a user exports."""
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", private.key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", private.secret)
        return lambda path, bucket="vault-images": _s3(private.facade.url, path, bucket, "environment")

    def test_signed_get(self, signed, folder_bytes):
        store = ts.KvStore.open(signed("", "vault")).result()
        for key, data in folder_bytes.items():
            assert store.read(key).result().value == data, key
            assert store.read(key, byte_range=slice(10, 300)).result().value == data[10:300], key

    def test_signed_list(self, signed, tree):
        assert _bytewise(ts.KvStore.open(signed("", "vault")).result().list().result()) == sorted(tree)

    def test_signed_missing_key(self, signed):
        assert ts.KvStore.open(signed("", "vault")).result().read("absent.tif").result().state == "missing"

    def test_signed_pixels(self, signed, samples, levels):
        for name in ("pyramid.ome.zarr", "two.ome.zarr/0"):
            for i, shape in enumerate(levels[name]):
                box = crop_of(shape)
                array = ts.open({"driver": "zarr3", "kvstore": signed(f"{name}/{i}/")}, read=True).result()
                found = array[tuple(slice(a, b) for a, b in zip(*box, strict=True))].read().result()
                same(found, cut(samples[name].level(i, shape), box), f"{name} level {i}")

    def test_signed_by_a_profile(self, private, folder_bytes, tmp_path):
        file = tmp_path / "credentials"
        text = f"[lab]\naws_access_key_id = {private.key}\naws_secret_access_key = {private.secret}\n"
        file.write_text(text, encoding="utf-8")
        who = {"profile": "lab", "credentials_file": str(file), "config_file": "/dev/null"}
        store = ts.KvStore.open(_s3(private.facade.url, "", "vault", "profile", **who)).result()
        for key, data in folder_bytes.items():
            assert store.read(key).result().value == data, key

    def test_copy_of_an_image(self, signed, facade, tmp_path):
        _copied(signed("two.ome.zarr/"), facade, tmp_path)

    def test_wrong_secret(self, signed, private, monkeypatch):
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", private.secret[:-1] + "x")
        self._refused(signed("", "vault"))

    def test_unknown_access_key(self, signed, monkeypatch):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAUNKNOWNUNKNOWN00")
        self._refused(signed("", "vault"))

    def test_denied_bucket(self, signed):
        self._refused(signed("", "closed"))

    def test_anonymous_is_refused(self, private):
        self._refused(_s3(private.facade.url, "", "vault"))

    def _refused(self, spec):
        store = ts.KvStore.open(spec).result()
        with pytest.raises(ValueError, match=REFUSAL):
            store.read("many/7.txt").result()
        with pytest.raises(ValueError, match=REFUSAL):
            store.list().result()


class TestHttp(_Contract):
    CLIENT = "tensorstore (http)"
    kvstore, read = _reader(_http)

    test_list_recursive = lacks("tensorstore cannot list over HTTP")

    def test_link(self, private, samples, levels):
        link = private.link("vault-images", "pyramid.ome.zarr")
        for i, shape in enumerate(levels["pyramid.ome.zarr"]):
            kvstore = {"driver": "http", "base_url": f"{link}/", "path": f"{i}/"}
            array = ts.open({"driver": "zarr3", "kvstore": kvstore}, read=True).result()
            same(array.read().result(), samples["pyramid.ome.zarr"].level(i, shape), f"level {i}")

    def test_denied_bucket(self, private):
        store = ts.KvStore.open({"driver": "http", "base_url": f"{private.facade.url}/vault-images/"}).result()
        with pytest.raises(ValueError, match=REFUSAL):
            store.read("pyramid.ome.zarr/zarr.json").result()
