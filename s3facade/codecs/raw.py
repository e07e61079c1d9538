"""Voxels as they lie in memory."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from s3facade.core.operators import Block, Buffer


@dataclass(frozen=True, slots=True)
class Raw:
    """C-order, little-endian bytes; booleans as one byte each. Zarr v3 calls it ``bytes``."""

    version: ClassVar[int] = 1

    def nbytes(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
        """Voxels times bytes per voxel."""
        return math.prod(shape) * dtype.itemsize

    def encode(self, block: Block) -> Buffer:
        """A view of ``block`` where it is contiguous and little-endian already, else of a copy."""
        little = np.ascontiguousarray(block, dtype=block.dtype.newbyteorder("<"))
        return little.reshape(-1).view(np.uint8).data
