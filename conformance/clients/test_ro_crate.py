"""Crates and tables of images, downloaded with boto3, judged and read by others' software.

roc-validator checks all that RO-Crate requires and what it recommends, rocrate finds the entities, pandas, pyarrow and
DuckDB read the tables. The contexts of RO-Crate come from the web; where that cannot be reached, the one that
rocrate brings stands for them.
"""

from __future__ import annotations

import io
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import boto3
import numpy as np
import pytest
import tifffile
from botocore import UNSIGNED
from botocore.config import Config

rocrate = pytest.importorskip("rocrate.rocrate")
services = pytest.importorskip("rocrate_validator.services")
pd = pytest.importorskip("pandas")
pq = pytest.importorskip("pyarrow.parquet")

from conformance.server import Facade, serving  # noqa: E402 - after the check that there is a client

CLIENT, VERSION = "roc-validator", version("roc-validator")
CONFIG = """
sources:
  sections:
    files: "data/{animal}_{stain}.tif"
    pixel_size: 0.5 um
    about: {organism: Mus musculus}
  wells: {files: "wells/{row:letter}{column:int}.tif"}
server: {public_url: "URL"}
buckets:
  lab:
    about:
      license: CC-BY-4.0
      modality: SPIM
      authors:
        - name: Doe, Jane
          orcid: 0000-0002-1825-0097
          affiliation: {name: Institute, url: "https://ror.org/02nr0ka47"}
      publisher: {name: Institute, url: "https://ror.org/02nr0ka47"}
      publication: 10.1038/s41592-021-01326-w
      study: {title: "Brains of mice", funding: "none"}
      specimen: "cleared and stained with {stain}"
    views:
      - {type: ome-zarr, from: sections, path: "raw/{animal} {stain}.ome.zarr", about: {name: "{animal}, {stain}"}}
      - {type: ome-tiff, from: sections, path: "tiff/{animal}_{stain}.ome.tif"}
      - {type: ro-crate, about: {name: Lab seven, description: Sections of brains.}}
      - {type: collection}
  bids:
    views:
      - type: bids
        name: Sections
        license: CC0
        authors: [Doe J]
        files:
          - {from: sections, suffix: SPIM, as: ome.zarr, entities: {sub: "{animal}", sample: "{stain}"}}
        participants: {species: "mus musculus"}
        samples: {sample_type: tissue}
        also: [ro-crate]
  screen:
    about: {license: CC0, authors: [{name: "Doe, J", orcid: 0000-0002-1825-0097}], keywords: plate}
    views:
      - {type: ome-zarr-plate, from: wells, path: "µ plate.ome.zarr", well: "{row}/{column}"}
      - {type: ro-crate, about: {name: A screen, description: One plate.}}
"""
RECOMMENDED = {
    # The form of the NGFF challenge: its readers take the licence as text.
    "license type",
    # RO-Crate asks for these where somebody has them; here nobody says more.
    "SHOULD have an organizational affiliation",
    "SHOULD have a Contextual Entity which specifies the organizational",
    "SHOULD have a URL",
    "`publisher` property of a `Root Data Entity` SHOULD be an `Organization`",
    "ontactPoint",
    "SHOULD have an ORCID identifier",
    "SHOULD have a `publisher` property",
    # A size is known only when the image is opened, which the crate of a dataset is made without.
    "File Data Entities SHOULD have a `contentSize`",
    # Crates of images are referred to as RO-Crate 1.2 says, by the keys that they have.
    "that does not start with '#'",
    "SHOULD list their contents via `hasPart`",
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Facade]:
    base = tmp_path_factory.mktemp("lab")
    (base / "data").mkdir()
    for name in ("m1_HE", "m1_CV", "m2_HE"):
        tifffile.imwrite(base / "data" / f"{name}.tif", np.arange(64 * 80, dtype=np.uint16).reshape(64, 80))
    (base / "wells").mkdir()
    for name in ("A1", "B2"):
        tifffile.imwrite(base / "wells" / f"{name}.tif", np.arange(64 * 80, dtype=np.uint16).reshape(64, 80))
    (base / "config.yaml").write_text(CONFIG.replace("URL", "https://s3.example.org"))
    with serving(base / "config.yaml", log=base / "log.txt") as running:
        until = time.monotonic() + 60
        while not {"images.csv", "images.parquet"} <= keys(running) and time.monotonic() < until:
            time.sleep(0.2)  # they are made in the background, and listed then
        yield running


