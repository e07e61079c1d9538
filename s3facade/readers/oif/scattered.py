"""Planes that a compound file keeps in pieces: put together where they are asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from s3facade.core.operators import Block
from s3facade.core.protocols import SourceFile
from s3facade.core.region import Region, place
from s3facade.readers.arrays.raw import Ints
from s3facade.readers.arrays.stored import Stored


@dataclass(frozen=True, slots=True)
class Scattered:
    """One level whose cells are whole planes."""

    stored: Stored
    number: np.dtype[Any]
    first: Ints
    """Of each plane, its first piece; and the end."""
    offsets: Ints
    sizes: Ints
    files: Ints

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
        return self.number.newbyteorder("=")

    def read(self, files: Sequence[SourceFile], region: Region) -> Block:
        """Voxels of ``region``: C order, owned by the caller. Raises `BadSource`."""
        out = np.empty(region.shape, self.dtype)
        grid = [range(a // n, -(-b // n)) for a, b, n in zip(region.start, region.stop, self.block, strict=True)]
        for index in np.ndindex(*(len(g) for g in grid)):
            at = tuple(g[i] for g, i in zip(grid, index, strict=True))
            start = tuple(i * n for i, n in zip(at, self.block, strict=True))
            block = self._plane(files, at)
            box = Region(start, tuple(a + n for a, n in zip(start, block.shape, strict=True)))
            common = box.intersect(region)
            out[common.slices(region.start)] = block[common.slices(start)]
        return out

    def _plane(self, files: Sequence[SourceFile], index: tuple[int, ...]) -> Block:
        number = place(self.stored.locate(index), self.stored.grid)
        pieces = range(int(self.first[number]), int(self.first[number + 1]))
        data = b"".join(
            bytes(files[int(self.files[k])].pread(int(self.offsets[k]), int(self.sizes[k]))) for k in pieces
        )
        count = math.prod(self.stored.cell)
        return self.stored.arrange(np.frombuffer(data, self.number, count).reshape(self.stored.cell)).astype(self.dtype)
