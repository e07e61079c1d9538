"""Voxels with the samples of a pixel side by side, as colour images are stored."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from s3facade.core.operators import Block, Buffer


@dataclass(frozen=True, slots=True)
class Interleaved:
    """C-order, little-endian bytes with one axis moved behind all others."""

    version: ClassVar[int] = 1

    axis: int
    """Index of the axis of samples."""

    def nbytes(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
        """Voxels times bytes per voxel."""
        return math.prod(shape) * dtype.itemsize

    def encode(self, block: Block) -> Buffer:
        """A copy, unless there is but one sample."""
        moved = np.moveaxis(block, self.axis, -1)
        little = np.ascontiguousarray(moved, dtype=block.dtype.newbyteorder("<"))
        return little.reshape(-1).view(np.uint8).data
