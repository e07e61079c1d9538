"""NIfTI files over a real server: whole, in ranges, passed on, and with steps; nibabel and SimpleITK read them."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - as everybody calls it
import tifffile
from test_serving import serving

VOLUME = np.random.default_rng(3).integers(0, 4000, (40, 300, 200), dtype=np.uint16)
CONFIG = """
limits: {workers: 1}
sources:
  planes: {file: volume.tif, pixel_size: {z: 2 um, y: 0.5 um, x: 0.5 um}}
  own: {files: "{name}.nii.gz"}
  unknown: {file: flat.tif}
images:
  cropped: {from: planes, steps: [{crop: {x: [10, 60], z: [5, 9]}}, {cast: float32}]}
buckets:
  scans:
    views:
      - {type: nifti, from: planes, path: volume.nii.gz}
      - {type: nifti, from: planes, path: plain/volume.nii}
      - {type: nifti, from: cropped, path: steps/volume.nii.gz}
      - {type: nifti, from: own, path: "own/{name}.nii.gz"}
      - {type: nifti, from: own, path: "made/{name}.nii.gz", recipe: false}
      - {type: nifti, from: unknown, path: flat.nii.gz}
"""


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    root = tmp_path_factory.mktemp("nifti")
    tifffile.imwrite(root / "volume.tif", VOLUME, imagej=True, metadata={"axes": "ZYX"})
    tifffile.imwrite(root / "flat.tif", VOLUME[0])
    nib.save(nib.Nifti1Image(VOLUME.T.astype("i2"), np.diag([2, 3, 4, 1])), root / "brain.nii.gz")
    (root / "c.yaml").write_text(CONFIG)
    with serving(root, root / "log", str(root / "c.yaml")) as server:
        yield server


def image(server, key):
    path = server.root / key.replace("/", "-")
    answer = server.get(f"/scans/{key}")
    assert answer.status == 200
    assert int(server.ask("HEAD", f"/scans/{key}").headers["content-length"]) == len(answer.body)
    path.write_bytes(answer.body)
    return nib.load(path), sitk.ReadImage(str(path))


@pytest.mark.parametrize("key", ["volume.nii.gz", "plain/volume.nii"])
def test_voxels_and_sizes_are_those_of_the_image(scans, key):
    one, other = image(scans, key)
    assert np.array_equal(np.asanyarray(one.dataobj), VOLUME.T)
    assert np.array_equal(sitk.GetArrayFromImage(other), VOLUME)
    assert np.allclose(np.diag(one.affine), (0.0005, 0.0005, 0.002, 1))
    assert np.allclose(other.GetSpacing(), (0.0005, 0.0005, 0.002))


def test_steps_are_taken_on_the_way(scans):
    one, _ = image(scans, "steps/volume.nii.gz")
    assert one.get_data_dtype() == np.float32
    assert np.array_equal(np.asanyarray(one.dataobj), VOLUME[5:9, :, 10:60].T)
    assert np.allclose(one.affine[:3, 3], (0.005, 0, 0.01))


def test_any_range_is_a_part_of_the_whole(scans):
    whole = scans.get("/scans/volume.nii.gz").body
    for start, stop in ((0, 10), (10, 400), (65_500, 70_000), (1_000_000, 3_000_000), (len(whole) - 8, len(whole))):
        answer = scans.get("/scans/volume.nii.gz", Range=f"bytes={start}-{stop - 1}")
        assert (answer.status, answer.body) == (206, whole[start:stop])
    assert scans.get("/scans/volume.nii.gz", Range="bytes=-8").body == whole[-8:]


def test_a_file_that_is_what_is_asked_for_is_passed_on(scans):
    own = (scans.root / "brain.nii.gz").read_bytes()
    assert scans.get("/scans/own/brain.nii.gz").body == own
    assert scans.get("/scans/own/brain.nii.gz", Range="bytes=100-199").body == own[100:200]
    made, _ = image(scans, "made/brain.nii.gz")
    assert len(scans.get("/scans/made/brain.nii.gz").body) > VOLUME.nbytes
    assert np.array_equal(np.asanyarray(made.dataobj), VOLUME.T)
    assert np.array_equal(made.affine, np.diag([2, 3, 4, 1]))


def test_planes_of_unknown_size_are_readable(scans):
    one, other = image(scans, "flat.nii.gz")
    assert one.header.get_xyzt_units() == ("unknown", "unknown")
    assert np.array_equal(sitk.GetArrayFromImage(other), VOLUME[0])


def test_listings_tell_the_sizes(scans):
    listed = scans.get("/scans?list-type=2").body.decode()
    for key in ("volume.nii.gz", "plain/volume.nii", "own/brain.nii.gz"):
        assert f"<Size>{len(scans.get(f'/scans/{key}').body)}</Size>" in listed
