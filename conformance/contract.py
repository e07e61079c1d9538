"""What every S3 client must be able to do, once; each client file supplies an `Adapter` and its own extras.

A test's name is the operation in the compatibility table: ``test_list_recursive`` is the row "list recursive".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import numpy as np
import pytest

from conformance.samples import Sample
from conformance.server import Facade
from conformance.shards import Array, ZarrArray, group_arrays


class Adapter(Protocol):
    """The few verbs of an S3 client that the contract needs, each in the client's own way."""

    missing: tuple[type[BaseException], ...]
    """What the client raises for a key that is not there."""

    def keys(self, bucket: str, prefix: str) -> list[tuple[str, int]]:
        """Every key under ``prefix`` with its size, in the order the client gives them."""
        ...

    def folder(self, bucket: str, prefix: str) -> tuple[list[str], list[str]]:
        """Keys and common prefixes directly below ``prefix``, full names, prefixes with their slash."""
        ...

    def head(self, bucket: str, key: str) -> tuple[int, str]:
        """Size and ETag, the latter in its quotes where the client keeps them."""
        ...

    def get(self, bucket: str, key: str, start: int | None = None, stop: int | None = None) -> bytes:
        """Whole object, or bytes ``start <= i < stop``, or the last ``-start`` bytes where ``start`` < 0."""
        ...

    def if_none_match(self, bucket: str, key: str, etag: str) -> str:
        """``"304"`` when the client reports an unchanged object, else something else."""
        ...

    def if_match(self, bucket: str, key: str, etag: str) -> str:
        """``"412"`` when the client reports a failed precondition, ``"200"`` when it gets the object."""
        ...


def same(found: Array, expected: Array, what: str) -> None:
    """Equal voxels; floating-point means may differ in the last place.

    Raises:
        AssertionError: With the number of voxels that differ.
    """
    assert found.shape == expected.shape, f"{what}: shape {found.shape}, not {expected.shape}"
    assert found.dtype == expected.dtype, f"{what}: {found.dtype}, not {expected.dtype}"
    if expected.dtype.kind == "f":
        np.testing.assert_allclose(found, expected, rtol=1e-6, err_msg=what)
        return
    differing = int(np.count_nonzero(found != expected))
    assert not differing, f"{what}: {differing} of {expected.size} voxels differ"


