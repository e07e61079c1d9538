"""BIDS buckets as boto3 downloads them, judged by the official validator; pybids finds the same entities."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from conformance.clients.test_boto3 import Boto3, client_for
from conformance.formats.corpus import root
from conformance.server import ROOT, serving

CLIENT, VERSION = "bids-validator", importlib.metadata.version("bids-validator-deno")
COMMAND = Path(sys.executable).parent / "bids-validator-deno"
UNKNOWN = {
    "Manufacturer",
    "ManufacturersModelName",
    "DeviceSerialNumber",
    "StationName",
    "SoftwareVersions",
    "InstitutionName",
    "InstitutionAddress",
    "InstitutionalDepartmentName",
    "BodyPart",
    "BodyPartDetails",
    "SampleEnvironment",
    "SampleStaining",
    "SamplePrimaryAntibody",
    "SampleSecondaryAntibody",
    "HEDVersion",
}
"""Recommended fields that neither file nor configuration tells; they are never made up."""
TABLES = {"species", "age", "sex", "handedness", "strain", "strain_rrid", "pathology", "derived_from"}
FORMATS = """
bucket: formats
sources:
  sections: {files: "data/{animal}_{section:int}.ome.tif"}
  volumes: {files: "data/volume_{animal}.ome.tif"}
  photos: {files: "data/photos/{animal}_{section:int}.jpeg"}
images:
  part:
    from: volumes
    steps: [{crop: {x: [0, 40]}}]
views:
  - type: bids
    name: All formats of microscopy
    license: CC0
    authors: [Doe J, Roe R]
    source_datasets: [{URL: "https://example.org/lab"}]
    files:
      - {from: sections, suffix: BF, as: ome.tif, entities: {sub: "{animal}", sample: "s{section:03}", acq: o}}
      - {from: sections, suffix: BF, as: ome.btf, entities: {sub: "{animal}", sample: "s{section:03}", acq: b}}
      - {from: sections, suffix: DF, as: tif, entities: {sub: "{animal}", sample: "s{section:03}"}}
      - {from: sections, suffix: PC, as: png, entities: {sub: "{animal}", sample: "s{section:03}"}}
      - {from: sections, suffix: DIC, entities: {sub: "{animal}", sample: "s{section:03}", run: "{section:02}"}}
      - {from: volumes, suffix: SPIM, entities: {sub: "{animal}", ses: "1", sample: whole}}
      - {from: volumes, suffix: CONF, as: ome.tif, entities: {sub: "{animal}", ses: "1", sample: whole}}
      - from: photos
        suffix: photo
        entities: {sub: "{animal}", sample: "s{section:03}"}
        sidecar: {PhotoDescription: "The block of {animal}"}
        intended_for: sections
    participants: {species: mus musculus, dose: {value: low, description: How much of it., levels: {low: 1 mg}}}
    samples: {sample_type: tissue}
    sessions: {acq_time: "2023-01-01T00:00:00"}
    changes: |
      1.0.0 2026-01-01
        - First version.
  - type: bids
    path: derivatives/part
    name: Parts of volumes
    license: CC0
    authors: [Doe J, Roe R]
    files:
      - from: part
        suffix: SPIM
        entities: {sub: "{animal}", ses: "1", sample: whole, space: left, desc: part}
        sidecar: {SpatialReference: "https://example.org/left"}
  - {type: ome-zarr, from: volumes, path: "viewer/{animal}.ome.zarr"}
limits: {workers: 1, memory: 256 MiB}
"""


MAKERS = """
bucket: makers
sources:
  nd2: {{files: "{0}/nd2/{{name}}.nd2"}}
  oib: {{files: "{0}/oif/{{name}}.oib"}}
  czi: {{files: "{0}/czi/{{name}}.czi", series: 0}}
  em: {{files: "{0}/folder-stack-em/c_elegans_em_z{{z:int}}.tif", stack: {{z: z}}}}
  ims: {{files: "{0}/imaris/{{name}}.ims"}}
  leica: {{files: "{0}/ome-tiff/leica-matrix*/**/image--{{a}}--X{{x:int}}--Y{{y:int}}--{{b}}--C{{c:int}}.ome.tif"}}
