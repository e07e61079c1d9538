"""Sizes and places of a BigDataViewer setup in µm, as far as its XML file states them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from s3facade.core.units import MICROMETERS
from s3facade.readers.hdf5.bdv_xml import Affine, Setup

_UNITS = {
    **MICROMETERS, "micron": 1.0, "microns": 1.0, "micrometer": 1.0, "micrometers": 1.0, "nanometer": 1e-3,
    "millimeter": 1e3, "µm": 1.0,
}  # fmt: skip
NEAR = 0.05
"""Registrations stretch an image a little; beyond this, the common frame counts in something else."""


@dataclass(frozen=True, slots=True)
class Placed:
    """µm, by axis."""

    scale: Mapping[str, float] = field(default_factory=dict)
    origin: Mapping[str, float] = field(default_factory=dict)
    affine: Affine | None = None
    """Voxels (x, y, z) to µm."""
    notes: tuple[str, ...] = ()


def placed(setup: Setup, affines: Sequence[tuple[int, Affine | None]]) -> Placed:
    """Where a setup lies.

    The common frame has no unit of its own: it counts in that of the voxel sizes where the registrations stretch voxels
    to these sizes, and in voxels of one edge where they stretch them in the same proportions. Otherwise nothing is
    told in µm.

    Args:
        setup: What the XML file says.
        affines: The registration of each time point.
    """
    unit = _UNITS.get(setup.unit)
    if setup.voxel is None or unit is None:
        note = f"The XML file gives the voxel size {setup.voxel} in {setup.unit!r}, which is no unit of length."
        return Placed(notes=(note,) if setup.voxel and setup.unit not in ("", "pixel", "px", "pixels") else ())
    scale = {a: v * unit for a, v in zip("xyz", setup.voxel, strict=True)}
    known = [a for _, a in affines if a is not None]
    if not known:
        return Placed(scale)
    notes = []
    if any(a != known[0] for a in known):
        notes.append("The registration differs between time points; the place is that of the first one.")
    ratios = [math.sqrt(sum(row[k] ** 2 for row in known[0])) / v for k, v in enumerate(setup.voxel)]
    if min(ratios) <= 0 or max(ratios) / min(ratios) > 1 + NEAR:
        notes.append("The registration is in another unit than the voxel size; it is kept as it is.")
        return Placed(scale, notes=tuple(notes))
    if abs(ratios[0] - 1) <= NEAR:
        factor = unit
    elif any(abs(ratios[0] * v - 1) <= NEAR for v in setup.voxel):
        factor = unit / ratios[0]
        notes.append("The registration counts in voxels; it was brought to µm by the voxel size.")
    else:
        notes.append("The registration is in another unit than the voxel size; it is kept as it is.")
        return Placed(scale, notes=tuple(notes))
    affine: Affine = tuple((a * factor, b * factor, c * factor, d * factor) for a, b, c, d in known[0])
    return Placed(scale, _origin(affine, scale), affine, tuple(notes))


def _origin(affine: Affine, scale: Mapping[str, float]) -> dict[str, float]:
    """Centre of the first voxel, where the map only stretches voxels to their size and moves them."""
    wanted = [[scale["xyz"[i]] if i == j else 0.0 for j in range(3)] for i in range(3)]
    near = all(math.isclose(affine[i][j], wanted[i][j], rel_tol=1e-3, abs_tol=1e-9) for i in range(3) for j in range(3))
    return {a: row[3] for a, row in zip("xyz", affine, strict=True)} if near else {}
