"""Tables of images: columns, exact sizes, and the same rows in CSV and Parquet."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from s3facade.codecs.compress import compressed
from s3facade.core.image import Dataset, Opened, Source
from s3facade.core.keyspace import Dir, scan
from s3facade.core.spec import Axis, Channel, Level, Spec
from s3facade.layouts import collection
from s3facade.layouts.collection import COLUMNS, Shown, csv_bytes, human, parquet_bytes, row, stored
from s3facade.layouts.ome_zarr import OmeZarr
from s3facade.layouts.ome_zarr_plate import OmeZarrField, OmeZarrPlate

SPACE = tuple(Axis(name, "micrometer") for name in ("z", "y", "x"))
LEVELS = (
    Level((40, 300, 500), (2.0, 0.5, 0.5), (0.0, 0.0, 0.0), (1, 300, 500)),
    Level((40, 150, 250), (2.0, 1.0, 1.0), (0.0, 0.25, 0.25), (1, 150, 250)),
)
SPEC = Spec(SPACE, np.dtype("uint16"), LEVELS, (Channel(),), identity="i")
ABOUT = {
    "license": "https://example.org/l",
    "organism": "NCBI:txid9606",
    "modality": "obo:FBbi_00000369",
    "authors": [{"name": "A"}, {"name": "B, C"}],
    "publication": ["https://doi.org/10.1000/x"],
    "publisher": {"name": "Lab"},
}


def shown(layout: object, key: str = "a b/x.ome.zarr", **about: object) -> Shown:
    return Shown(key, [SPEC], 1, layout, {**ABOUT, **about}, "x")


@pytest.mark.parametrize("layout", [OmeZarr(), OmeZarr(shards=False), OmeZarr(chunks=32, shards=64)])
def test_the_bytes_written_are_those_of_all_chunk_keys(layout):
    image = Opened(Source("/d/x.tif", 1, 1, "e"), "tiff", 0, SPEC)
    node = layout.build(Dataset({"": image}))
    keys = scan(node, resolve=lambda node: Dir({}))
    assert stored([SPEC], layout) == sum(entry.file.size for entry in keys if "/c/" in entry.key)


def test_what_only_computing_tells_is_empty():
    assert stored([SPEC], OmeZarr(codec=compressed("zstd", None))) is None
    found = row(shown(OmeZarr(codec=compressed("zstd", None))), "https://h/b")
    assert found["written"] is None
    assert found["shards"] is None


def test_a_row_has_what_the_viewer_and_the_finder_want():
    found = row(shown(OmeZarr()), "https://h/b")
    assert found["url"] == found["File Path"] == "https://h/b/a%20b/x.ome.zarr"
    assert found["shape"] == "40,300,500"
    assert found["dimension_names"] == "z,y,x"
    assert [found[f"voxel_size_{a}"] for a in "zyx"] == [2.0, 0.5, 0.5]
    assert (found["organismId"], found["fbbiId"]) == ("NCBI:txid9606", "obo:FBbi_00000369")
    assert (found["source"], found["origin"]) == ("Lab", "https://doi.org/10.1000/x")
    assert set(found) <= set(COLUMNS)


def test_sizes_without_a_unit_are_not_told():
    spec = Spec(tuple(Axis(a.name) for a in SPACE), SPEC.dtype, LEVELS, (Channel(),))
    found = row(Shown("x", [spec], 1, OmeZarr(), {}, "x"), "https://h/b")
    assert "voxel_size_x" not in found
    assert found["size_x"] == 500


def test_all_images_and_labels_of_a_key_count():
    image = Opened(Source("/d/x.tif", 1, 1, "e"), "tiff", 0, SPEC)
    layout = OmeZarr(name="said")
    two = layout.build(Dataset({"0": image, "1": image}, {"cells": image}))
    whole = sum(e.file.size for e in scan(two, resolve=lambda node: Dir({})) if "/c/" in e.key)
    found = row(Shown("x.ome.zarr", [SPEC] * 3, 2, layout, {}, "x"), "https://h/b")
    assert (found["written"], found["images"], found["name"]) == (whole, 2, "said")


def test_fields_and_plates_are_ome_zarr_too():
    field = row(Shown("p/A/1/0", [SPEC], 1, OmeZarrField(OmeZarr(name="A1")), {}, "0"), "https://h/b")
    image = row(Shown("x", [SPEC], 1, OmeZarr(), {}, "0"), "https://h/b")
    for name in ("written", "chunks", "shards", "format"):
        assert field[name] == image[name] is not None
    assert (field["name"], field["wells"]) == ("A1", None)
    placed = [replace(SPEC, attrs={"plate": {"row": "A", "column": str(n // 2)}}) for n in range(4)]
    plate = row(Shown("p", [*placed, SPEC], 5, OmeZarrPlate(), {}, "p"), "https://h/b")
    assert (plate["wells"], plate["images"], plate["written"]) == (2, 5, 4 * image["written"])


@pytest.mark.parametrize("name", ["=cmd|' C calc'!A0", "+1", "-m9", "@SUM(A1)", "\tx"])
def test_spreadsheets_run_no_names(name):
    found = row(shown(OmeZarr(), name, name=name), "https://h/b")
    (read,) = csv.DictReader(io.StringIO(csv_bytes([found]).decode(), newline=""))
    assert read["File Name"] == read["name"] == f"'{name}"
    import pyarrow.parquet as pq

    assert pq.read_table(io.BytesIO(parquet_bytes([found]))).to_pylist()[0]["name"] == name


def test_csv_and_parquet_hold_the_same():
    import pyarrow.parquet as pq

    rows = [row(shown(OmeZarr(), f'{n},"é".ome.zarr', name=f"n\n{n}"), "https://h/b") for n in range(3)]
    read = list(csv.DictReader(io.StringIO(csv_bytes(rows).decode(), newline="")))
    table = pq.read_table(io.BytesIO(parquet_bytes(rows))).to_pylist()
    assert [{k: "" if v is None else str(v) for k, v in one.items()} for one in table] == read
    assert read[1]["File Name"] == '1,"é".ome.zarr'
    assert parquet_bytes(rows) == parquet_bytes(rows)


def test_tables_are_written_row_by_row(monkeypatch):
    import pyarrow.parquet as pq

    monkeypatch.setattr(collection, "GROUP", 2)
    one = row(shown(OmeZarr(), name="b\udcff"), "https://h/b")
    assert csv_bytes(one for _ in range(5)).count(b"https://h/b/a%20b") == 10
    table = pq.ParquetFile(io.BytesIO(parquet_bytes(one for _ in range(5))))
    assert (table.num_row_groups, table.metadata.num_rows) == (3, 5)
    assert set(table.read()["name"].to_pylist()) == {"b?"}
    assert pq.read_table(io.BytesIO(parquet_bytes([]))).column_names == list(COLUMNS)


def test_a_table_without_images_has_its_header():
    assert csv_bytes([]).decode().startswith("url,File Path,File Name")


@pytest.mark.parametrize(("n", "text"), [(0, "0.00 B"), (282816000, "269.71 MB"), (1 << 50, "1024.00 TB")])
def test_sizes_as_the_challenge_writes_them(n, text):
    assert human(n) == text
