"""Helpers of the tests of volumes: real files, whole images by their cells, frozen and thawed, damaged copies."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st
from tiff_tools import whole

from s3facade.core.errors import SourceError
from s3facade.stores.local import LocalFile

DATA = Path(os.environ.get("S3FACADE_CORPUS") or Path(__file__).parents[3] / "shared" / "data")


def samples(folder, *names):
    """Parameters for real files; those that are not there are skipped."""
    there = DATA / folder
    absent = pytest.mark.skip("no sample")
    return [pytest.param(there / n, id=n, marks=[] if (there / n).exists() else absent) for n in names]


def opened(reader, path, **options):
    """The images of a file, told apart by the reader's own sniffing, and through `freeze` and `thaw`."""
    path = Path(path)
    with path.open("rb") as file:
        assert reader.sniff(file.read(4096), path.name)
    rasters = reader.open(LocalFile.open(path), options)
    data = reader.freeze(rasters)
    files = {f.source.path: LocalFile(f.source) for r in rasters for f in r.files}
    again = reader.thaw(data, files)
    assert [r.spec for r in again] == [r.spec for r in rasters]
    assert {str(path)} <= files.keys()
    return again


def one(reader, path, **options):
    """The image of a file that has one."""
    (raster,) = opened(reader, path, **options)
    return raster


def same(raster, expected, **tolerance):
    """Whether the image holds ``expected``: axes of the image, C order."""
    found = whole(raster)
    assert found.shape == expected.shape
    if tolerance:
        np.testing.assert_allclose(found, expected, **tolerance)
    else:
        np.testing.assert_array_equal(found, expected)


@st.composite
def damage(draw, data, most=600):
    """``data`` with bytes changed, cut or with numbers that cannot be, mostly among the first ``most``."""
    out = bytearray(data)
    if draw(st.booleans()):
        out = out[: draw(st.integers(0, len(out)))]
    for _ in range(draw(st.integers(0, 6))):
        if not out:
            break
        at = draw(st.integers(0, min(len(out), most) - 1))
        new = draw(
            st.sampled_from([b"\xff", b"\0", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\xff" * 8, b"9", b"-1", b"\n"])
            | st.binary(min_size=1, max_size=4)
        )
        out[at : at + len(new)] = new
    return bytes(out)


def survives(reader, path, data=None, **options):
    """Opening and reading it gives pixels or a `SourceError`."""
    if data is not None:
        Path(path).write_bytes(data)
    try:
        for raster in reader.open(LocalFile.open(path), options):
            table = raster.chunks(0)
            assert table is not None
            grid = [(n - 1) // b for n, b in zip(raster.spec.levels[0].shape, table.block, strict=True)]
            for index in ((0,) * len(grid), tuple(grid)):
                cell = table.cell(index)
                data = None if cell is None else raster.files[cell.file].pread(cell.offset, cell.nbytes)
                block = table.decode(index, data)
                assert block.nbytes <= 300 << 20
    except SourceError:
        pass
