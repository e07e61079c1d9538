"""A large tiled zstd OME-TIFF with a true pyramid, written in seconds.

The image repeats one base square, so that a few hundred compressed tiles make gigabytes; every level is exactly the
2x mean of the one above, because the base halves like the whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile

from conformance.samples import Array, block_mean

BASE = 4096
TILE = 512


def base_levels() -> list[Array]:
    """The repeated square and its means, 4096 down to 64 pixels: noisy blobs that zstd shrinks by about two."""
    rng = np.random.default_rng(11)
    coarse = rng.random((BASE // 64, BASE // 64))
    smooth = np.kron(coarse, np.ones((64, 64))) * 3000
    base = (smooth + rng.normal(200, 12, (BASE, BASE))).clip(0, 65535).astype(np.uint16)
    levels = [base]
    while levels[-1].shape[0] > 64:
        levels.append(block_mean(levels[-1], (0, 1)))
    return levels


def _tiles(square: Array, size: int) -> Iterator[bytes]:
    """Encoded tiles of ``size`` x ``size`` pixels that repeat ``square``, row by row."""
    period = square.shape[0]
    known: dict[tuple[int, int], bytes] = {}
    for y in range(0, size, TILE):
        for x in range(0, size, TILE):
            at = (y % period, x % period)
            if at not in known:
                rows, columns = (np.arange(o, o + TILE) % period for o in at)
                tile = np.ascontiguousarray(square[np.ix_(rows, columns)])
                known[at] = imagecodecs.zstd_encode(tile.tobytes(), level=1)
            yield known[at]


def write_large(path: Path, repeats: int = 11) -> int:
    """Write ``repeats * 4096`` pixels squared of uint16 with SubIFD levels down to <= 1024; the side in pixels.

    ``repeats=11`` is 45,056 pixels: 4.06 GB of voxels.
    """
    side = repeats * BASE
    squares = base_levels()
    count = 1
    while side >> (count - 1) > 1024:
        count += 1
    common = {"dtype": "uint16", "tile": (TILE, TILE), "compression": "zstd", "photometric": "minisblack"}
    partial = path.with_suffix(".partial")
    with tifffile.TiffWriter(partial, bigtiff=True, ome=True) as tif:
        for level in range(count):
            size = side >> level
            tif.write(
                _tiles(squares[level], size),
                shape=(size, size),
                subifds=count - 1 if level == 0 else None,
                subfiletype=1 if level else 0,
                metadata={
                    "axes": "YX",
                    "PhysicalSizeX": 0.25,
                    "PhysicalSizeXUnit": "µm",
                    "PhysicalSizeY": 0.25,
                    "PhysicalSizeYUnit": "µm",
                }
                if level == 0
                else None,
                **common,
            )
    partial.rename(path)
    return side


def write_flat(path: Path, side: int) -> None:
    """Write ``side`` pixels squared of uint16, without any smaller level; what `write_large` has at its finest."""
    with tifffile.TiffWriter(path, bigtiff=True) as tif:
        tif.write(
            _tiles(base_levels()[0], side),
            shape=(side, side),
            dtype="uint16",
            tile=(TILE, TILE),
            compression="zstd",
            photometric="minisblack",
            metadata=None,
        )


def voxels(level: int, y: int, x: int, height: int, width: int) -> Array:
    """What `write_large` wrote there."""
    square = base_levels()[level]
    period = square.shape[0]
    return square[np.ix_((np.arange(y, y + height)) % period, (np.arange(x, x + width)) % period)]
