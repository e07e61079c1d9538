"""One ARC of several BIDS data sets, as arctrl, the library of the ARC's makers, reads its workbooks."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import yaml

from s3facade import registry
from s3facade.catalog.arrange import arc, arc_tables
from s3facade.catalog.catalog import Catalog
from s3facade.config.load import load
from s3facade.core.errors import ConfigError
from s3facade.core.objects import Literal
from s3facade.engine.engine import Engine, EngineLimits

NAMES = {"sub": "{animal}", "sample": "s{section}"}
SOURCES = {kind: {"files": f"data/{kind}/{{animal}}_{{section:int}}.tif"} for kind in ("bright", "dark")}
IMAGES = {"small": {"from": "dark", "steps": [{"crop": {"x": [0, 4]}}]}}


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(registry.reader, EngineLimits(memory=64 << 20))
    yield engine
    engine.close()


def view(source: str, suffix: str, arc: dict[str, Any], **more: Any) -> dict[str, Any]:
    entities = {**NAMES, **more.pop("entities", {})}
    samples = {} if "path" in more else {"samples": {"sample_type": "tissue"}}
    files = [{"from": source, "suffix": suffix, "entities": entities}]
    return {"type": "bids", "name": suffix, "files": files, **samples, "arc": arc, **more}


def shown(base: Path, engine: Engine, *views: dict[str, Any]) -> Catalog:
    for kind in SOURCES:
        for name in ("a_1", "a_2", "b_1"):
            path = base / "data" / kind / f"{name}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(path, np.zeros((8, 8), np.uint8), resolution=(20000, 20000), resolutionunit=3)
    config = base / "c.yaml"
    config.write_text(yaml.safe_dump({"sources": SOURCES, "images": IMAGES, "buckets": {"lab": {"views": [*views]}}}))
    catalog = Catalog(load(config), engine)
    catalog.probe(time.monotonic() + 60)
    return catalog


def keys(catalog: Catalog) -> list[str]:
    return [item.key for item in catalog.page_now("lab", "", "", "", 10_000) if not isinstance(item, str)]


def opened(catalog: Catalog, folder: Path) -> Any:
    for key in keys(catalog):
        if key.endswith(".xlsx"):
            (part,) = catalog.find_now("lab", key).file.body().parts
            assert isinstance(part, Literal)
            (folder / key).parent.mkdir(parents=True, exist_ok=True)
            (folder / key).write_bytes(part.data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the library that judges
        import arctrl

        return arctrl.ARC.load(str(folder))


def rows(table: Any) -> list[tuple[str, ...]]:
    return [tuple(str(cell) for cell in table.GetRow(n)) for n in range(table.RowCount)]


def test_data_sets_of_one_bucket_are_assays_of_one_investigation(tmp_path, engine):
    catalog = shown(
        tmp_path,
        engine,
        view("bright", "BF", {"assay": "histology", "study": "animals", "measurement": "stains"}, authors=["Doe J"]),
        view("dark", "DF", {"assay": "dark", "study": "animals"}, authors=["Doe J", "Roe R"]),
        view("bright", "SEM", {"assay": "sem", "study": "other", "investigation": {"title": "All of it"}}),
    )
    assert [item.reason for item in catalog.broken()] == []
    found = opened(catalog, tmp_path / "arc")
    assert (found.Identifier, found.Title) == ("BF", "All of it")
    assert [(person.LastName, person.FirstName) for person in found.Contacts] == [("Doe", "J"), ("Roe", "R")]
    assays = {one.Identifier: one for one in found.Assays}
    assert {name: len(one.Tables[0].Columns[0].Cells) for name, one in assays.items()} == dict.fromkeys(
        ("histology", "dark", "sem"), 3
    )
    assert (assays["histology"].MeasurementType.Name, assays["dark"].MeasurementType) == ("stains", None)
    assert [person.LastName for person in assays["histology"].Performers] == ["Doe"]
    studies = {one.Identifier: one for one in found.Studies}
    assert {name: list(one.RegisteredAssayIdentifiers) for name, one in studies.items()} == {
        "animals": ["histology", "dark"],
        "other": ["sem"],
    }
    # Both data sets say the same of their animals: that stands there once.
    assert [table.Name for table in studies["animals"].Tables] == ["sampling"]
    for name, suffix in (("histology", "BF"), ("dark", "DF")):
        assert f"assays/{name}/dataset/sub-a/micr/sub-a_sample-s1_{suffix}.ome.zarr/zarr.json" in keys(catalog)


def test_raw_data_and_derivatives_are_one_assay(tmp_path, engine):
    catalog = shown(
        tmp_path,
        engine,
        view("dark", "DF", {"assay": "dark", "platform": "X"}),
        view("small", "DF", {"assay": "dark"}, path="derivatives/small", entities={"desc": "small"}),
    )
    found = opened(catalog, tmp_path / "arc")
    (assay,), (study,) = found.Assays, found.Studies
    data = [row[-1] for table in assay.Tables for row in rows(table)]
    assert [table.Name for table in assay.Tables] == ["imaging", "imaging 2"]
    assert sum("/dataset/derivatives/small/" in path for path in data) == len(data) / 2 == 3
    assert assay.TechnologyPlatform is not None
    # What is known of the animals stands in the table of the raw data: derivatives add nothing.
    assert [table.Name for table in study.Tables] == ["sampling"]


def test_what_data_sets_say_of_one_thing_must_not_differ(tmp_path, engine):
    one = view("bright", "BF", {"assay": "a", "investigation": {"title": "One"}})
    other = view("dark", "DF", {"assay": "b", "investigation": {"title": "Another"}})
    with pytest.raises(ConfigError, match=r"views\[1\]\.arc\.investigation\.title: differs from that of .*views\[0\]"):
        shown(tmp_path, engine, one, other)


def test_names_that_differ_in_case_alone_are_refused(tmp_path, engine):
    views = view("bright", "BF", {"assay": "dark"}), view("dark", "DF", {"assay": "Dark"})
    with pytest.raises(ConfigError, match=r"views\[1\]\.arc: 'Dark' is called 'dark' by another view"):
        shown(tmp_path, engine, *views)


def test_two_data_sets_at_one_place_are_refused(tmp_path, engine):
    views = view("bright", "BF", {"assay": "dark"}), view("dark", "DF", {"assay": "dark"})
    with pytest.raises(ConfigError, match="its keys lie among those of the view with the path 'assays/dark/dataset'"):
        shown(tmp_path, engine, *views)


def test_tables_of_more_rows_than_a_sheet_has_are_several(tmp_path, engine, monkeypatch):
    monkeypatch.setattr(arc_tables, "ROWS", 3)
    found = opened(shown(tmp_path, engine, view("bright", "BF", {"assay": "a"})), tmp_path / "arc")
    tables = found.Assays[0].Tables
    assert [(table.Name, table.RowCount) for table in tables] == [("imaging", 2), ("imaging 2", 1)]
    assert len({row[-1] for table in tables for row in rows(table)}) == 3
    assert [table.RowCount for table in found.Studies[0].Tables] == [2, 1]


def test_listings_do_not_wait_for_long_workbooks(tmp_path, engine, monkeypatch):
    monkeypatch.setattr(arc, "LONG", 4)
    catalog = shown(tmp_path, engine, view("bright", "BF", {"assay": "a"}))
    assert "isa.investigation.xlsx" not in keys(catalog), "it has more than four rows"
    assert "assays/a/dataset/participants.tsv" in keys(catalog)
    catalog.prepare()
    assert [key for key in keys(catalog) if key.endswith(".xlsx")] == [
        "assays/a/isa.assay.xlsx",
        "isa.investigation.xlsx",
        "studies/study/isa.study.xlsx",
    ]
