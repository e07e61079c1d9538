"""A lab's tree of 200,000 files, named as people name files: start, restart, listings, a new file, memory.

``python -m conformance.bench.mapping`` prints the table; ``--subjects 20`` is quick. Every file is a small TIFF; most
are hard links of a few, since what is measured asks for names, times and first bytes. A view shows each file as one
OME-Zarr below its subject, or the whole as a BIDS data set.
"""

from __future__ import annotations

import argparse
import http.client
import os
import re
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import numpy as np
import tifffile

from conformance.bench.figures import Figure
from conformance.server import Facade, cpu_seconds, memory, tree

SUBJECTS, EACH = 2000, 100
STAINS = ("cresyl violet", "H&E", "PV", "Nissl (old)")
LINKS = 30_000
"""Names that one file may have; ext4 allows 65,000."""
START, RESTART, PAGE, VISIBLE = 60.0, 3.0, 50.0, 5.0
"""Goals: seconds, seconds, milliseconds, seconds."""
WORKERS = 2
SOURCE = """
sources:
  sections:
    files: "tree/{batch}/{animal}_{state}/{name:m[0-9]+}_{stain:[^_]+}_sec{section:int}*.tif"
    values: {stain: {"cresyl violet": CV, "H&E": HE, "Nissl (old)": NI}}
    join: [{table: animals.csv, by: {animal: Animal ID}}]
limits: {workers: 2, cache_dir: CACHE}
buckets:
  lab:
    access: public
    views:
"""
VIEWS: Mapping[str, str] = {
    "OME-Zarr": """
      - type: ome-zarr
        from: sections
        path: "sub-{animal}/micr/sub-{animal}_sample-s{section:03}_stain-{stain}_BF.ome.zarr"
""",
    "BIDS": """
      - type: bids
        name: Sections
        license: CC0
        authors: [Doe J]
        files:
          - from: sections
            suffix: BF
            as: ome.zarr
            entities: {sub: "{animal}", sample: "s{section:03}", stain: "{stain}"}
            sidecar: {PixelSize: 0.5 um}
        participants: {species: mus musculus, sex: "{Sex}", age: "{Age (weeks)}"}
        samples: {sample_type: tissue}
""",
}
_KEY = re.compile(rb"<(?:Key|Prefix)>([^<]*)<")
_NEXT = re.compile(rb"<NextContinuationToken>([^<]+)<")