def client(lab: Facade):
    return boto3.client("s3", endpoint_url=lab.url, region_name="us-east-1", config=Config(signature_version=UNSIGNED))


def keys(lab: Facade) -> set[str]:
    return {found["Key"] for found in client(lab).list_objects_v2(Bucket="lab", Delimiter="/")["Contents"]}


@pytest.fixture(scope="module")
def downloaded(lab: Facade, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All buckets as folders, each object of the size that the listing said."""
    root = tmp_path_factory.mktemp("downloaded")
    s3 = client(lab)
    for bucket in ("lab", "bids", "screen"):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for found in page["Contents"]:
                path = root / bucket / found["Key"]
                path.parent.mkdir(parents=True, exist_ok=True)
                s3.download_file(bucket, found["Key"], str(path))
                assert path.stat().st_size == found["Size"], found["Key"]
    return root


@pytest.fixture(scope="module")
def contexts() -> Iterator[None]:
    """The contexts that crates name, if need be from what rocrate brings."""
    with pytest.MonkeyPatch.context() as patch:
        try:
            urllib.request.urlopen("https://w3id.org/ro/crate/1.2/context", timeout=5).close()
        except (urllib.error.URLError, OSError):
            _bundled(patch)
        yield


def _bundled(patch: pytest.MonkeyPatch) -> None:
    import rdflib.plugins.shared.jsonld.context as jsonld
    import requests
    from rocrate_validator.utils.http import HttpRequester

    data = (Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld").read_bytes()
    read = jsonld.source_to_json

    def get(self: object, url: str, **options: object) -> requests.Response:
        answer = requests.Response()
        ours = url.startswith("https://w3id.org/ro/crate/")
        answer.url, answer.status_code, answer.raw = url, 200 if ours else 404, io.BytesIO(data if ours else b"")
        answer.headers["Content-Type"] = "application/ld+json"
        return answer

    def source_to_json(source: object, *args: object, **options: object) -> object:
        if isinstance(source, str) and source.startswith("https://w3id.org/ro/crate/"):
            return json.loads(data), None
        return read(source, *args, **options)

    patch.setattr(HttpRequester, "get", get, raising=False)
    patch.setattr(HttpRequester, "head", get, raising=False)
    patch.setattr(jsonld, "source_to_json", source_to_json)


def judged(folder: Path, profile: str) -> list[str]:
    """What roc-validator finds wrong or lacking, but for what is said above."""
    from rocrate_validator.models import Severity

    settings = services.ValidationSettings(
        rocrate_uri=str(folder), profile_identifier=profile, requirement_severity=Severity.RECOMMENDED
    )
    issues = services.validate(settings).get_issues()
    return [
        f"{issue.severity.name} {issue.message}"
        for issue in issues
        if issue.severity is Severity.REQUIRED or not any(known in issue.message for known in RECOMMENDED)
    ]


def crates(downloaded: Path) -> list[Path]:
    return sorted(path.parent for path in downloaded.rglob("*.ome.zarr/ro-crate-metadata.json"))


@pytest.mark.usefixtures("contexts")
@pytest.mark.filterwarnings("ignore")
def test_crates_of_images_are_valid(downloaded: Path, tmp_path: Path) -> None:
    found = crates(downloaded)
    assert len(found) == 7
    for number, folder in enumerate(found):
        # The validator makes no proper address of a folder with a space in its name.
        named = folder.rename(tmp_path / str(number))
        try:
            assert judged(named, "ro-crate-1.1") == []
        finally:
            named.rename(folder)


@pytest.mark.usefixtures("contexts")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("bucket", ["lab", "bids", "screen"])
def test_crates_of_datasets_are_valid(downloaded: Path, bucket: str) -> None:
    assert judged(downloaded / bucket, "ro-crate-1.2") == []


@pytest.mark.filterwarnings("ignore")
def test_rocrate_finds_images_and_people(downloaded: Path) -> None:
    crate = rocrate.ROCrate(str(downloaded / "lab"))
    assert (crate.name, crate.root_dataset["license"].id) == (
        "Lab seven",
        "https://creativecommons.org/licenses/by/4.0/",
    )
    assert crate.root_dataset["author"]["name"] == "Doe, Jane"
    parts = {part.id for part in crate.root_dataset["hasPart"]}
    assert "raw/m1%20HE.ome.zarr/" in parts
    assert "tiff/m1_HE.ome.tif" in parts
    actions = [entity for entity in crate.get_entities() if entity.type == "CreateAction"]
    assert {action["object"]["name"] for action in actions} == {"m1_HE.tif", "m1_CV.tif", "m2_HE.tif"}
    assert {action["instrument"]["name"] for action in actions} == {"s3facade"}


@pytest.mark.filterwarnings("ignore")
def test_rocrate_follows_the_chain_of_the_challenge(downloaded: Path) -> None:
    crate = rocrate.ROCrate(str(downloaded / "lab" / "raw" / "m1 HE.ome.zarr"))
    acquired = crate.root_dataset["resultOf"]
    assert acquired["fbbi_id"].id == "obo:FBbi_00000369"
    assert acquired["specimen"]["description"] == "cleared and stained with HE"
    assert acquired["specimen"]["biosample"]["organism_classification"].id == "NCBI:txid10090"
    assert crate.root_dataset["name"] == "m1, HE"


def test_the_challenge_reads_over_the_web(lab: Facade) -> None:
    """What its collection tool asks for: the last of each text, entities by their one type."""
    with urllib.request.urlopen(f"{lab.url}/lab/raw/m2%20HE.ome.zarr/ro-crate-metadata.json") as answer:
        graph = json.load(answer)["@graph"]
    found = {key: item[key] for item in graph for key in ("license", "name") if item.get(key)}
    assert found == {"license": "https://creativecommons.org/licenses/by/4.0/", "name": "m2, HE"}
    by_type = {item["@type"]: item for item in graph}
    assert by_type["biosample"]["organism_classification"]["@id"] == "NCBI:txid10090"
    assert by_type["image_acquisition"]["fbbi_id"]["@id"] == "obo:FBbi_00000369"


def test_pandas_reads_both_tables(lab: Facade) -> None:
    parquet = pd.read_parquet(io.BytesIO(client(lab).get_object(Bucket="lab", Key="images.parquet")["Body"].read()))
    table = pd.read_csv(f"{lab.url}/lab/images.csv")
    assert list(table.columns) == list(parquet.columns)
    assert table["url"].tolist() == parquet["url"].tolist()
    assert len(table) == 6
    assert table["url"][0] == "https://s3.example.org/lab/raw/m1%20CV.ome.zarr"
    assert set(table["organismId"]) == {"NCBI:txid10090"}


def test_pyarrow_reads_ranges_of_the_table(lab: Facade) -> None:
    from pyarrow import fs

    host = lab.url.removeprefix("http://")
    store = fs.S3FileSystem(anonymous=True, endpoint_override=host, scheme="http", region="us-east-1")
    table = pq.read_table("lab/images.parquet", filesystem=store, columns=["File Path", "shape"])
    assert table.num_rows == 6
    assert set(table["shape"].to_pylist()) == {"64,80"}


def test_duckdb_reads_what_biofile_finder_asks_for(lab: Facade) -> None:
    duckdb = pytest.importorskip("duckdb")
    extension = pytest.importorskip("duckdb_extension_httpfs")
    (library,) = Path(extension.__file__).parent.rglob("httpfs.duckdb_extension")
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
        connection.load_extension(str(library))
        for name, size in (("images.parquet", "BIGINT"), ("images.csv", "BIGINT")):
            table = f"'{lab.url}/lab/{name}'"
            found = connection.execute(f'SELECT "File Path", "File Name", "File Size" FROM {table}').fetchall()
            assert all(path and file for path, file, _ in found)
            kinds = dict(
                connection.execute(f"DESCRIBE SELECT * FROM {table}").df()[["column_name", "column_type"]].values
            )
            assert (kinds["File Path"], kinds["File Size"]) == ("VARCHAR", size)
