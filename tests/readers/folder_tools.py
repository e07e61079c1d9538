"""Helpers of the tests of folders: opening, reading whole levels, and what other libraries say."""

import os
from pathlib import Path

import numpy as np
import pytest
import tensorstore

from s3facade.core.region import Region
from s3facade.core.spec import AXES
from s3facade.stores.local import LocalFile

CORPUS = Path(os.environ.get("S3FACADE_CORPUS") or Path(__file__).parents[3] / "shared" / "data")
DATA = CORPUS / "neuroglancer-testdata"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the real files are not here")


def opened(reader, path, /, **options):
    """The images of a folder, frozen and thawed on the way: what a restart shows is what is tested."""
    kind = reader()
    rasters = kind.open(LocalFile.open(path), options)
    files = {f.source.path: f for r in rasters for f in r.files}
    thawed = kind.thaw(kind.freeze(rasters), files)
    assert [r.spec for r in thawed] == [r.spec for r in rasters]
    return thawed


def whole(raster, level=0):
    """A level, read by the blocks that its description names, with ragged pieces compared on the way."""
    about = raster.spec.levels[level]
    out = raster.read(level, Region.whole(about.shape))
    assert out.dtype == raster.spec.dtype
    assert out.dtype.isnative
    assert out.flags.c_contiguous
    assert out.shape == about.shape
    box = Region(tuple(n // 3 for n in about.shape), tuple(max(n // 3 + 1, n - n // 4) for n in about.shape))
    np.testing.assert_array_equal(raster.read(level, box), out[box.slices()])
    return out


def store(driver, path, **more):
    """A level by TensorStore, dimensions as it has them."""
    spec = {"driver": driver, "kvstore": {"driver": "file", "path": str(path)}, **more}
    return tensorstore.open(spec, open=not more.get("create")).result()


def arranged(array, dims):
    """In our order of axes: by numpy alone."""
    names = [a for a in AXES if a in dims or a in "yx"]
    order = [dims.index(a) for a in names if a in dims]
    rest = [k for k in range(array.ndim) if k not in order]
    shape = [array.shape[dims.index(a)] if a in dims else 1 for a in names]
    return array.transpose(order + rest).reshape(shape)
