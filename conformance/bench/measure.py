"""The measurements; each takes scratch space and returns figures."""

from __future__ import annotations

import json
import random
import statistics
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import tifffile
import yaml
import zarr

from conformance.bench import rival
from conformance.bench.figures import Figure
from conformance.bench.large import TILE, voxels, write_large
from conformance.bench.load import Rate, Request, alternate, path
from conformance.samples import texture
from conformance.server import Facade, memory, serving
from conformance.shards import ZarrArray

KIB, MIB = 1024, 1 << 20
BODIES: Mapping[str, tuple[int, int]] = {
    "64 KiB": (128, 256),
    "256 KiB": (256, 512),
    "1 MiB": (512, 1024),
    "8 MiB": (2048, 2048),
}
"""Chunk shapes (y, x) in uint16 voxels that make objects of these sizes."""
GOALS = {"64 KiB": 0.5, "256 KiB": 1.2, "1 MiB": 1.2, "8 MiB": 1.2}


def fetch(url: str, key: str) -> bytes:
    """The whole object ``key`` of the bucket ``images``."""
    with urllib.request.urlopen(f"{url}/images/{quote(key)}", timeout=120) as answer:
        return bytes(answer.read())


@contextmanager
def configured(scratch: Path, name: str, config: Mapping[str, Any]) -> Iterator[Facade]:
    """A server with this configuration; ``limits`` says how many workers."""
    target = scratch / f"{name}.yaml"
    target.write_text(yaml.safe_dump(dict(config), sort_keys=False))
    with serving(target, log=scratch / f"{name}.log", env={"XDG_CACHE_HOME": str(scratch / "caches")}) as facade:
        yield facade


def static(scratch: Path, *, seconds: float, rounds: int, sizes: Sequence[str], tuned: bool) -> list[Figure]:
    """Warm objects, ranges, HEAD and plain files against nginx serving the same bytes from files."""
    source = scratch / "source"
    source.mkdir()
    tifffile.imwrite(
        source / "image.tif", texture((4096, 4096), "uint16", 21), tile=(512, 512), compression="zstd", metadata=None
    )
    (source / "plain.bin").write_bytes(random.Random(1).randbytes(MIB))
    views: list[dict[str, Any]] = [
        {
            "type": "ome-zarr",
            "from": "image",
            "path": name.replace(" ", ""),
            "chunks": {"y": BODIES[name][0], "x": BODIES[name][1]},
            "shards": False,
        }
        for name in sizes
    ]
    sharded = {"chunks": {"y": 512, "x": 512}, "shards": {"y": 2048, "x": 2048}}
    views.append({"type": "ome-zarr", "from": "image", "path": "sharded", **sharded})
    config = {
        "sources": {"image": {"file": str(source / "image.tif")}},
        "buckets": {"images": {"views": views}, "files": {"views": [{"type": "files", "root": str(source)}]}},
        "limits": {"memory": "1 GiB", "workers": 1},
    }
    with configured(scratch, "static", config) as facade:
        loads: dict[str, tuple[float | None, list[Request]]] = {}
        exported: list[tuple[str, str]] = [("files", "plain.bin")]
        for name in sizes:
            count = 4 if name == "8 MiB" else 16
            keys = [f"{name.replace(' ', '')}/0/c/{i // 2}/{i % 2}" for i in range(count)]
            exported += [("images", key) for key in keys]
            loads[f"GET {name}"] = (GOALS[name], [Request(path("images", key)) for key in keys])
        shard = "sharded/0/c/0/0"
        exported.append(("images", shard))
        inner = 512 * KIB
        spans = [Request(path("images", shard), span=(i * inner, (i + 1) * inner)) for i in range(16)]
        loads["GET inner chunk of 512 KiB by range"] = (1.2, spans)
        loads["GET a file of 1 MiB as it is"] = (None, [Request(path("files", "plain.bin"))])
        loads["HEAD"] = (None, [Request(path("images", shard), "HEAD")])
        root = scratch / "exported"
        for bucket, key in exported:
            target = root / bucket / key
            target.parent.mkdir(parents=True, exist_ok=True)
            with urllib.request.urlopen(f"{facade.url}{path(bucket, key)}", timeout=60) as answer:
                target.write_bytes(answer.read())
        with (
            rival.nginx(root, scratch / "nginx") as stock,
            rival.nginx(root, scratch / "tuned", rival.TUNED) as best,
            rival.bare(root) as loop,
        ):
            everyone = {
                "s3facade": (facade.url, facade.pid),
                "nginx": (stock.url, stock.pid),
                "tuned": (best.url, best.pid),
                "bare": (loop.url, loop.pid),
            }
            figures = []
            for what, (goal, requests) in loads.items():
                plain = all(r.method == "GET" and r.span is None for r in requests)
                left_out = set() if tuned else {"tuned"}
                left_out |= set() if plain else {"bare"}  # it knows neither HEAD nor ranges
                rivals = {name: at for name, at in everyone.items() if name not in left_out}
                rates = alternate(rivals, dict.fromkeys(rivals, requests), seconds, rounds)
                figures += _against(what, goal, rates)
    return figures