def plant(root: Path, subjects: int, each: int) -> None:
    """A tree of ``subjects * each`` files, and a table with a row for each subject."""
    rows = ["Animal ID,Sex,Age (weeks),Strain"]
    old = time.time() - 1000
    first, count = root / "0.tif", 0
    for subject in range(subjects):
        animal = f"m{subject:04}"
        rows.append(f"{animal},{'MF'[subject % 2]},{6 + subject % 50},C57BL/6J")
        folder = root / "tree" / f"batch {subject // 100:02}" / f"{animal}_{('x', 'final', 'NEW')[subject % 3]}"
        folder.mkdir(parents=True)
        for n in range(each):
            if count % LINKS == 0:
                first = root / f"{count}.tif"
                tifffile.imwrite(first, np.arange(4096, dtype="u2").reshape(64, 64), metadata=None)
                os.utime(first, (old, old))
            os.link(first, folder / f"{animal}_{STAINS[n % 4]}_sec{n // 4:03}_40x.tif")
            count += 1
        os.utime(folder, (old, old))
    (root / "animals.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def mapping(scratch: Path, *, subjects: int = SUBJECTS, each: int = EACH) -> list[Figure]:
    """Figures of both views."""
    plant(scratch, subjects, each)
    files = subjects * each
    figures = []
    for name, view in VIEWS.items():
        config = scratch / f"{name}.yaml"
        config.write_text(SOURCE.replace("CACHE", f"cache-{name}") + view, encoding="utf-8")
        what = f"{files:,} files as {name}"
        with _serving(config, scratch / f"{name}.log") as facade:
            figures.append(_started(facade, f"{what}: first start", START))
        time.sleep(1)
        with _serving(config, scratch / f"{name}.log") as facade:
            figures.append(_started(facade, f"{what}: restart", RESTART))
            figures.append(_pages(facade, what))
            figures.append(_new(facade, what, scratch))
            held = memory(facade.pid) / (1 + WORKERS)
            peak = max(map(_resident, tree(facade.pid)))
            detail = f"shared pages counted once, {WORKERS} workers and a parent; at most {peak / 1e6:.0f} MB resident"
            figures.append(Figure(f"{what}: memory per process", held / 1e6, "MB", detail=detail))
    return figures


@contextmanager
def _serving(config: Path, log: Path) -> Iterator[Facade]:
    """A server, from the start of its process on."""
    facade = Facade(config, log=log)
    try:
        yield facade
    finally:
        facade.stop(60)


def _started(facade: Facade, what: str, goal: float) -> Figure:
    """Seconds from the start of the process to the first answer."""
    facade.wait(600)
    elapsed = time.perf_counter() - facade.started
    return Figure(what, elapsed, "s", goal, at_least=False, detail=f"{cpu_seconds(facade.pid):.1f} s of CPU")


def _ask(connection: http.client.HTTPConnection, query: str) -> tuple[float, bytes]:
    begun = time.perf_counter()
    connection.request("GET", f"/lab?list-type=2&max-keys=1000&{query}")
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, body[:500]
    return time.perf_counter() - begun, body


def _pages(facade: Facade, what: str) -> Figure:
    """Milliseconds of a page of 1,000: at the beginning, in the middle, at the end; with and without delimiter."""
    connection = http.client.HTTPConnection("127.0.0.1", facade.port, timeout=600)
    _, body = _ask(connection, "delimiter=/")
    subjects = [key.decode() for key in _KEY.findall(body) if key.startswith(b"sub-")]
    slowest, told = 0.0, []
    for where, after in (("beginning", ""), ("middle", subjects[len(subjects) // 2]), ("end", subjects[-12:][0])):
        for delimiter in ("", "/"):
            query = f"delimiter={quote(delimiter)}&start-after={quote(after)}"
            # Every worker is asked: the first time it opens what it lists.
            took = [_ask(connection, query)[0] for _ in range(3)]
            first, warm = took[0], statistics.median(_ask(connection, query)[0] for _ in range(15))
            slowest = max(slowest, warm)
            told.append(f"{where}{' by ' + delimiter if delimiter else ''} {1e3 * warm:.0f} (first {1e3 * first:.0f})")
    connection.close()
    return Figure(f"{what}: page of 1,000 keys", 1e3 * slowest, "ms", PAGE, at_least=False, detail=", ".join(told))


def _new(facade: Facade, what: str, scratch: Path) -> Figure:
    """Seconds until a file that was added is listed, asked for ten times a second by several connections."""
    folder = next(path for path in sorted((scratch / "tree").glob("*/*")) if path.is_dir())
    animal = folder.name.partition("_")[0]
    target = folder / f"{animal}_PV_sec{int(time.time()) % 100_000 + 900}_40x.tif"
    tifffile.imwrite(target, np.zeros((64, 64), "u2"))
    section = target.name.split("_sec")[1].partition("_")[0]
    begun, cpu, slowest, seen = time.perf_counter(), cpu_seconds(facade.pid), 0.0, 0
    while seen < 8:
        connection = http.client.HTTPConnection("127.0.0.1", facade.port, timeout=600)
        took, body = _ask(connection, f"delimiter=/&prefix=sub-{animal}/micr/")
        connection.close()
        slowest = max(slowest, took)
        seen = seen + 1 if f"sample-s{section}".encode() in body else 0
        assert time.perf_counter() - begun < 120, "a new file is not shown"
    elapsed = time.perf_counter() - begun
    used = cpu_seconds(facade.pid) - cpu
    target.unlink()
    detail = f"in {WORKERS} workers, {used:.1f} s of CPU in all; the slowest page meanwhile {1e3 * slowest:.0f} ms"
    return Figure(f"{what}: one added file is listed", elapsed, "s", VISIBLE, at_least=False, detail=detail)


def _resident(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:")), 0)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m conformance.bench.mapping", description=__doc__)
    parser.add_argument("--subjects", type=int, default=SUBJECTS)
    parser.add_argument("--each", type=int, default=EACH)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="s3facade-bench-") as name:
        for figure in mapping(Path(name), subjects=asked.subjects, each=asked.each):
            print(f"{figure.what:<55} {figure.value:8.2f} {figure.unit:<2} {figure.verdict():<22} {figure.detail}")


if __name__ == "__main__":
    main()
