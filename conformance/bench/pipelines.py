"""One pipeline, crop + affine + Gaussian + rescale, on random regions of a TIFF: ours, and as people write it today."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import scipy.ndimage
import tifffile
import zarr

from conformance.bench.clock import alternating
from conformance.bench.computed import affine_of, behind, opened, turned
from conformance.bench.figures import Figure
from conformance.samples import Array, texture
from s3facade.core.image import Image, apply_step
from s3facade.core.region import Region
from s3facade.engine.engine import Engine
from s3facade.transforms.filters.gaussian import Gaussian
from s3facade.transforms.geometry.crop import Crop
from s3facade.transforms.geometry.places import Place
from s3facade.transforms.values.rescale import Rescale

SIGMA = 2.0
HALO = 8
"""Voxels: four sigma, as scipy.ndimage has it."""
WHITE = 30000.0
"""The value that becomes 255."""
Rival = Callable[[Region], Array]


@dataclass(frozen=True)
class Case:
    """One image, its pipeline, and the regions that are asked for."""

    name: str
    file: Path
    corner: tuple[int, ...]
    """First voxel of the crop."""
    shape: tuple[int, ...]
    """Of the crop, and of the output."""
    matrix: Array
    """Indices of the output to those of the crop."""
    chunk: tuple[int, ...]
    regions: tuple[Region, ...]
    """Chunks, in random order, that lie inside the source with all that they need."""
    stores: list[Any] = field(default_factory=list)
    """What rivals opened, to be closed."""


def case(scratch: Path, count: int, *, flat: bool) -> Case:
    """The image, written, and ``count`` chunks."""
    whole = (8192, 8192) if flat else (256, 640, 640)
    file = scratch / f"pipeline{len(whole)}.tif"
    period = (2048, 2048) if flat else (64, 640, 640)
    base = scipy.ndimage.gaussian_filter(texture(period, "uint16", 9).astype(np.float32), 1).astype(np.uint16)
    voxels = np.tile(base, [n // m for n, m in zip(whole, period, strict=True)])
    tifffile.imwrite(
        file,
        voxels,
        tile=(512, 512) if flat else (128, 128),
        compression="zstd",
        bigtiff=True,
        metadata={"axes": "YX" if flat else "ZYX"},
    )
    corner = (300, 500) if flat else (8, 40, 24)
    shape = tuple(n - 2 * k for n, k in zip(whole, corner, strict=True))
    chunk = (512, 512) if flat else (64, 64, 64)
    matrix = turned((0.2,) if flat else (0.2, 0.05, 0.05), 0.95, (0,) * len(whole))
    middle = np.array(shape) / 2
    matrix[:, -1] = middle - matrix[:, :-1] @ middle
    fitting = [r for r in _chunks(shape, chunk) if _inside(matrix, r, shape)]
    random.Random(4).shuffle(fitting)
    return Case(
        "2-D, 512 x 512" if flat else "3-D, 64 x 64 x 64", file, corner, shape, matrix, chunk, tuple(fitting[:count])
    )


def _chunks(shape: tuple[int, ...], chunk: tuple[int, ...]) -> list[Region]:
    starts = np.ndindex(*(n // c for n, c in zip(shape, chunk, strict=True)))
    return [
        Region(
            tuple(i * c for i, c in zip(at, chunk, strict=True)),
            tuple((i + 1) * c for i, c in zip(at, chunk, strict=True)),
        )
        for at in starts
    ]


def _inside(matrix: Array, region: Region, shape: tuple[int, ...]) -> bool:
    """Whether the region, its halo, and what both are sampled from do not touch an edge: there conventions differ."""
    wide = region.grow((HALO,) * len(shape))
    corners = np.array(np.meshgrid(*zip(wide.start, wide.stop, strict=True), indexing="ij")).reshape(len(shape), -1)
    at = matrix[:, :-1] @ corners + matrix[:, -1:]
    edges = np.array(shape)[:, None] - 2
    return wide.clip(shape) == wide and bool((at >= 1).all() and (at <= edges).all())


def image_of(source: Image, about: Case) -> Image:
    """The pipeline as our steps."""
    spans = {
        name: (Place(float(a)), Place(float(a + n)))
        for name, a, n in zip("zyx"[-len(about.shape) :], about.corner, about.shape, strict=True)
    }
    steps: list[Any] = [
        Crop(**spans),
        affine_of(about.matrix),
        Gaussian((("", SIGMA, "px"),)),
        Rescale(window=((0.0, WHITE),)),
    ]
    image = source
    for step in steps:
        image = apply_step(image, step)
    return image


def _stored(about: Case) -> Any:
    """The file as an array that decodes what is asked of it: tifffile and zarr-python."""
    store = tifffile.imread(about.file, aszarr=True)
    about.stores.append(store)
    return zarr.open_array(store, mode="r")


def _box(stored: Any, about: Case, where: tuple[slice, ...]) -> Array:
    """A box of the crop, decoded."""
    return np.asarray(stored[tuple(slice(s.start + c, s.stop + c) for s, c in zip(where, about.corner, strict=True))])


def scipys(about: Case) -> Rival:
    """By hand with the least work: the box that a region needs, and three calls."""
    stored = _stored(about)

    def compute(region: Region) -> Array:
        wide = region.grow((HALO,) * len(about.shape))
        where, shift = behind(about.matrix, wide, about.shape)
        box = _box(stored, about, where)
        moved = scipy.ndimage.affine_transform(
            box, about.matrix[:, :-1], shift, output_shape=wide.shape, output=np.float32, order=1
        )
        smooth = scipy.ndimage.gaussian_filter(moved, SIGMA, mode="nearest")[region.slices(wide.start)]
        return np.rint(np.clip(smooth * (255 / WHITE), 0, 255)).astype(np.uint8)

    return compute


def dasks(about: Case) -> Rival:
    """As a lazy array over the whole image: blocks of an affine map, `map_overlap` for the filter, then arithmetic."""
    import dask
    import dask.array as da

    stored = _stored(about)
    crop = da.from_array(stored, chunks=about.chunk)[
        tuple(slice(c, c + n) for c, n in zip(about.corner, about.shape, strict=True))
    ]
    chunks = da.core.normalize_chunks(about.chunk, about.shape, dtype=np.float32)

    def moved(block_info: Any = None) -> Array:
        spans = block_info[None]["array-location"]
        region = Region(tuple(a for a, _ in spans), tuple(b for _, b in spans))
        where, shift = behind(about.matrix, region, about.shape)
        if any(s.start >= s.stop for s in where):
            return np.zeros(region.shape, np.float32)
        box = np.asarray(
            stored[tuple(slice(s.start + c, s.stop + c) for s, c in zip(where, about.corner, strict=True))]
        )
        return scipy.ndimage.affine_transform(
            box, about.matrix[:, :-1], shift, output_shape=region.shape, output=np.float32, order=1
        )

    assert crop.shape == about.shape
    turned_ = da.map_blocks(moved, chunks=chunks, dtype=np.float32, meta=np.empty((0,) * len(about.shape), np.float32))
    smooth = da.map_overlap(
        scipy.ndimage.gaussian_filter, turned_, depth=HALO, boundary="nearest", sigma=SIGMA, mode="nearest"
    )
    lazy = da.rint(da.clip(smooth * (255 / WHITE), 0, 255)).astype(np.uint8)

    def compute(region: Region) -> Array:
        with dask.config.set(scheduler="synchronous"):
            return np.asarray(lazy[region.slices()].compute())

    return compute


def itks(about: Case) -> Rival:
    """SimpleITK on the box that a region needs, one thread: resample, the exact Gaussian, window, cast."""
    import SimpleITK as sitk  # noqa: N813 - as everybody writes it

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    stored, n = _stored(about), len(about.shape)
    turn = np.ascontiguousarray(about.matrix[::-1, -2::-1])

    def compute(region: Region) -> Array:
        wide = region.grow((HALO,) * n)
        where, shift = behind(about.matrix, wide, about.shape)
        box = _box(stored, about, where)
        image = sitk.GetImageFromArray(box)
        maps = sitk.AffineTransform(turn.ravel().tolist(), shift[::-1].tolist())
        grid = (list(wide.shape[::-1]), maps, sitk.sitkLinear, [0.0] * n, [1.0] * n, np.eye(n).ravel().tolist())
        moved = sitk.Resample(image, *grid, 0.0, sitk.sitkFloat32)
        smooth = sitk.DiscreteGaussian(moved, SIGMA**2, 2 * HALO + 1, 0.01, False)
        shown = sitk.Cast(sitk.Round(sitk.IntensityWindowing(smooth, 0.0, WHITE, 0.0, 255.0)), sitk.sitkUInt8)
        return sitk.GetArrayViewFromImage(shown)[region.slices(wide.start)].copy()

    return compute


def compared(about: Case, rivals: Mapping[str, Rival], ours: Rival, most: int) -> dict[str, tuple[int, float]]:
    """Largest difference of each rival's grey values and ours, and the part of voxels that differ.

    Raises:
        AssertionError: More than ``most`` of 255: then it is not the same pipeline.
    """
    found = {}
    for name, rival in rivals.items():
        apart = [np.abs(rival(r).astype(int) - ours(r).astype(int)) for r in about.regions[:3]]
        worst = max(int(a.max()) for a in apart)
        assert worst <= most, f"{about.name}: {name} is off by {worst} of 255"
        found[name] = (worst, float(np.mean([(a > 0).mean() for a in apart])))
    return found


def _ours(engine: Engine, image: Image, *, cold: bool) -> Rival:
    def compute(region: Region) -> Array:
        if cold:
            engine.memory.shrink(0)
        return engine.read(image, 0, region)

    return compute


def pipelines(scratch: Path, *, rounds: int, count: int = 12) -> list[Figure]:
    """CPU time per region, ours with its cache as it serves and without any, against each rival."""
    figures = []
    for flat in (True, False):
        about = case(scratch, count, flat=flat)
        with opened(about.file) as (engine, source):
            image = image_of(source, about)
            warm, cold = _ours(engine, image, cold=False), _ours(engine, image, cold=True)
            rivals = {
                "dask + scipy.ndimage": dasks(about),
                "SimpleITK": itks(about),
                "scipy.ndimage by hand": scipys(about),
            }
            apart = compared(about, rivals, cold, 1)

            def run(compute: Rival, regions: tuple[Region, ...] = about.regions) -> Callable[[], int]:
                def turn() -> int:
                    engine.memory.shrink(0)
                    for region in regions:
                        compute(region)
                    return len(regions)

                return turn

            spent = alternating({"warm": run(warm), "cold": run(cold)} | {n: run(r) for n, r in rivals.items()}, rounds)
            for name in rivals:
                goal = None if name.endswith("by hand") else 3.0
                detail = f"{spent['warm'] * 1e3:.1f} against {spent[name] * 1e3:.1f} ms of CPU a region"
                detail += f"; {spent[name] / spent['cold']:.2f} x with nothing kept between regions"
                detail += f"; {apart[name][1]:.1%} of voxels differ, by 1 of 255"
                what = f"crop, affine, Gaussian, rescale, {about.name}: throughput / {name}"
                figures.append(Figure(what, spent[name] / spent["warm"], "x", goal, detail=detail))
        for store in about.stores:
            store.close()
    return figures