def _against(what: str, goal: float | None, rates: Mapping[str, Rate]) -> list[Figure]:
    ours, theirs = rates["s3facade"], rates["nginx"]
    detail = f"{ours.per_cpu_second:,.0f} against {theirs.per_cpu_second:,.0f} per CPU-second"
    detail += f"; {ours.per_second:,.0f} against {theirs.per_second:,.0f} per second"
    if "tuned" in rates:
        detail += f"; {ours.per_cpu_second / rates['tuned'].per_cpu_second:.2f} x tuned nginx"
    floor = None
    if "bare" in rates:
        floor = ours.per_cpu_second / rates["bare"].per_cpu_second
        detail += f"; {floor:.2f} x a bare loop"
    figures = [Figure(what, ours.per_cpu_second / theirs.per_cpu_second, "x nginx", goal, detail=detail, floor=floor)]
    if what == "HEAD":
        figures.append(Figure("HEAD per CPU-second", ours.per_cpu_second, "", 30_000))
    return figures


def listing(scratch: Path, *, seconds: float, rounds: int) -> list[Figure]:
    """A page of 1,000 keys from buckets of 2 x 10^3 and 10^9 keys, from random places."""
    few = {"t": 2, "c": 2, "z": 5, "y": 160, "x": 160}
    many = {"t": 1000, "c": 100, "z": 100, "y": 160, "x": 160}
    config: dict[str, Any] = {
        "sources": {n: {"synthetic": {"shape": s, "dtype": "uint8"}} for n, s in (("few", few), ("many", many))},
        "buckets": {
            name: {
                "views": [
                    {
                        "type": "ome-zarr",
                        "from": name,
                        "path": "image",
                        "chunks": {"t": 1, "c": 1, "z": 1, "y": 16, "x": 16},
                        "shards": False,
                    }
                ]
            }
            for name in ("few", "many")
        },
        "limits": {"workers": 1},
    }
    pick = random.Random(2)

    def page(bucket: str, shape: Mapping[str, int]) -> list[Request]:
        counts = [shape["t"], shape["c"], shape["z"], shape["y"] // 16, shape["x"] // 16]
        requests = []
        for _ in range(40):
            index = [pick.randrange(n) for n in counts]
            if bucket == "few":
                index[0] = 0  # all thousand keys of the second time point follow
            after = "image/0/c/" + "/".join(map(str, index))
            requests.append(Request(f"/{bucket}?list-type=2&max-keys=1000&start-after={quote(after, safe='')}"))
        return requests

    with configured(scratch, "listing", config) as facade:
        requests = {"few": page("few", few), "many": page("many", many)}
        for name, asked in requests.items():
            for request in asked:
                with urllib.request.urlopen(facade.url + request.target, timeout=60) as answer:
                    body = answer.read()
                assert body.count(b"<Contents>") == 1000, (name, request.target, body.count(b"<Contents>"), body[:300])
        rates = alternate(dict.fromkeys(requests, (facade.url, facade.pid)), requests, seconds, rounds)
    small, large = (1000 / rates[name].per_cpu_second for name in ("few", "many"))
    detail = f"{large:.2f} ms against {small:.2f} ms of CPU a page"
    return [
        Figure(
            "page of 1,000 keys: 10^9 keys in the bucket / 2 x 10^3",
            large / small,
            "x",
            1.3,
            at_least=False,
            detail=detail,
        )
    ]


def first_chunk(scratch: Path, large: Path) -> list[Figure]:
    """From nothing to the first chunk of an unconverted file, against converting it first."""
    if not large.exists():
        write_large(large)
    with tifffile.TiffFile(large) as tif:
        side = tif.series[0].shape[0]
    starts, requests = [], []
    for attempt in range(3):
        with serving(large, log=scratch / f"first{attempt}.log") as facade:
            asked = time.perf_counter()
            array = ZarrArray.open(lambda k, a, b: _ranged(facade.port, k, a, b), f"{_name(large)}/0")
            opened = time.perf_counter()
            at = (side // 3 // TILE * TILE + 7, side // 2 // TILE * TILE + 5)
            found = array.read(at, (at[0] + 9, at[1] + 9))
            ended = time.perf_counter()
            assert (found == voxels(0, *at, 9, 9)).all()
            starts.append(ended - facade.started)
            requests.append((ended - asked, ended - opened))
    start, total, chunk = (
        statistics.median(starts),
        statistics.median(r[0] for r in requests),
        statistics.median(r[1] for r in requests),
    )
    share, took = _convert(scratch, large)
    size = side * side * 2 / 1e9
    return [
        Figure(
            f"first request to first chunk, {size:.1f} GB zstd TIFF, s",
            total,
            "s",
            0.2,
            at_least=False,
            detail=f"metadata, index, chunk; {chunk * 1000:.0f} ms without metadata; median of {len(starts)} starts",
        ),
        Figure(
            "process start to first chunk",
            start,
            "s",
            detail=f"converting first with zarr-python would take {took / share:.0f} s "
            f"(measured on {share:.1%} of the voxels, raw shards: {took:.1f} s)",
        ),
    ]


def _name(large: Path) -> str:
    return large.name.removesuffix(".tif").removesuffix(".ome") + ".ome.zarr"


def _ranged(port: int, key: str, start: int | None, stop: int | None) -> bytes:
    span = (
        "" if start is None else f"bytes={start}" if start < 0 else f"bytes={start}-{'' if stop is None else stop - 1}"
    )
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", f"/images/{quote(key)}", headers={"Range": span} if span else {})
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status in (200, 206), (key, answer.status, body[:500])
        return body
    finally:
        connection.close()


def _convert(scratch: Path, large: Path, side: int = 8192) -> tuple[float, float]:
    """Fraction of the voxels of level 0 that were converted, and the seconds that it took."""
    start = time.perf_counter()
    with tifffile.TiffFile(large) as tif:
        whole = tif.series[0].shape[0]
        source = zarr.open_array(tif.aszarr(series=0, level=0), mode="r")
        target = zarr.create_array(
            str(scratch / "converted.zarr"),
            shape=(side, side),
            chunks=(TILE, TILE),
            shards=(4096, 4096),
            dtype="uint16",
            compressors=None,
            zarr_format=3,
        )
        for y in range(0, side, 4096):
            for x in range(0, side, 4096):
                target[y : y + 4096, x : x + 4096] = source[y : y + 4096, x : x + 4096]
    return min(1.0, side * side / whole**2), time.perf_counter() - start


def crowd(scratch: Path, large: Path, *, clients: int = 64, budget: int = 256 * MIB, repeats: int = 11) -> list[Figure]:
    """Peak memory while ``clients`` read one 64 MB shard each, pausing in the middle, under a budget."""
    if not large.exists():
        write_large(large, repeats)
    config = {
        "sources": {"image": {"file": str(large)}},
        "buckets": {
            "images": {
                "views": [
                    {
                        "type": "ome-zarr",
                        "from": "image",
                        "path": "image",
                        "chunks": {"y": TILE, "x": TILE},
                        "shards": {"y": 4096, "x": 8192},
                    }
                ]
            }
        },
        "limits": {"memory": f"{budget // MIB} MiB"},
    }
    with configured(scratch, "crowd", config) as facade:
        shape = json.loads(fetch(facade.url, "image/0/zarr.json"))["shape"]
        keys = [f"image/0/c/{y}/{x}" for y in range(shape[0] // 4096) for x in range(shape[1] // 8192)]
        idle = memory(facade.pid)
        peak, done = [idle], threading.Event()

        def watch() -> None:
            while not done.wait(0.1):
                peak.append(memory(facade.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        start = time.perf_counter()
        try:
            with ThreadPoolExecutor(clients) as pool:
                sizes = list(pool.map(lambda i: _slowly(facade.port, keys[i % len(keys)]), range(clients)))
        finally:
            done.set()
            watcher.join()
        took = time.perf_counter() - start
        after = memory(facade.pid)
    assert set(sizes) == {4096 * 8192 * 2 + 8 * 16 * 16 + 4}, set(sizes)
    over = (max(peak) - budget) / 1e6
    detail = f"peak {max(peak) / 1e6:.0f} MB with a budget of {budget / 1e6:.0f} MB"
    detail += f"; idle {idle / 1e6:.0f}, after {after / 1e6:.0f}"
    detail += f"; {clients} clients, {sum(sizes) / 1e6:,.0f} MB in {took:.1f} s"
    return [
        Figure(
            f"memory above the budget, {clients} clients on 64 MB shards",
            over,
            "MB",
            300,
            at_least=False,
            detail=detail,
        )
    ]


def _slowly(port: int, key: str) -> int:
    """Read an object with a pause after its first MiB; how many bytes came."""
    connection = HTTPConnection("127.0.0.1", port, timeout=300)
    try:
        for _ in range(200):
            connection.request("GET", f"/images/{quote(key)}")
            answer = connection.getresponse()
            if answer.status != 503:
                break
            answer.read()  # SlowDown: come again, as S3 clients do
            time.sleep(0.2)
        assert answer.status == 200, answer.status
        total, buffer = 0, bytearray(MIB)
        while n := answer.readinto(buffer):
            if total < MIB <= total + n:
                time.sleep(1.5)
            total += n
        return total
    finally:
        connection.close()
