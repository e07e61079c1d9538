"""arctrl, the library of the ARC's makers, on what boto3 downloads; and the BIDS validator on the assay's data."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config

from conformance.server import ROOT, Facade, serving

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import arctrl

CLIENT, VERSION = "arctrl", version("arctrl")
EXAMPLE = ROOT / "examples" / "arc" / "arc.yaml"
BUCKET = "lab7-arc"
DATASET = "assays/histology/dataset"


@pytest.fixture(scope="module")
def arc_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Facade]:
    with serving(EXAMPLE, log=tmp_path_factory.mktemp("arc") / "log.txt") as running:
        yield running


def listed(facade: Facade) -> dict[str, dict[str, Any]]:
    config = Config(s3={"addressing_style": "path"}, signature_version=UNSIGNED)
    client = boto3.client("s3", endpoint_url=facade.url, region_name="us-east-1", config=config)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    found = {entry["Key"]: entry for page in pages for entry in page["Contents"]}
    for key, entry in found.items():
        entry["Body"] = client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    client.close()
    return found


@pytest.fixture(scope="module")
def downloaded(arc_server: Facade, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("downloaded")
    for key, entry in listed(arc_server).items():
        assert len(entry["Body"]) == entry["Size"], key
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(entry["Body"])
    return folder


@pytest.fixture(scope="module")
def arc(downloaded: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own
        return arctrl.ARC.load(str(downloaded))


def column(table: Any, header: str) -> list[str]:
    names = [str(found) for found in table.Headers]
    return [str(cell) for cell in table.GetColumn(names.index(header)).Cells]


def test_arctrl_opens_it(arc):
    assert (arc.Identifier, arc.Title) == ("Lab-7-stained-sections", "Lab 7, stained sections")
    assert [(person.FirstName, person.LastName, person.ORCID) for person in arc.Contacts] == [
        ("Jane", "Doe", "0000-0002-1825-0097")
    ]
    assert [study.Identifier for study in arc.Studies] == ["animals"]
    assert [assay.Identifier for assay in arc.Assays] == ["histology"]
    assert list(arc.Studies[0].RegisteredAssayIdentifiers) == ["histology"]


def test_sources_and_samples_are_those_of_the_tables(arc, downloaded):
    (sampling,) = arc.Studies[0].Tables
    lines = [line.split("\t") for line in (downloaded / DATASET / "samples.tsv").read_text().splitlines()]
    rows = [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]
    expected = {(row["participant_id"], f"{row['participant_id']}_{row['sample_id']}") for row in rows}
    sources, samples = column(sampling, "Input [Source Name]"), column(sampling, "Output [Sample Name]")
    assert set(zip(sources, samples, strict=True)) == expected
    assert set(column(sampling, "Characteristic [organism]")) == {"mus musculus"}
    organism = sampling.GetColumn([str(h) for h in sampling.Headers].index("Characteristic [organism]"))
    assert {cell.AsTerm.TermAccessionNumber for cell in organism.Cells} == {
        "http://purl.obolibrary.org/obo/NCBITaxon_10090"
    }


def test_data_of_the_assay_are_keys_of_the_bucket(arc, downloaded):
    (imaging,) = arc.Assays[0].Tables
    data = [cell.AsData.FilePath for cell in imaging.GetColumn(len(imaging.Headers) - 1).Cells]
    assert data
    for path in data:
        assert (downloaded / path / "zarr.json").is_file(), path
    (sampling,) = arc.Studies[0].Tables
    assert set(column(imaging, "Input [Sample Name]")) <= set(column(sampling, "Output [Sample Name]"))


def test_the_assay_is_a_valid_bids_dataset(downloaded):
    validator = Path(sys.executable).with_name("bids-validator-deno")
    done = subprocess.run(
        [validator, "--json", downloaded / DATASET], capture_output=True, text=True, timeout=120, check=False
    )
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue.get("severity") == "error"] == []
    assert done.returncode == 0, done.stdout


def test_another_server_at_another_time_gives_the_same_bytes(arc_server, tmp_path):
    first = listed(arc_server)
    with serving(EXAMPLE, log=tmp_path / "log.txt") as other:
        second = listed(other)
    workbooks = [key for key in first if key.endswith(".xlsx")]
    assert sorted(workbooks) == [
        "assays/histology/isa.assay.xlsx",
        "isa.investigation.xlsx",
        "studies/animals/isa.study.xlsx",
    ]
    for key in first:
        assert first[key]["Body"] == second[key]["Body"], key
        assert first[key]["ETag"] == second[key]["ETag"], key
