"""MRI as BIDS: what boto3 downloads from a bucket, as the official validator, pybids, nibabel and zarr see it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import zarr

from conformance.bids_trees import dataset, export
from conformance.clients.test_boto3 import client_for
from conformance.server import Facade, serving

CLIENT, VERSION = "bids-validator", importlib.metadata.version("bids-validator-deno")
CONFIG = """
sources:
  t1: {{files: "{export}/{{person}}/{{date}}/t1 mprage.nii.gz"}}
  bold: {{files: "{export}/{{person}}/{{date}}/fmri {{task}} {{run:int}}.nii"}}
  dwi: {{files: "{export}/{{person}}/{{date}}/dti.nii.gz"}}
  phase: {{files: "{export}/{{person}}/{{date}}/fieldmap phase.nii.gz"}}
  magnitude: {{files: "{export}/{{person}}/{{date}}/fieldmap mag.nii"}}
  asl: {{files: "{export}/{{person}}/{{date}}/asl.nii.gz"}}
  pet: {{files: "{export}/{{person}}/{{date}}/pet {{tracer}}.nii"}}
  slices: {{files: "{slices}/{{animal}}_{{stain}}_{{section:int}}.tif", pixel_size: 0.5 um}}
images:
  halved: {{from: slices, steps: [{{crop: {{x: [0, 20], y: [0, 16]}}}}]}}
buckets:
  packed:
    views: [{mapped}]
  chunked:
    views: [{chunked}]
  cropped:
    views:
      - type: bids
        name: Cropped sections
        license: CC0
        authors: [Doe J]
        files:
          - {{from: halved, suffix: BF, entities: {{sub: "{{animal}}", sample: "s{{section:03}}", stain: "{{stain}}",
             desc: cropped}}, sidecar: {{SampleEnvironment: ex vivo}}}}
        participants: {{species: mus musculus}}
        samples: {{sample_type: tissue}}
  same:
    views: [{{type: bids, root: "{dataset}", convert: []}}]
  zarrs:
    views: [{{type: bids, root: "{dataset}"}}]
"""
MAPPED = """{{type: bids, name: Two heads, license: CC0, authors: [Doe J], participants: {{species: homo sapiens}},
      files: [
      {{from: t1, suffix: T1w, as: {form}, entities: {{sub: "{{person}}"}}}},
      {{from: bold, suffix: bold, as: {form}, entities: {{sub: "{{person}}", task: "{{task}}", run: "{{run:02}}"}}}},
      {{from: dwi, suffix: dwi, as: {form}, entities: {{sub: "{{person}}"}}}},
      {{from: phase, suffix: phasediff, as: {form}, entities: {{sub: "{{person}}"}}, intended_for: bold}},
      {{from: magnitude, suffix: magnitude1, as: {form}, entities: {{sub: "{{person}}"}}}},
      {{from: asl, suffix: asl, as: {form}, entities: {{sub: "{{person}}"}}}},
      {{from: pet, suffix: pet, as: {form}, entities: {{sub: "{{person}}"}}}}]}}"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    root = tmp_path_factory.mktemp("bids")
    images = export(root / "export")
    dataset(root / "dataset")
    (root / "slices").mkdir()
    import tifffile

    for animal, section in (("m1", 7), ("m2", 12)):
        tifffile.imwrite(root / f"slices/{animal}_Nissl_{section}.tif", np.full((24, 30), section, np.uint8))
    text = CONFIG.format(
        export=root / "export", slices=root / "slices", dataset=root / "dataset",
        mapped=MAPPED.format(form="nii.gz"), chunked=MAPPED.format(form="ome.zarr"),
    )  # fmt: skip
    (root / "bids.yaml").write_text(text)
    return root, images


@pytest.fixture(scope="module")
def mri(made: tuple[Path, dict[str, Any]]) -> Iterator[Facade]:
    root, _ = made
    with serving(root / "bids.yaml", log=root / "server.log") as facade:
        yield facade


def download(facade: Facade, bucket: str, to: Path) -> Path:
    """Everything in a bucket, by ListObjectsV2 and GetObject; sizes as they were listed."""
    client = client_for(facade)
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for item in page["Contents"]:
            path = to / item["Key"]
            path.parent.mkdir(parents=True, exist_ok=True)
            client.download_file(bucket, item["Key"], str(path))
            assert path.stat().st_size == item["Size"], item["Key"]
    return to


def judged(root: Path, *options: str) -> dict[str, list[dict[str, Any]]]:
    """What the official validator says: its issues by severity."""
    command = [str(Path(sys.executable).parent / "bids-validator-deno"), str(root), "--format", "json", *options]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout)
    found: dict[str, list[dict[str, Any]]] = {"error": [], "warning": []}
    issues = [told["issues"], *(of["issues"] for of in told.get("derivativesSummary", {}).values())]
    for issue in (issue for each in issues for issue in each["issues"]):
        found.setdefault(issue["severity"], []).append(issue)
    return found


