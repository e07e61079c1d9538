"""Vectors on a grid in a file, read in cells that a bounded cache keeps: never the whole field at once."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.image import Source
from s3facade.core.region import Region, cells
from s3facade.transforms.resampling.mapping import Matrix
from s3facade.transforms.resampling.parameters.itk_files import damage
from s3facade.transforms.resampling.parameters.source import unchanged
from s3facade.transforms.resampling.parameters.stored import Stored, open_field

Array: TypeAlias = npt.NDArray[np.float64]
CELL = 2**15
"""Vectors of a cell, about, where the file has no chunks of its own."""
LARGEST_CHUNK = 2**28
"""Bytes of the largest chunk of a file that is worth reading for a few vectors."""
KEPT = 2**26
"""Bytes of cells that are kept."""
PART = 16
"""Voxels per side of the parts of a cell whose smallest and largest vectors are known."""


@dataclass(frozen=True, slots=True)
class Field:
    """What is known of a vector field without its vectors. Axes are in the order of images: z, y, x or y, x."""

    source: Source
    kind: str
    """How it is stored; see `stored.open_field`."""
    name: str
    """The array inside the file or store."""
    shape: tuple[int, ...]
    placed: Matrix
    """Voxel indices to physical coordinates, axis units."""
    vectors: tuple[tuple[float, ...], ...]
    """Stored components to axis units along the axes."""
    absolute: bool = False
    """Whether vectors are places instead of displacements."""


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """Some vectors, as displacements (or places) in axis units."""

    values: Array
    """Axis by box."""
    low: Array
    """Axis by part: the smallest value."""
    high: Array


class Cells:
    """Cells of fields, the least recently used ones forgotten. Thread-safe."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: OrderedDict[object, Cell] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def get(self, key: object, make: Callable[[], Cell]) -> Cell:
        """The cell called ``key``, made if need be."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                return found
        made = make()
        with self._lock:
            if key not in self._kept:
                self._kept[key] = made
                self._size += made.values.nbytes
            while self._size > self._limit and len(self._kept) > 1:
                self._size -= self._kept.popitem(last=False)[1].values.nbytes
        return made


_CELLS = Cells(KEPT)


@lru_cache(maxsize=64)
def stored(field: Field) -> Stored:
    """The open file. It stays open for as long as it is among the last ones used.

    Raises:
        SourceChanged: It is not the file that was described.
        Unsupported: Its chunks are too large to be read for a few vectors.
    """
    unchanged(field.source)
    opened = open_field(field.source, field.kind, field.name, len(field.shape))
    if opened.chunk is not None and math.prod(opened.chunk) * len(field.shape) * 4 > LARGEST_CHUNK:
        raise Unsupported(
            f"The displacement field is stored in chunks of {opened.chunk} vectors, each of which would have to be read"
            " whole; store it in chunks of at most 128 voxels a side.",
            private=field.source.path,
        )
    return opened


def cell_shape(field: Field) -> tuple[int, ...]:
    """How the field is cut: by its chunks, or in cubes."""
    chunk = stored(field).chunk
    side = round(CELL ** (1 / len(field.shape)))
    whole = chunk or (side,) * len(field.shape)
    return tuple(min(a, b) for a, b in zip(whole, field.shape, strict=True))


def read(field: Field, box: Region) -> Array:
    """Vectors of ``box`` in axis units: axis by box."""
    out = np.empty((len(field.shape), *box.shape))
    for index, unclipped in cells(box, cell_shape(field)):
        whole = unclipped.clip(field.shape)
        part = whole.intersect(box)
        values = _cell(field, index, whole).values
        out[(slice(None), *part.slices(box.start))] = values[(slice(None), *part.slices(whole.start))]
    return out


def limits(field: Field, box: Region) -> tuple[tuple[float, float], ...]:
    """The smallest and largest values per axis of the vectors of ``box``, or a little beyond."""
    found: list[tuple[Array, Array]] = []
    for index, unclipped in cells(box, cell_shape(field)):
        whole = unclipped.clip(field.shape)
        part = whole.intersect(box)
        lowest, highest = _limits(field, index, whole)
        spans = zip(part.start, part.stop, whole.start, strict=True)
        where = (slice(None), *(slice((a - o) // PART, -(-(b - o) // PART)) for a, b, o in spans))
        axes = tuple(range(1, len(field.shape) + 1))
        found.append((lowest[where].min(axes), highest[where].max(axes)))
    low = np.min([a for a, _ in found], axis=0)
    high = np.max([b for _, b in found], axis=0)
    return tuple((float(a), float(b)) for a, b in zip(low, high, strict=True))


@lru_cache(maxsize=2**16)
def _limits(field: Field, index: tuple[int, ...], box: Region) -> tuple[Array, Array]:
    """Kept for longer than the vectors: a thousandth of them, and what every box asked for begins with."""
    cell = _cell(field, index, box)
    return cell.low, cell.high


def _cell(field: Field, index: tuple[int, ...], box: Region) -> Cell:
    return _CELLS.get((field, index), lambda: _made(field, box))


def _made(field: Field, box: Region) -> Cell:
    opened = stored(field)
    with damage(field.source.path):
        raw = opened.read(box).astype(np.float64)
    if raw.shape != (len(field.shape), *box.shape):
        raise BadSource("The displacement field is shorter than it says.", private=field.source.path)
    if (opened.slope, opened.intercept) != (1.0, 0.0):
        raw *= opened.slope
        raw += opened.intercept
    values = np.zeros(raw.shape)
    for axis, row in enumerate(field.vectors):
        for component, weight in zip(raw, row, strict=True):
            if weight:
                values[axis] += weight * component
    if not np.isfinite(values).all():
        raise BadSource("The displacement field holds vectors that are not numbers.", private=field.source.path)
    low, high = values, values
    for axis in range(1, values.ndim):
        starts = np.arange(0, values.shape[axis], PART)
        low, high = np.minimum.reduceat(low, starts, axis), np.maximum.reduceat(high, starts, axis)
    return Cell(values, low, high)
