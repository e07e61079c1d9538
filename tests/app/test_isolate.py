"""A source that is read in processes of its own, on a whole server."""

from __future__ import annotations

import contextlib
import time

import numpy as np
import psutil
import tifffile
from test_serving import PIXELS, TILE, serving


def readers(pid):
    every = psutil.Process(pid).children(recursive=True)
    found = []
    for process in every:
        with contextlib.suppress(psutil.Error):  # it may end while it is looked at
            if "s3facade.engine.isolated_child" in process.cmdline():
                found.append(process)
    return found


def test_the_same_pixels_and_a_killed_reader_is_replaced(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", PIXELS, tile=(TILE, TILE), compression="zlib")
    config = tmp_path / "config.yaml"
    config.write_text(
        "sources:\n  plain: {files: '{name}.tif'}\n  alone: {files: '{name}.tif', isolate: true}\n"
        "buckets:\n  images:\n    views:\n"
        "      - {type: ome-zarr, from: plain, path: 'plain/{name}.ome.zarr', chunks: 256, shards: false}\n"
        "      - {type: ome-zarr, from: alone, path: 'alone/{name}.ome.zarr', chunks: 256, shards: false}\n"
        "limits: {workers: 2, memory: 256 MiB}\n"
    )
    with serving(tmp_path, tmp_path / "log", str(config)) as server:
        for key in ("0/zarr.json", "0/c/1/2"):
            # In this order: the two are the same image to a worker's cache.
            b, a = (server.get(f"/images/{kind}/a.ome.zarr/{key}") for kind in ("alone", "plain"))
            assert a.status == b.status == 200
            assert a.body == b.body
            assert a.headers["etag"] != b.headers["etag"]  # the keys differ
        assert np.array_equal(np.frombuffer(a.body, "u2").reshape(TILE, TILE), PIXELS[256:512, 512:768])
        killed = readers(server.process.pid)
        assert killed
        for process in killed:
            process.kill()
        for x in range(3):
            assert server.get(f"/images/alone/a.ome.zarr/0/c/3/{x}").status == 200
        assert server.get("/-/healthz").status == 200
        pids = {p.pid for p in readers(server.process.pid)}
        assert pids
        assert pids.isdisjoint(p.pid for p in killed)
        left = readers(server.process.pid)
    until = time.monotonic() + 10
    while any(p.is_running() for p in left) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(p.is_running() for p in left)
