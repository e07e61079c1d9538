"""Levels as scales of a precomputed volume: sizes in nanometres, places in whole voxels, names of chunks.

The format counts voxels from the corner of the first one, and where a volume begins it can only say in whole voxels.
Voxel 0 of an image without an offset is voxel 0 of the volume. An image that was cut out of another one, or resampled
onto a grid, begins at the voxel that is nearest to its place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from s3facade.core.errors import Unsupported
from s3facade.core.spec import Spec


@dataclass(frozen=True, slots=True)
class Scale:
    """One level. Tuples follow x, y, z."""

    level: int
    key: str
    """Name of its folder."""
    size: tuple[int, ...]
    """Voxels."""
    resolution: tuple[float, ...]
    """Nanometres per voxel; whole numbers are integers."""
    offset: tuple[int, ...]
    """Of the first voxel, in voxels."""

    def words(self, chunk: tuple[int, ...]) -> tuple[tuple[str, ...], ...]:
        """How chunks are called along each axis: the voxels that they begin and end at."""
        return tuple(
            tuple(f"{o + at}-{o + min(at + n, size)}" for at in range(0, size, n))
            for o, size, n in zip(self.offset, self.size, chunk, strict=True)
        )


def scales(spec: Spec, thickness: float | None = None) -> list[Scale]:
    """The scales of an image, finest first.

    Args:
        spec: The image.
        thickness: µm along z of an image that has none.

    Raises:
        Unsupported: It is not known how large a voxel is.
    """
    found: list[Scale] = []
    base = spec.levels[0]
    for level, about in enumerate(spec.levels):
        size, step, offset = [], [], []
        for name in "xyz":
            axis = spec.axis(name)
            if axis is None:
                size.append(1)
                step.append(_nanometres(thickness, name))
                offset.append(0)
                continue
            known = spec.axes[axis].unit is not None
            scale = about.scale[axis]
            size.append(about.shape[axis])
            step.append(_nanometres(scale if known else thickness if size[-1] == 1 else None, name))
            # From the centres of first voxels to their corners; the corner of the finest at 0 is the volume's own.
            corner = about.origin[axis] - (scale - base.scale[axis]) / 2
            offset.append(_nearest(corner / scale) if known else 0)
        key = "_".join(f"{n}" for n in step)
        if any(key == other.key for other in found):
            key = f"{key}_{level}"
        found.append(Scale(level, key, tuple(size), tuple(step), tuple(offset)))
    return found


def _nanometres(micrometres: float | None, axis: str) -> float:
    if micrometres is None or not 0 < micrometres < math.inf:
        how = (
            "give it with `thickness:`, or with `pixel_size: {z: 2 um}` of the source"
            if axis == "z"
            else "give it with `pixel_size:` of the source"
        )
        raise Unsupported(
            f"Precomputed volumes need the size of a voxel in nanometres, and along {axis} it is not known; {how}."
        )
    value = float(f"{micrometres * 1000:.12g}")
    return int(value) if value.is_integer() else value


def _nearest(value: float) -> int:
    """The nearest whole number; of two, the lower one."""
    return math.ceil(value - 0.5 - 1e-6)
