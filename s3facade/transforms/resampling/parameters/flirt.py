"""FSL's FLIRT: matrices between millimetres counted from voxel 0 of two volumes, x counted from the right in some."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from s3facade.core.options import Length
from s3facade.transforms.resampling.onto import Counts, Grid, Lengths, Positions

MM = 1000.0


@dataclass(frozen=True, slots=True)
class Volume:
    """The grid of a volume that FLIRT was given, where it is not that of the image served."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    spacing: Length | Lengths | None = None
    shape: Counts | None = None
    origin: Positions | None = None


@dataclass(frozen=True, slots=True)
class Flirt:
    """What a FLIRT matrix does not say about the two volumes that it was made from."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    neurological: tuple[Literal["input", "reference"], ...]
    """Which of the two volumes ``fslorient -getorient`` calls NEUROLOGICAL: FLIRT counts their x from the far end."""
    reference: Volume | None = None
    """By default the grid of the output."""
    input: Volume | None = None
    """By default the finest level of the source."""


def to_fsl(grid: Grid, *, neurological: bool) -> npt.NDArray[np.float64]:
    """Physical coordinates (µm; x, y, z) on ``grid`` (z, y, x) to FLIRT's (mm), homogeneous."""
    out = np.eye(4)
    for i, k in enumerate((2, 1, 0)):
        out[i, i], out[i, 3] = 1 / MM, -grid.origin[k] / MM
    if neurological:
        out[0] *= -1
        out[0, 3] += (grid.shape[2] - 1) * grid.scale[2] / MM
    return out
