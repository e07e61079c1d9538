"""What one process keeps on disk another one serves at once."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import tifffile
from test_serving import serving

PIXELS = np.random.default_rng(1).integers(0, 4000, (2048, 2048), dtype=np.uint16)


def test_a_running_server_profits_from_warm(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", PIXELS, tile=(256, 256), compression="zlib")
    config = tmp_path / "config.yaml"
    config.write_text(
        "sources:\n  all: {files: '{name}.tif'}\n"
        "buckets:\n  images:\n    views: [{type: ome-zarr, from: all, path: '{name}.ome.zarr', chunks: 512}]\n"
        "limits: {workers: 2, memory: 256 MiB, read: 4 MiB, disk: 100 MiB, cache_dir: cache}\n"
    )
    with serving(tmp_path, tmp_path / "log", str(config)) as server:
        for _ in range(2):
            refused = server.get("/images/a.ome.zarr/2/c/0/0")
            assert refused.status == 503
            assert b"s3facade warm" in refused.body
        before = server.ask("HEAD", "/images/a.ome.zarr/2/c/0/0").headers["etag"]
        command = [sys.executable, "-m", "s3facade", "warm", "images/a.ome.zarr", str(config)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        assert "Kept 1 blocks" in done.stdout
        for _ in range(4):  # a new connection each: any of the workers
            answer = server.get("/images/a.ome.zarr/2/c/0/0")
            assert (answer.status, answer.headers["etag"]) == (200, before)
        shown = np.frombuffer(answer.body[: 512 * 512 * 2], "<u2").reshape(512, 512)
        exact = PIXELS.reshape(512, 4, 512, 4).mean(axis=(1, 3))
        assert np.abs(shown - exact).max() <= 1.0
