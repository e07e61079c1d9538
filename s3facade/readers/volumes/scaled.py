"""Tables around those of plain numbers: a scale for each plane, files that are packed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from s3facade.core.operators import Block, Buffer
from s3facade.core.protocols import Cell
from s3facade.readers.arrays.chunked import ChunkedTable
from s3facade.readers.arrays.raw import RawTable
from s3facade.readers.arrays.stored import Stored

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ScaledTable:
    """Values are ``slope * number + intercept``, with slopes and intercepts that differ along some axes."""

    numbers: RawTable | ChunkedTable
    slopes: Floats
    """Axes of the image; of length 1 where they do not differ."""
    intercepts: Floats
    """As ``slopes``."""
    dtype: np.dtype[Any]
    """Of the values."""
    limits: tuple[float, float] | None = None
    """Numbers beyond are taken as these."""

    @property
    def stored(self) -> Stored:
        """Dimensions and cells."""
        return self.numbers.stored

    @property
    def block(self) -> tuple[int, ...]:
        """Size of a grid cell in voxels, axes of the image."""
        return self.numbers.block

    @property
    def codec(self) -> str:
        """As of the numbers."""
        return self.numbers.codec

    def cell(self, index: tuple[int, ...]) -> Cell | None:
        """Where a cell lies."""
        return self.numbers.cell(index)

    def decode(self, index: tuple[int, ...], data: Buffer | None) -> Block:
        """The values of a cell. Raises `BadSource` as the table of the numbers does."""
        block = self.numbers.decode(index, data)
        if self.limits is not None:
            block = np.clip(block, *self.limits)
        where = tuple(
            slice(None) if n == 1 else slice(i * b, i * b + size)
            for i, b, n, size in zip(index, self.block, self.slopes.shape, block.shape, strict=True)
        )
        out = block.astype(self.dtype)
        out *= self.slopes[where].astype(self.dtype)
        out += self.intercepts[where].astype(self.dtype)
        return out


@dataclass(frozen=True, slots=True)
class PackedTable:
    """A table whose ranges are those of the content of a packed file."""

    numbers: RawTable | ChunkedTable | ScaledTable
    codec: str
    """How the file is packed, e.g. ``gzip``."""

    @property
    def block(self) -> tuple[int, ...]:
        """Size of a grid cell in voxels, axes of the image."""
        return self.numbers.block

    def cell(self, index: tuple[int, ...]) -> Cell | None:
        """Where a cell lies in the content."""
        return self.numbers.cell(index)

    def decode(self, index: tuple[int, ...], data: Buffer | None) -> Block:
        """The values of a cell, from its unpacked bytes. Raises `BadSource` as the table of the numbers does."""
        return self.numbers.decode(index, data)


def scaled(
    numbers: RawTable | ChunkedTable,
    slopes: Floats,
    intercepts: Floats,
    dtype: np.dtype[Any],
    limits: tuple[float, float] | None = None,
) -> ScaledTable:
    """The table of values.

    Args:
        numbers: The table of what is stored; no two of its dimensions make one axis.
        slopes: By the first dimensions of ``numbers.stored``, as many as it has.
        intercepts: As ``slopes``.
        dtype: Of the values.
        limits: Numbers beyond are taken as these.
    """
    stored = numbers.stored
    return ScaledTable(numbers, _in_axes(stored, slopes), _in_axes(stored, intercepts), dtype, limits)


def _in_axes(stored: Stored, values: Floats) -> Floats:
    given: Sequence[int] = values.shape
    every = values.reshape((*given, *([1] * (len(stored.sizes) - len(given)))))
    order = [k for ks in stored.members for k in ks]
    rest = [k for k in range(len(stored.sizes)) if k not in order]
    shape = [max((every.shape[k] for k in ks), default=1) for ks in stored.members]
    return np.ascontiguousarray(every.transpose(order + rest).reshape(shape))
