"""Where the corpus of real files is, and what tifffile reads of one."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import tifffile

from s3facade.core.protocols import Raster

REPOSITORY = Path(__file__).parents[2]
_RANK = {"T": 0, "H": 1, "C": 2, "S": 3, "Z": 4, "I": 4, "Q": 4, "Y": 5, "X": 6}


def root() -> Path | None:
    """The corpus: S3FACADE_CORPUS, or ``shared/data`` beside the repository; None if there is none."""
    named = os.environ.get("S3FACADE_CORPUS")
    path = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    return path if path.is_dir() else None


def by_tifffile(path: Path, raster: Raster, image: int, level: int, count: int) -> np.ndarray:
    """Tifffile's array of the same level in our axes.

    Where the reader set contradictory OME-XML aside (it says so in ``notes``), tifffile has to do the same.
    """
    flags = {"is_ome": False} if any("OME-XML" in n for n in raster.spec.attrs.get("notes", ())) else {}
    with tifffile.TiffFile(path, **flags) as tif:
        assert len(tif.series) == count
        series = tif.series[image]
        assert len(series.levels) == len(raster.spec.levels)
        found = series.levels[level]
        rank = dict(_RANK, **({"I": 0, "Q": 0} if "Z" in found.axes else {}))
        array = found.asarray()
        array = array.transpose(sorted(range(array.ndim), key=lambda i: rank[found.axes[i]]))
        return array.reshape(raster.spec.levels[level].shape)
