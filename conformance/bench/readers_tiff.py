"""Tiles of TIFFs through our reader, and through tifffile's own two ways: its Zarr store and ``segments``.

``python -m conformance.bench.readers_tiff`` prints the table. One thread is measured in CPU time, two threads by the
clock. All read the same file from the page cache, and give the same pixels.

The Zarr store is tifffile's way to a tile of one's choice, as ours is: that is what is to be beaten. ``segments`` reads
a whole page in large pieces, from first to last, and leaves colours interleaved; it is here as the limit of what tile
by tile could reach, and has no goal.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import zarr

from conformance.bench.figures import Figure
from conformance.samples import Array
from s3facade.readers.tiff.reader import TiffReader
from s3facade.stores.local import LocalFile

GOAL = 1.5
TILE = 256
KINDS: Mapping[str, Mapping[str, Any]] = {
    "raw": {"compression": None},
    "zstd": {"compression": "zstd"},
    "deflate": {"compression": "zlib"},
    "deflate, predictor": {"compression": "zlib", "predictor": True},
    "LZW, predictor": {"compression": "lzw", "predictor": True},
    "JPEG, RGB": {"compression": "jpeg", "compressionargs": {"level": 80}},
}
Work = Callable[[int], int]
"""Reads every tile with so many threads; how many there were."""


def blobs(side: int, *, rgb: bool) -> Array:
    """Noise on a smooth ground: compresses by about two, as microscopy does."""
    rng = np.random.default_rng(11)
    smooth = np.kron(rng.random((side // 64, side // 64)), np.ones((64, 64)))
    if rgb:
        planes = [(smooth * 180 + rng.normal(40, 4, (side, side))).clip(0, 255) for _ in range(3)]
        return np.stack(planes, -1).astype("u1")
    return (smooth * 3000 + rng.normal(200, 12, (side, side))).clip(0, 65535).astype("u2")


def tiff(scratch: Path, *, rounds: int = 5, side: int = 2048) -> list[Figure]:
    """Seconds per tile of each rival over ours, for every kind, with one thread and with two."""
    figures = []
    for kind, options in KINDS.items():
        path = scratch / f"{kind.replace(', ', '-')}.tif"
        rgb = kind.endswith("RGB")
        image = blobs(side, rgb=rgb)
        tifffile.imwrite(
            path, image, tile=(TILE, TILE), photometric="rgb" if rgb else "minisblack", metadata=None, **options
        )
        with tifffile.TiffFile(path) as tif:
            ours, rivals = _ours(path), {"its Zarr store": _store(tif), "segments": _segments(tif)}
            _same(path, tif, rgb=rgb)
            for threads, clock in ((1, time.process_time), (2, time.perf_counter)):
                found = _turns({"ours": ours, **rivals}, rounds, threads, clock)
                for name in rivals:
                    detail = f"{found['ours'] * 1e3:.3f} against {found[name] * 1e3:.3f} ms a tile"
                    goal = GOAL if name == "its Zarr store" else None
                    what = f"TIFF {kind}, {threads} thread{'s' * (threads > 1)}: tifffile by {name} / ours"
                    figures.append(Figure(what, found[name] / found["ours"], "x", goal, detail=detail))
    return figures


def _turns(rivals: Mapping[str, Work], rounds: int, threads: int, clock: Callable[[], float]) -> dict[str, float]:
    """Seconds per tile, rivals in turn; medians. One turn more goes before and is not counted."""
    found: dict[str, list[float]] = {name: [] for name in rivals}
    for turn in range(rounds + 1):
        for name, work in rivals.items():
            start = clock()
            count = work(threads)
            if turn:
                found[name].append((clock() - start) / count)
    return {name: statistics.median(each) for name, each in found.items()}


def _each(one: Callable[[tuple[int, int]], object], places: Sequence[tuple[int, int]], threads: int) -> int:
    if threads == 1:
        for place in places:
            one(place)
    else:
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(one, places):
                pass
    return len(places)


def _places(shape: Sequence[int]) -> list[tuple[int, int]]:
    return [(y, x) for y in range(-(-shape[0] // TILE)) for x in range(-(-shape[1] // TILE))]


def _ours(path: Path) -> Work:
    (raster,) = TiffReader().open(LocalFile.open(path), {})
    table, file = raster.chunks(0), raster.files[0]
    shape = raster.spec.levels[0].shape[-2:]
    front = (0,) * (len(raster.spec.levels[0].shape) - 2)

    def one(place: tuple[int, int]) -> object:
        index = (*front, *place)
        cell = table.cell(index)
        return table.decode(index, None if cell is None else file.pread(cell.offset, cell.nbytes))

    return lambda threads: _each(one, _places(shape), threads)


def _store(tif: tifffile.TiffFile) -> Work:
    array: Any = zarr.open(tif.aszarr(), mode="r")

    def one(place: tuple[int, int]) -> object:
        y, x = (i * TILE for i in place)
        return array[y : y + TILE, x : x + TILE]

    return lambda threads: _each(one, _places(array.shape), threads)


def _segments(tif: tifffile.TiffFile) -> Work:
    page = tif.pages.first
    return lambda threads: sum(1 for _ in page.segments(maxworkers=threads))


def _same(path: Path, tif: tifffile.TiffFile, *, rgb: bool) -> None:
    (raster,) = TiffReader().open(LocalFile.open(path), {})
    table = raster.chunks(0)
    index = (0, 2, 3) if rgb else (2, 3)
    cell = table.cell(index)
    ours = table.decode(index, raster.files[0].pread(cell.offset, cell.nbytes) if cell else None)
    theirs = tif.asarray()[2 * TILE : 3 * TILE, 3 * TILE : 4 * TILE]
    assert np.array_equal(np.moveaxis(ours, 0, -1) if rgb else ours, theirs)


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="s3facade-bench-") as name:
        for figure in tiff(Path(name)):
            print(f"{figure.what:<75} {figure.value:6.2f} {figure.unit}  {figure.verdict():<22} {figure.detail}")


if __name__ == "__main__":
    main()
