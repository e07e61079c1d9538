"""One voxel at one place, whichever layout an image is shown in, as the libraries of others read them."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
import tensorstore as ts
from hypothesis import given, settings
from hypothesis import strategies as st
from ome_types import from_xml
from plain_evaluator import dump, opened, render
from written_tiffs import read

from s3facade.core.image import Dataset, derive
from s3facade.layouts.nifti import Nifti
from s3facade.layouts.ome_tiff import OmeTiff
from s3facade.layouts.ome_zarr import OmeZarr
from s3facade.layouts.precomputed import Precomputed
from s3facade.transforms.geometry.crop import Crop
from s3facade.transforms.geometry.places import Place
from s3facade.transforms.pyramids.pyramid import pyramid

SIZES = (0.25, 0.65, 1.0, 2.5, 12.5)


def kept(layout, image, folder):
    for key, data in dump(layout.build(Dataset({"": image}))).items():
        path = Path(folder, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def tensor(driver, folder, **more):
    spec = {"driver": driver, "kvstore": {"driver": "file", "path": str(folder) + "/"}, **more}
    return ts.open(spec, read=True).result().read().result()


def in_zarr(folder, level):
    """Voxels z, y, x, their size in µm and where the centre of the first one is, as OME-Zarr says."""
    told = json.loads(Path(folder, "zarr.json").read_text())["attributes"]["ome"]["multiscales"][0]
    assert [axis["unit"] for axis in told["axes"]] == ["micrometer"] * 3
    steps = {t["type"]: np.array(t[t["type"]]) for t in told["datasets"][level]["coordinateTransformations"]}
    voxels = tensor("zarr3", f"{folder}/{told['datasets'][level]['path']}")
    return voxels, steps["scale"], steps.get("translation", np.zeros(3))


def in_precomputed(folder, level):
    """The same as Neuroglancer says; where the corner of the first voxel is."""
    told = json.loads(Path(folder, "info").read_text())["scales"][level]
    step, first = np.array(told["resolution"][::-1]) / 1000, np.array(told["voxel_offset"][::-1])
    voxels = tensor("neuroglancer_precomputed", folder, scale_index=level)[..., 0].transpose(2, 1, 0)
    return voxels, step, first * step


def in_nifti(image):
    """The same; NIfTI has mm."""
    file = nib.Nifti1Image.from_bytes(render(Nifti(gzip=False).build(Dataset({"": image})).body()))
    assert file.header.get_xyzt_units()[0] == "mm"
    place = file.affine[:3, 3][::-1] * 1000
    np.testing.assert_array_equal(file.affine[:3, :3], np.diag(np.diag(file.affine)[:3]))
    return np.asarray(file.dataobj).T, np.diag(file.affine)[2::-1] * 1000, place


def in_ome_tiff(image):
    """The same, but where it is: OME-TIFF tells sizes alone."""
    with read(render(OmeTiff(tile=16).build(Dataset({"": image})).body())) as tiff:
        about = from_xml(tiff.ome_metadata).images[0].pixels
        assert {getattr(about, f"physical_size_{a}_unit").value for a in "zyx"} == {"µm"}
        step = np.array([getattr(about, f"physical_size_{a}") for a in "zyx"])
        return tiff.asarray().reshape(image.spec.levels[0].shape), step


@settings(max_examples=20, deadline=None)
@given(
    st.tuples(*[st.tuples(st.integers(0, 9), st.integers(2, 40), st.integers(0, 5)) for _ in "zyx"]),
    st.tuples(*[st.sampled_from(SIZES) for _ in "zyx"]),
)
def test_a_voxel_is_at_one_place_in_every_format(sides, sizes):
    low, count, rest = map(np.array, zip(*sides, strict=True))
    values = np.arange(np.prod(low + count + rest), dtype="f4").reshape(low + count + rest)
    box = {a: (Place(int(n), "voxel"), Place(int(n + m), "voxel")) for a, n, m in zip("zyx", low, count, strict=True)}
    image = pyramid(derive(opened(values, unit="micrometer", scale=sizes), Crop(**box)), smallest=10)
    step, place = np.array(sizes), low * sizes
    part = values[tuple(slice(n, n + m) for n, m in zip(low, count, strict=True))]
    with tempfile.TemporaryDirectory() as folder:
        kept(OmeZarr(shards=False), image, f"{folder}/zarr")
        kept(Precomputed(chunks=16), image, f"{folder}/precomputed")
        found = [in_zarr(f"{folder}/zarr", 0), in_precomputed(f"{folder}/precomputed", 0), in_nifti(image)]
        for voxels, size, first in found:
            np.testing.assert_array_equal(voxels, part)
            np.testing.assert_allclose(size, step, rtol=1e-6)
            np.testing.assert_allclose(first, place, rtol=1e-6)
        for level in range(1, len(image.spec.levels)):
            voxels, size, centre = in_zarr(f"{folder}/zarr", level)
            np.testing.assert_allclose(centre - size / 2, place - step / 2, rtol=1e-9, atol=1e-9)
            same, coarse, corner = in_precomputed(f"{folder}/precomputed", level)
            np.testing.assert_array_equal(same, voxels)
            np.testing.assert_allclose(coarse, size, rtol=1e-9)
            # It can only begin at a whole voxel of its own.
            assert (abs(corner - place) <= size / 2 + 1e-9).all()
    voxels, size = in_ome_tiff(image)
    np.testing.assert_array_equal(voxels, part)
    np.testing.assert_allclose(size, step, rtol=1e-9)
