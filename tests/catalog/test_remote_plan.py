"""Which files of a store are images, found with as few requests as can be."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

from conformance.remote import BUCKET, Counting, counting
from s3facade import registry
from s3facade.catalog.catalog import Catalog
from s3facade.config.load import load
from s3facade.core.errors import NoSuchKey, SourceUnavailable
from s3facade.engine.engine import Engine

ZARR = {
    "zarr_format": 3,
    "node_type": "array",
    "shape": [4, 4],
    "data_type": "uint8",
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4, 4]}},
    "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
    "codecs": [{"name": "bytes"}],
    "fill_value": 0,
    "dimension_names": ["y", "x"],
}
Make = Callable[..., Catalog]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Counting]:
    data = tmp_path / "data"
    for name in ("a.tif", "run/b.tif", "run/deep/c.tif"):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(data / name, np.zeros((8, 8), np.uint8))
    for name in ("run/z.zarr", "other/y.zarr"):
        (data / name / "c/0").mkdir(parents=True)
        (data / name / "zarr.json").write_text(json.dumps(ZARR))
        (data / name / "c/0/0").write_bytes(bytes(16))
    (data / "run/notes.txt").write_text("nothing")
    (data / "run/bad.tif").write_bytes(b"no TIFF at all")
    (data / "run/unnamed").write_bytes((data / "a.tif").read_bytes())
    with counting(data) as running:
        yield running


@pytest.fixture
def catalog(server: Counting, tmp_path: Path) -> Iterator[Make]:
    engine = Engine(registry.reader)

    def make(source: str) -> Catalog:
        config = tmp_path / "c.yaml"
        config.write_text(
            f"stores: {{{BUCKET}: {{url: 's3://{BUCKET}', endpoint: '{server.url}', anonymous: true}}}}\n"
            f"sources: {{all: {source}}}\n"
            "buckets:\n  images:\n    views: [{type: ome-zarr, from: all, path: '{path}'}]\n"
        )
        server.asked.clear()
        return Catalog(load(config), engine)

    yield make
    engine.close()


def test_a_tree_is_walked_and_images_that_are_folders_are_not(catalog: Make, server: Counting) -> None:
    found = catalog(f"{{files: '{BUCKET}:**'}}").images("images")
    expected = ["a.tif", "other/y.zarr", "run/b.tif", "run/bad.tif", "run/deep/c.tif", "run/unnamed", "run/z.zarr"]
    assert list(found) == expected
    lists = [asked for asked in server.asked if "list-type" in asked]
    assert len(lists) == 6, "no folder inside of the two that are images"
    gets = [asked for asked in server.asked if "list-type" not in asked]
    assert sorted(asked.split()[1].rpartition("/")[2] for asked in gets) == [
        "notes.txt",
        "unnamed",
        "zarr.json",
        "zarr.json",
    ]


def test_only_folders_that_can_match_are_listed(catalog: Make, server: Counting) -> None:
    assert list(catalog(f"{{files: '{BUCKET}:run/{{name}}.tif'}}").images("images")) == ["b.tif", "bad.tif"]
    assert len(server.asked) == 1
    assert list(catalog(f"{{files: '{BUCKET}:{{run}}/{{name}}.zarr'}}").images("images")) == [
        "other/y.zarr",
        "run/z.zarr",
    ]


def test_a_file_that_only_its_name_calls_an_image_is_broken(catalog: Make) -> None:
    made = catalog(f"{{files: '{BUCKET}:run/{{name}}.tif'}}")
    made.probe(float("inf"))
    assert [(b.path, b.reason) for b in made.broken()] == [
        (f"{BUCKET}:/run/bad.tif", "No reader recognises the file: it is empty, damaged or of another format.")
    ]
    assert made.find_now("images", "b.tif/zarr.json").file.size


def test_one_folder_by_its_name(catalog: Make, server: Counting) -> None:
    made = catalog(f"{{file: '{BUCKET}:run/z.zarr'}}")
    assert made.find_now("images", "z.zarr/zarr.json").file.size
    with pytest.raises(NoSuchKey):
        made.find_now("images", "a.tif/zarr.json")


def test_nothing_seen_is_not_nothing_there(catalog: Make) -> None:
    made = catalog(f"{{files: '{BUCKET}:mistyped/*.tif'}}")
    with pytest.raises(SourceUnavailable, match="nothing in the source folder"):
        made.find_now("images", "a.tif/zarr.json")
    with pytest.raises(SourceUnavailable):
        made.page_now("images", "", "", "", 10)
    (broken,) = made.broken()
    assert "nothing" in broken.reason
