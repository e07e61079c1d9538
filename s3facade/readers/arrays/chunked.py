"""Arrays in regular chunks, each at its own place in a file and through a chain of filters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.operators import Block, Buffer
from s3facade.core.protocols import Cell
from s3facade.core.region import place
from s3facade.readers.arrays.raw import Ints, Linear
from s3facade.readers.arrays.stored import Stored, owned

MAX_CELL = 256 << 20
"""Decoded bytes of one chunk; more is refused when the file is opened."""


class Filter(Protocol):
    """One step of decoding. A frozen dataclass of portable fields; thread-safe."""

    @property
    def name(self) -> str:
        """In words, e.g. ``deflate``."""
        ...

    def decode(self, data: Buffer, nbytes: int) -> Buffer:
        """What was encoded, at most about ``nbytes`` bytes: the size of the decoded chunk bounds the memory taken.

        Raises:
            ValueError: The data do not decode.
            RuntimeError: As ValueError; what imagecodecs raises.
        """
        ...


@dataclass(frozen=True, slots=True)
class ChunkedTable:
    """An array in chunks. Made by `chunked`."""

    stored: Stored
    number: np.dtype[Any]
    """Of a stored number, with its byte order."""
    offsets: Ints
    """First byte of each chunk, C order of the grid."""
    counts: Ints
    """Bytes of each chunk; 0 is one that was never written."""
    files: npt.NDArray[np.uint32]
    """File of each chunk; of length 1 where they share it."""
    filters: tuple[Filter, ...]
    """In the order of decoding."""
    skipped: npt.NDArray[np.uint32]
    """Bit ``i``: filter ``i`` was not applied to the chunk; of length 1 where all are alike."""
    fill: float = 0
    """Value of chunks that were never written."""
    cut: bool = False
    """Whether chunks at the far edges hold only what is inside the array."""
    values: Linear | None = None
    """What the numbers stand for, if not for themselves."""

    @property
    def block(self) -> tuple[int, ...]:
        """Size of a grid cell in voxels, axes of the image."""
        return self.stored.block

    @property
    def codec(self) -> str:
        """The chain of filters in words, in the order in which they were applied."""
        return ", ".join(f.name for f in reversed(self.filters)) or "raw"

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the image."""
        return self.number.newbyteorder("=") if self.values is None else self.values.dtype

    def _place(self, index: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
        at = self.stored.locate(index)
        return place(at, self.stored.grid), self.stored.extent(at)

    def cell(self, index: tuple[int, ...]) -> Cell | None:
        """Where a chunk lies; None if it was never written."""
        number, _ = self._place(index)
        nbytes = int(self.counts[number])
        return Cell(int(self.files[number % len(self.files)]), int(self.offsets[number]), nbytes) if nbytes else None

    def decode(self, index: tuple[int, ...], data: Buffer | None) -> Block:
        """The voxels of a chunk, clipped to the array.

        Raises:
            BadSource: The bytes do not decode to these voxels.
        """
        number, extent = self._place(index)
        if data is None:
            block: Block = self.stored.arrange(np.full(extent, self.fill, self.number))
        else:
            shape = extent if self.cut else self.stored.cell
            numbers = self._numbers(data, math.prod(shape), int(self.skipped[number % len(self.skipped)]), index)
            block = self.stored.arrange(numbers.reshape(shape)[tuple(slice(n) for n in extent)])
        if self.values is not None:
            return self.values(block)
        return owned(block.astype(self.dtype, copy=False))

    def _numbers(self, data: Buffer, count: int, skipped: int, index: tuple[int, ...]) -> Block:
        nbytes = count * self.number.itemsize
        try:
            for i, step in enumerate(self.filters):
                if not skipped >> i & 1:
                    data = step.decode(data, nbytes)
        except (ValueError, RuntimeError, TypeError, IndexError, MemoryError, OverflowError) as error:
            raise BadSource(
                "A chunk of the image does not decode; the file is damaged there.",
                private=f"chunk {index}, {len(data)} bytes: {error!r:.200}",
            ) from error
        if len(data) != nbytes:
            raise BadSource(
                "A chunk of the image has another size than the file says.",
                private=f"chunk {index}: {len(data)} bytes instead of {nbytes}",
            )
        return np.frombuffer(data, self.number)


def chunked(
    stored: Stored,
    number: np.dtype[Any],
    offsets: Ints,
    counts: Ints,
    filters: Sequence[Filter],
    *,
    end: Sequence[int],
    files: npt.NDArray[np.uint32] | None = None,
    skipped: npt.NDArray[np.uint32] | None = None,
    fill: float = 0,
    cut: bool = False,
    values: Linear | None = None,
) -> ChunkedTable:
    """The table of an array in chunks.

    Args:
        stored: Dimensions and chunks.
        number: Type of the stored numbers, with byte order.
        offsets: First byte of each chunk, C order of the grid.
        counts: Bytes of each chunk as stored; 0 where there is none.
        filters: In the order of decoding.
        end: Size of each file in bytes.
        files: Index into ``end`` and `Raster.files` for each chunk.
        skipped: Bit ``i``: filter ``i`` was not applied; for each chunk.
        fill: Value of chunks that were never written.
        cut: Whether chunks at the far edges hold only what is inside the array.
        values: What the numbers stand for.

    Raises:
        BadSource: Chunks lie outside their file, or their number is wrong.
        Unsupported: Chunks larger than can be decoded at once.
    """
    count = math.prod(stored.grid)
    if offsets.shape != (count,) or counts.shape != (count,):
        raise BadSource(f"The file lists {len(offsets)} chunks; the image needs {count}.")
    if math.prod(stored.cell) * number.itemsize > MAX_CELL:
        raise Unsupported(
            f"One chunk of the image holds {math.prod(stored.cell)} numbers; "
            f"more than {MAX_CELL >> 20} MiB at once cannot be read."
        )
    which = np.zeros(1, np.uint32) if files is None else files
    limit = np.asarray(end, np.int64)[which]
    if ((counts < 0) | (offsets < 0) & (counts > 0) | (offsets + counts > limit) & (counts > 0)).any():
        raise BadSource("The image is incomplete: some of its chunks lie behind the end of the file.")
    masks = np.zeros(1, np.uint32) if skipped is None else skipped
    return ChunkedTable(stored, number, offsets, counts, which, tuple(filters), masks, fill, cut, values)
