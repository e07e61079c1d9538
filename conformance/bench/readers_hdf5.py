"""Chunks of HDF5 through our reader, and through h5py's ``dataset[...]``.

``python -m conformance.bench.readers_hdf5`` prints the table. One thread is measured in CPU time, two threads by the
clock: h5py lets one thread of a process in at a time. Both read the same file from the page cache, and give the same
voxels.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import h5py
import numpy as np

from conformance.bench.figures import Figure
from conformance.samples import Array
from s3facade.app.process import tune_malloc
from s3facade.readers.hdf5.reader import Hdf5Reader
from s3facade.stores.local import LocalFile

CHUNK = 64
KINDS: Mapping[str, tuple[Mapping[str, Any], float]] = {
    "raw": ({}, 1.0),
    "gzip": ({"compression": "gzip"}, 1.5),
    "gzip, shuffle": ({"compression": "gzip", "shuffle": True}, 1.0),
    "lzf": ({"compression": "lzf"}, 1.0),
    "scale-offset, gzip": ({"scaleoffset": 0, "compression": "gzip"}, 1.0),
}
"""How datasets are written, and the least ratio that is aimed at."""
REPEATS = 2
Place = tuple[int, int, int]
One = Callable[[Place], object]


def volume(side: int) -> Array:
    """Noise on a smooth ground: compresses by about two, as microscopy does."""
    rng = np.random.default_rng(12)
    smooth = np.kron(rng.random((side // 32,) * 3), np.ones((32,) * 3))
    return (smooth * 3000 + rng.normal(200, 12, (side,) * 3)).clip(0, 65535).astype("u2")


def hdf5(scratch: Path, *, rounds: int = 5, side: int = 256) -> list[Figure]:
    """Seconds per chunk of h5py over ours, for every kind of dataset, with one thread and with two.

    The chunks are far more than the 8 MiB that h5py keeps of a dataset, and read in turn: none is there still.
    """
    # As in the server: without, glibc gives a chunk's memory back to the kernel after each one, and both take longer.
    tune_malloc()
    figures = []
    image = volume(side)
    # More than once each, so that a turn is long against what else the machine does.
    places = list(product(range(side // CHUNK), repeat=3)) * REPEATS
    for kind, (options, goal) in KINDS.items():
        path = scratch / f"{kind.replace(', ', '-')}.h5"
        with h5py.File(path, "w") as file:
            file.create_dataset("image", data=image, chunks=(CHUNK,) * 3, **options)
        with h5py.File(path, "r") as file:
            rivals = {"ours": _ours(path), "h5py": _theirs(file["image"])}
            for place in places[:: len(places) // 5]:
                np.testing.assert_array_equal(rivals["ours"](place), rivals["h5py"](place))
            for threads, clock in ((1, time.process_time), (2, time.perf_counter)):
                found = _turns(rivals, places, rounds, threads, clock)
                detail = f"{found['ours'] * 1e3:.2f} against {found['h5py'] * 1e3:.2f} ms a chunk of 512 KiB"
                what = f"HDF5 {kind}, {threads} thread{'s' * (threads > 1)}: h5py / ours"
                figures.append(Figure(what, found["h5py"] / found["ours"], "x", goal, detail=detail))
    return figures


def _turns(
    rivals: Mapping[str, One], places: list[Place], rounds: int, threads: int, clock: Callable[[], float]
) -> dict[str, float]:
    """Seconds per chunk, rivals in turn; medians. One turn more goes before and is not counted."""
    found: dict[str, list[float]] = {name: [] for name in rivals}
    with ThreadPoolExecutor(threads) as pool:
        for turn in range(rounds + 1):
            for name, one in rivals.items():
                start = clock()
                for _ in pool.map(one, places) if threads > 1 else map(one, places):
                    pass
                if turn:
                    found[name].append((clock() - start) / len(places))
    return {name: median(each) for name, each in found.items()}


def _ours(path: Path) -> One:
    (raster,) = Hdf5Reader().open(LocalFile.open(path), {})
    table, file = raster.chunks(0), raster.files[0]
    assert table is not None

    def one(place: Place) -> object:
        cell = table.cell(place)
        return table.decode(place, None if cell is None else file.pread(cell.offset, cell.nbytes))

    return one


def _theirs(dataset: Any) -> One:
    return lambda place: dataset[tuple(slice(i * CHUNK, (i + 1) * CHUNK) for i in place)]


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="s3facade-bench-") as name:
        for figure in hdf5(Path(name)):
            print(f"{figure.what:<50} {figure.value:6.2f} {figure.unit}  {figure.verdict():<22} {figure.detail}")


if __name__ == "__main__":
    main()
