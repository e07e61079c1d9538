"""The promises of a reader, kept by those of pictures, slides and Bio-Formats."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from test_pictures import known

from s3facade.readers.bioformats.reader import BioFormatsReader
from s3facade.readers.pictures.reader import PictureReader
from s3facade.readers.slides.reader import OpenSlideReader
from s3facade.testing.readers import ReaderContract

CORPUS = Path(os.environ.get("S3FACADE_CORPUS") or Path(__file__).parents[3] / "shared" / "data")
OURS = {"png", "jpeg", "gif", "bmp", "webp", "avif", "jp2"}


class TestPictures(ReaderContract):
    reader = PictureReader
    alike = frozenset(OURS)
    damaged = 15
    samples = sorted(p for p in (CORPUS / "images2d").glob("*") if p.stat().st_size < 200_000)

    def expected(self, sample):
        found = known(sample)
        return [[np.moveaxis(found, -1, 0) if found.ndim == 3 else found]]


@pytest.mark.parametrize("kind", [OpenSlideReader, BioFormatsReader])
def test_readers_that_go_by_names_leave_others_alone(kind):
    """What they promise without a sample: real slides are not to be had, and Bio-Formats may not be installed."""
    contract = type("Contract", (ReaderContract,), {"reader": kind, "samples": ()})()
    contract.test_states_what_it_is()
    contract.test_leaves_other_files_alone()
