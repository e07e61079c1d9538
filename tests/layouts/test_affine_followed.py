"""Affines of images that were cut, thinned or coarsened: nibabel's own slicing says where voxels are then."""

from __future__ import annotations

import io

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_evaluator import opened, render
from pydantic import TypeAdapter

from s3facade.core.image import Dataset, apply_step, derive
from s3facade.layouts.nifti import Nifti
from s3facade.transforms.geometry.axes import Flip
from s3facade.transforms.geometry.crop import Crop
from s3facade.transforms.geometry.select import Select
from s3facade.transforms.pyramids.shrink import Downsample
from s3facade.transforms.resampling.resample import Resample

SIZES = np.array([250.0, 500.0, 2000.0])
SHAPE = (6, 9, 12)
VOXELS = np.random.default_rng(1).integers(0, 100, SHAPE, dtype=np.uint16)


def oblique():
    turn, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))
    return np.hstack([turn * SIZES, [[10e3], [20e3], [-30e3]]])


def image():
    return opened(VOXELS, scale=(2000, 500, 250), unit="micrometer", affine=oblique().tolist(), frame="RAS, scanner")


def original():
    affine = np.eye(4)
    affine[:3] = oblique() / 1000
    return nib.Nifti1Image(VOXELS.T, affine)


def shown(made):
    data = render(Nifti(gzip=False).build(Dataset({"": made})).body())
    return nib.Nifti1Image.from_file_map({"image": nib.FileHolder(fileobj=io.BytesIO(data))})


@given(st.data())
def test_a_box_stays_where_it_is(data):
    ends = {
        name: st.lists(st.integers(0, n), min_size=2, max_size=2, unique=True)
        for name, n in zip("zyx", SHAPE, strict=True)
    }
    box = {name: sorted(data.draw(pair)) for name, pair in ends.items()}
    made = shown(derive(image(), TypeAdapter(Crop).validate_python(box)))
    expected = original().slicer[tuple(slice(*box[name]) for name in "xyz")]
    assert np.allclose(made.affine, expected.affine, atol=1e-4)
    assert np.array_equal(np.asarray(made.dataobj), np.asarray(expected.dataobj))


@pytest.mark.parametrize(("method", "behind"), [("nearest", 0.0), ("mean", 0.5)])
def test_every_second_voxel_is_where_nibabel_has_it(method, behind):
    """Means stand at the centres of their blocks, half a voxel behind the first one."""
    made = shown(apply_step(image(), TypeAdapter(Downsample).validate_python({"factors": 2, "method": method})))
    expected = original().slicer[::2, ::2, :].affine.copy()
    expected[:3, 3] += original().affine[:3, :2] @ [behind, behind]
    assert np.allclose(made.affine, expected, atol=1e-4)


def test_a_plane_stays_where_it_is():
    made = derive(image(), TypeAdapter(Select).validate_python({"z": 4}))
    expected = original().slicer[:, :, 4:5]
    assert np.allclose(shown(made).affine, expected.affine, atol=1e-4)


def test_a_finer_grid_covers_the_same_box():
    made = apply_step(image(), TypeAdapter(Resample).validate_python({"spacing": "125 um"}))
    found, before = shown(made).affine, original().affine
    shape = np.array(made.spec.levels[0].shape[::-1])
    for corner in np.ndindex(2, 2, 2):
        low = np.array(corner)
        there = found @ [*(low * shape - 0.5), 1]
        here = before @ [*(low * np.array(SHAPE[::-1]) - 0.5), 1]
        assert np.allclose(there, here, atol=1e-3)


def test_an_image_in_a_mirror_has_no_affine_of_its_own():
    assert "affine" not in derive(image(), Flip(("x",))).spec.attrs


@pytest.mark.parametrize("level", [0, 1])
def test_levels_left_out_leave_the_rest_in_place(level):
    from s3facade.transforms.resampling.levels_kept import KeepLevels

    half = VOXELS[:, : SHAPE[1] // 2 * 2, :].reshape(SHAPE[0], SHAPE[1] // 2, 2, SHAPE[2] // 2, 2)
    full = opened(
        VOXELS[:, : SHAPE[1] // 2 * 2],
        half.mean((2, 4)).astype(np.uint16),
        scale=(2000, 500, 250),
        unit="micrometer",
        affine=oblique().tolist(),
        frame="RAS, scanner",
    )
    affine = np.array(derive(full, KeepLevels(level, 1)).spec.attrs["affine"])
    step = 2**level
    voxel = np.array([1, 2, 3, 1.0])
    finest = np.array([(1 + 0.5) * step - 0.5, (2 + 0.5) * step - 0.5, 3, 1])
    assert np.allclose(affine @ voxel, oblique() @ finest)
