"""People who pan over a computed view, all at once: how long each chunk takes; and memory over very many chunks."""

from __future__ import annotations

import random
import statistics
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from conformance.bench import load
from conformance.bench.figures import Figure
from conformance.bench.large import TILE, write_flat
from conformance.bench.load import Request, path
from conformance.bench.measure import configured
from conformance.server import memory

WIDE, HIGH = 4, 3
"""Chunks that one window shows."""
PAUSE = 0.25
"""Seconds between two moves of a viewer, if its chunks come sooner."""


def walk(seed: int, across: int, moves: int) -> list[list[tuple[int, int]]]:
    """Chunks (y, x) that each move of a window brings into view; it goes on in one direction, mostly."""
    rng = random.Random(seed)
    y, x = rng.randrange(across - HIGH), rng.randrange(across - WIDE)
    way, seen, steps = (0, 1), set[tuple[int, int]](), []
    for _ in range(moves):
        shown = [(y + j, x + i) for j in range(HIGH) for i in range(WIDE)]
        steps.append([at for at in shown if at not in seen])
        seen.update(shown)
        if rng.random() < 0.3:
            way = rng.choice([(0, 1), (1, 0), (0, -1), (-1, 0)])
        y, x = min(max(y + way[0], 0), across - HIGH), min(max(x + way[1], 0), across - WIDE)
    return steps


def panning(scratch: Path, *, viewers: int = 16, moves: int = 20, side: int = 16384) -> list[Figure]:
    """Latency of chunks: everybody walks somewhere else, then the same ways again.

    The view is the affine map and the Gaussian of a flat TIFF, in chunks of 512 x 512 bytes, with the disk cache on:
    what one worker computed the other one reads.
    """
    source = scratch / "pan.tif"
    write_flat(source, side)
    steps: list[dict[str, Any]] = [
        {"affine": {"matrix": [[0.98, 0.17, 40.0], [-0.17, 0.98, 1500.0]], "unit": "voxel"}},
        {"gaussian": "1.5 px"},
        {"rescale": {"window": [0, 4000]}},
    ]
    view = {"type": "ome-zarr", "from": "turned", "path": "image", "chunks": TILE, "shards": False}
    config = {
        "sources": {"image": {"file": str(source)}},
        "images": {"turned": {"from": "image", "steps": steps}},
        "buckets": {"images": {"views": [view]}},
        "limits": {"memory": "1 GiB", "workers": 2, "disk": "4 GiB", "cache_dir": str(scratch / "kept")},
    }
    ways = [walk(seed, side // TILE, moves) for seed in range(viewers)]
    figures = []
    with configured(scratch, "pan", config) as facade:
        for state in ("cold", "warm"):
            start = time.perf_counter()
            with ThreadPoolExecutor(viewers) as pool:
                took = sorted(s for each in pool.map(lambda w: _pan(facade.port, w), ways) for s in each)
            elapsed = time.perf_counter() - start
            middle, high, highest = (took[min(int(len(took) * q), len(took) - 1)] for q in (0.5, 0.95, 0.99))
            detail = f"p95 {high * 1e3:.0f}, p99 {highest * 1e3:.0f} ms; {len(took)} chunks in {elapsed:.1f} s"
            detail += f"; each moves every {PAUSE * 1e3:.0f} ms; two workers, disk cache, clients on the same cores"
            what = f"median latency of a computed chunk, {viewers} viewers panning, {state}"
            figures.append(Figure(what, middle * 1e3, "ms", detail=detail))
    return figures


def _pan(port: int, way: Sequence[Sequence[tuple[int, int]]]) -> list[float]:
    """One viewer: its chunks one after the other over one connection; seconds that each took."""
    connection, took = HTTPConnection("127.0.0.1", port, timeout=120), []
    try:
        for chunks in way:
            begun = time.perf_counter()
            for y, x in chunks:
                asked = time.perf_counter()
                connection.request("GET", f"/images/image/0/c/{y}/{x}")
                answer = connection.getresponse()
                size = len(answer.read())
                took.append(time.perf_counter() - asked)
                assert (answer.status, size) == (200, TILE * TILE), (answer.status, size)
            time.sleep(max(0.0, begun + PAUSE - time.perf_counter()))
    finally:
        connection.close()
    return took


def steady(scratch: Path, *, requests: int = 100_000, side: int = 16384) -> list[Figure]:
    """Memory over ``requests`` computed chunks: its slope once everything has been used.

    They are asked for in turn, and none is kept until its turn comes again.
    """
    source = scratch / "steady.tif"
    write_flat(source, side)
    small = 128
    view = {"type": "ome-zarr", "from": "image", "path": "image", "chunks": small, "shards": False}
    config = {
        "sources": {"image": {"file": str(source)}},
        "buckets": {"images": {"views": [view]}},
        "limits": {"memory": "64 MiB", "workers": 1},
    }
    across = side // 2 // small
    asked = [Request(path("images", f"image/1/c/{y}/{x}")) for y in range(across) for x in range(across)]
    with configured(scratch, "steady", config) as facade:
        rate = load.load(facade.url, facade.pid, asked, 3).per_second
        seconds = max(4.0, requests / rate)
        # caches fill, threads get their arenas, and objects that stay are made
        load.load(facade.url, facade.pid, asked, 0.4 * seconds)
        seen: list[tuple[float, int]] = []
        done = threading.Event()

        def watch() -> None:
            while not done.wait(0.2):
                seen.append((time.perf_counter(), memory(facade.pid)))

        watcher = threading.Thread(target=watch)
        watcher.start()
        count, begun = 0.0, time.perf_counter()
        try:
            # in turns, since the machine may be busier than it was a moment ago
            while count < requests:
                turn = max(2, round(seconds / 5))
                count += turn * load.load(facade.url, facade.pid, asked, turn).per_second
            rate = count / (time.perf_counter() - begun)
        finally:
            done.set()
            watcher.join()
    fifth = len(seen) // 5
    # what is being worked on comes and goes by many MB: medians of stretches
    (t0, m0), (t1, m1) = (
        (statistics.median(t for t, _ in part), statistics.median(m for _, m in part))
        for part in (seen[:fifth], seen[-fifth:])
    )
    slope = (m1 - m0) / ((t1 - t0) * rate)
    detail = f"{count:,.0f} chunks of 128 x 128 of a computed level, after many others"
    detail += f", one worker, 64 MiB allowed; {m0 / 1e6:.0f} MB in the first fifth, {m1 / 1e6:.0f} MB in the last"
    return [Figure("memory per 10^5 computed chunks", slope * 1e5 / 1e6, "MB", 8, at_least=False, detail=detail)]
