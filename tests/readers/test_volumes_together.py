"""All formats of volumes: told apart, shown in one folder without their companions, read over the socket."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
import tensorstore as ts
import yaml
from volume_tools import DATA

from s3facade import registry
from s3facade.core.errors import BadSource
from s3facade.readers.volumes.common import anonymous
from s3facade.stores.local import LocalFile
from s3facade.testing.reading import voxels

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "readers" / "volumes.md"
VOLUMES = {"nifti", "mrc", "nrrd", "metaimage", "npy", "deltavision", "dm", "mgh", "afni", "minc", "parrec"}
TURNED = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, -1]])
VALUES = np.random.default_rng(0).integers(0, 1000, (40, 60, 50)).astype("i2")


def test_no_sample_is_taken_for_another_format():
    if not DATA.exists():
        pytest.skip("no samples")
    seen = set()
    for path in sorted(p for p in DATA.rglob("*") if p.is_file()):
        with path.open("rb") as file:
            head = file.read(4096)
        taken = [n for n, r in registry.readers() if r.sniff(head, path.name)]
        mine = VOLUMES.intersection(taken)
        seen |= mine
        if mine:
            assert path.relative_to(DATA).parts[0] in {"neuro", "mrc", "nrrd", "dm", "deltavision"}, (path, taken)
            assert len(mine) == 1, (path, taken)
            assert taken[0] in mine, (path, taken)
    assert seen >= VOLUMES - {"npy", "metaimage", "parrec"}


def test_the_examples_of_the_page_are_options_that_there_are(tmp_path):
    np.save(tmp_path / "a.npy", VALUES)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(VALUES), str(tmp_path / "a.mhd"))
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(VALUES), str(tmp_path / "a.nrrd"))
    nibabel.save(nibabel.Nifti1Image(VALUES.T, np.eye(4)), tmp_path / "a.nii.gz")
    found = re.search(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    sources = yaml.safe_load(found[1])["sources"]
    for source in sources.values():
        ending = source["files"].partition("}")[2]
        name = next(n for n, r in registry.readers() if ending in r.suffixes)
        (raster,) = registry.reader(name).open(LocalFile.open(tmp_path / f"a{ending}"), source["options"])
        assert raster.spec.levels[0].shape == VALUES.shape


@pytest.mark.parametrize("ending", ["mha", "nrrd"])
def test_headers_that_itk_copies_from_dicom_do_not_say_whose_image_it_is(tmp_path, ending):
    image = SimpleITK.GetImageFromArray(VALUES)
    for key, value in {"0010|0010": "Doe^Jane", "0008|0080": "General", "0028|0101": "12", "0008|0060": "CT"}.items():
        image.SetMetaData(key, value)
    image.SetMetaData("PatientName", "Jane")
    path = tmp_path / f"a.{ending}"
    SimpleITK.WriteImage(image, str(path))
    assert b"Doe^Jane" in path.read_bytes()
    name = next(n for n, r in registry.readers() if f".{ending}" in r.suffixes)
    (raster,) = registry.reader(name).open(LocalFile.open(path), {})
    told = str(raster.spec.attrs)
    for secret in ("Doe", "Jane", "General"):
        assert secret not in told
    assert "0028|0101" in told
    assert "0008|0060" in told


def test_par_files_do_not_say_whose_image_it_is():
    header = {"patient_name": "Doe", "exam_name": "Jane's head", "exam_date": "2020.01.02", "tech": "FEEPI"}
    assert anonymous(header) == {"exam_date": "2020.01.02", "tech": "FEEPI"}


def test_headers_of_windows_separate_folders_by_back_slashes(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.raw").write_bytes(VALUES.tobytes())
    sizes = " ".join(map(str, VALUES.shape[::-1]))
    headers = {
        "a.mhd": f"ObjectType = Image\nNDims = 3\nDimSize = {sizes}\nElementType = MET_SHORT\n"
        "ElementDataFile = raw\\a.raw\n",
        "a.nhdr": f"NRRD0004\ntype: short\ndimension: 3\nsizes: {sizes}\nendian: little\nencoding: raw\n"
        "data file: raw\\a.raw\n",
    }
    for name, text in headers.items():
        (tmp_path / name).write_text(text)
        reader = next(n for n, r in registry.readers() if name[1:] in r.suffixes)
        (raster,) = registry.reader(reader).open(LocalFile.open(tmp_path / name), {})
        np.testing.assert_array_equal(voxels(raster, 0), VALUES)


@pytest.fixture
def served(tmp_path):
    folder = tmp_path / "volumes"
    folder.mkdir()
    image = nibabel.Nifti1Image(VALUES.T, np.diag([0.5, 0.5, 2, 1]))
    nibabel.save(image, folder / "packed.nii.gz")
    nibabel.save(nibabel.Nifti1Pair(VALUES.T, image.affine), folder / "pair.hdr")
    apart = SimpleITK.GetImageFromArray(VALUES)
    apart.SetDirection(TURNED.ravel().tolist())
    apart.SetOrigin((1, -2, 3))
    SimpleITK.WriteImage(apart, str(folder / "apart.mhd"))
    np.save(folder / "plain.npy", VALUES)
    command = [sys.executable, "-m", "s3facade", "serve", str(folder), "--port", "0"]
    with (tmp_path / "log").open("w") as log:
        environment = dict(os.environ, S3FACADE_CACHE=str(tmp_path / "cache"))
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
    try:
        line = process.stdout.readline()
        address = re.search(r"http://[^ :]+:\d+[^ ]*", line)
        assert address, (tmp_path / "log").read_text()
        yield address[0].rstrip("/\n")
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=40)


def test_served(served):
    with urllib.request.urlopen(f"{served}/images?list-type=2&delimiter=/") as answer:
        images = re.findall(r"<Prefix>([^<]+)/</Prefix>", answer.read().decode())
    assert {name.partition(".")[0] for name in images} == {"packed", "pair", "apart", "plain"}
    assert len(images) == 4, "files of voxels are not images of their own"
    for name in images:
        found = ts.open({"driver": "zarr3", "kvstore": f"{served}/images/{name}/0/"}).result()
        np.testing.assert_array_equal(found[3:35, 10:50, 5:45].read().result(), VALUES[3:35, 10:50, 5:45])
        np.testing.assert_array_equal(found.read().result(), VALUES)
    name = next(n for n in images if n.startswith("apart"))
    with urllib.request.urlopen(f"{served}/images/{name}/s3facade.json") as answer:
        (told,) = json.load(answer)["images"]
    np.testing.assert_allclose(told["affine"], np.c_[TURNED, (1, -2, 3)] * 1000)
    assert told["frame"] == "LPS"
    assert "millimetres" in told["notes"][0]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.mhd", "ObjectType = Image\nNDims = 2\nDimSize = 1 1\nElementType = MET_SHORT\nElementDataFile =\n"),
        ("a.nhdr", "NRRD0004\ntype: short\ndimension: 2\nsizes: 1 1\nendian: little\nencoding: raw\ndata file: \n"),
        (
            "a.mha",
            (
                "ObjectType = Image\nNDims = 3\nDimSize = 1 1 1\nElementType = MET_SHORT\nOffset = 1e306 1 1\n"
                "ElementDataFile = LOCAL\n\0\0"
            ),
        ),
    ],
)
def test_headers_without_a_file_and_with_places_that_are_no_numbers(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    reader = next(n for n, r in registry.readers() if f".{name.partition('.')[2]}" in r.suffixes)
    with pytest.raises(BadSource, match=r"empty|no numbers"):
        registry.reader(reader).open(LocalFile.open(tmp_path / name), {})
