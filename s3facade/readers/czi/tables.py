"""Levels of a CZI file as chunk tables where sub-blocks lie on a grid, else as mosaics."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from s3facade.core.protocols import SourceFile
from s3facade.core.spec import AxisName
from s3facade.readers.arrays.chunked import ChunkedTable, chunked
from s3facade.readers.arrays.raw import Ints, RawTable, raw
from s3facade.readers.arrays.stored import Stored
from s3facade.readers.czi.mosaic import Mosaic
from s3facade.readers.czi.pixels import JPEG, JPEG_XR, RAW, Kind, Pixels
from s3facade.readers.czi.places import Places, places
from s3facade.readers.czi.tiles import Tiles

Table = RawTable | ChunkedTable | Mosaic
_SPARSE = 16
"""Cells of a grid per sub-block, from which on a mosaic is cheaper to keep."""


def table(
    file: SourceFile, tiles: Tiles, counts: tuple[int, int, int], shape: tuple[int, int], kind: Kind, limits: Ints
) -> Table:
    """The table of one level.

    Args:
        file: The CZI file.
        tiles: The sub-blocks of the level.
        counts: Time points, channels, planes.
        shape: Height and width of the level.
        kind: Pixel type.
        limits: What `ends` gave.

    Raises:
        BadSource: Sub-blocks lie outside the file.
    """
    nbytes = tiles.box[:, 2] * tiles.box[:, 3] * kind.nbytes
    found = places(file, tiles.entries, limits, nbytes)
    codecs = np.array([e.compression for e in tiles.entries], np.uint8)
    dims: list[str] = [a for a, n in zip("tcz", counts, strict=True) if n > 1]
    sizes = [n for n in counts if n > 1]
    dims, sizes = [*dims, "y", "x"], [*sizes, *shape]
    if kind.samples > 1:
        dims, sizes = [*dims, "c"], [*sizes, kind.samples]
    height, width = (int(n) for n in np.minimum(tiles.box[:, 2:].max(0), shape))
    cells = _cells(tiles, counts, shape, (height, width))
    # Writers of pyramids round the sizes of compressed pieces in more than one way, which only a mosaic puts right.
    rounded = tiles.factor > 1 and set(codecs.tolist()) & {JPEG, JPEG_XR}
    if cells is None or rounded:
        return _mosaic(tiles, counts, shape, kind, found, codecs)
    number, count = kind.number, math.prod(counts)
    plain = bool((codecs == RAW).all() and (found.sizes >= nbytes).all() and not found.headed)
    if plain and kind.samples in (1, 3) and (height, width) == shape and len(tiles) == count:
        offsets = np.zeros(count, np.int64)
        offsets[cells] = found.offsets + (kind.samples - 1) * number.itemsize
        steps = [width * kind.nbytes, kind.nbytes] + [-number.itemsize] * (kind.samples > 1)
        outer = len(dims) - len(steps)
        return raw(dims, sizes, number, offsets, end=[file.source.size], outer=outer, strides=steps)
    cell = [1] * len(dims)
    at = dims.index("y")
    cell[at : at + 2] = [height, width]
    cell[at + 2 :] = sizes[at + 2 :]
    stored = Stored(tuple(dims), tuple(sizes), tuple(cell))
    offsets, lengths = np.zeros((2, math.prod(stored.grid)), np.int64)
    skipped = np.zeros(math.prod(stored.grid), np.uint32)
    kinds = sorted(set(codecs.tolist()))
    offsets[cells], lengths[cells] = found.offsets, found.sizes
    skipped[cells] = [~(1 << kinds.index(c)) & 0xFF for c in codecs.tolist()]
    filters = [Pixels(c, number, kind.samples, found.headed) for c in kinds]
    end = [file.source.size]
    return chunked(stored, number, offsets, lengths, filters, end=end, skipped=skipped, cut=True)


def codecs(table: Table) -> set[int]:
    """The codes of the codecs that sub-blocks of a level are decoded with."""
    if isinstance(table, Mosaic):
        return set(table.codecs.tolist())
    steps = table.filters if isinstance(table, ChunkedTable) else ()
    return {step.compression for step in steps if isinstance(step, Pixels)}


def _cells(tiles: Tiles, counts: tuple[int, ...], shape: tuple[int, int], cell: tuple[int, int]) -> Ints | None:
    """Number of the grid cell of each sub-block; None if they do not lie on a grid."""
    box = tiles.box
    grid = [-(-n // m) for n, m in zip(shape, cell, strict=True)]
    if math.prod(counts) * math.prod(grid) > _SPARSE * len(tiles) + 4096:
        return None
    full = np.minimum(np.array(cell), np.array(shape) - box[:, :2])
    if (box[:, :2] % cell).any() or (box[:, :2] < 0).any() or (box[:, 2:] != full).any():
        return None
    at = box[:, :2] // cell
    cells = (tiles.plane * grid[0] + at[:, 0]) * grid[1] + at[:, 1]
    return cells if len(np.unique(cells)) == len(cells) else None


def _mosaic(
    tiles: Tiles,
    counts: tuple[int, int, int],
    shape: tuple[int, int],
    kind: Kind,
    found: Places,
    codecs: npt.NDArray[np.uint8],
) -> Mosaic:
    t, c, z = counts
    lengths: dict[AxisName, int] = {"t": t, "c": c * kind.samples, "z": z, "y": shape[0], "x": shape[1]}
    names: tuple[AxisName, ...] = tuple(a for a, n in lengths.items() if n > 1 or a in "yx")
    sizes = tuple(lengths[a] for a in names)
    return Mosaic(
        *(names, sizes, counts, kind.number, kind.samples, tiles.plane, tiles.box, found.offsets, found.sizes),
        codecs,
        found.headed,
    )
