"""Helpers of the tests of microscopes' formats: whole levels, small servers, damaged copies of files."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np

from s3facade.core.errors import SourceError
from s3facade.core.region import Region, cells
from s3facade.engine.lanes import OpaqueTable
from s3facade.stores.local import LocalFile

SAMPLES = Path(os.environ.get("S3FACADE_CORPUS") or Path(__file__).parents[3] / "shared" / "data")
"""The corpus of real files, too large to be kept here; tests that need it are skipped where it is not there."""


def opened(reader, path, **options):
    return list(reader().open(LocalFile.open(path), options))


def whole(raster, level=0, box=None):
    """Voxels of a level, put together from its cells, each checked for shape, type and order."""
    table = raster.chunks(level) or OpaqueTable(raster, level)
    described = raster.spec.levels[level]
    assert table.block == described.block
    box = box or Region.whole(described.shape)
    out = np.empty(box.shape, raster.spec.dtype)
    for index, unclipped in cells(box, table.block):
        where = table.cell(index)
        data = None if where is None else raster.files[where.file].pread(where.offset, where.nbytes)
        block = table.decode(index, data)
        clipped = unclipped.clip(described.shape)
        assert block.shape == clipped.shape
        assert block.dtype == raster.spec.dtype
        assert block.dtype.isnative
        assert block.flags.c_contiguous
        common = clipped.intersect(box)
        out[common.slices(box.start)] = block[common.slices(clipped.start)]
    return out


def thawed(reader, rasters):
    """The rasters after they were frozen and thawed."""
    data = reader().freeze(rasters)
    assert data is not None
    files = {f.source.path: f for raster in rasters for f in raster.files}
    again = list(reader().thaw(data, files))
    assert [r.spec for r in again] == [r.spec for r in rasters]
    return again


def survives(reader, path, limit=1 << 22):
    """Open and read a little of everything: an error of the source is fine, nothing else is."""
    try:
        for raster in reader().open(LocalFile.open(path), {}):
            assert raster.files
            for level, about in enumerate(raster.spec.levels):
                corner = Region((0,) * len(about.shape), tuple(min(n, 300) for n in about.shape))
                if corner.size <= limit:
                    whole(raster, level, corner)
    except SourceError as error:
        assert str(error)  # noqa: PT017 - any sentence


def damaged(data: bytes, seed: int) -> bytes:
    """A copy that is cut short, or of which bytes or whole numbers are changed, mostly where structure is."""
    rng = random.Random(seed)
    out = bytearray(data)
    kind = rng.randrange(4)
    if kind == 0:
        return bytes(out[: rng.randrange(len(out))])
    for _ in range(rng.choice([1, 3, 30])):
        at = rng.randrange(len(out)) if rng.random() < 0.5 else rng.randrange(min(len(out), 4096))
        if kind == 1:
            out[at] = rng.randrange(256)
        elif kind == 2:
            out[at : at + 4] = rng.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, 65536]).to_bytes(4, "little")
        else:
            out[at : at + 8] = rng.choice([0, 1 << 40, (1 << 63) - 1, (1 << 64) - 1]).to_bytes(8, "little")
    return bytes(out[: max(1, len(data))])
