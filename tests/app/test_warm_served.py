"""What one process keeps on disk another one serves at once."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import numpy as np
import psutil
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


def test_the_background_builder(tmp_path):
    for name in "ab":
        tifffile.imwrite(tmp_path / f"{name}.tif", PIXELS, tile=(256, 256), compression="zlib")
    config = tmp_path / "config.yaml"
    config.write_text(
        "sources:\n  all: {files: '{name}.tif'}\n"
        "buckets:\n  images:\n    warm: true\n"
        "    views: [{type: ome-zarr, from: all, path: '{name}.ome.zarr', chunks: 512}]\n"
        "limits: {workers: 2, memory: 256 MiB, read: 4 MiB, disk: 100 MiB, cache_dir: cache}\n"
        "server: {rescan: 500 ms}\n"
    )
    with serving(tmp_path, tmp_path / "log", str(config)) as server:
        for name in "ab":
            server.eventually(lambda name=name: server.get(f"/images/{name}.ome.zarr/2/c/0/0").status == 200)
        # A new connection each: either of the workers.
        states = [json.loads(server.get("/-/status").body)["warm"]["state"] for _ in range(40)]
        assert set(states) <= {"done", "building", "in another worker"}
        # What comes later is built as well, also when the worker that built died.
        for worker in psutil.Process(server.process.pid).children():
            if any(f.path.endswith("/builder") for f in worker.open_files()):
                worker.kill()
        tifffile.imwrite(tmp_path / "c.tif", PIXELS, tile=(256, 256), compression="zlib")
        server.eventually(lambda: server.get("/images/c.ome.zarr/2/c/0/0").status == 200, 60)


def test_the_builder_stops_where_there_is_no_room(tmp_path):
    for name in "abc":
        tifffile.imwrite(tmp_path / f"{name}.tif", PIXELS, tile=(256, 256), compression="zlib")
    config = tmp_path / "config.yaml"
    config.write_text(
        "sources:\n  all: {files: '{name}.tif'}\n"
        "images:\n  smooth: {from: all, steps: [gaussian: 2 px]}\n"
        "buckets:\n  images:\n    warm: true\n"
        "    views: [{type: ome-zarr, from: smooth, path: '{name}.ome.zarr', chunks: 256}]\n"
        "limits: {workers: 1, memory: 256 MiB, disk: 30 MiB, cache_dir: cache}\nserver: {rescan: 500 ms}\n"
    )
    with serving(tmp_path, tmp_path / "log", str(config)) as server:
        status = lambda: json.loads(server.get("/-/status").body)["warm"]  # noqa: E731
        server.eventually(lambda: status()["state"] == "full", 60)
        held = sum(f.stat().st_blocks * 512 for f in (tmp_path / "cache").rglob("*") if f.is_file())
        assert held < 30 << 20
        time.sleep(1.5)  # another round
        log = (tmp_path / "log").read_text()
        assert log.count("is not kept beforehand, nor what comes after it") == 1
        assert "images/c.ome.zarr is not kept" in log


def test_a_preview_instead_of_a_refusal(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", PIXELS, tile=(256, 256), compression="zlib")
    config = tmp_path / "config.yaml"
    text = (
        "sources:\n  all: {files: '{name}.tif'}\n"
        "buckets:\n  images:\n    preview: strided\n"
        "    views:\n"
        "      - {type: ome-zarr, from: all, path: 'quick/{name}.ome.zarr', chunks: 512}\n"
        "      - {type: ome-zarr, from: all, path: 'exact/{name}.ome.zarr', chunks: 512, preview: off}\n"
        "limits: {workers: 2, memory: 256 MiB, read: READ, disk: 100 MiB, cache_dir: cache}\n"
    )
    config.write_text(text.replace("READ", "2 MiB"))
    with serving(tmp_path, tmp_path / "log", str(config)) as server:
        assert server.get("/images/exact/a.ome.zarr/2/c/0/0").status == 503
        answer = server.get("/images/quick/a.ome.zarr/2/c/0/0")
        assert answer.status == 200
        shown = np.frombuffer(answer.body[: 512 * 512 * 2], "<u2").reshape(512, 512)
        # Blocks 1, 3, 5, 7 of 8 along each axis are read; voxels of these are what stands there.
        assert shown[64:128, 64:128].tobytes() == PIXELS[258:512:4, 258:512:4].tobytes()
        about = json.loads(server.get("/images/quick/a.ome.zarr/zarr.json").body)["attributes"]["ome"]["multiscales"][0]
        assert about["type"] == "mean, strided"
        transforms = about["datasets"][2]["coordinateTransformations"]
        assert transforms == [{"type": "scale", "scale": [4, 4]}, {"type": "translation", "translation": [2, 2]}]
        recipe = json.loads(server.get("/images/quick/a.ome.zarr/s3facade.json").body)
        sampled = recipe["images"][0]["levels"]["sampled"]
        assert {"level": 2, "of": 0, "one_block_of": [2, 2]} in sampled
        command = [sys.executable, "-m", "s3facade", "warm", "images/", str(config)]
        subprocess.run(command, capture_output=True, check=True, timeout=60)
        # What is kept changes nothing.
        again = server.get("/images/quick/a.ome.zarr/2/c/0/0")
        assert (again.headers["etag"], again.body) == (answer.headers["etag"], answer.body)
        assert server.get("/images/exact/a.ome.zarr/2/c/0/0").status == 200
