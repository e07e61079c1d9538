"""Ten thousand small files, opened from an index that knows them: what a restart over a large folder takes.

``python -m conformance.bench.readers_index`` prints the table. Each file has bytes, a fingerprint and an entry of its
own. Seconds are those of one thread: CPU time, because the machine's other work shows in the clock alone, with the
clock beside it.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import nibabel
import numpy as np
import tifffile

from conformance.bench.figures import Figure
from s3facade import registry
from s3facade.engine.index import Index
from s3facade.engine.isolated import Lane
from s3facade.engine.rasters import Rasters

FILES = 10_000
GOAL = 2.0
"""Seconds for `FILES` files."""


def _tiff(path: Path) -> None:
    image = np.arange(1024, dtype="u2").reshape(32, 32)
    tifffile.imwrite(path, image, tile=(16, 16), compression="zstd")


def _nifti(path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(np.arange(512, dtype="u1").reshape(8, 8, 8), np.eye(4)), path)


KINDS: Mapping[str, tuple[str, Callable[[Path], None]]] = {"tiff": (".tif", _tiff), "nifti": (".nii", _nifti)}
"""By reader: suffix and what writes a file."""


def index(scratch: Path, *, files: int = FILES) -> list[Figure]:
    """Seconds to describe all files of a kind from a warm index, and how much sooner that is than parsing them."""
    figures = []
    for reader, (suffix, write) in KINDS.items():
        folder = scratch / reader
        folder.mkdir()
        paths = _written(folder, suffix, write, files)
        cold, _, _ = _opened(reader, paths, folder)
        warm, clock, hits = _opened(reader, paths, folder)
        assert hits == files, f"{hits} of {files} files were in the index"
        detail = (
            f"{clock:.2f} s by the clock; {1e6 * warm / files:.0f} µs per file, {1e6 * cold / files:.0f} µs without"
        )
        figures.append(
            Figure(f"{files:,} {reader} files from a warm index", warm, "s", GOAL, at_least=False, detail=detail)
        )
        figures.append(Figure(f"{reader}: parsing over the index", cold / warm, "x"))
    return figures


def _written(folder: Path, suffix: str, write: Callable[[Path], None], files: int) -> list[str]:
    """Copies of one file; old enough to be remembered."""
    first = folder / f"first{suffix}"
    write(first)
    data, old = first.read_bytes(), time.time() - 1000
    paths = []
    for number in range(files):
        path = folder / f"{number:05}{suffix}"
        path.write_bytes(data)
        os.utime(path, (old, old))
        paths.append(str(path))
    return paths


def _opened(reader: str, paths: list[str], folder: Path) -> tuple[float, float, int]:
    """CPU seconds, seconds by the clock, and how many were found in the index."""
    known = Index(str(folder / "index"), 1 << 30)
    rasters = Rasters(registry.reader, Lane(1, 60, 1 << 30), known, room=1 << 40)
    clock, cpu = time.perf_counter(), time.process_time()
    for path in paths:
        (image,) = rasters.describe(path, reader, {})
        assert image.spec.identity
    took = time.process_time() - cpu, time.perf_counter() - clock
    hits = known.hits
    known.close()
    return (*took, hits)


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="s3facade-bench-") as name:
        for figure in index(Path(name)):
            print(f"{figure.what:<45} {figure.value:6.2f} {figure.unit:<2} {figure.verdict():<22} {figure.detail}")


if __name__ == "__main__":
    main()
