"""The promises of a reader, kept by those of volumes."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from volume_tools import DATA

from s3facade.readers.volumes.afni import AfniReader
from s3facade.readers.volumes.deltavision import DeltaVisionReader
from s3facade.readers.volumes.dm import DigitalMicrographReader
from s3facade.readers.volumes.metaimage import MetaImageReader
from s3facade.readers.volumes.mgh import MghReader
from s3facade.readers.volumes.minc import MincReader
from s3facade.readers.volumes.mrc import MrcReader
from s3facade.readers.volumes.nifti import NiftiReader
from s3facade.readers.volumes.npy import NpyReader
from s3facade.readers.volumes.nrrd import NrrdReader
from s3facade.readers.volumes.parrec import ParRecReader
from s3facade.testing.readers import ReaderContract

CORPUS = Path(__file__).parents[1] / "corpus"
BUNDLED = Path(nibabel.__file__).parent / "tests" / "data"


def there(folder, *names):
    return tuple(path for name in names if (path := DATA / folder / name).exists())


class Few(ReaderContract):
    damaged = 12
    reads = 12


class Packed(Few):
    def test_cells_lie_in_their_files(self, sample):
        """Of packed files they lie in the content."""
        pytest.skip(f"{sample.name} is packed")


class TestNifti(Few):
    reader = NiftiReader
    samples = (BUNDLED / "functional.nii", *there("neuro", "5D_small.nii", "ras.hdr"))
    alike = frozenset({"nifti"})


class TestNiftiPacked(Packed):
    reader = NiftiReader
    samples = (BUNDLED / "example_nifti2.nii.gz",)
    alike = frozenset({"nifti"})


class TestMrc(Few):
    reader = MrcReader
    samples = there("mrc", "EMD-3197.map")
    alike = frozenset({"mrc"})


class TestMrcPacked(Packed):
    reader = MrcReader
    samples = there("mrc", "emd_3197.map.gz")
    alike = frozenset({"mrc"})


class TestNrrd(Few):
    reader = NrrdReader
    samples = there("nrrd", "BallBinary30x30x30.nhdr", "BallBinary30x30x30.nrrd")
    alike = frozenset({"nrrd"})


class TestNrrdPacked(Packed):
    reader = NrrdReader
    samples = there("nrrd", "BallBinary30x30x30_gz.nrrd")
    alike = frozenset({"nrrd"})


class TestDeltaVision(Few):
    reader = DeltaVisionReader
    samples = there("deltavision", "toxo.dv")
    damaged = 6


class TestDigitalMicrograph(Few):
    reader = DigitalMicrographReader
    samples = there("dm", "ref_F_0_2.dm3", "ref_T_0_1.dm4")


class TestMghPacked(Packed):
    reader = MghReader
    samples = there("neuro", "test.mgz")


class TestAfni(Few):
    reader = AfniReader
    samples = (BUNDLED / "scaled+tlrc.HEAD",)


class TestParRec(Few):
    reader = ParRecReader
    samples = (BUNDLED / "phantom_varscale.PAR",)


class TestMinc(Few):
    reader = MincReader
    samples = (BUNDLED / "minc1_4d.mnc", BUNDLED / "small.mnc")
    alike = frozenset({"hdf5", "netcdf"})
    reads = 60


class TestNpy(Few):
    reader = NpyReader
    samples = (CORPUS / "numbers.npy",)
    alike = frozenset({"npy"})

    def expected(self, sample):
        return [[np.load(sample)]]


class TestMetaImage(Few):
    reader = MetaImageReader
    samples = (CORPUS / "numbers.mha",)
    alike = frozenset({"metaimage"})

    def expected(self, sample):
        return [[np.load(CORPUS / "numbers.npy")]]
