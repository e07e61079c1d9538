"""Crates and tables of images as clients see them: listed with exact sizes, stable, renewed when files change."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from test_serving import Running, serving

CONFIG = """
sources:
  sections:
    files: "data/{animal}_{stain}.tif"
    pixel_size: 0.5 um
    join: [{table: animals.csv, by: {animal: "Animal ID"}}]
    about: {organism: "{Species}"}
  wells:
    files: "wells/{row:letter}{column:int}_s{field:int}.tif"
    about: {organism: Homo sapiens}
images:
  small: {from: sections, steps: [{crop: {x: [0, 32], y: [0, 32]}}]}
server: {public_url: "https://s3.example.org"}
buckets:
  lab:
    about: {modality: BF, license: CC-BY-4.0, authors: [{name: "Doe, Jane", orcid: 0000-0002-1825-0097}]}
    views:
      - {type: ro-crate, about: {name: Lab seven, description: Sections of brains.}}
      - {type: collection}
      - {type: ome-zarr, from: sections, path: "raw/{animal}_{stain}.ome.zarr", about: {name: "{animal} in {stain}"}}
      - {type: ome-zarr, from: small, path: "small/{animal}_{stain}.ome.zarr", recipe: false}
      - {type: ro-crate, path: small, about: {name: Small ones, license: MIT, date_published: 2024-02-03}}
      - {type: collection, path: small/table, under: small, formats: csv, url: "https://example.org/x/"}
  bids:
    views:
      - type: bids
        name: Sections
        license: CC0
        authors: [Doe J]
        files:
          - {from: sections, suffix: BF, as: ome.zarr, entities: {sub: "{animal}", sample: "{stain}"}}
        participants: {species: "{Species}"}
        samples: {sample_type: tissue}
        also: [ro-crate]
      - type: bids
        path: derivatives/small
        name: Smaller
        files:
          - {from: small, suffix: DF, as: ome.zarr, entities: {sub: "{animal}", sample: "{stain}", desc: small}}
  screen:
    about: {license: CC0, modality: BF}
    views:
      - {type: ome-zarr-plate, from: wells, path: "plate 7.ome.zarr", well: "{row}/{column}", field: "{field}"}
      - {type: png, from: wells, path: "png/µ{row}{column}_{field}.png", recipe: false}
      - {type: ro-crate, about: {name: Screen}}
      - {type: collection, formats: csv}
