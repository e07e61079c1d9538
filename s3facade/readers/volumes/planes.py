"""Plain numbers of which each plane or volume has a scale of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from s3facade.core.operators import Block, Buffer
from s3facade.core.protocols import Cell
from s3facade.readers.arrays.raw import RawTable
from s3facade.readers.arrays.stored import Stored


@dataclass(frozen=True, slots=True)
class PlanesTable:
    """Values are ``slope * number + intercept``, with a slope and an intercept for each place of ``numbers``."""

    numbers: RawTable
    """Each index of the outer dimensions has a place of its own."""
    slopes: npt.NDArray[np.float64]
    intercepts: npt.NDArray[np.float64]
    dtype: np.dtype[Any]
    """Of the values."""

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
        """``raw``."""
        return self.numbers.codec

    def cell(self, index: tuple[int, ...]) -> Cell:
        """Where the run of bytes of a cell lies."""
        return self.numbers.cell(index)

    def decode(self, index: tuple[int, ...], data: Buffer | None) -> Block:
        """The values of a cell. Raises `BadSource` if ``data`` has another length."""
        at, place = self.stored.locate(index), 0
        for i, n in zip(at[: self.numbers.outer], self.stored.sizes, strict=False):
            place = place * n + i
        out = self.numbers.decode(index, data).astype(self.dtype)
        out *= self.dtype.type(self.slopes[place])
        out += self.dtype.type(self.intercepts[place])
        return out
