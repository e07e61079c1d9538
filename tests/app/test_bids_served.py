"""The example of a messy folder as its user sees it: a server, boto3, zarr-python and tifffile at the other end."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import numpy as np
import pytest
import tifffile
import zarr
from botocore import UNSIGNED
from botocore.config import Config
from test_serving import Running, serving
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import MemoryStore

EXAMPLE = Path(__file__).parents[2] / "examples" / "messy_lab"
SECTIONS = {
    "sub-m12/micr/sub-m12_sample-s007_stain-CV_BF": "2023-01/m12_cresyl violet_sec7_40x.tif",
    "sub-m12/micr/sub-m12_sample-s008_stain-CV_BF": "2023-01/m12_cresyl violet_sec8_40x.tif",
    "sub-m12/micr/sub-m12_sample-s009_stain-HE_BF": "2023-01/m12_H&E_sec9_40x.tif",
    "sub-m13/micr/sub-m13_sample-s007_stain-CV_BF": "2023-01/m13_cresyl violet_sec7_40x.tif",
    "sub-m13/micr/sub-m13_sample-s012_stain-HE_BF": "2023-02/m13_H&E_sec12 (2).tif",
    "sub-m14/micr/sub-m14_sample-s007_stain-Nissl_BF": "2023-02/m14_Nissl_sec007.tif",
}
ROOT = {"BF.json", "README.md", "dataset_description.json", "participants.json", "participants.tsv", "samples.tsv"}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("bids") / "messy_lab"
    shutil.copytree(EXAMPLE, base)
    with (base / "lab7.yaml").open("a", encoding="utf-8") as config:
        config.write("server: {rescan: 500 ms}\nlimits: {workers: 2, memory: 256 MiB}\n")
    return base


@pytest.fixture(scope="module")
def server(lab: Path) -> Iterator[Running]:
    with serving(lab / "lab7", lab.parent / "log", str(lab / "lab7.yaml")) as running:
        yield running


class Bucket:
    def __init__(self, server: Running) -> None:
        about = Config(signature_version=UNSIGNED, s3={"addressing_style": "path"})
        url = f"http://127.0.0.1:{server.port}"
        self.s3 = boto3.client("s3", endpoint_url=url, region_name="us-east-1", config=about)

    def listed(self, prefix: str = "") -> dict[str, dict[str, object]]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket="lab7", Prefix=prefix)
        return {item["Key"]: item for page in pages for item in page.get("Contents", ())}

    def get(self, key: str) -> bytes:
        answer = self.s3.get_object(Bucket="lab7", Key=key)
        body = answer["Body"].read()
        assert len(body) == answer["ContentLength"]
        return body

    def json(self, key: str) -> dict[str, object]:
        return json.loads(self.get(key))

    def table(self, key: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.get(key).decode()), delimiter="\t"))


@pytest.fixture(scope="module")
def bucket(server: Running) -> Bucket:
    return Bucket(server)


def test_the_bucket_is_a_data_set_and_nothing_else(bucket: Bucket) -> None:
    listed = bucket.listed()
    outside = {key for key in listed if ".ome.zarr/" not in key}
    assert outside == ROOT | {f"{stem}.json" for stem in SECTIONS}
    assert {key.partition(".ome.zarr/")[0] for key in listed if ".ome.zarr/" in key} == set(SECTIONS)


def test_sizes_and_tags_of_listings_are_those_of_heads_and_bodies(bucket: Bucket) -> None:
    for key, item in bucket.listed().items():
        head = bucket.s3.head_object(Bucket="lab7", Key=key)
        assert (head["ContentLength"], head["ETag"]) == (item["Size"], item["ETag"])
        assert len(bucket.get(key)) == item["Size"]


def test_the_voxels_are_those_of_the_original_files(bucket: Bucket, lab: Path) -> None:
    for stem, name in SECTIONS.items():
        store: dict[str, object] = {}
        for key in bucket.listed(f"{stem}.ome.zarr/"):
            value = default_buffer_prototype().buffer.from_bytes(bucket.get(key))
            store[key.removeprefix(f"{stem}.ome.zarr/")] = value
        image = zarr.open_group(MemoryStore(store), mode="r")
        shown = np.moveaxis(np.squeeze(image["0"][...]), 0, -1)
        np.testing.assert_array_equal(shown, tifffile.imread(lab / "lab7" / name))


def test_tables_say_what_the_table_of_animals_says(bucket: Bucket) -> None:
    common = {"species": "mus musculus", "strain": "C57BL/6J"}
    assert bucket.table("participants.tsv") == [
        {"participant_id": "sub-m12", **common, "sex": "F", "age": "12"},
        {"participant_id": "sub-m13", **common, "sex": "M", "age": "12.5"},
        {"participant_id": "sub-m14", **common, "sex": "F", "age": "n/a"},
    ]
    assert bucket.json("participants.json") == {"age": {"Units": "week"}}
    samples = bucket.table("samples.tsv")
    assert len(samples) == len(SECTIONS)
    assert {(row["sample_id"], row["participant_id"], row["sample_type"]) for row in samples} >= {
        ("sample-s007", "sub-m12", "tissue"),
        ("sample-s012", "sub-m13", "tissue"),
    }


def test_what_all_images_have_in_common_stands_once(bucket: Bucket) -> None:
    assert bucket.json("BF.json") == {
        "BodyPart": "BRAIN",
        "PixelSize": [0.5, 0.5],
        "PixelSizeUnits": "um",
        "SampleEnvironment": "ex vivo",
        "SliceThickness": 20,
    }
    assert bucket.json("sub-m12/micr/sub-m12_sample-s009_stain-HE_BF.json") == {"SampleStaining": "HE"}


def test_the_description_tells_who_made_it_and_what_it_is(bucket: Bucket) -> None:
    told = bucket.json("dataset_description.json")
    assert told["Name"] == "Lab 7, stained sections"
    assert told["DatasetType"] == "raw"
    assert told["License"] == "CC0"
    (by,) = told["GeneratedBy"]
    assert by["Name"] == "s3facade"
    assert by["Version"]


def test_another_section_changes_no_more_than_it_must(bucket: Bucket, lab: Path) -> None:
    before = bucket.listed()
    new = lab / "lab7" / "2023-02" / "m12_Nissl_sec10.tif"
    shutil.copyfile(lab / "lab7" / SECTIONS["sub-m14/micr/sub-m14_sample-s007_stain-Nissl_BF"], new)
    try:
        until = time.monotonic() + 10
        while len(after := bucket.listed()) == len(before) and time.monotonic() < until:
            time.sleep(0.1)
    finally:
        os.unlink(new)
    stem = "sub-m12/micr/sub-m12_sample-s010_stain-Nissl_BF"
    assert {key for key in after.keys() - before.keys() if not key.startswith(stem)} == set()
    changed = {key for key in before if before[key]["ETag"] != after[key]["ETag"]}
    assert changed == {"samples.tsv"}