def crop_of(shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """A box off every grid: start and stop."""
    return tuple(n // 3 for n in shape), tuple(max(n // 3 + 1, n * 5 // 7) for n in shape)


def cut(array: Array, box: tuple[tuple[int, ...], tuple[int, ...]]) -> Array:
    """The part of ``array`` inside ``box``."""
    return array[tuple(slice(a, b) for a, b in zip(*box, strict=True))]


def lacks(reason: str) -> Callable[..., None]:
    """A test of something that the client cannot do: it is named, with the reason, in the table."""

    def test(self: object) -> None:
        pytest.skip(reason)

    return test


class S3Contract:
    """Tests that a client's file inherits; it supplies a fixture ``adapter``."""

    files = "files"
    images = "images"

    def test_list_recursive(self, adapter: Adapter, tree: dict[str, int]) -> None:
        assert adapter.keys(self.files, "") == [(k, tree[k]) for k in _bytewise(tree)]

    def test_list_thousands(self, adapter: Adapter, facade: Facade) -> None:
        array = ZarrArray.open(lambda k, a, b: adapter.get(self.images, k, a, b), "timelapse.ome.zarr/0")
        expected = _bytewise([*array.keys(), "timelapse.ome.zarr/0/zarr.json"])
        assert len(expected) > 1000
        assert [key for key, _ in adapter.keys(self.images, "timelapse.ome.zarr/0/")] == expected

    def test_list_with_delimiter(self, adapter: Adapter, tree: dict[str, int]) -> None:
        top = {k.partition("/")[0] + "/" for k in tree if "/" in k}
        keys, prefixes = adapter.folder(self.files, "")
        assert keys == _bytewise(k for k in tree if "/" not in k)
        assert prefixes == _bytewise(top)
        keys, prefixes = adapter.folder(self.files, "deep/größe/")
        assert (keys, prefixes) == (["deep/größe/a b+c.tif"], [])

    def test_head(self, adapter: Adapter, tree: dict[str, int]) -> None:
        for key in ("pyramid.ome.tif", "deep/größe/a b+c.tif"):
            size, etag = adapter.head(self.files, key)
            assert size == tree[key]
            assert etag

    def test_listed_sizes_are_true(self, adapter: Adapter) -> None:
        for key, size in adapter.keys(self.images, "two.ome.zarr/"):
            assert adapter.head(self.images, key)[0] == size == len(adapter.get(self.images, key)), key

    def test_get(self, adapter: Adapter, folder_bytes: dict[str, bytes]) -> None:
        for key, data in folder_bytes.items():
            assert adapter.get(self.files, key) == data, key

    def test_ranged_get(self, adapter: Adapter, folder_bytes: dict[str, bytes]) -> None:
        for key, data in folder_bytes.items():
            assert adapter.get(self.files, key, 10, 300) == data[10:300], key
            assert adapter.get(self.files, key, -100, None) == data[-100:], key
            assert adapter.get(self.files, key, len(data) - 7, len(data) + 50) == data[-7:], key

    def test_not_modified(self, adapter: Adapter) -> None:
        key = "stack.ome.zarr/zarr.json"
        etag = adapter.head(self.images, key)[1]
        assert adapter.if_none_match(self.images, key, etag) == "304"
        assert adapter.if_none_match(self.images, key, '"other"') == "200"

    def test_precondition_failed(self, adapter: Adapter) -> None:
        key = "stack.ome.zarr/zarr.json"
        etag = adapter.head(self.images, key)[1]
        assert adapter.if_match(self.images, key, '"other"') == "412"
        assert adapter.if_match(self.images, key, etag) == "200"

    def test_missing_key(self, adapter: Adapter) -> None:
        for bucket, key in (
            (self.files, "absent.tif"),
            (self.images, "stack.ome.zarr/0/c/00/0/0"),
            (self.images, "stack.ome.zarr/0/c"),
            (self.images, "stack.ome.zarr/.zattrs"),
        ):
            with pytest.raises(adapter.missing):
                adapter.get(bucket, key)
            with pytest.raises(adapter.missing):
                adapter.head(bucket, key)

    def test_pixels_of_every_level(self, adapter: Adapter, samples: dict[str, Sample]) -> None:
        for name in ("pyramid.ome.zarr", "stack.ome.zarr", "slide.ome.zarr/0", "flat.ome.zarr"):
            for i, array in enumerate(group_arrays(lambda k, a, b: adapter.get(self.images, k, a, b), name)):
                same(array.read(), samples[name].level(i, array.shape), f"{name} level {i}")

    def test_pixels_of_a_crop(self, adapter: Adapter, samples: dict[str, Sample]) -> None:
        for name in ("pyramid.ome.zarr", "stack.ome.zarr", "two.ome.zarr/0", "deep/größe/a b+c.ome.zarr"):
            arrays = group_arrays(lambda k, a, b: adapter.get(self.images, k, a, b), name)
            for i, array in enumerate(arrays[:2]):
                box = crop_of(array.shape)
                same(array.read(*box), cut(samples[name].level(i, array.shape), box), f"{name} level {i}")


class ZarrContract:
    """Tests for clients that understand Zarr themselves; the file supplies a fixture ``read``.

    ``read(group, level, box)`` returns the voxels of a box, or of the whole level where ``box`` is None.
    """

    def test_pixels_of_every_level(self, read, samples: dict[str, Sample], levels: dict[str, list[tuple[int, ...]]]):
        for name, sample in samples.items():
            for i, shape in enumerate(levels[name]):
                if sample.own[0].size < 1 << 24 or i:
                    same(np.asarray(read(name, i, None)), sample.level(i, shape), f"{name} level {i}")

    def test_pixels_of_a_crop(self, read, samples: dict[str, Sample], levels: dict[str, list[tuple[int, ...]]]):
        for name, sample in samples.items():
            for i, shape in enumerate(levels[name]):
                box = crop_of(shape)
                same(np.asarray(read(name, i, box)), cut(sample.level(i, shape), box), f"{name} level {i}")


def _bytewise(keys: Iterable[str]) -> list[str]:
    return sorted(keys, key=str.encode)
