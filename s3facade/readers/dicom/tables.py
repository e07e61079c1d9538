"""The chunk table of some frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from s3facade.core.errors import Unsupported
from s3facade.core.operators import Block, Buffer
from s3facade.core.protocols import Cell
from s3facade.readers.arrays.chunked import ChunkedTable, Filter, chunked
from s3facade.readers.arrays.raw import Ints, Linear, RawTable, raw
from s3facade.readers.arrays.stored import Stored
from s3facade.readers.dicom.instance import Instance, Layout, places

_OWN = 24
"""Filters of single frames; a table marks which of them a frame skips by bits."""


@dataclass(frozen=True, slots=True)
class ScaledTable:
    """Frames whose numbers stand for values by factors of their own."""

    table: RawTable | ChunkedTable
    slopes: npt.NDArray[np.float64]
    """Shape of the leading axes of the image: those before y."""
    intercepts: npt.NDArray[np.float64]
    dtype: np.dtype[Any]

    @property
    def block(self) -> tuple[int, ...]:
        """Size of a grid cell in voxels, axes of the image."""
        return self.table.block

    @property
    def codec(self) -> str:
        """Of the numbers."""
        return self.table.codec

    def cell(self, index: tuple[int, ...]) -> Cell | None:
        """Where a cell lies."""
        return self.table.cell(index)

    def decode(self, index: tuple[int, ...], data: Buffer | None) -> Block:
        """The values of a cell. Raises `BadSource`."""
        at = tuple(i * n for i, n in zip(index[:-2], self.table.block, strict=False))
        values = Linear(float(self.slopes[at]), float(self.intercepts[at]), self.dtype)
        return values(self.table.decode(index, data))


Table = RawTable | ChunkedTable | ScaledTable


@dataclass(frozen=True, slots=True)
class Places:
    """Where the frames of some files lie."""

    files: npt.NDArray[np.uint32]
    """File of each frame."""
    offsets: Ints
    counts: Ints
    own: tuple[Filter | None, ...]


class Finder:
    """Finds frames, file by file, each file once."""

    def __init__(self, instances: Sequence[Instance], hows: Sequence[Layout]) -> None:
        self._instances = instances
        self._hows = hows
        self._found: dict[int, tuple[Ints, Ints, list[Filter | None]]] = {}

    def places(self, frames: Sequence[tuple[int, int]]) -> Places:
        """Where frames, each a file and its number there, lie; -1 is one that is not stored. Raises `BadSource`."""
        offsets, counts = np.zeros(len(frames), np.int64), np.zeros(len(frames), np.int64)
        files = np.zeros(len(frames), np.uint32)
        own: list[Filter | None] = []
        for n, (file, number) in enumerate(frames):
            if number < 0:
                own.append(None)
                continue
            if file not in self._found:
                self._found[file] = places(self._instances[file], self._hows[file])
            firsts, sizes, filters = self._found[file]
            files[n], offsets[n], counts[n] = file, firsts[number], sizes[number]
            own.append(filters[number])
        return Places(files, offsets, counts, tuple(own))


def table(
    how: Layout,
    outer: Sequence[tuple[str, int]],
    where: Places,
    end: Sequence[int],
    values: Linear | None,
    *,
    plane: tuple[int, int] | None = None,
) -> RawTable | ChunkedTable:
    """The table of frames.

    Args:
        how: Of every frame.
        outer: Axes before the plane with their lengths.
        where: The frames, C order of ``outer`` and then of the grid of tiles.
        end: Sizes of the files.
        values: What numbers stand for.
        plane: Rows and columns of the image, where frames are tiles of it.

    Raises:
        BadSource: Frames lie behind the end of their file.
        Unsupported: More frames with filters of their own than can be told apart.
    """
    names, lengths = [a for a, _ in outer], [n for _, n in outer]
    flat = [("y", how.rows), ("x", how.columns)]
    if how.samples > 1:
        flat = [*flat, ("c", how.samples)] if how.interleaved else [("c", how.samples), *flat]
    own = [f for f in dict.fromkeys(where.own) if f is not None]
    if len(own) > _OWN:
        raise Unsupported(
            f"The DICOM file has {len(own)} frames that do not start at whole bytes or are deflated together; "
            f"{_OWN} are read. Convert it to Explicit VR Little Endian."
        )
    if not how.filters and not own and plane is None:
        sizes = (*lengths, *(n for _, n in flat))
        return raw(
            *((*names, *(a for a, _ in flat)), sizes, how.number, where.offsets),
            end=end,
            outer=len(lengths),
            files=where.files,
            values=values,
        )
    whole = {"y": plane[0], "x": plane[1]} if plane else {}
    stored = Stored(
        (*names, *(a for a, _ in flat)),
        (*lengths, *(whole.get(a, n) for a, n in flat)),
        (*([1] * len(lengths)), *(n for _, n in flat)),
    )
    every = (1 << len(own)) - 1
    masks = [every & ~(1 << own.index(f)) if f is not None else every for f in where.own]
    return chunked(
        *(stored, how.number, where.offsets, where.counts, [*own, *how.filters]),
        end=end,
        files=where.files,
        skipped=np.array(masks if own else [0], np.uint32),
        values=values,
    )


def scaling(
    how: Layout, slopes: npt.NDArray[np.float64], intercepts: npt.NDArray[np.float64]
) -> tuple[np.dtype[Any], bool] | None:
    """Type of the values and whether all frames share their factors; None where numbers stand for themselves."""
    if how.number.kind not in "iu" or (np.all(slopes == 1) and np.all(intercepts == 0)):
        return None
    alike = bool(np.all(slopes == slopes.flat[0]) and np.all(intercepts == intercepts.flat[0]))
    bits = min(how.stored, 8 * how.number.itemsize)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if how.number.kind == "i" else (0, 2**bits - 1)
    if np.all(slopes == np.rint(slopes)) and np.all(intercepts == np.rint(intercepts)):
        ends = [float(v) for s in (slopes,) for n in (low, high) for v in (s * n + intercepts).flat]
        for kind in (how.number.newbyteorder("="), np.dtype("i2"), np.dtype("i4")):
            if np.iinfo(kind).min <= min(ends) and max(ends) <= np.iinfo(kind).max:
                return kind, alike
    return np.dtype("f8" if bits > 24 else "f4"), alike