views:
  - type: bids
    name: Files of many makers
    license: CC0
    authors: [Doe J, Roe R]
    source_datasets: [{{URL: "https://example.org/data"}}]
    files:
      - {{from: nd2, suffix: FLUO, entities: {{sub: yeast, sample: "{{name}}"}}}}
      - {{from: oib, suffix: CONF, entities: {{sub: oib, sample: "{{name}}"}}}}
      - {{from: czi, suffix: FLUO, entities: {{sub: czi, sample: "{{name}}"}}}}
      - from: em
        suffix: TEM
        entities: {{sub: worm, sample: em}}
        sidecar: {{PixelSize: {{x: 8 nm, y: 8 nm, z: 50 nm}}}}
      - {{from: ims, suffix: SPIM, entities: {{sub: ims, sample: "{{name}}"}}}}
      - from: leica
        suffix: CONF
        as: ome.tif
        entities: {{sub: leica, sample: "x{{x}}y{{y}}", chunk: "{{x}}{{y}}", acq: "c{{c}}"}}
    samples: {{sample_type: cell line}}
limits: {{workers: 1, memory: 256 MiB}}
"""


def written(folder: Path) -> None:
    """Images with sizes of pixels, of two and three dimensions, in colour and grey; and photos."""
    (folder / "photos").mkdir(parents=True)
    rng = np.random.default_rng(0)
    plane = {"axes": "YXS", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    sizes = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 2.0}
    for animal in ("m1", "m2"):
        for section in (7, 8):
            colours = rng.integers(0, 255, (60, 70, 3), dtype=np.uint8)
            tifffile.imwrite(folder / f"{animal}_{section}.ome.tif", colours, photometric="rgb", metadata=plane)
            # The validator reads names of photos alone.
            (folder / "photos" / f"{animal}_{section}.jpeg").write_bytes(b"\xff\xd8\xff\xe0not looked at\xff\xd9")
        volume = rng.integers(0, 4000, (5, 60, 70), dtype=np.uint16)
        tifffile.imwrite(folder / f"volume_{animal}.ome.tif", volume, metadata={"axes": "ZYX", **sizes})


def downloaded(config: Path, bucket: str, to: Path) -> Path:
    with serving(config, log=to.parent / "log.txt") as facade:
        client = client_for(facade)
        reader = Boto3(client)
        for key, size in reader.keys(bucket, ""):
            path = to / key
            path.parent.mkdir(parents=True, exist_ok=True)
            client.download_file(bucket, key, str(path))
            assert path.stat().st_size == size, key
        client.close()
    return to


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The example of a messy folder."""
    base = tmp_path_factory.mktemp("lab")
    return downloaded(ROOT / "examples" / "messy_lab" / "lab7.yaml", "lab7", base / "bids")


@pytest.fixture(scope="module")
def formats(tmp_path_factory):
    """Every extension of microscopy, photos, sessions, a derivative, and a view that is none of BIDS."""
    base = tmp_path_factory.mktemp("formats")
    written(base / "data")
    (base / "formats.yaml").write_text(FORMATS, encoding="utf-8")
    return downloaded(base / "formats.yaml", "formats", base / "bids")


@pytest.fixture(scope="module")
def makers(tmp_path_factory):
    """Real files of several makers of microscopes."""
    data = root()
    if data is None:
        pytest.skip("no corpus: set S3FACADE_CORPUS to a folder of real images")
    base = tmp_path_factory.mktemp("makers")
    (base / "makers.yaml").write_text(MAKERS.format(data), encoding="utf-8")
    return downloaded(base / "makers.yaml", "makers", base / "bids")


def judged(folder: Path) -> tuple[list[dict], list[dict]]:
    """Issues of the data set and of its derivatives."""
    command = [COMMAND, "--recursive", "--json", folder]
    run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    told = json.loads(run.stdout)
    own = told["issues"]["issues"]
    inner = [issue for each in told.get("derivativesSummary", {}).values() for issue in each["issues"]["issues"]]
    assert (run.returncode == 0) == all(issue.get("severity") != "error" for issue in (*own, *inner)), run.stderr
    return own, inner


