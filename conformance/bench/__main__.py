"""``python -m conformance.bench``: measure, print, and write docs/benchmarks.md."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from conformance.bench import computed, figures, mapping, measure, pipelines, rival, signed, viewers
from conformance.bench.readers_hdf5 import hdf5
from conformance.bench.readers_index import index
from conformance.bench.readers_slides import slides
from conformance.bench.readers_tiff import tiff
from conformance.bench.readers_volumes import volumes

DOC = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
PARTS = (
    "static",
    "listing",
    "signed",
    "first",
    "crowd",
    "halved",
    "affine",
    "pipelines",
    "viewers",
    "readers",
    "mapping",
    "steady",
)
PAGE = """# Benchmarks

Every figure is a ratio, or a count per CPU-second of the server's own processes, measured in one run on one machine;
absolute speeds belong to that machine alone. Made by `python -m conformance.bench`; not edited by hand.

- Machine: {machine}
- Rival: nginx {nginx}, one worker, stock settings but without its access log (ours writes none either), the same
  bytes exported to files, in the page cache. "Tuned" is `tcp_nopush off; sendfile_max_chunk 0; open_file_cache`.
- Load: wrk on loopback, one thread, 16 connections; s3facade with one worker. The rivals take turns, {rounds} turns of
  {seconds:g} s each; medians. CPU time is user and system time of all processes of a server.
- "A bare loop" is `conformance/bench/bare.py`: one epoll loop in Python that writes the same bytes from memory and does
  nothing else. It shows what the kernel's copy costs; nginx sends files without that copy.
- Several objects of a size take turns, so that they do not stay in the processor's cache: 16, but 4 of 8 MiB.
- Objects are computed once and then in memory; the first request is not among those measured.
- Computed chunks are measured in CPU time, one thread for everybody, rivals in turn: the machine's other work shows in
  the clock and hardly in CPU time. "The limit" of a computed level is the decoding of its four source tiles by
  imagecodecs and their mean by NumPy in the quickest way there is, without reading, HTTP or a cache.
- OpenCV's linear interpolation is not exact, and its coordinates are in single precision: what it gives for a voxel
  depends on where the box begins (7 % of the voxels of three boxes differ from those of the whole image). It is no
  kernel for chunks that must fit together; it is here as the speed that giving this up would buy.
- Pipelines are compared voxel by voxel before they are timed; more than 1 of 255 apart ends the run. "dask" is a lazy
  array over the whole image: blocks of an affine map, `map_overlap`, arithmetic. "SimpleITK" and "by hand" cut the
  smallest box out of the file for every region, which their users have to work out; both read by tifffile and
  zarr-python.
- Viewers pan in steps of a chunk, each over one connection, one chunk after the other.
- Readers are measured without the server: a chunk through their tables against the library's own call, each compared
  with it; one thread in CPU time, two by the clock. tifffile's ``segments`` read whole pages in order and have no goal.
- A lab's tree is 2,000 folders of 100 small TIFFs, hard links of a few, and a table of 2,000 rows; two workers. Seconds
  are those of the clock, from the start of the process to its first answer, and until eight connections in a row list a
  file that was added.
- Load average of the machine at the end: {load:.1f}.{note}

{table}
"""


def main() -> int:
    """Run; 0 whether or not goals are met: this measures, tests assert."""
    parser = argparse.ArgumentParser(prog="python -m conformance.bench", description=__doc__)
    parser.add_argument("--only", help=f"comma-separated: {', '.join(PARTS)}")
    parser.add_argument("--seconds", type=float, default=3, help="length of one turn")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each rival")
    parser.add_argument(
        "--large",
        type=Path,
        default=Path(os.environ.get("S3FACADE_BENCH_LARGE", Path(tempfile.gettempdir()) / "s3facade-large.ome.tif")),
        help="4 GB TIFF, written there when absent (about 2 GB on disk)",
    )
    parser.add_argument("--out", type=Path, help=f"Markdown page to write, e.g. {DOC.relative_to(DOC.parents[1])}")
    parser.add_argument("--keep", action="store_true", help="keep the rows of the page that this run does not measure")
    parser.add_argument("--note", default="", help="sentence about this run, for the page")
    asked = parser.parse_args()
    chosen = set((asked.only or ",".join(PARTS)).split(","))
    found: list[figures.Figure] = []
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="s3facade-bench-") as name:
        scratch = Path(name)
        if "static" in chosen:
            found += measure.static(
                scratch, seconds=asked.seconds, rounds=asked.rounds, sizes=tuple(measure.BODIES), tuned=True
            )
        if "listing" in chosen:
            found += measure.listing(scratch, seconds=asked.seconds, rounds=asked.rounds)
        if "signed" in chosen:
            found += signed.signed(scratch, seconds=asked.seconds, rounds=asked.rounds)
        if "first" in chosen:
            found += measure.first_chunk(scratch, asked.large)
        if "crowd" in chosen:
            found += measure.crowd(scratch, asked.large)
        if "halved" in chosen:
            found += computed.halved(scratch, seconds=asked.seconds, rounds=asked.rounds)
        if "affine" in chosen:
            found += computed.affine(scratch, rounds=asked.rounds)
        if "pipelines" in chosen:
            found += pipelines.pipelines(scratch, rounds=asked.rounds)
        if "viewers" in chosen:
            found += viewers.panning(scratch)
        if "readers" in chosen:
            for measured in (tiff, hdf5, volumes, slides):
                found += measured(scratch, rounds=asked.rounds)
            found += index(scratch)
        if "mapping" in chosen:
            found += mapping.mapping(scratch)
        if "steady" in chosen:
            found += viewers.steady(scratch)
    table = figures.table(found)
    print(figures.machine())
    print(table)
    print(f"{time.monotonic() - start:.0f} s")
    if asked.out:
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        if asked.keep and asked.out.exists():
            table = figures.table(found, asked.out.read_text("utf-8"))
        page = PAGE.format(
            machine=figures.machine(),
            nginx=rival.version(),
            rounds=asked.rounds,
            seconds=asked.seconds,
            table=table,
            load=os.getloadavg()[0],
            note=f" {asked.note}" if asked.note else "",
        )
        asked.out.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
