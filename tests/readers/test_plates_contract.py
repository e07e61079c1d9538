"""The promises of a reader, kept by those of DICOM and of plates."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

import numpy as np
import tifffile
from dicom_tools import DATA, reference

from s3facade.readers.dicom.reader import DicomReader
from s3facade.readers.plates.cv8000 import Cv8000Reader
from s3facade.readers.plates.harmony import HarmonyReader
from s3facade.readers.plates.imagexpress import ImageXpressReader
from s3facade.readers.plates.micromanager import MicroManagerReader
from s3facade.testing.readers import ReaderContract

SHARED = Path(os.environ.get("S3FACADE_CORPUS") or Path(__file__).parents[3] / "shared" / "data")
EXPORTED = SHARED / "plate-imagexpress-exported" / "9987_Plate_3435"
SLIDES = SHARED / "dicom-wsi"


class TestDicom(ReaderContract):
    reader = DicomReader
    samples = tuple(
        DATA / name for name in ("MR_small_RLE.dcm", "MR_small_bigendian.dcm", "examples_palette.dcm", "rtdose_rle.dcm")
    )
    alike = frozenset({"dicom"})
    options: ClassVar = {"series": False}
    damaged = 15

    def expected(self, sample):
        found = reference(sample)
        found = found.astype(found.dtype.newbyteorder("="))
        return [[np.moveaxis(found, -1, 0) if found.shape[-1] == 3 else found]]


class TestDicomSlides(ReaderContract):
    reader = DicomReader
    alike = frozenset({"dicom"})
    samples = tuple(sorted(SLIDES.glob("sm_image_jpegls.dcm")))
    damaged = 15


class TestImageXpress(ReaderContract):
    reader = ImageXpressReader
    samples = tuple(EXPORTED.glob("*.HTD"))
    damaged = 10

    def expected(self, sample):
        def planes(well, site):
            return [
                [tifffile.imread(EXPORTED / f"TimePoint_{t}" / f"9987_{well}_s{site}_w{w}.TIF") for w in (1, 2)]
                for t in (1, 2)
            ]

        return [[np.array(planes(well, site))] for well in ("B02", "B03") for site in (1, 2)]


class TestCv8000(ReaderContract):
    """What can be said without pixels: most planes of the sample are not there."""

    reader = Cv8000Reader
    samples = ()


class TestHarmony(ReaderContract):
    reader = HarmonyReader
    samples = ()


class TestMicroManager(ReaderContract):
    reader = MicroManagerReader
    samples = ()
