"""What every reader promises, of the three that read folders."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import tensorstore

from s3facade.readers.n5.reader import N5Reader
from s3facade.readers.precomputed.reader import PrecomputedReader
from s3facade.readers.zarr.reader import ZarrReader
from s3facade.testing.readers import ReaderContract

CORPUS = Path(__file__).parents[1] / "corpus" / "folders"


def level(driver: str, path: Path) -> np.ndarray:
    spec = {"driver": driver, "kvstore": {"driver": "file", "path": str(path)}}
    return np.asarray(tensorstore.open(spec).result().read().result())


class TestZarr(ReaderContract):
    reader = ZarrReader
    samples: ClassVar[Sequence[Path]] = [CORPUS / "simple_0.4" / ".zgroup", CORPUS / "simple_0.5" / "zarr.json"]
    alike = frozenset({"zarr"})

    def expected(self, sample):
        driver = "zarr3" if sample.name == "zarr.json" else "zarr"
        return [[level(driver, sample.parent / f"scale{n}" / "image") for n in range(3)]]


class TestN5(ReaderContract):
    reader = N5Reader
    samples: ClassVar[Sequence[Path]] = [CORPUS / "n5_viewer_multiscale_modern" / "attributes.json"]

    def expected(self, sample):
        return [[level("n5", sample.parent / f"s{n}").T for n in range(3)]]


class TestPrecomputed(ReaderContract):
    reader = PrecomputedReader
    samples: ClassVar[Sequence[Path]] = [CORPUS / "precomputed_two_channels" / "info"]