def avoidable(issues: list[dict]) -> list[tuple[str, str, str]]:
    """All issues but those about facts that nobody has told."""
    found = []
    for issue in issues:
        about = issue.get("subCode", "")
        if issue["code"] in {"SIDECAR_KEY_RECOMMENDED", "JSON_KEY_RECOMMENDED"} and about in UNKNOWN:
            continue
        if issue["code"] == "TSV_COLUMN_MISSING" and about in TABLES:
            continue
        found.append((issue["code"], about, issue.get("location", "")))
    return found


def test_a_messy_folder_is_a_valid_data_set(lab):
    own, inner = judged(lab)
    # Where the files were taken from is not said in the example.
    allowed = [("JSON_KEY_RECOMMENDED", "SourceDatasets", "/dataset_description.json")]
    assert avoidable(own) == allowed
    assert not inner


def test_every_extension_photos_sessions_and_derivatives_are_valid(formats):
    own, inner = judged(formats)
    assert avoidable(own) == []
    assert avoidable(inner) == []
    assert (formats / ".bidsignore").read_text() == "/viewer\n"


def test_files_of_many_makers_are_valid_and_say_what_they_know(makers):
    own, _ = judged(makers)
    # Where there are fields of view, BIDS would like to know how they lie; no file says it in a matrix.
    assert [issue for issue in avoidable(own) if issue[1] != "ChunkTransformationMatrix"] == []
    told = json.loads((makers / "sub-czi" / "micr" / "sub-czi_sample-xyzmultipleimages_FLUO.json").read_text())
    assert told == {
        "Immersion": "Oil",
        "Magnification": 40,
        "NumericalAperture": 1.4,
        "PixelSize": [0.195644376, 0.195644376, 0.3],
        "PixelSizeUnits": "um",
    }
    leica = makers / "sub-leica" / "micr" / "sub-leica_sample-x0y0_acq-c0_chunk-00_CONF.json"
    assert json.loads(leica.read_text())["Manufacturer"] == "Leica Microsystems"
    # What is stated stands once, and the image knows nothing else.
    assert json.loads((makers / "TEM.json").read_text())["PixelSize"] == [8, 8, 50]
    assert not list((makers / "sub-worm").rglob("*_TEM.json"))


def test_the_validator_would_notice(formats, tmp_path):
    """What the tests above rely on: it does look at names, tables and sidecars."""
    copy = tmp_path / "copy"
    shutil.copytree(formats, copy)
    (copy / "BF.json").write_text('{"PixelSize": "0.5 um"}')
    (copy / "sub-m1" / "micr" / "sub-m1_sample-s007_acq-b_BF.json").unlink()
    (copy / "participants.tsv").write_text("participant_id\nsub-m1\n")
    (copy / "sub-m1" / "micr" / "sub-m1_BF.png").write_bytes(b"x")
    own, _ = judged(copy)
    codes = {issue["code"] for issue in own if issue.get("severity") == "error"}
    assert {"PARTICIPANT_ID_MISMATCH", "SIDECAR_KEY_REQUIRED"} & codes
    assert len(codes) >= 3, codes


def test_pybids_finds_the_entities_of_the_mapping(lab, formats):
    from bids import BIDSLayout

    found = BIDSLayout(lab, validate=False)
    images = [file for file in found.get(suffix="BF") if file.path.endswith(".ome.zarr")]
    entities = sorted((f.entities["subject"], f.entities["sample"], f.entities["staining"]) for f in images)
    assert entities == [
        ("m12", "s007", "CV"),
        ("m12", "s008", "CV"),
        ("m12", "s009", "HE"),
        ("m13", "s007", "CV"),
        ("m13", "s012", "HE"),
        ("m14", "s007", "Nissl"),
    ]
    metadata = images[0].get_metadata()
    assert metadata["PixelSize"] == [0.5, 0.5]
    assert metadata["SampleStaining"] in {"CV", "HE", "Nissl"}
    layout = BIDSLayout(formats, validate=False, derivatives=False)
    assert sorted(layout.get_subjects()) == ["m1", "m2"]
    (volume,) = [f for f in layout.get(subject="m1", suffix="SPIM") if f.path.endswith(".ome.zarr")]
    assert volume.get_metadata() == {"PixelSize": [0.5, 0.5, 2], "PixelSizeUnits": "um"}