def newest() -> str:
    """The option that makes the validator judge by the schema of bidsschematools, which is newer than its own."""
    spec = importlib.util.find_spec("bidsschematools")
    assert spec is not None
    assert spec.origin is not None
    return f"file://{Path(spec.origin).parent}/data/schema.json"


def codes(issues: list[dict[str, Any]]) -> set[str]:
    return {f"{issue['code']} {issue.get('subCode', '')} {issue.get('location', '')}".strip() for issue in issues}


def test_mri_from_messy_names_is_valid_and_its_files_are_the_originals(
    mri: Facade, made: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    root = download(mri, "packed", tmp_path)
    found = judged(root)
    assert not codes(found["error"])
    for stem, image in made[1].items():
        copy: Any = nib.load(root / f"{stem}.nii.gz")
        assert np.array_equal(np.asanyarray(copy.dataobj), np.asanyarray(image.dataobj))
        assert np.allclose(copy.affine, image.affine, atol=1e-5)
        assert copy.header.get_zooms() == pytest.approx(image.header.get_zooms(), rel=1e-6)
    t1 = (made[0] / "export/pat_02/2024-03-01/t1 mprage.nii.gz").read_bytes()
    assert (root / "sub-pat02/anat/sub-pat02_T1w.nii.gz").read_bytes() == t1
    side = json.loads((root / "sub-ZoeB/func/sub-ZoeB_task-rest_run-01_bold.json").read_text())
    assert (side["RepetitionTime"], side["TaskName"], side["EchoTime"]) == (2, "rest", 0.03)
    assert not list(root.rglob("*scout*"))


def test_pybids_finds_the_same_entities(mri: Facade, made: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    bids = pytest.importorskip("bids")
    layout = bids.BIDSLayout(download(mri, "packed", tmp_path), validate=True)
    assert sorted(layout.get_subjects()) == ["ZoeB", "pat02"]
    (bold,) = layout.get(subject="pat02", suffix="bold", extension=".nii.gz")
    assert bold.get_entities()["task"] == "rest"
    assert bold.get_metadata()["RepetitionTime"] == 2
    (dwi,) = layout.get(subject="ZoeB", suffix="dwi", extension=".nii.gz")
    assert [Path(path).suffix for path in (layout.get_bval(dwi.path), layout.get_bvec(dwi.path))] == [".bval", ".bvec"]
    assert len(layout.get(extension=".nii.gz")) == len(made[1])


def test_mri_as_ome_zarr_is_valid_by_the_newest_schema(
    mri: Facade, made: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    root = download(mri, "chunked", tmp_path)
    assert not codes(judged(root, "--schema", newest())["error"])
    for stem, image in made[1].items():
        array: Any = zarr.open_array(str(root / f"{stem}.ome.zarr"), path="0", mode="r")
        assert np.array_equal(array[:].T, np.asanyarray(image.dataobj))


def test_cropped_microscopy_is_a_valid_derivative(mri: Facade, tmp_path: Path) -> None:
    root = download(mri, "cropped", tmp_path)
    assert not codes(judged(root)["error"])
    about = json.loads((root / "dataset_description.json").read_text())
    assert about["DatasetType"] == "derivative"
    assert about["GeneratedBy"][0]["Name"] == "s3facade"


def test_a_data_set_that_exists_is_the_same_byte_for_byte(
    mri: Facade, made: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    root = download(mri, "same", tmp_path)
    assert not codes(judged(root, "--recursive")["error"])
    original = made[0] / "dataset"
    names = {path.relative_to(original) for path in original.rglob("*") if path.is_file()}
    assert names == {path.relative_to(root) for path in root.rglob("*") if path.is_file()}
    assert all((root / name).read_bytes() == (original / name).read_bytes() for name in names)


def test_a_data_set_that_exists_is_as_valid_with_its_images_as_ome_zarr(
    mri: Facade, made: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    root = download(mri, "zarrs", tmp_path)
    found = judged(root, "--schema", newest(), "--recursive")
    assert not codes(found["error"])
    before = judged(made[0] / "dataset", "--schema", newest(), "--recursive")
    # What reads NIfTI headers has nothing to say any more; nothing else is new.
    assert {issue["code"] for issue in found["warning"]} <= {issue["code"] for issue in before["warning"]}
    assert not list(root.rglob("*.nii*"))
    image: Any = nib.load(made[0] / "dataset/sub-01/func/sub-01_task-rest_bold.nii.gz")
    array: Any = zarr.open_array(str(root / "sub-01/func/sub-01_task-rest_bold.ome.zarr"), path="0", mode="r")
    assert np.array_equal(array[:].T, np.asanyarray(image.dataobj))
