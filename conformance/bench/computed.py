"""Chunks that are computed, against what the same arithmetic costs without a server."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import scipy.ndimage
import tifffile

from conformance.bench import load
from conformance.bench.clock import alternating
from conformance.bench.figures import Figure
from conformance.bench.large import TILE, write_flat
from conformance.bench.load import Request, path
from conformance.bench.measure import configured, fetch
from conformance.samples import Array, texture
from s3facade import registry
from s3facade.core.image import Image, apply_step
from s3facade.core.region import Region
from s3facade.engine.engine import Engine, EngineLimits
from s3facade.transforms.resampling.affine import Affine


def halved(scratch: Path, *, seconds: float, rounds: int, side: int = 16384) -> list[Figure]:
    """Chunks of a level that the file does not have, over HTTP, none of them in memory; the limit has no HTTP.

    The limit decodes the four source tiles and takes their mean by the quickest way that NumPy has: rows, then
    columns, in 32 bits, one shift; halves to even, as the server rounds.
    """
    source = scratch / "flat.tif"
    write_flat(source, side)
    with tifffile.TiffFile(source) as tif:
        page = tif.pages.first
        tiles = [
            (tif.filehandle.seek(a), tif.filehandle.read(n))[1]
            for a, n in zip(page.dataoffsets, page.databytecounts, strict=True)
        ]
    across = side // TILE
    config: dict[str, Any] = {
        "sources": {"image": {"file": str(source)}},
        "buckets": {
            "images": {
                "views": [{"type": "ome-zarr", "from": "image", "path": "image", "chunks": TILE, "shards": False}]
            }
        },
        # the chunks of the level are far more than the cache holds, and asked for in turn: none is there still
        "limits": {"memory": "64 MiB", "workers": 1},
    }
    places = [(y, x) for y in range(across // 2) for x in range(across // 2)]

    def limit(y: int, x: int) -> Array:
        four = [tiles[(2 * y + i) * across + 2 * x + j] for i in (0, 1) for j in (0, 1)]
        return _halved(four)

    with configured(scratch, "halved", config) as facade:
        for y, x in places[:: len(places) // 5]:
            body = np.frombuffer(fetch(facade.url, f"image/1/c/{y}/{x}"), "<u2").reshape(TILE, TILE)
            assert np.array_equal(body, limit(y, x)), (y, x)
        requests = [Request(path("images", f"image/1/c/{y}/{x}")) for y, x in places]
        ours: list[float] = []
        bare: list[float] = []
        load.load(facade.url, facade.pid, requests, 1)
        for _ in range(rounds):
            ours.append(1 / load.load(facade.url, facade.pid, requests, seconds).per_cpu_second)
            bare.append(_seconds_each(limit, places, seconds))
    mine, floor = statistics.median(ours), statistics.median(bare)
    detail = f"{mine * 1e3:.2f} against {floor * 1e3:.2f} ms of CPU a chunk of 512 KiB"
    return [Figure("computed 2x level, chunk over HTTP / the limit without", floor / mine, "x", 0.7, detail=detail)]


def _seconds_each(limit: Callable[[int, int], Array], places: list[tuple[int, int]], seconds: float) -> float:
    begun, start, count = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() < begun + seconds:
        limit(*places[count % len(places)])
        count += 1
    return (time.process_time() - start) / count


def _halved(four: list[bytes]) -> Array:
    """The mean of 2 x 2 voxels of four tiles around a corner, each an encoded square of uint16."""
    half = TILE // 2
    out = np.empty((TILE, TILE), np.uint16)
    for k, tile in enumerate(four):
        a = np.frombuffer(imagecodecs.zstd_decode(tile), np.uint16).reshape(TILE, TILE)
        rows = np.add(a[0::2], a[1::2], dtype=np.uint32)
        total = rows[:, 0::2] + rows[:, 1::2]
        odd = total >> 2
        odd &= 1
        odd += total
        odd += 1
        odd >>= 2
        y, x = k // 2 * half, k % 2 * half
        out[y : y + half, x : x + half] = odd
    return out


@contextmanager
def opened(file: Path, memory: int = 512 << 20) -> Iterator[tuple[Engine, Image]]:
    """An engine of this process and the first image of a file."""
    engine = Engine(registry.reader, EngineLimits(memory))
    try:
        yield engine, engine.rasters.describe(str(file), "tiff", {})[0]
    finally:
        engine.close()


def turned(angles: tuple[float, ...], zoom: float, shift: tuple[float, ...]) -> Array:
    """Voxel indices of the output to those of the source, axes in the image's order: rows of a rotation, then shift."""
    n = len(shift)
    matrix = np.eye(n)
    pairs = [(n - 2, n - 1), (0, n - 1), (0, n - 2)]
    for angle, (i, j) in zip(angles, pairs, strict=False):
        turn = np.eye(n)
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[i, j], turn[j, i] = np.sin(angle), -np.sin(angle)
        matrix = matrix @ turn
    return np.column_stack([matrix * zoom, np.asarray(shift)])


