"""Parsed structure is kept by its weight, not by the number of files."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tifffile

from s3facade import registry
from s3facade.engine.isolated import Lane
from s3facade.engine.rasters import Rasters
from s3facade.engine.weight import weight
from s3facade.readers.tiff.reader import TiffReader
from s3facade.stores.local import LocalFile


class Counting(TiffReader):
    def __init__(self) -> None:
        self.opened = 0

    def open(self, file, options):  # type: ignore[no-untyped-def]
        self.opened += 1
        return super().open(file, options)


def test_all_planes_of_a_long_stack_stay_parsed(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "0.tif", np.zeros((8, 8), "u1"))
    data = (tmp_path / "0.tif").read_bytes()
    paths = [tmp_path / f"{n}.tif" for n in range(1500)]
    for path in paths:
        path.write_bytes(data)
    reader = Counting()
    rasters = Rasters(lambda _: reader, Lane(1, 60, 1 << 30))
    images = [rasters.describe(str(path), "tiff", {})[0] for path in paths]
    for image in images:
        rasters.get(image)
    assert reader.opened == len(paths)


def test_large_tables_make_room(tmp_path: Path) -> None:
    paths = [tmp_path / f"{n}.tif" for n in range(6)]
    for path in paths:
        tifffile.imwrite(path, np.zeros((2048, 2048), "u1"), tile=(16, 16), compression="zlib")
    reader = Counting()
    rasters = Rasters(lambda _: reader, Lane(1, 60, 1 << 30), room=600_000)
    images = [rasters.describe(str(path), "tiff", {})[0] for path in paths]
    rasters.get(images[-1])
    assert reader.opened == len(paths)
    rasters.get(images[0])
    assert reader.opened == len(paths) + 1


@pytest.mark.parametrize("tiles", [16, 256])
def test_weights_are_about_right(tmp_path: Path, tiles: int) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4096, 4096), "u1"), tile=(tiles, tiles), compression="zlib")
    reader, file = registry.reader("tiff"), LocalFile.open(tmp_path / "a.tif")
    reader.open(file, {})
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        opened = reader.open(file, {})
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert taken / 4 - 8192 < weight(opened) < 2 * taken + 8192
