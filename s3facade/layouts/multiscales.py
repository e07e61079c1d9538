"""The ``multiscales`` block: axes, levels, and where each level's voxels stand."""

from __future__ import annotations

import math
from typing import Any

from s3facade.core.errors import Unsupported
from s3facade.core.image import Combined, Derived, Image
from s3facade.core.spec import Axis, Spec

_UNITS = {"space": "micrometer", "time": "second"}
"""One viewer shows nothing at all when it meets any unit it does not know."""


def multiscales(image: Image, name: str) -> dict[str, Any]:
    """One entry of ``multiscales``.

    Raises:
        Unsupported: A voxel size that is not a positive number.
    """
    spec = image.spec
    entry: dict[str, Any] = {"name": name, "axes": [_axis(axis) for axis in spec.axes], "datasets": _datasets(spec)}
    method = computed_by(image)
    if method is not None:
        entry["type"] = method
        entry["metadata"] = {"description": f"Levels from 1 on are computed on request: {method} of 2x blocks."}
    return entry


def _axis(axis: Axis) -> dict[str, str]:
    entry = {"name": axis.name, "type": axis.kind}
    if axis.unit is not None and axis.unit == _UNITS.get(axis.kind):
        entry["unit"] = axis.unit
    return entry


def _datasets(spec: Spec) -> list[dict[str, Any]]:
    """One scale per level, and a translation in every level as soon as one level needs it."""
    shifted = any(any(level.origin) for level in spec.levels)
    datasets = []
    for path, level in enumerate(spec.levels):
        if not all(0 < s < math.inf for s in level.scale) or not all(map(math.isfinite, level.origin)):
            raise Unsupported(
                f"Level {path} has voxel size {level.scale} at {level.origin}; sizes must be positive, all finite."
            )
        transforms: list[dict[str, Any]] = [{"type": "scale", "scale": list(map(float, level.scale))}]
        if shifted:
            transforms.append({"type": "translation", "translation": list(map(float, level.origin))})
        datasets.append({"path": str(path), "coordinateTransformations": transforms})
    return datasets


def stored_levels(image: Image) -> int:
    """How many levels, from the finest, the source itself stores; those after them are computed."""
    if isinstance(image, Derived):
        return min(stored_levels(image.parent), len(image.spec.levels))
    if isinstance(image, Combined):
        return min(len(image.spec.levels), *map(stored_levels, image.parents))
    return len(image.spec.levels)


def computed_by(image: Image) -> str | None:
    """The method that all levels after the first are computed by; None if any is stored, or there is only one."""
    if len(image.spec.levels) < 2 or stored_levels(image) > 1:
        return None
    while isinstance(image, Derived):
        if len(image.spec.levels) > len(image.parent.spec.levels):
            method = getattr(image.transform, "method", None)
            return None if method is None else str(method)
        image = image.parent
    return None
