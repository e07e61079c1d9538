"""The files of a corpus of real images, and what the TIFF reader makes of each."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile

from s3facade.core.errors import SourceError
from s3facade.core.region import Region, cells
from s3facade.readers.tiff.reader import TiffRaster, TiffReader
from s3facade.stores.local import LocalFile

SUFFIXES = (".tif", ".tiff", ".btf", ".svs", ".ndpi", ".companion.ome")
REPOSITORY = Path(__file__).parents[2]


def root() -> Path | None:
    """The corpus: S3FACADE_CORPUS, or ``shared/data`` beside the repository; None if there is none."""
    named = os.environ.get("S3FACADE_CORPUS")
    path = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    return path if path.is_dir() else None


def files() -> list[Path]:
    """TIFF-family files of the corpus and of the committed samples, sorted."""
    folders = [f for f in (root(), REPOSITORY / "tests" / "corpus") if f is not None]
    return [p for f in folders for p in sorted(f.rglob("*")) if p.is_file() and p.name.lower().endswith(SUFFIXES)]


@dataclass(frozen=True)
class Answer:
    """What became of a file: images, or the sentence of a refusal."""

    images: tuple[TiffRaster, ...]
    refusal: str = ""


def ask(path: Path) -> Answer:
    """Open ``path`` with the reader."""
    try:
        return Answer(tuple(TiffReader().open(LocalFile.open(path), {})))
    except SourceError as error:
        return Answer((), error.public)


def voxels(raster: TiffRaster, level: int) -> np.ndarray:
    """A whole level, put together from its cells."""
    table, shape = raster.chunks(level), raster.spec.levels[level].shape
    out = np.empty(shape, raster.spec.dtype)
    for index, box in cells(Region.whole(shape), table.block):
        where = table.cell(index)
        data = None if where is None else raster.files[where.file].pread(where.offset, where.nbytes)
        out[box.clip(shape).slices()] = table.decode(index, data)
    return out


_RANK = {"T": 0, "H": 1, "C": 2, "S": 3, "Z": 4, "I": 4, "Q": 4, "Y": 5, "X": 6}


def oracle(path: Path, raster: TiffRaster, image: int, level: int, count: int) -> np.ndarray:
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
