"""Images in S3 storage and on web servers, served to Zarr clients by the whole server."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import numpy as np
import pytest
import tifffile
import zarr
from test_serving import Running, serving

sys.path.insert(0, str(Path(__file__).parents[1] / "stores"))
from fault_server import FaultServer, fault_server
from s3_server import KEY, SECRET, client, s3_server

PIXELS = np.random.default_rng(5).integers(0, 4000, (1024, 1024), dtype=np.uint16)
OTHER = PIXELS[::-1].copy()


def tiff(path: Path, pixels: np.ndarray = PIXELS) -> bytes:
    with tifffile.TiffWriter(path, ome=False) as writer:
        writer.write(pixels, tile=(256, 256), compression="zlib", subifds=1)
        writer.write(pixels[::2, ::2], tile=(256, 256), compression="zlib", subfiletype=1)
    return path.read_bytes()


def zarr_group(root: Path) -> dict[str, bytes]:
    group = zarr.create_group(root / "g.zarr", zarr_format=3)
    array = group.create_array("0", shape=PIXELS.shape, chunks=(256, 256), dtype="u2", dimension_names=["y", "x"])
    array[:] = PIXELS
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    scale = [{"type": "scale", "scale": [0.5, 0.5]}]
    datasets = [{"path": "0", "coordinateTransformations": scale}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    files = [p for p in (root / "g.zarr").rglob("*") if p.is_file()]
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in files}


def level(running: Running, prefix: str, name: str = "0") -> np.ndarray:
    url = f"http://127.0.0.1:{running.port}/images/{prefix}"
    return np.asarray(zarr.open_group(url, mode="r")[name][:]).squeeze()


def etag(running: Running, prefix: str) -> str:
    answer = running.get(f"/images/{prefix}/zarr.json")
    return answer.headers["etag"] if answer.status == 200 else ""


@dataclass
class S3:
    running: Running
    url: str


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    base = tmp_path_factory.mktemp("remote")
    tifffile.imwrite(base / "m.ome.tif", PIXELS[None, :512, :512], metadata={"axes": "ZYX"})
    objects = {"scans/a.tif": tiff(base / "a.tif"), "scans/m.ome.tif": (base / "m.ome.tif").read_bytes()}
    objects |= {f"scans/deep/{name}": data for name, data in zarr_group(base).items()}
    objects |= {"scans/notes.txt": b"no image", "elsewhere.tif": objects["scans/a.tif"]}
    (base / "secret").write_text(SECRET)
    (base / "secret").chmod(0o600)
    with s3_server(objects) as url:
        config = base / "config.yaml"
        config.write_text(
            f"stores:\n  lab: {{url: 's3://lab-raw/', endpoint: '{url}', region: us-east-1, key: {KEY},\n"
            "    secret_file: secret, refresh: 1 s}\n"
            "sources:\n  all: {files: 'lab:scans/**'}\n"
            "buckets:\n  images:\n    views: [{type: ome-zarr, from: all, path: '{stem}.ome.zarr'}]\n"
            "server: {rescan: 1 s, access_log: true}\nlimits: {workers: 1, memory: 256 MiB, cache_dir: cache}\n"
        )
        with serving(base, base / "log", str(config)) as running:
            yield S3(running, url)
    assert SECRET not in (base / "log").read_text()


def test_images_of_a_bucket_are_served_equal(s3: S3) -> None:
    listing = s3.running.get("/images?list-type=2&delimiter=/").body.decode()
    assert "notes" not in listing
    assert "elsewhere" not in listing
    np.testing.assert_array_equal(level(s3.running, "a.ome.zarr"), PIXELS)
    np.testing.assert_array_equal(level(s3.running, "a.ome.zarr", "1"), PIXELS[::2, ::2])
    np.testing.assert_array_equal(level(s3.running, "m.ome.zarr"), PIXELS[:512, :512])
    np.testing.assert_array_equal(level(s3.running, "deep/g.ome.zarr"), PIXELS)


def test_where_files_lie_is_nobodys_business(s3: S3) -> None:
    told = json.loads(s3.running.get("/images/a.ome.zarr/s3facade.json").body)
    assert "a.tif" in json.dumps(told)
    assert s3.url not in json.dumps(told)
    assert "lab-raw" not in json.dumps(told)


def test_a_replaced_object_is_a_new_image(s3: S3, tmp_path: Path) -> None:
    boto = client(s3.url)
    boto.put_object(Bucket="lab-raw", Key="scans/r.tif", Body=tiff(tmp_path / "r.tif"))
    s3.running.eventually(lambda: bool(etag(s3.running, "r.ome.zarr")))
    before = etag(s3.running, "r.ome.zarr")
    chunk = "/images/r.ome.zarr/0/c/0/0"
    assert s3.running.get(chunk).status == 200
    boto.put_object(Bucket="lab-raw", Key="scans/r.tif", Body=tiff(tmp_path / "r.tif", OTHER))
    bodies, seen, until = set(), {503}, time.monotonic() + 60
    while etag(s3.running, "r.ome.zarr") in (before, "") or OTHER.tobytes() not in bodies:
        assert time.monotonic() < until
        answer = s3.running.get("/images/r.ome.zarr/zarr.json")
        assert answer.status in (200, 503)
        try:
            bodies.add(level(s3.running, "r.ome.zarr").tobytes())
        except aiohttp.ClientResponseError as error:
            seen.add(error.status)
        time.sleep(0.1)
    assert seen == {503}
    assert bodies <= {PIXELS.tobytes(), OTHER.tobytes()}, "never of both"
    boto.put_object(Bucket="lab-raw", Key="scans/new.tif", Body=tiff(tmp_path / "r.tif"))
    s3.running.eventually(lambda: s3.running.get("/images/new.ome.zarr/zarr.json").status == 200)
    boto.delete_object(Bucket="lab-raw", Key="scans/new.tif")
    s3.running.eventually(lambda: s3.running.get("/images/new.ome.zarr/zarr.json").status == 404)
    boto.close()


@contextmanager
def web(tmp_path: Path, source: str, options: str = "") -> Iterator[tuple[FaultServer, Running]]:
    with fault_server({"data/a.tif": tiff(tmp_path / "a.tif")}) as server:
        server.files |= {f"data/{name}": data for name, data in zarr_group(tmp_path).items()}
        (tmp_path / "names.txt").write_text("a.tif\ng.zarr\nmissing.tif\n")
        config = tmp_path / "config.yaml"
        config.write_text(
            f"stores: {{web: {{url: '{server.url}data/', timeout: 3 s{options}}}}}\n"
            f"sources:\n  all: {source}\n"
            "buckets:\n  images:\n    views: [{type: ome-zarr, from: all, path: '{stem}.ome.zarr'}]\n"
            "server: {rescan: 1 s}\nlimits: {workers: 1, memory: 256 MiB, index: off}\n"
        )
        with serving(tmp_path, tmp_path / "log", str(config)) as running:
            yield server, running


def test_files_of_a_web_server_by_a_list(tmp_path: Path) -> None:
    with web(tmp_path, "{files: 'web:{name}', list: names.txt}") as (_, running):
        np.testing.assert_array_equal(level(running, "a.ome.zarr"), PIXELS)
        np.testing.assert_array_equal(level(running, "g.ome.zarr"), PIXELS)
        assert running.get("/images/missing.ome.zarr/zarr.json").status == 503
        assert running.get("/images/nothing.ome.zarr/zarr.json").status == 404


def test_a_store_that_is_down_is_never_told_as_absent(tmp_path: Path) -> None:
    with web(tmp_path, "{file: 'web:a.tif'}", ", refresh: 1 s") as (server, running):
        np.testing.assert_array_equal(level(running, "a.ome.zarr"), PIXELS)
        server.down = 503
        seen = set()
        for _ in range(4):
            seen |= {running.get(f"/images/a.ome.zarr/{key}").status for key in ("zarr.json", "0/c/0/0")}
            time.sleep(0.7)
        assert seen <= {200, 503}
        assert 503 in seen
        server.down = 403
        assert running.get("/images/a.ome.zarr/0/c/0/0").status in (500, 503)
        server.down = 0
        running.eventually(lambda: running.get("/images/a.ome.zarr/0/c/0/0").status == 200)


def test_a_store_that_is_down_at_the_start_is_looked_at_again(tmp_path: Path) -> None:
    with s3_server({"a.tif": tiff(tmp_path / "a.tif")}) as url, fault_server() as front:
        front.down = 503
        config = tmp_path / "config.yaml"
        text = (
            "stores: {{lab: {{url: 's3://lab-raw/', endpoint: '{}', key: {}, secret: {}, timeout: 6 s}}}}\n"
            "sources:\n  all: {{files: 'lab:{{name}}.tif'}}\n"
            "buckets:\n  images:\n    views: [{{type: ome-zarr, from: all, path: '{{stem}}.ome.zarr'}}]\n"
            "server: {{rescan: 1 s}}\nlimits: {{workers: 1, memory: 256 MiB, index: off}}\n"
        )
        config.write_text(text.format(front.url, KEY, SECRET))
        with serving(tmp_path, tmp_path / "log", str(config)) as running:
            assert running.get("/images/a.ome.zarr/zarr.json").status == 503
            assert running.get("/images?list-type=2").status == 503
        config.write_text(text.format(url, KEY, SECRET))
        with serving(tmp_path, tmp_path / "log", str(config)) as running:
            np.testing.assert_array_equal(level(running, "a.ome.zarr"), PIXELS)


def test_few_requests_where_each_takes_long(tmp_path: Path) -> None:
    with web(tmp_path, "{file: 'web:a.tif'}") as (server, running):
        running.eventually(lambda: running.get("/images/a.ome.zarr/zarr.json").status == 200)
        assert server.count() <= 5, server.asked
        server.latency = 0.1
        server.forget()
        begun = time.monotonic()
        np.testing.assert_array_equal(level(running, "a.ome.zarr"), PIXELS)
        assert time.monotonic() - begun < 5, "16 tiles, some of them at once"
