"""Regions of a large NIfTI file by our reader and by nibabel's slices: ``python -m conformance.bench.readers_volumes``.

CPU time of one thread, rivals in turn, the file in the page cache; every region is compared before it is timed. Regions
are the chunks that the server cuts such a volume into (64 voxels each way, on their grid), planes, and slabs of 16.
"""

from __future__ import annotations

import argparse
import gzip
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from conformance.bench.clock import alternating
from conformance.bench.figures import Figure, table
from conformance.samples import Array
from s3facade.core.region import Region, cells
from s3facade.readers.arrays.raster import TableRaster
from s3facade.readers.volumes.nifti import NiftiReader
from s3facade.stores.local import LocalFile


def write(folder: Path, megabytes: int) -> tuple[Path, Path]:
    """A volume of int16 as a plain and as a packed file."""
    planes = max(64, megabytes * 2**20 // (2 * 512 * 512))
    rng = np.random.default_rng(0)
    one = np.cumsum(rng.integers(-3, 4, (512, 512)), axis=1, dtype=np.int16)
    header = nibabel.Nifti1Header()
    header.set_data_shape((512, 512, planes))
    header.set_data_dtype("<i2")
    header["vox_offset"] = 352
    plain, packed = folder / "volume.nii", folder / "volume.nii.gz"
    with plain.open("wb") as out, gzip.open(packed, "wb", compresslevel=1) as small:
        for file in (out, small):
            file.write(header.binaryblock + bytes(4))
        for k in range(planes):
            data = np.roll(one + np.int16(k % 500), 7 * k, axis=0).tobytes()
            out.write(data)
            small.write(data)
    return plain, packed


def ours(raster: TableRaster, box: Region) -> Array:
    """As the engine assembles a region from cells, without its caches."""
    cells_of, shape = raster.chunks(0), raster.spec.levels[0].shape
    out = np.empty(box.shape, raster.spec.dtype)
    for index, unclipped in cells(box, cells_of.block):
        where = cells_of.cell(index)
        data = None if where is None else raster.files[where.file].pread(where.offset, where.nbytes)
        cell = unclipped.clip(shape)
        part = cell.intersect(box)
        out[part.slices(box.start)] = cells_of.decode(index, data)[part.slices(cell.start)]
    return out


def regions(shape: tuple[int, ...]) -> dict[str, list[Region]]:
    """By name, boxes in an order that no reader could have wished for."""
    z, y, x = shape
    rng = np.random.default_rng(1)
    planes = [Region((int(k), 0, 0), (int(k) + 1, y, x)) for k in rng.integers(0, z, 12)]
    slabs = [Region((int(k), 0, 0), (int(k) + 16, y, x)) for k in rng.integers(0, z - 16, 4)]
    corners = 64 * rng.integers(0, (z // 64, y // 64, x // 64), (6, 3))
    boxes = [Region(tuple(map(int, c)), tuple(int(v) + 64 for v in c)) for c in corners]
    return {"planes": planes, "slabs of 16 planes": slabs, "chunks of 64 voxels": boxes}


def volumes(scratch: Path, *, rounds: int = 5, megabytes: int = 500) -> list[Figure]:
    """Milliseconds per region of nibabel over ours, for a plain and a packed file."""
    figures = []
    for path in write(scratch, megabytes):
        (raster,) = NiftiReader().open(LocalFile.open(path), {})
        theirs = nibabel.load(path).dataobj

        def slices(box: Region, theirs: Any = theirs) -> Array:
            return np.asarray(theirs[tuple(reversed(box.slices()))]).T

        for what, boxes in regions(raster.spec.levels[0].shape).items():
            for box in boxes:
                np.testing.assert_array_equal(ours(raster, box), slices(box))
            rivals = {"ours": _turn(lambda box, r=raster: ours(r, box), boxes), "nibabel": _turn(slices, boxes)}
            found = alternating(rivals, rounds)
            detail = f"{found['ours'] * 1e3:.3g} against {found['nibabel'] * 1e3:.3g} ms"
            name = f"{''.join(path.suffixes)}, {what}: nibabel / ours"
            figures.append(Figure(name, found["nibabel"] / found["ours"], "x", 1.0, detail=detail))
    return figures


def _turn(read: Callable[[Region], Any], boxes: Sequence[Region]) -> Callable[[], int]:
    def work() -> int:
        for box in boxes:
            np.ascontiguousarray(read(box))
        return len(boxes)

    return work


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="s3facade-bench-") as name:
        print(table(volumes(Path(name), rounds=asked.rounds, megabytes=asked.megabytes)))


if __name__ == "__main__":
    main()
