"""The whole server with a disk cache: workers are killed while they compute; every answer is whole and right."""

from __future__ import annotations

import http.client
import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tifffile
from scipy.ndimage import median_filter
from test_serving import Running, serving

PIXELS = np.random.default_rng(3).integers(0, 4000, (2048, 2048), dtype=np.uint16)


def statuses(server: Running) -> dict[int, dict]:
    found = {}
    for _ in range(12):
        document = json.loads(server.get("/-/status").body)
        found[document["worker"]] = document
    return found


def test_workers_killed_while_they_write_leave_nothing_wrong(tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    tifffile.imwrite(root / "flat.tif", PIXELS, tile=(512, 512))
    os.utime(root / "flat.tif", (time.time() - 100,) * 2)
    config = tmp_path / "config.yaml"
    config.write_text(
        "sources: {all: {files: 'data/{name}.tif'}}\n"
        "images: {smooth: {from: all, steps: [{median: {radius: {y: 1 px, x: 1 px}}}]}}\n"
        "buckets: {images: {views: [{type: ome-zarr, from: smooth, path: '{name}', chunks: 128, shards: false}]}}\n"
        "limits: {workers: 2, memory: 128 MiB, disk: 64 MiB, cache_dir: cache}\n"
    )
    smooth = median_filter(PIXELS, 3, mode="nearest")
    keys = [(y, x) for y in range(16) for x in range(16)]
    wrong: list[str] = []
    over = threading.Event()

    def pan(server: Running, seed: int) -> int:
        """Ask for chunks until told to stop; connections may be cut, answers may not be wrong."""
        choose, answered = np.random.default_rng(seed), 0
        while not over.is_set():
            y, x = keys[choose.integers(len(keys))]
            try:
                answer = server.get(f"/images/flat/0/c/{y}/{x}")
            except (OSError, http.client.HTTPException):
                continue
            expected = smooth[y * 128 : y * 128 + 128, x * 128 : x * 128 + 128].tobytes()
            if answer.status == 200 and answer.body == expected:
                answered += 1
            elif answer.status == 200:
                wrong.append(f"{y}/{x}")
        return answered

    with serving(root, tmp_path / "log", str(config)) as server, ThreadPoolExecutor(4) as crowd:
        clients = [crowd.submit(pan, server, seed) for seed in range(4)]
        for _ in range(3):
            time.sleep(0.3)
            os.kill(next(iter(statuses(server))), signal.SIGKILL)
        time.sleep(1.2)
        over.set()
        assert sum(client.result() for client in clients) > 50
    assert wrong == []
    with serving(root, tmp_path / "log2", str(config)) as server:
        for y, x in keys:
            expected = smooth[y * 128 : y * 128 + 128, x * 128 : x * 128 + 128].tobytes()
            assert server.get(f"/images/flat/0/c/{y}/{x}").body == expected
        found = statuses(server).values()
        assert sum(s["disk"]["hits"] for s in found) > 0
        assert sum(s["disk"]["damaged"] for s in found) == 0
    kept = [p for p in (tmp_path / "cache").rglob("*") if p.is_file() and p.parent.parent.name.startswith("blocks")]
    assert sum(-(-p.stat().st_size // 4096) * 4096 for p in kept) <= 64 << 20
