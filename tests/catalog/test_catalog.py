"""Buckets over folders of real files: what is shown, what is named as broken, what changes are noticed."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

from s3facade import registry
from s3facade.catalog.catalog import Catalog, Found
from s3facade.config.settings import Settings
from s3facade.config.zero import zero
from s3facade.core.errors import BadSource, NoSuchBucket, NoSuchKey, SourceUnavailable
from s3facade.engine.engine import Engine, EngineLimits

PIXELS = np.arange(600 * 700, dtype=np.uint16).reshape(600, 700)


def settings(root: Path) -> Settings:
    return zero([root])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    (root / "sub").mkdir(parents=True)
    tifffile.imwrite(root / "a.ome.tif", PIXELS, tile=(256, 256), metadata={"axes": "YX"})
    tifffile.imwrite(root / "sub" / "b.tif", PIXELS[:50, :60])
    (root / "notes.txt").write_text("hello")
    return root


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(registry.reader, EngineLimits(memory=64 << 20))
    yield engine
    engine.close()


def keys(catalog: Catalog, bucket: str, prefix: str = "", delimiter: str = "") -> list[str]:
    page = catalog.page_now(bucket, prefix, "", delimiter, 10_000)
    return [item.key if isinstance(item, Found) else item for item in page]


async def read(catalog: Catalog, bucket: str, key: str) -> bytes:
    found = await catalog.find(bucket, key)
    obj = found.file.body()
    assert obj.size == found.file.size
    data = b"".join([bytes(b) async for b in catalog.engine.stream(obj, 0, obj.size)])
    assert len(data) == found.file.size
    return data


async def test_every_image_is_shown_under_its_path_and_every_file_as_it_is(root: Path, engine: Engine) -> None:
    catalog = Catalog(settings(root), engine)
    assert keys(catalog, "images", delimiter="/") == ["a.ome.zarr/", "sub/"]
    assert keys(catalog, "files") == ["a.ome.tif", "notes.txt", "sub/b.tif"]
    everything = keys(catalog, "images")
    assert {"a.ome.zarr/zarr.json", "sub/b.ome.zarr/0/c/0/0"} <= set(everything)
    assert json.loads(await read(catalog, "images", "a.ome.zarr/zarr.json"))["node_type"] == "group"
    assert await read(catalog, "files", "notes.txt") == b"hello"
    for key in everything:
        await read(catalog, "images", key)


async def test_absent_is_not_unreadable(root: Path, engine: Engine) -> None:
    catalog = Catalog(settings(root), engine)
    for key in ("a.ome.zarr/0/c/00/0", "a.ome.zarr/0/c/9/9", "a.ome.zarr", "a.ome.zarr/", "none", "../notes.txt", ""):
        with pytest.raises(NoSuchKey):
            await catalog.find("images", key)
    with pytest.raises(NoSuchBucket):
        await catalog.find("none", "x")
    (root / "a.ome.tif").unlink()
    with pytest.raises(SourceUnavailable):
        await catalog.find("images", "a.ome.zarr/0/c/0/0")
    assert keys(catalog, "images")[0].startswith("sub/"), "the others are still listed"
    catalog.rescan()
    with pytest.raises(NoSuchKey):
        await catalog.find("images", "a.ome.zarr/0/c/0/0")


async def test_a_replaced_file_gets_new_tags_and_new_pixels(root: Path, engine: Engine) -> None:
    catalog = Catalog(settings(root), engine)
    key = "sub/b.ome.zarr/0/c/0/0"
    before = await catalog.find("images", key)
    old = await read(catalog, "images", key)
    assert catalog.current(before)
    known = catalog.peek("images", key)
    assert known is not None
    assert known.etag == before.etag
    tifffile.imwrite(root / "new.tif", PIXELS[:50, :60] + 1)
    (root / "new.tif").replace(root / "sub" / "b.tif")
    assert not catalog.current(before)
    assert catalog.peek("images", key) is None
    after = await catalog.find("images", key)
    assert after.etag != before.etag
    assert catalog.current(after)
    assert not catalog.current(before), "although the image is open and true again"
    assert await read(catalog, "images", key) != old


async def test_tags_are_the_same_in_every_worker_and_after_a_restart(root: Path, engine: Engine) -> None:
    other = Engine(registry.reader, EngineLimits(memory=64 << 20))
    one, two = Catalog(settings(root), engine), Catalog(settings(root), other)
    pages = [c.page_now("images", "", "", "", 1000) for c in (one, two)]
    tags = [[(f.key, f.etag, f.file.size, f.file.modified) for f in page if isinstance(f, Found)] for page in pages]
    assert tags[0] == tags[1]
    assert len({t[1] for t in tags[0]}) == len(tags[0]), "no two keys share a tag"
    for key, tag, size, _ in tags[0]:
        found = await one.find("images", key)
        assert (found.etag, found.file.size) == (tag, size)
    other.close()


async def test_a_broken_file_is_named_and_leaves_the_others_alone(root: Path, engine: Engine) -> None:
    whole = (root / "a.ome.tif").read_bytes()
    (root / "cut.tif").write_bytes(whole[: len(whole) // 2])
    (root / "noise.tif").write_bytes(b"not a tiff at all")
    catalog = Catalog(settings(root), engine)
    catalog.probe(time.monotonic() + 60)
    assert {os.path.basename(b.path) for b in catalog.broken()} == {"cut.tif", "noise.tif"}
    assert all(b.reason.endswith(".") for b in catalog.broken())
    assert keys(catalog, "images", delimiter="/") == ["a.ome.zarr/", "sub/"]
    for name in ("cut", "noise"):
        with pytest.raises(BadSource):
            await catalog.find("images", f"{name}.ome.zarr/zarr.json")
    (root / "cut.tif").write_bytes(whole)
    catalog.rescan()
    catalog.probe(time.monotonic() + 60)
    assert "cut.ome.zarr/" in keys(catalog, "images", delimiter="/")


async def test_a_share_that_is_not_there_is_unavailable_not_empty(root: Path, engine: Engine) -> None:
    catalog = Catalog(settings(root), engine)
    away = root.with_name("away")
    root.rename(away)
    catalog.rescan()
    for bucket, key in (("images", "a.ome.zarr/0/c/0/0"), ("files", "notes.txt"), ("files", "sub/b.tif")):
        with pytest.raises(SourceUnavailable):
            await catalog.find(bucket, key)
    with pytest.raises(SourceUnavailable):
        keys(catalog, "files")
    away.rename(root)
    assert await read(catalog, "files", "notes.txt") == b"hello"
    assert await read(catalog, "images", "a.ome.zarr/0/c/0/0")


@pytest.mark.parametrize("code", [errno.EIO, errno.EMFILE, errno.ESTALE])
async def test_trouble_with_a_folder_is_never_taken_for_absence(
    root: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """A disk that fails cannot be had in a test: scandir and stat fail in its place."""
    catalog = Catalog(settings(root), engine)

    def fail(path: object = ".", **_: object) -> None:
        raise OSError(code, os.strerror(code), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", fail)
        catalog.rescan()
        with pytest.raises(SourceUnavailable):
            await catalog.find("files", "notes.txt")
        assert await read(catalog, "images", "a.ome.zarr/0/c/0/0"), "known and still readable"
    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", fail)
        with pytest.raises(SourceUnavailable):
            await catalog.find("images", "a.ome.zarr/0/c/0/0")
        with pytest.raises(SourceUnavailable):
            await catalog.find("files", "notes.txt")
    assert await read(catalog, "files", "notes.txt") == b"hello"


def test_a_rescan_that_finds_nothing_new_changes_nothing(root: Path, engine: Engine) -> None:
    catalog = Catalog(settings(root), engine)
    catalog.probe(time.monotonic() + 60)
    generation = catalog.generation
    catalog.rescan()
    assert catalog.generation == generation
    tifffile.imwrite(root / "c.tif", PIXELS[:9, :9])
    catalog.rescan()
    assert catalog.generation == generation + 1
    assert "c.ome.zarr" in catalog.images("images")


async def test_a_file_that_is_there_is_never_absent_although_nobody_looked_again(root: Path, engine: Engine) -> None:
    catalog = Catalog(settings(root), engine)
    time.sleep(0.1)
    for name in ("new", "sub/newer"):
        tifffile.imwrite(root / f"{name}.tif", PIXELS[:9, :9])
        time.sleep(0.1)  # more than the rest after a walk
        assert await read(catalog, "images", f"{name}.ome.zarr/0/c/0/0")
    tifffile.imwrite(root / "sub" / "newest.tif", PIXELS[:9, :9])
    time.sleep(0.1)
    assert "sub/newest.ome.zarr/zarr.json" in keys(catalog, "images")


async def test_links_in_a_circle_end(root: Path, engine: Engine) -> None:
    (root / "here").symlink_to(root)
    (root / "sub" / "up").symlink_to(root / "other")
    (root / "other").mkdir()
    (root / "other" / "down").symlink_to(root / "sub")
    catalog = Catalog(settings(root), engine)
    listed = keys(catalog, "files")
    assert len(listed) < 20
    assert "other/down/b.tif" in listed
    for key in ("here/notes.txt", "other/down/up/down/b.tif"):
        with pytest.raises(NoSuchKey):
            await catalog.find("files", key)


def test_two_files_of_one_stem_are_both_shown(root: Path, engine: Engine) -> None:
    tifffile.imwrite(root / "a.tif", PIXELS[:9, :9])
    catalog = Catalog(settings(root), engine)
    assert keys(catalog, "images", delimiter="/") == ["a.ome.zarr/", "a.tif.ome.zarr/", "sub/"]


async def test_new_files_of_a_plain_bucket_are_seen_at_once_and_links_stay_inside(root: Path, engine: Engine) -> None:
    catalog = Catalog(settings(root), engine)
    assert "new.txt" not in keys(catalog, "files")
    (root / "new.txt").write_text("")
    secret = root.parent / "secret.txt"
    secret.write_text("secret")
    (root / "leak.txt").symlink_to(secret)
    (root / "leak").symlink_to(root.parent)
    (root / "sub" / "inside.txt").symlink_to(root / "notes.txt")
    listed = keys(catalog, "files")
    assert "new.txt" in listed
    assert "sub/inside.txt" in listed
    assert not any(k.startswith("leak") for k in listed)
    assert (await read(catalog, "files", "new.txt")) == b""
    for key in ("leak.txt", "leak/secret.txt", "../secret.txt", "sub/../../secret.txt", "/etc/passwd", "sub//b.tif"):
        with pytest.raises(NoSuchKey):
            await catalog.find("files", key)


def multi_file(root: Path, files: int) -> None:
    """One image over ``files`` files, a time point in each; pixels plus the time."""
    uuid = "urn:uuid:00000000-0000-0000-0000-00000000000"
    for t in range(files):
        planes = "".join(
            f'<TiffData FirstT="{i}" FirstC="0" FirstZ="0" IFD="0" PlaneCount="1">'
            f'<UUID FileName="t{i}.ome.tif">{uuid}{i}</UUID></TiffData>'
            for i in range(files)
        )
        xml = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{uuid}{t}">'
            '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="60" SizeY="50" '
            f'SizeZ="1" SizeC="1" SizeT="{files}"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>{planes}'
            "</Pixels></Image></OME>"
        )
        tifffile.imwrite(root / f"t{t}.ome.tif", PIXELS[:50, :60] + t, description=xml, metadata=None)


def test_files_of_a_multi_file_image_are_grouped_not_listed_as_images(tmp_path: Path, engine: Engine) -> None:
    multi_file(tmp_path, 2)
    catalog = Catalog(settings(tmp_path), engine)
    catalog.probe(time.monotonic() + 60)
    assert catalog.broken() == []
    assert keys(catalog, "images", delimiter="/") == ["t0.ome.zarr/"]


@pytest.mark.parametrize("files", [2, 6])
async def test_a_replaced_member_of_a_multi_file_image_is_noticed(tmp_path: Path, engine: Engine, files: int) -> None:
    root = tmp_path / "data"
    root.mkdir()
    multi_file(root, files)
    catalog = Catalog(settings(root), engine)
    catalog.probe(time.monotonic() + 60)
    key = f"t0.ome.zarr/0/c/{files - 1}/0/0"
    before, old = await catalog.find("images", key), await read(catalog, "images", key)
    other = tmp_path / "other.tif"
    with tifffile.TiffFile(root / f"t{files - 1}.ome.tif") as file:
        description = file.pages[0].description
    tifffile.imwrite(other, PIXELS[:50, :60] + 1000, description=description, metadata=None)
    other.replace(root / f"t{files - 1}.ome.tif")
    until = time.monotonic() + 5
    while catalog.current(before):
        assert time.monotonic() < until
        await asyncio.sleep(0.05)
    after = await catalog.find("images", key)
    assert after.etag != before.etag
    assert await read(catalog, "images", key) != old
