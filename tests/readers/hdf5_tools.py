"""Helpers of the HDF5 tests: assembly from cells or reads, files with one dataset."""

import os
from pathlib import Path

import h5py
import numpy as np

from s3facade.core.region import Region, cells
from s3facade.readers.hdf5.reader import Hdf5Reader
from s3facade.stores.local import LocalFile

CORPUS = Path(__file__).parents[1] / "corpus"
SHARED = Path(os.environ.get("S3FACADE_CORPUS") or Path(__file__).parents[3] / "shared" / "data")


def whole(raster, level=0):
    """A whole level, from its cells or as the raster reads it."""
    table, shape = raster.chunks(level), raster.spec.levels[level].shape
    if table is None:
        return raster.read(level, Region.whole(shape))
    assert table.block == raster.spec.levels[level].block
    out = np.empty(shape, raster.spec.dtype)
    for index, box in cells(Region.whole(shape), table.block):
        where = table.cell(index)
        data = None if where is None else raster.files[where.file].pread(where.offset, where.nbytes)
        block = table.decode(index, data)
        assert block.dtype == raster.spec.dtype
        out[box.clip(shape).slices()] = block
    return out


def written(path, array=None, name="data", *, userblock=0, libver=None, attrs=None, **create):
    """A file with one dataset."""
    with h5py.File(path, "w", userblock_size=userblock, libver=libver) as file:
        data = file.create_dataset(name, data=array, **create)
        data.attrs.update(attrs or {})
    return path


def read(path, options=None, reader=None):
    return (reader or Hdf5Reader()).open(LocalFile.open(path), options or {})


def thawed(path, rasters, reader=None):
    """The rasters frozen and thawed; None if they cannot be."""
    reader = reader or Hdf5Reader()
    data = reader.freeze(rasters)
    files = {f.source.path: f for r in rasters for f in r.files}
    return None if data is None else reader.thaw(data, files)
