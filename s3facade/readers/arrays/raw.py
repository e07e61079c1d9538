"""Plain numbers, as they lie in a file: cells are runs of bytes, found by arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from s3facade.core.errors import BadSource
from s3facade.core.operators import Block, Buffer
from s3facade.core.protocols import Cell
from s3facade.core.region import place
from s3facade.readers.arrays.stored import Stored, bands, owned

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Linear:
    """Values are ``slope * number + intercept``, worked out in ``dtype``."""

    slope: float
    intercept: float
    dtype: np.dtype[Any]

    def __call__(self, block: Block) -> Block:
        """The values of numbers.

        Where these are whole, so are the factors; steps may leave the type, since it wraps and the values lie in it.
        """
        out = block.astype(self.dtype)
        out *= self._typed(self.slope)
        out += self._typed(self.intercept)
        return out

    def _typed(self, factor: float) -> Any:
        return np.int64(int(factor)).astype(self.dtype) if self.dtype.kind in "iu" else self.dtype.type(factor)


@dataclass(frozen=True, slots=True)
class RawTable:
    """An uncompressed array. Made by `raw`."""

    stored: Stored
    number: np.dtype[Any]
    """Of a stored number, with its byte order."""
    outer: int
    """Leading dimensions of which each index lies in a place of its own."""
    offsets: Ints
    """First byte of each place, in C order of the leading dimensions."""
    strides: tuple[int, ...]
    """Bytes from one index to the next, of the other dimensions; negative where they are stored backwards."""
    files: npt.NDArray[np.uint32]
    """File of each place; of length 1 where they share it."""
    values: Linear | None = None
    """What the numbers stand for, if not for themselves."""

    @property
    def block(self) -> tuple[int, ...]:
        """Size of a grid cell in voxels, axes of the image."""
        return self.stored.block

    @property
    def codec(self) -> str:
        """``raw``."""
        return "raw"

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the image."""
        return self.number.newbyteorder("=") if self.values is None else self.values.dtype

    def _run(self, index: tuple[int, ...]) -> tuple[int, int, int, tuple[int, ...], int]:
        """Place, offset in the file, bytes, extent, and how far behind the offset the first voxel lies."""
        at = self.stored.locate(index)
        number = place(at[: self.outer], self.stored.sizes[: self.outer])
        extent = self.stored.extent(at)
        start, back, ahead = int(self.offsets[number]), 0, self.number.itemsize
        for i, n, stride, size in zip(
            at[self.outer :], self.stored.cell[self.outer :], self.strides, extent[self.outer :], strict=True
        ):
            start += i * n * stride
            far = (size - 1) * stride
            back, ahead = back + min(far, 0), ahead + max(far, 0)
        return number, start + back, ahead - back, extent, -back

    def cell(self, index: tuple[int, ...]) -> Cell:
        """Where the run of bytes of a cell lies."""
        number, offset, nbytes, _, _ = self._run(index)
        return Cell(int(self.files[number % len(self.files)]), offset, nbytes)

    def decode(self, index: tuple[int, ...], data: Buffer | None) -> Block:
        """The voxels of a cell: ``data`` themselves where they are bytes, and nothing has to be done to them.

        Raises:
            BadSource: ``data`` has another length than the cell.
        """
        _, _, nbytes, extent, first = self._run(index)
        if data is None or len(data) != nbytes:
            raise BadSource("Part of the image's numbers is missing.", private=f"cell {index}: {nbytes} bytes expected")
        strides = (0,) * self.outer + self.strides
        found: Block = np.ndarray(extent, self.number, data, first, strides)
        block = self.stored.arrange(found)
        if self.values is not None:
            return self.values(block)
        return owned(block.astype(self.dtype, copy=False))


def raw(
    dims: Sequence[str],
    sizes: Sequence[int],
    number: np.dtype[Any],
    offsets: int | Ints,
    *,
    end: Sequence[int],
    outer: int = 0,
    strides: Sequence[int] | None = None,
    files: npt.NDArray[np.uint32] | None = None,
    values: Linear | None = None,
) -> RawTable:
    """The table of an uncompressed array.

    Args:
        dims: The axis of each dimension (t, c, z, y, x, or ``""`` for length 1), slowest first.
        sizes: Length of each dimension.
        number: Type of the stored numbers, with byte order.
        offsets: First byte; or of each index of the ``outer`` leading dimensions, in C order.
        end: Size of each file in bytes: all numbers must lie inside.
        outer: Leading dimensions that have offsets of their own.
        strides: Bytes between indices of the other dimensions, where they are not those of a C-order array.
        files: Index into ``end`` and `Raster.files` for each of the ``offsets``; all are in the first one by default.
        values: What the numbers stand for.

    Raises:
        BadSource: Numbers lie outside their file: it is cut short or its header is wrong.
        Unsupported: Dimensions that make no image.
    """
    inner = tuple(sizes[outer:])
    if strides is None:
        strides = tuple(number.itemsize * math.prod(inner[k + 1 :]) for k in range(len(inner)))
    places = np.atleast_1d(np.asarray(offsets, np.int64))
    if places.shape != (math.prod(sizes[:outer]),):
        raise BadSource(f"The image has {len(places)} planes, but its header speaks of {math.prod(sizes[:outer])}.")
    which = np.zeros(1, np.uint32) if files is None else files
    far = [(n - 1) * s for n, s in zip(inner, strides, strict=True)]
    low, high = sum(min(f, 0) for f in far), sum(max(f, 0) for f in far) + number.itemsize
    limit = np.asarray(end, np.int64)[which]
    if ((places + low < 0) | (places + high > limit)).any():
        raise BadSource(
            "The image is incomplete: some of its numbers lie behind the end of the file.",
            private=f"{int(places.max()) + high} bytes needed, {int(limit.max())} there",
        )
    stored = Stored(tuple(dims), tuple(sizes), bands(dims, sizes, number.itemsize, outer))
    return RawTable(stored, number, outer, places, tuple(strides), which, values)
