"""Helpers of the TIFF tests: a file view, assembly from cells, and tifffile's answer in our axes."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile

from s3facade.core.errors import BadSource, SourceDenied, SourceNotFound
from s3facade.core.image import Source
from s3facade.core.region import Region, cells


@dataclass(frozen=True)
class Plain:
    """A `SourceFile` without any cleverness."""

    source: Source

    @classmethod
    def open(cls, path):
        found = Path(path).stat()
        return cls(Source(str(path), found.st_size, found.st_mtime_ns, f"{found.st_size}-{found.st_mtime_ns}"))

    def pread(self, offset, nbytes):
        with Path(self.source.path).open("rb") as file:
            data = os.pread(file.fileno(), nbytes, offset)
        if len(data) != nbytes:
            raise BadSource("behind the end")
        return data

    def stream(self):
        return Path(self.source.path).open("rb")

    def sibling(self, name):
        folder = Path(self.source.path).parent.resolve()
        path = (folder / name).resolve()
        if folder not in path.parents:
            raise SourceDenied(f"{name} leaves the folder")
        if not path.is_file():
            raise SourceNotFound(f"{name} is missing")
        return Plain.open(path)


def region(raster, level, box):
    """Voxels of ``box``, put together from the cells that it touches."""
    table = raster.chunks(level)
    shape = raster.spec.levels[level].shape
    out = np.empty(box.shape, raster.spec.dtype)
    for index, unclipped in cells(box, table.block):
        where = table.cell(index)
        data = None if where is None else raster.files[where.file].pread(where.offset, where.nbytes)
        block = table.decode(index, data)
        clipped = unclipped.clip(shape)
        assert block.shape == clipped.shape
        assert block.dtype == raster.spec.dtype
        assert block.dtype.isnative
        assert block.flags.c_contiguous
        common = clipped.intersect(box)
        out[common.slices(box.start)] = block[common.slices(clipped.start)]
    return out


def whole(raster, level=0):
    return region(raster, level, Region.whole(raster.spec.levels[level].shape))


_ORDER = {"T": 0, "H": 1, "C": 2, "S": 3, "Z": 4, "I": 4, "Q": 4, "Y": 5, "X": 6}


def expected(series, shape):
    """Tifffile's own array of a level, its axes in our order and merged to ``shape``."""
    array = series.asarray()
    rank = dict(_ORDER, **({"I": 0, "Q": 0} if "Z" in series.axes else {}))
    order = sorted(range(array.ndim), key=lambda i: rank[series.axes[i]])
    return array.transpose(order).reshape(shape)


def compare(path, rasters, **flags):
    """Every level of every image equals tifffile's."""
    with tifffile.TiffFile(path, **flags) as tif:
        assert len(rasters) == len(tif.series)
        for raster, series in zip(rasters, tif.series, strict=True):
            assert len(raster.spec.levels) == len(series.levels)
            for i, level in enumerate(series.levels):
                want = expected(level, raster.spec.levels[i].shape)
                assert want.dtype == raster.spec.dtype
                np.testing.assert_array_equal(whole(raster, i), want)
