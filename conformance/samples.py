"""A folder of images to serve, and what each must look like from outside.

The expectation comes from tifffile alone: whole levels by ``asarray``, further levels by a mean of 2x2 blocks
written here from its definition. Nothing of the server is imported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

Array = npt.NDArray[Any]
ORDER = "tczyx"


@dataclass(frozen=True)
class Sample:
    """One image as clients must see it.

    Attributes:
        group: Its place in the bucket ``images``, without a slash at the end.
        axes: Letters of its axes, a subsequence of t, c, z, y, x.
        own: The levels that the file itself stores, finest first.
    """

    group: str
    axes: str
    own: tuple[Array, ...]

    def level(self, index: int, shape: tuple[int, ...]) -> Array:
        """Voxels of level ``index``, which the server says to have ``shape``.

        Raises:
            AssertionError: The shape is not that of halving the level above, dropping odd lines.
        """
        if index < len(self.own):
            assert self.own[index].shape == shape, f"level {index}: {shape}, not {self.own[index].shape}"
            return self.own[index]
        array = self.own[-1]
        for step in range(len(self.own), index + 1):
            halved = _halved_axes(array.shape, shape, index - step, self.axes)
            array = block_mean(array, halved)
        assert array.shape == shape, f"level {index}: {shape}, not {array.shape}"
        return array


def _halved_axes(shape: tuple[int, ...], target: tuple[int, ...], steps: int, axes: str) -> tuple[int, ...]:
    """Axes that the step from ``shape`` halves, if ``steps`` more lead to ``target``: y, x, and z where it shrank."""
    halved = [i for i, name in enumerate(axes) if name in "yx" and shape[i] > 1]
    if "z" in axes:
        z = axes.index("z")
        if shape[z] // 2 >= target[z] << steps and shape[z] > 1:
            halved.append(z)
    return tuple(sorted(halved))


def block_mean(array: Array, axes: tuple[int, ...]) -> Array:
    """Mean of blocks of two along ``axes``; an odd last line is dropped; integers round half to even."""
    cut = array[tuple(slice(0, n // 2 * 2) if i in axes else slice(None) for i, n in enumerate(array.shape))]
    total = np.zeros([n // 2 if i in axes else n for i, n in enumerate(array.shape)], np.float64)
    for corner in np.ndindex(*(2 if i in axes else 1 for i in range(array.ndim))):
        total += cut[tuple(slice(o, None, 2) if i in axes else slice(None) for i, o in enumerate(corner))]
    mean = total / 2 ** len(axes)
    return (np.rint(mean) if array.dtype.kind in "iu" else mean).astype(array.dtype)


def texture(shape: tuple[int, ...], dtype: str, seed: int) -> Array:
    """Smooth blobs under noise, so that no two neighbourhoods are alike. The last two axes are y and x."""
    rng = np.random.default_rng(seed)
    *outer, height, width = shape
    coarse = rng.random((*outer, height // 32 + 2, width // 32 + 2))
    smooth = np.kron(coarse, np.ones((32, 32)))[..., :height, :width]
    noisy = smooth * 0.7 + rng.random(shape) * 0.3
    kind = np.dtype(dtype)
    top = 4000 if kind.itemsize > 1 else 255
    return (noisy * top).astype(kind)


def open_levels(path: Path, series: int = 0) -> tuple[str, tuple[Array, ...]]:
    """Axes and stored levels of a series of a TIFF file, in t, c, z, y, x order, by tifffile."""
    with tifffile.TiffFile(path) as tif:
        chosen = tif.series[series]
        axes = chosen.axes.lower().replace("s", "c").replace("i", "t").replace("q", "t")
        order = sorted(range(len(axes)), key=lambda i: ORDER.index(axes[i]))
        levels = tuple(np.ascontiguousarray(level.asarray().transpose(order)) for level in chosen.levels)
    return "".join(axes[i] for i in order), levels


def _pyramid(path: Path) -> None:
    """2-D, two channels, 3000x2500 uint16, zstd tiles, two stored sub-levels."""
    levels = [texture((2, 2500, 3000), "uint16", 1)]
    for _ in range(2):
        levels.append(block_mean(levels[-1], (1, 2)))
    options: dict[str, Any] = {"tile": (256, 256), "compression": "zstd", "photometric": "minisblack"}
    with tifffile.TiffWriter(path, bigtiff=True, ome=True) as tif:
        tif.write(
            levels[0],
            subifds=2,
            metadata={
                "axes": "CYX",
                "PhysicalSizeX": 0.325,
                "PhysicalSizeXUnit": "µm",
                "PhysicalSizeY": 0.325,
                "PhysicalSizeYUnit": "µm",
                "Channel": {"Name": ["DAPI", "GFP"]},
            },
            **options,
        )
        for level in levels[1:]:
            tif.write(level, subfiletype=1, **options)


def _stack(path: Path) -> None:
    """3-D ImageJ stack, big-endian, 24x1030x700 uint16, three times longer in z than in y and x."""
    tifffile.imwrite(
        path,
        texture((24, 1030, 700), "uint16", 2),
        imagej=True,
        resolution=(2.0, 2.0),
        metadata={"axes": "ZYX", "spacing": 1.5, "unit": "um"},
    )


def _slide(path: Path) -> None:
    """RGB, JPEG tiles of 240, page order and description of a scanned slide."""
    base = np.moveaxis(texture((3, 1500, 1700), "uint8", 3), 0, -1)
    low = np.ascontiguousarray(base[:1500:4, :1700:4])
    text = "Aperio Image Library v12.0.0 \n1700x1500 [0,0 1700x1500] (240x240) JPEG/RGB Q=75|AppMag = 20|MPP = 0.5"
    tiled: dict[str, Any] = {"tile": (240, 240), "compression": "jpeg", "photometric": "rgb", "metadata": None}
    with tifffile.TiffWriter(path) as tif:
        tif.write(base, description=text, **tiled)
        tif.write(np.ascontiguousarray(base[::8, ::8]), photometric="rgb", compression="jpeg", metadata=None)
        tif.write(low, description=text.replace("\n1700x1500", "\n425x375"), **tiled)


def _flat(path: Path) -> None:
    """No levels, no tiles: float32 in uncompressed strips."""
    array = texture((1201, 1107), "uint16", 4).astype("float32") / 7
    tifffile.imwrite(path, array, rowsperstrip=16)


def _timelapse(path: Path) -> None:
    """More than a thousand keys: one chunk for each of 1100 time points."""
    tifffile.imwrite(path, texture((1100, 24, 20), "uint8", 5), imagej=True, metadata={"axes": "TYX"})


def _series(path: Path) -> None:
    """Two unlike images in one OME-TIFF."""
    with tifffile.TiffWriter(path, ome=True) as tif:
        tif.write(texture((2, 5, 64, 80), "uint8", 6), photometric="minisblack", metadata={"axes": "CZYX"})
        tif.write(texture((90, 70), "uint16", 7), photometric="minisblack", metadata={"axes": "YX"})


def _small(path: Path) -> None:
    """A name that needs every kind of quoting."""
    tifffile.imwrite(path, texture((70, 66), "int16", 8), compression="deflate", predictor=2)


MAKERS: dict[str, tuple[Callable[[Path], None], tuple[str, ...]]] = {
    "pyramid.ome.tif": (_pyramid, ("pyramid.ome.zarr",)),
    "stack.tif": (_stack, ("stack.ome.zarr",)),
    "slide.svs": (_slide, ("slide.ome.zarr/0", "slide.ome.zarr/1")),
    "flat.tif": (_flat, ("flat.ome.zarr",)),
    "timelapse.tif": (_timelapse, ("timelapse.ome.zarr",)),
    "two.ome.tif": (_series, ("two.ome.zarr/0", "two.ome.zarr/1")),
    "deep/größe/a b+c.tif": (_small, ("deep/größe/a b+c.ome.zarr",)),
}
"""Files to make: their maker and the groups that they become."""


def make_folder(folder: Path) -> dict[str, Sample]:
    """Write all images below ``folder``; the samples by group."""
    samples = {}
    for name, (maker, groups) in MAKERS.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        maker(path)
        for series, group in enumerate(groups):
            axes, levels = open_levels(path, series)
            samples[group] = Sample(group, axes, levels)
    for i in range(1050):
        few = folder / "many" / f"{i}.txt"
        few.parent.mkdir(exist_ok=True)
        few.write_text(f"{i}\n")
    for name in ("many.txt", "many-", "many!"):
        (folder / name).write_text(name)
    return samples