limits: {workers: 1, memory: 256 MiB}
"""
WHEN = 1_700_000_000
RNG = np.random.default_rng(3)


def write(path: Path, when: int = WHEN) -> None:
    tifffile.imwrite(path, RNG.integers(0, 255, (64, 80), dtype=np.uint8))
    os.utime(path, (when, when))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    base = tmp_path_factory.mktemp("crates")
    (base / "data").mkdir()
    (base / "animals.csv").write_text("Animal ID,Species\nm1,Mus musculus\nm2,a mouse\n")
    for name in ("m1_HE", "m1_CV", "m2_HE"):
        write(base / "data" / f"{name}.tif")
    (base / "wells").mkdir()
    for name in ("A1_s1", "A1_s2", "B2_s1"):
        write(base / "wells" / f"{name}.tif")
    (base / "config.yaml").write_text(CONFIG)
    with serving(base / "data", base / "log", str(base / "config.yaml")) as running:
        yield running


def got(server: Running, key: str, bucket: str = "lab") -> bytes:
    answer = server.get(f"/{bucket}/{key}")
    assert answer.status == 200, answer.body
    assert int(answer.headers["content-length"]) == len(answer.body)
    return answer.body


def graph(data: bytes) -> dict[str, dict[str, Any]]:
    return {entity["@id"]: entity for entity in json.loads(data)["@graph"]}


def listed(server: Running, bucket: str = "lab") -> dict[str, int]:
    body = server.get(f"/{bucket}?list-type=2").body.decode()
    return {key: int(size) for key, size in re.findall(r"<Key>(.*?)</Key>.*?<Size>(\d+)", body)}


def rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def test_an_image_has_a_crate_of_its_own(server: Running) -> None:
    key = "raw/m1_HE.ome.zarr/ro-crate-metadata.json"
    data = got(server, key)
    assert listed(server)[key] == len(data)
    found = graph(data)
    assert found["./"]["name"] == "m1 in HE"
    assert found["./"]["license"] == "https://creativecommons.org/licenses/by/4.0/"
    assert found["./"]["datePublished"] == "2023-11-14"
    assert found["./"]["author"] == {"@id": "https://orcid.org/0000-0002-1825-0097"}
    (biosample,) = (e for e in found.values() if e["@type"] == "biosample")
    assert biosample["organism_classification"] == {"@id": "NCBI:txid10090"}
    (action,) = (e for e in found.values() if e["@type"] == "CreateAction")
    assert found[action["object"]["@id"]]["name"] == "m1_HE.tif"
    assert str(server.root).encode() not in data
    assert server.get(f"/lab/{key}").headers["content-type"] == "application/ld+json"


def test_what_a_table_says_wrongly_is_left_out_and_told(server: Running) -> None:
    found = graph(got(server, "raw/m2_HE.ome.zarr/ro-crate-metadata.json"))
    assert not any(e["@type"] == "biosample" for e in found.values())
    status = server.get("/-/status").body.decode()
    assert "must be an NCBI taxon such as NCBI:txid10090" in status


def test_a_plate_of_single_images_has_a_crate_as_its_fields_have(server: Running) -> None:
    key = "plate 7.ome.zarr/ro-crate-metadata.json"
    data = got(server, key.replace(" ", "%20"), "screen")
    assert listed(server, "screen")[key] == len(data)
    found = graph(data)
    root = found["./"]
    assert (root["name"], root["description"]) == ("plate 7", "Plate of 2 wells and 3 images.")
    assert root["license"] == "https://creativecommons.org/publicdomain/zero/1.0/"
    assert root["datePublished"] == "2023-11-14"
    assert {e["@type"]: e for e in found.values()}["biosample"]["organism_classification"] == {"@id": "NCBI:txid9606"}
    (action,) = (e for e in found.values() if e["@type"] == "CreateAction")
    assert [found[o["@id"]]["name"] for o in action["object"]] == ["A1_s1.tif", "A1_s2.tif", "B2_s1.tif"]
    fields = {row["name"]: row for row in rows(got(server, "images.csv", "screen")) if row["format"] == "OME-Zarr 0.5"}
    assert list(fields) == ["A1 field 1", "A1 field 2", "B2 field 1"]
    assert all(row["chunks"] and int(row["written"]) > 0 for row in fields.values())


def test_a_crate_refers_to_those_of_fields_and_tells_types_of_files(server: Running) -> None:
    found = graph(got(server, "ro-crate-metadata.json", "screen"))
    field = found["plate%207.ome.zarr/B/2/0/"]
    assert field["name"] == "B2 field 1"
    got(server, field["subjectOf"]["@id"], "screen")
    picture = found["png/µA1_2.png"]
    assert picture["encodingFormat"] == server.get("/screen/png/%C2%B5A1_2.png").headers["content-type"] == "image/png"
    made = [e["result"]["@id"] for e in found.values() if e["@type"] == "CreateAction"]
    assert len(made) == 3
    assert not any(name.startswith("png/") for name in made)


def test_where_nothing_is_told_of_how_it_was_made_neither_does_the_crate(server: Running) -> None:
    found = graph(got(server, "small/m1_CV.ome.zarr/ro-crate-metadata.json"))
    assert not any(e["@type"] in ("CreateAction", "SoftwareApplication", "File") for e in found.values())


def test_the_bucket_has_a_crate_that_leads_to_those_of_its_images(server: Running) -> None:
    data = got(server, "ro-crate-metadata.json")
    assert listed(server)["ro-crate-metadata.json"] == len(data)
    found = graph(data)
    root = found["./"]
    assert (root["name"], root["description"]) == ("Lab seven", "Sections of brains.")
    assert found[root["license"]["@id"]]["name"] == "CC-BY-4.0"
    parts = [part["@id"] for part in root["hasPart"]]
    assert len(parts) == 6
    for part in parts:
        own = found[found[part]["subjectOf"]["@id"]]
        assert server.get(f"/lab/{own['@id']}").status == 200
    steps = {e["description"].split(".")[0] for e in found.values() if e["@type"] == "CreateAction"}
    assert steps == {"Pixel values are those of the original files"}


def test_a_crate_of_a_part_of_the_bucket(server: Running) -> None:
    found = graph(got(server, "small/ro-crate-metadata.json"))
    assert found["./"]["datePublished"] == "2024-02-03"
    assert {part["@id"] for part in found["./"]["hasPart"]} == {
        "m1_CV.ome.zarr/",
        "m1_HE.ome.zarr/",
        "m2_HE.ome.zarr/",
    }


def test_bids_says_it_once(server: Running) -> None:
    found = graph(got(server, "ro-crate-metadata.json", "bids"))
    # Of the derivative, too, although its view comes later.
    images = [image["@id"] for image in found["./"]["hasPart"]]
    assert found["./"]["description"].startswith(f"BIDS data set: {len(images)} images, ")
    assert sum(image.startswith("derivatives/small/") for image in images) * 2 == len(images)
    assert "measurementTechnique" not in found["./"]  # of some only
    assert found["./"]["name"] == "Sections"
    part = next(image for image in images if image.startswith("sub-"))
    own = graph(got(server, f"{part}ro-crate-metadata.json", "bids"))
    assert own["./"]["license"].startswith("https://creativecommons.org/")
    assert "/ro-crate-metadata.json" in got(server, ".bidsignore", "bids").decode()


def test_the_table_of_images_is_listed_once_its_size_is_known(server: Running) -> None:
    server.eventually(lambda: "images.csv" in listed(server))
    data = got(server, "images.csv")
    assert listed(server)["images.csv"] == len(data)
    found = {row["File Name"]: row for row in rows(data) if "/raw/" in row["url"]}
    one = found["m1_HE.ome.zarr"]
    assert one["url"] == "https://s3.example.org/lab/raw/m1_HE.ome.zarr"
    assert (one["shape"], one["dimension_names"], one["dtype"]) == ("64,80", "y,x", "uint8")
    assert (one["voxel_size_x"], one["voxel_size_unit"]) == ("0.5", "micrometer")
    assert (one["organismId"], one["fbbiId"]) == ("NCBI:txid10090", "obo:FBbi_00000243")
    chunks = [size for key, size in listed(server).items() if key.startswith("raw/m1_HE.ome.zarr/") and "/c/" in key]
    assert int(one["written"]) == sum(chunks)
    document = json.loads(got(server, "raw/m1_HE.ome.zarr/0/zarr.json"))
    assert one["shards"] == ",".join(map(str, document["chunk_grid"]["configuration"]["chunk_shape"]))
    server.eventually(lambda: "small/table.csv" in listed(server))
    assert {row["url"] for row in rows(got(server, "small/table.csv"))} == {
        f"https://example.org/x/small/{name}.ome.zarr" for name in ("m1_CV", "m1_HE", "m2_HE")
    }


def test_parquet_says_the_same(server: Running) -> None:
    import pyarrow.parquet as pq

    server.eventually(lambda: {"images.csv", "images.parquet"} <= set(listed(server)), 40)
    table = pq.read_table(io.BytesIO(got(server, "images.parquet"))).to_pylist()
    assert [row["url"] for row in table] == [row["url"] for row in rows(got(server, "images.csv"))]


def test_a_changed_file_renews_what_tells_of_it(server: Running) -> None:
    keys = ("ro-crate-metadata.json", "raw/m1_CV.ome.zarr/ro-crate-metadata.json", "images.csv")
    other = "raw/m1_HE.ome.zarr/ro-crate-metadata.json"
    before = {key: server.get(f"/lab/{key}").headers["etag"] for key in (*keys, other)}
    path = server.root / "m1_CV.tif"
    tifffile.imwrite(path, RNG.integers(0, 255, (96, 80), dtype=np.uint8))
    os.utime(path, (WHEN + 86400, WHEN + 86400))
    server.eventually(lambda: "96,80" in server.get("/lab/images.csv").body.decode())
    server.eventually(lambda: b"2023-11-15" in server.get("/lab/ro-crate-metadata.json").body)
    after = {key: server.get(f"/lab/{key}").headers["etag"] for key in (*keys, other)}
    assert after[other] == before[other]
    assert graph(got(server, keys[1]))["./"]["datePublished"] == "2023-11-15"
    assert all(after[key] != before[key] for key in keys)


def test_a_new_file_stands_in_the_table_and_in_the_crate(server: Running) -> None:
    write(server.root / "m1_Nissl.tif")
    server.eventually(lambda: b"m1_Nissl" in server.get("/lab/images.csv").body, 40)
    server.eventually(lambda: b"m1_Nissl" in server.get("/lab/ro-crate-metadata.json").body)


def test_a_damaged_file_stands_in_neither_until_it_is_mended(server: Running) -> None:
    (server.root / "m2_CV.tif").write_bytes(b"II*\0" + b"\xff" * 400)
    server.eventually(lambda: b"m2_CV" in server.get("/-/status").body, 40)
    server.eventually(lambda: b"m2_CV" not in server.get("/lab/ro-crate-metadata.json").body, 40)
    assert b"m2_CV" not in got(server, "images.csv")
    write(server.root / "m2_CV.tif", WHEN + 5)
    server.eventually(lambda: server.get("/lab/raw/m2_CV.ome.zarr/zarr.json").status == 200, 40)
    server.eventually(lambda: b"m2_CV" in server.get("/lab/images.csv").body)
    server.eventually(lambda: b"m2_CV" in server.get("/lab/ro-crate-metadata.json").body)