def affine_of(matrix: Array) -> Affine:
    """The step that maps by ``matrix``, as `turned` gives it."""
    return Affine(tuple(tuple(float(v) for v in row) for row in matrix), order="zyx", unit="voxel")


def behind(matrix: Array, region: Region, shape: tuple[int, ...]) -> tuple[tuple[slice, ...], Array]:
    """The box of the source behind an output box, and the shift from the one's corner to the other's."""
    corners = np.array(np.meshgrid(*zip(region.start, [b - 1 for b in region.stop], strict=True), indexing="ij"))
    at = np.tensordot(matrix[:, :-1], corners, 1).reshape(len(shape), -1) + matrix[:, -1:]
    start = np.maximum(np.floor(at.min(1)).astype(int), 0)
    stop = np.minimum(np.floor(at.max(1)).astype(int) + 2, shape)
    shift = matrix[:, :-1] @ np.array(region.start) + matrix[:, -1] - start
    return tuple(slice(a, b) for a, b in zip(start, stop, strict=True)), shift


def affine(scratch: Path, *, rounds: int) -> list[Figure]:
    """Linear resampling of one chunk by the engine, source tiles decoded already, against bare kernels in memory."""
    figures = []
    for what, shape, side, angles, zoom in (
        ("2-D, 512 x 512", (2048, 2048), 512, (0.35,), 0.97),
        ("3-D, 64 x 64 x 64", (160, 256, 256), 64, (0.35, 0.2, 0.1), 0.97),
    ):
        file = scratch / f"affine{len(shape)}.tif"
        voxels = scipy.ndimage.gaussian_filter(texture(shape, "uint16", 5).astype(np.float32), 1).astype(np.uint16)
        tifffile.imwrite(file, voxels, tile=(256, 256), compression="zstd", metadata={"axes": "ZYX"[-len(shape) :]})
        inside = tuple(n * 0.35 for n in shape) if len(shape) == 2 else (30.0, 60.0, 10.0)
        matrix = turned(angles, zoom, inside)
        region = Region((side,) * 2, (2 * side,) * 2) if len(shape) == 2 else Region((0, side, side), (64, 128, 128))
        figures += _affine(what, file, voxels, matrix, region, rounds)
    return figures


def _affine(what: str, file: Path, voxels: Array, matrix: Array, region: Region, rounds: int) -> list[Figure]:
    import cv2

    where, shift = behind(matrix, region, voxels.shape)
    box, size = np.ascontiguousarray(voxels[where]), region.shape
    turn = np.ascontiguousarray(matrix[::-1, -2::-1])
    flat = np.column_stack([turn, shift[::-1]]) if len(size) == 2 else None
    repeats = 10
    cv2.setNumThreads(1)

    def scipys() -> Array:
        return scipy.ndimage.affine_transform(box, matrix[:, :-1], shift, output_shape=size, order=1)

    def opencvs() -> Array:
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(box, flat, size[::-1], flags=flags))

    def often(function: Callable[[], Any]) -> Callable[[], int]:
        def turn_() -> int:
            for _ in range(repeats):
                function()
            return repeats

        return turn_

    with opened(file) as (engine, source):
        image = apply_step(source, affine_of(matrix))
        engine.read(image, 0, region)
        kept = dict(engine.memory._values)  # noqa: SLF001 - only source tiles: what was computed must be forgotten

        def ours() -> Array:
            return engine.read(image, 0, region)

        def forget() -> None:
            engine.memory.shrink(0)
            for key, value in kept.items():
                if key[0] == source.spec.identity:  # type: ignore[index]
                    engine.memory.put(key, value)

        def fresh() -> Array:
            forget()
            return ours()

        exact = scipy.ndimage.affine_transform(
            box.astype(np.float64), matrix[:, :-1], shift, output_shape=size, order=1
        )
        rivals = {"ours": often(fresh), "scipy": often(scipys)} | ({"cv2": often(opencvs)} if flat is not None else {})
        assert np.abs(fresh() - exact).max() <= 0.51, what
        assert np.abs(scipys() - exact).max() <= 0.51, what
        spent = alternating(rivals, rounds)
    mine = spent["ours"]
    detail = f"{mine * 1e3:.2f} against {spent['scipy'] * 1e3:.2f} ms of CPU"
    figures = [Figure(f"affine chunk, {what} / scipy.ndimage", spent["scipy"] / mine, "x", 0.7, detail=detail)]
    if "cv2" in spent:
        off = np.abs(opencvs().astype(float) - exact).max()
        best = np.abs(np.rint(exact) - exact).max()
        detail = f"{mine * 1e3:.2f} against {spent['cv2'] * 1e3:.2f} ms of CPU; OpenCV {cv2.__version__} is not exact:"
        detail += f" off by up to {off:.3f} where rounding takes {best:.3f}"
        figures.append(Figure(f"affine chunk, {what} / OpenCV", spent["cv2"] / mine, "x", 0.7, detail=detail))
    return figures
