"""Planes of many files as one table: a cell is a whole file, and what is in it is found out when it is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from s3facade.core.errors import BadSource
from s3facade.core.operators import Block, Buffer
from s3facade.core.protocols import Cell
from s3facade.core.region import place
from s3facade.readers.arrays.raw import Ints
from s3facade.readers.plates.member import plane

ABSENT, MISSING = -1, -2
"""In place of a file: the plane was not acquired; its file is not there."""


@dataclass(frozen=True, slots=True)
class PlaneTable:
    """One plane per cell, each the first page or another one of a TIFF of its own.

    A cell covers all of its file, so that opening ten thousand planes reads none of them: offsets and compression may
    differ from file to file.
    """

    outer: tuple[int, ...]
    """Lengths of the axes before y."""
    shape: tuple[int, int]
    """Rows and columns of every plane."""
    dtype: np.dtype[Any]
    codec: str
    files: npt.NDArray[np.int64]
    """File of each plane, C order of ``outer``; or `ABSENT`, `MISSING`."""
    sizes: Ints
    """Bytes of each file."""
    pages: npt.NDArray[np.uint32]
    """Page of each plane in its file; of length 1 where all are the first."""
    lost: tuple[str, ...] = ()
    """Names of the files that are not there, in the order of their planes."""

    @property
    def block(self) -> tuple[int, ...]:
        """Size of a grid cell in voxels: a plane."""
        return (*([1] * len(self.outer)), *self.shape)

    def _place(self, index: tuple[int, ...]) -> int:
        return place(index[: len(self.outer)], self.outer)

    def cell(self, index: tuple[int, ...]) -> Cell | None:
        """The file of a plane; None where there is none."""
        file = int(self.files[self._place(index)])
        return Cell(file, 0, int(self.sizes[file])) if file >= 0 else None

    def decode(self, index: tuple[int, ...], data: Buffer | None) -> Block:
        """The voxels of a plane; zero where none was acquired.

        Raises:
            BadSource: Its file is missing, damaged, or of another size or type than the others.
        """
        place = self._place(index)
        if self.files[place] == MISSING:
            number = int(np.count_nonzero(self.files[:place] == MISSING))
            raise BadSource(f"The plane's file {self.lost[number]!r} is missing; put it back beside the others.")
        if data is None:
            return np.zeros(self.block, self.dtype)
        found = plane(data, int(self.pages[place % len(self.pages)]))
        if found.shape != self.shape or found.dtype != self.dtype:
            raise BadSource(
                f"A plane is {found.shape[0]} x {found.shape[1]} of {found.dtype}; the others of its image are "
                f"{self.shape[0]} x {self.shape[1]} of {self.dtype}.",
                private=f"plane {index}",
            )
        return found.reshape(self.block)
