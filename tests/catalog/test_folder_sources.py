"""Folders that are one image: found once, not walked, named by their own path; what changes in them is noticed."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorstore
import tifffile
import zarr

from s3facade import registry
from s3facade.catalog.catalog import Catalog, Found
from s3facade.catalog.sources.walk import stem
from s3facade.config.load import load
from s3facade.config.zero import zero
from s3facade.core.errors import SourceError
from s3facade.core.region import Region
from s3facade.engine.engine import Engine, EngineLimits
from s3facade.readers.zarr.reader import ZarrReader
from s3facade.stores.local import LocalFile

PIXELS = np.random.default_rng(0).integers(0, 4000, (3, 70, 90)).astype("u2")


def ome(path: Path, pixels: np.ndarray = PIXELS, version: int = 3) -> None:
    axes = [{"name": a, "type": "space", "unit": "micrometer"} for a in "zyx"]
    scale = [{"type": "scale", "scale": [2, 0.5, 0.5]}]
    about = {"version": "0.4", "axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
    said = {"ome": {"version": "0.5", "multiscales": [about]}} if version == 3 else {"multiscales": [about]}
    group = zarr.create_group(path, zarr_format=version, attributes=said)
    group.create_array("0", shape=pixels.shape, chunks=(1, 32, 32), dtype=pixels.dtype)[...] = pixels


def n5(path: Path) -> None:
    about = {"dimensions": PIXELS.shape[::-1], "blockSize": [32, 32, 1], "dataType": "uint16"}
    metadata = {**about, "compression": {"type": "gzip"}}
    spec = {"driver": "n5", "kvstore": {"driver": "file", "path": str(path)}, "metadata": metadata, "create": True}
    tensorstore.open(spec).result()[...] = PIXELS.T


def precomputed(path: Path) -> None:
    spec = {
        "driver": "neuroglancer_precomputed",
        "kvstore": {"driver": "file", "path": str(path)},
        "multiscale_metadata": {"data_type": "uint16", "num_channels": 1, "type": "image"},
        "scale_metadata": {
            "size": PIXELS.shape[::-1],
            "encoding": "raw",
            "chunk_size": [32, 32, 1],
            "resolution": [4, 4, 40],
        },
        "create": True,
    }
    tensorstore.open(spec).result()[...] = PIXELS.T[..., None]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    (root / "sub").mkdir(parents=True)
    tifffile.imwrite(root / "t.ome.tif", PIXELS, metadata={"axes": "ZYX"})
    ome(root / "a.ome.zarr")
    zarr.create_array(root / "sub" / "b.zarr", shape=PIXELS.shape, chunks=(1, 40, 40), dtype="u2", zarr_format=2)[
        ...
    ] = PIXELS
    n5(root / "sub" / "c.n5")
    precomputed(root / "volume")
    (root / "plain").mkdir()
    (root / "plain" / "info").write_text('{"what": "nothing of ours"}')
    (root / "plain" / "attributes.json").write_text("{}")
    tifffile.imwrite(root / "plain" / "u.tif", PIXELS[0])
    return root


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(registry.reader, EngineLimits(memory=64 << 20))
    yield engine
    engine.close()


def keys(catalog: Catalog, bucket: str, prefix: str = "", delimiter: str = "") -> list[str]:
    page = catalog.page_now(bucket, prefix, "", delimiter, 10_000)
    return [item.key if isinstance(item, Found) else item for item in page]


def images(catalog: Catalog) -> list[str]:
    return sorted(prefix for prefix, _ in catalog.mounts("images"))


async def pixels(catalog: Catalog, folder: Path, prefix: str) -> np.ndarray:
    """A served image, by way of a copy of all of its keys: what ``rclone copy`` makes."""
    for key in keys(catalog, "images", prefix + "/"):
        found = await catalog.find("images", key)
        obj = found.file.body()
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join([bytes(b) async for b in catalog.engine.stream(obj, 0, obj.size)]))
    return np.asarray(zarr.open_group(folder / prefix, mode="r")["0"][...])


SHOWN = ["a.ome.zarr", "plain/u.ome.zarr", "sub/b.ome.zarr", "sub/c.ome.zarr", "t.ome.zarr", "volume.ome.zarr"]


async def test_each_is_shown_once_and_its_pixels_are_right(root: Path, engine: Engine, tmp_path: Path) -> None:
    catalog = Catalog(zero([root]), engine)
    assert images(catalog) == SHOWN
    for prefix in SHOWN:
        want = PIXELS[0] if "/u." in prefix else PIXELS
        got = await pixels(catalog, tmp_path / "copy", prefix)
        np.testing.assert_array_equal(got.reshape(want.shape), want)


async def test_in_buckets_of_files_folders_stay_folders(root: Path, engine: Engine) -> None:
    catalog = Catalog(zero([root]), engine)
    assert "a.ome.zarr/zarr.json" in keys(catalog, "files")
    assert "sub/b.zarr/.zarray" in keys(catalog, "files")


@pytest.mark.filterwarnings("ignore:The folder")
async def test_a_copy_of_what_is_served_is_a_source_with_the_same_voxels(
    root: Path, engine: Engine, tmp_path: Path
) -> None:
    catalog = Catalog(zero([root]), engine)
    copy = tmp_path / "copy"
    for prefix in ("t.ome.zarr", "a.ome.zarr", "volume.ome.zarr"):
        await pixels(catalog, copy, prefix)
        rasters = ZarrReader().open(LocalFile.open(copy / prefix / "zarr.json"), {})
        served = next(mount for name, mount in catalog.mounts("images") if name == prefix)
        assert served.spec is not None
        (raster,) = rasters
        assert raster.spec.names == served.spec.names
        np.testing.assert_array_equal(
            raster.read(0, Region.whole(raster.spec.levels[0].shape)).reshape(PIXELS.shape), PIXELS
        )
        for ours, theirs in zip(raster.spec.levels, served.spec.levels, strict=True):
            assert ours.shape == theirs.shape
            physical = [i for i, a in enumerate(served.spec.axes) if a.unit]
            assert [ours.scale[i] for i in physical] == pytest.approx([theirs.scale[i] for i in physical])
            assert [ours.origin[i] for i in physical] == pytest.approx([theirs.origin[i] for i in physical])


@pytest.mark.parametrize("name", ["a.ome.zarr", "sub/b.zarr", "sub/c.n5", "volume"])
def test_a_folder_alone(root: Path, engine: Engine, name: str) -> None:
    folder = root / name
    assert images(Catalog(zero([folder]), engine)) == [stem(folder.name, folder=True) + ".ome.zarr"]


def configured(root: Path, **source: object) -> list[str]:
    about = {
        "sources": {"s": source},
        "buckets": {
            "images": {"access": "public", "views": [{"type": "ome-zarr", "from": "s", "path": "x/{stem}.ome.zarr"}]}
        },
    }
    config = root / "s3facade.yaml"
    config.write_text(json.dumps(about))
    engine = Engine(registry.reader, EngineLimits(memory=64 << 20))
    try:
        return images(Catalog(load(config), engine))
    finally:
        engine.close()


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("{name}.ome.zarr", ["x/a.ome.zarr"]),
        ("sub/{name}.zarr", ["x/b.ome.zarr"]),
        ("**/{name}.n5", ["x/sub/c.ome.zarr"]),
        ("{name}", ["x/a.ome.zarr", "x/s3facade.yaml.ome.zarr", "x/t.ome.zarr", "x/volume.ome.zarr"]),
        ("sub/b.zarr", ["x/b.ome.zarr"]),
        ("**/{name}.tif", ["x/plain/u.ome.zarr", "x/t.ome.zarr"]),
        ("a.ome.zarr/**", ["x/a.ome.zarr"]),
    ],
)
def test_patterns_match_the_folder(root: Path, pattern: str, found: list[str]) -> None:
    shown = configured(root, files=pattern)
    assert [k for k in shown if "s3facade" not in k] == [k for k in found if "s3facade" not in k]


def test_a_file_source_may_be_such_a_folder(root: Path) -> None:
    assert configured(root, file="sub/c.n5") == ["x/c.ome.zarr"]


def test_skipping(root: Path) -> None:
    assert configured(root, files="**", skip=["**/*.zarr", "sub/**", "s3facade.yaml"]) == [
        "x/plain/u.ome.zarr",
        "x/t.ome.zarr",
        "x/volume.ome.zarr",
    ]


def test_stems() -> None:
    cases = {"a.ome.zarr": "a", "x/a.zarr": "x/a", "a.n5": "a", "v1.2": "v1.2", "sub-01_T1w": "sub-01_T1w"}
    assert {path: stem(path, folder=True) for path in cases} == cases
    files = {"a.ome.tif": "a", "a.nii.gz": "a", "b.c.tiff": "b.c"}
    assert {path: stem(path) for path in files} == files


async def test_damaged_ones_are_named_and_not_walked(root: Path, engine: Engine) -> None:
    for name, marker in (("d.zarr", "zarr.json"), ("e", ".zgroup"), ("f.n5", "attributes.json")):
        (root / name / "0").mkdir(parents=True)
        (root / name / marker).write_text("damaged")
        tifffile.imwrite(root / name / "0" / "inside.tif", PIXELS[0])
    catalog = Catalog(zero([root]), engine)
    assert images(catalog) == sorted([*SHOWN, "d.ome.zarr", "e.ome.zarr", "f.ome.zarr"])
    for name in "def":
        with pytest.raises(SourceError, match="No reader recognises"):
            await catalog.find("images", f"{name}.ome.zarr/zarr.json")


def test_links_that_lead_out_are_no_markers(root: Path, engine: Engine, tmp_path: Path) -> None:
    ome(tmp_path / "outside.zarr")
    (root / "linked").mkdir()
    (root / "linked" / "zarr.json").symlink_to(tmp_path / "outside.zarr" / "zarr.json")
    assert images(Catalog(zero([root]), engine)) == SHOWN


async def test_a_replaced_chunk_gives_other_etags(root: Path, engine: Engine) -> None:
    catalog = Catalog(zero([root]), engine)

    async def tag() -> str:
        return (await catalog.find("images", "a.ome.zarr/0/c/0/0/0")).file.identity

    before = await tag()
    assert await tag() == before
    chunk = root / "a.ome.zarr" / "0" / "c" / "0" / "0" / "0"
    new = chunk.with_name("new")
    new.write_bytes(chunk.read_bytes())
    new.replace(chunk)
    time.sleep(1.1)  # images of many files are checked once a second
    assert await tag() != before


@pytest.mark.parametrize("version", [2, 3])
async def test_labels_are_shown_with_their_image(tmp_path: Path, engine: Engine, version: int) -> None:
    root = tmp_path / "data"
    ome(root / "a.zarr", PIXELS, version)
    said = {"labels": ["cells", "gone"]}
    zarr.create_group(
        root / "a.zarr" / "labels", zarr_format=version, attributes={"ome": said} if version == 3 else said
    )
    ome(root / "a.zarr" / "labels" / "cells", PIXELS % 7, version)
    catalog = Catalog(zero([root]), engine)
    assert images(catalog) == ["a.ome.zarr"]
    np.testing.assert_array_equal(await pixels(catalog, tmp_path / "copy", "a.ome.zarr"), PIXELS)
    copied = zarr.open_group(tmp_path / "copy" / "a.ome.zarr", mode="r")
    np.testing.assert_array_equal(copied["labels/cells/0"][...], PIXELS % 7)
    (raster,) = ZarrReader().open(LocalFile.open(tmp_path / "copy" / "a.ome.zarr" / "zarr.json"), {})
    assert list(raster.spec.attrs["labels"]) == ["cells"]


def test_two_thousand_of_them_are_listed_quickly(tmp_path: Path, engine: Engine) -> None:
    root = tmp_path / "many"
    ome(root / "0.ome.zarr")
    text = (root / "0.ome.zarr" / "zarr.json").read_text()
    inner = (root / "0.ome.zarr" / "0" / "zarr.json").read_text()
    for n in range(1, 2000):
        (root / f"{n}.ome.zarr" / "0" / "c").mkdir(parents=True)
        (root / f"{n}.ome.zarr" / "zarr.json").write_text(text)
        (root / f"{n}.ome.zarr" / "0" / "zarr.json").write_text(inner)
    start = time.perf_counter()
    catalog = Catalog(zero([root]), engine)
    assert len(keys(catalog, "images", delimiter="/")) == 2000
    took = time.perf_counter() - start
    assert took < 5, f"{took:.2f} s"


def test_served(root: Path, tmp_path: Path) -> None:
    """By the command itself: read by TensorStore over a socket, a new folder and a new chunk noticed."""
    config = tmp_path / "served.yaml"
    config.write_text(
        f"sources: {{s: {{files: '{root}/**'}}}}\n"
        "buckets: {images: {access: public, views: [{type: ome-zarr, from: s, path: '{stem}.ome.zarr'}]}}\n"
        "server: {rescan: 500 ms}\nlimits: {workers: 2, memory: 256 MiB}\n"
    )
    command = [sys.executable, "-m", "s3facade", "serve", str(config), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        found = re.search(r"http://[^ :]+:(\d+)", process.stdout.readline())
        assert found
        port = int(found[1])

        def get(path: str) -> tuple[int, bytes]:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("GET", path)
            answer = connection.getresponse()
            try:
                return answer.status, answer.read()
            finally:
                connection.close()

        for prefix in ("a", "sub/b", "sub/c", "volume"):
            url = f"http://127.0.0.1:{port}/images/{prefix}.ome.zarr/0/"
            array = tensorstore.open({"driver": "zarr3", "kvstore": {"driver": "http", "base_url": url}}).result()
            np.testing.assert_array_equal(np.asarray(array.read().result()).reshape(PIXELS.shape), PIXELS)
        ome(root / "new.ome.zarr", PIXELS + 1)
        until = time.monotonic() + 20
        while get("/images/new.ome.zarr/zarr.json")[0] != 200:
            assert time.monotonic() < until
            time.sleep(0.2)
        assert b"new.ome.zarr/" in get("/images/?list-type=2&delimiter=/")[1]
        before = get("/images/new.ome.zarr/0/c/0/0/0")[1]
        array = zarr.open_group(root / "new.ome.zarr")["0"]
        array[...] = PIXELS + 2
        until = time.monotonic() + 20
        while get("/images/new.ome.zarr/0/c/0/0/0")[1] == before:
            assert time.monotonic() < until
            time.sleep(0.2)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=40)


def test_mere_groups_do_not_hide_the_images_in_their_folder(root: Path, engine: Engine) -> None:
    (root / ".zgroup").write_text('{"zarr_format": 2}')
    (root / "plain" / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group", "attributes": {}}')
    (root / "sub" / "attributes.json").write_text('{"n5": "2.5.1"}')
    assert images(Catalog(zero([root]), engine)) == SHOWN
    assert configured(root, files="**/{name}.tif") == ["x/plain/u.ome.zarr", "x/t.ome.zarr"]
    assert configured(root / "plain", file=str(root / "plain")) == ["x/plain.ome.zarr"]


def test_a_mere_group_leaves_the_folder_to_other_documents(root: Path, engine: Engine) -> None:
    (root / "volume" / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group", "attributes": {}}')
    tifffile.imwrite(root / "volume" / "u.tif", PIXELS[0])
    assert images(Catalog(zero([root]), engine)) == SHOWN


@pytest.mark.parametrize("version", [2, 3])
def test_groups_of_nothing_but_arrays_are_one_source(tmp_path: Path, engine: Engine, version: int) -> None:
    root = tmp_path / "data"
    group = zarr.create_group(root / "simulation", zarr_format=version)
    for name in ("inner/rho", "u", "v"):
        group.create_array(name, shape=(8, 9), chunks=(4, 4), dtype="f4")[...] = 1.0
    (root / "simulation" / "README.md").write_text("what this is")
    assert images(Catalog(zero([root]), engine)) == ["simulation.ome.zarr"]
    (root / "simulation" / "inner" / "photograph.png").write_bytes(b"no png")
    assert images(Catalog(zero([root]), engine)) == [
        "simulation/inner/photograph.ome.zarr",
        "simulation/inner/rho.ome.zarr",
        "simulation/u.ome.zarr",
        "simulation/v.ome.zarr",
    ]


@pytest.mark.parametrize("name", ["zarr.json", ".zgroup", "u.tif"])
def test_pipes_are_not_waited_for(root: Path, engine: Engine, name: str) -> None:
    (root / "piped").mkdir()
    os.mkfifo(root / "piped" / name)
    (root / ".zgroup").write_text('{"zarr_format": 2}')
    begun = time.monotonic()
    assert images(Catalog(zero([root]), engine)) == SHOWN
    assert time.monotonic() - begun < 20
