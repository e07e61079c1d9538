"""Damaged parameter files end in one of our errors, at once, and never in anything else."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - as its documentation has it

from s3facade.core.errors import SourceError
from s3facade.core.region import Region
from s3facade.testing import in_memory
from s3facade.testing.plain import read
from s3facade.transforms.resampling.affine import Affine
from s3facade.transforms.resampling.chain import Chain
from s3facade.transforms.resampling.displacement import Displacement

ELASTIX = b"""(Transform "EulerTransform")
(TransformParameters 0.1 1 2)
(InitialTransformParametersFileName "NoInitialTransform")
(FixedImageDimension 2)
(CenterOfRotationPoint 1 2)
"""


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    affine = sitk.AffineTransform((1, 0.1, -0.2, 1.3), (1, 2), (9, 8))
    field = sitk.GetImageFromArray(np.zeros((5, 6, 2), np.float32), isVector=True)
    for name in ("a.txt", "a.mat", "a.h5"):
        sitk.WriteTransform(affine, str(folder / name))
    for name in ("w.nii", "w.nii.gz", "w.mha"):
        sitk.WriteImage(field, str(folder / name))
    sitk.WriteTransform(sitk.DisplacementFieldTransform(sitk.Cast(field, sitk.sitkVectorFloat64)), str(folder / "w.h5"))
    np.save(folder / "a.npy", np.eye(3))
    np.save(folder / "w.npy", np.zeros((2, 5, 6)))
    (folder / "e.txt").write_bytes(ELASTIX)
    steps = [{"type": "sequence", "transformations": [{"type": "scale", "scale": [1, 2]}]}, {"type": "identity"}]
    (folder / "c.json").write_text(json.dumps(steps))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    "name", ["a.txt", "a.mat", "a.h5", "a.npy", "e.txt", "w.nii", "w.nii.gz", "w.mha", "w.h5", "w.npy", "c.json"]
)
def test_damage_is_told(samples, tmp_path, name):
    image = in_memory(np.arange(72, dtype=np.uint8).reshape(8, 9), units=True)
    kind = {"a": Affine, "e": Affine, "w": Displacement, "c": Chain}[name[0]]
    rng = np.random.default_rng(len(name))
    for attempt in range(80):
        damaged = bytearray(samples[name])
        if attempt % 2:
            del damaged[rng.integers(0, len(damaged)) :]
        # Bytes changed inside of HDF5 files can crash the library itself; cut off they are told.
        for _ in range(rng.integers(0, 5) if damaged and not name.endswith("h5") else 0):
            damaged[rng.integers(0, min(len(damaged), 600))] = rng.integers(0, 256)
        path = tmp_path / f"{attempt}-{name}"
        path.write_bytes(damaged)
        try:
            read(kind(str(path)).build(image), 0, Region((0, 0), (4, 4)))
        except SourceError as error:
            told = error.public
            assert str(tmp_path) not in told, told
