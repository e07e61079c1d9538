"""The ``multiscales`` block: axes, levels, and where each level's voxels stand."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Protocol, cast

from s3facade.core.errors import Unsupported
from s3facade.core.image import Combined, Derived, Image, nodes
from s3facade.core.spec import Axis, Spec


class Sampled(Protocol):
    """What appends a level of samples."""

    base: int
    every: tuple[int, ...]


_UNITS = {"space": "micrometer", "time": "second"}
"""One viewer shows nothing at all when it meets any unit it does not know."""


def multiscales(image: Image, name: str) -> dict[str, Any]:
    """One entry of ``multiscales``.

    Raises:
        Unsupported: A voxel size that is not a positive number.
    """
    spec = image.spec
    entry: dict[str, Any] = {"name": name, "axes": [_axis(axis) for axis in spec.axes], "datasets": _datasets(spec)}
    method, sampled = computed_by(image), sampled_levels(image)
    if sampled:
        entry["type"] = "strided" if method is None else f"{method}, strided"
        entry["metadata"] = {"description": _previews(spec, method, sampled)}
    elif method is not None:
        entry["type"] = method
        entry["metadata"] = {"description": f"Levels from 1 on are computed on request: {method} of 2x blocks."}
    return entry


def _previews(spec: Spec, method: str | None, sampled: Mapping[int, Sampled]) -> str:
    """Which levels show samples, and of what; those after a preview that are no samples are computed from it."""
    first, last = min(sampled), max(sampled)
    told = []
    if first > 1 and method is not None:
        which = "Level 1 is" if first == 2 else f"Levels 1 to {first - 1} are"
        told.append(f"{which} computed on request: {method} of 2x blocks.")
    for level, about in sampled.items():
        steps = " and ".join(f"1 of {n} along {name}" for name, n in zip(spec.names, about.every, strict=True) if n > 1)
        blocks = f", of whose blocks {steps} is read" if steps else ""
        told.append(f"Level {level} is a preview: each voxel is the nearest known one of level {about.base}{blocks}.")
    if last + 1 < len(spec.levels):
        told.append(f"Coarser levels are computed from that: {method or 'mean'} of 2x blocks.")
    return " ".join(told)


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
    return min(len(node.spec.levels) for node in nodes(image))


def sampled_levels(image: Image) -> dict[int, Sampled]:
    """Levels that show samples of a finer one, by number, finest first."""
    found: dict[int, Sampled] = {}
    for above in _ways_down(image):
        if isinstance(above, Combined):
            found[len(above.spec.levels) - 1] = cast(Sampled, above.combination)
    return dict(sorted(found.items()))


def computed_by(image: Image) -> str | None:
    """The method that levels after the first are computed by, but those that show samples.

    None if any is stored, or there is none of them.
    """
    if len(image.spec.levels) < 2 or stored_levels(image) > 1:
        return None
    for above in _ways_down(image):
        if isinstance(above, Derived) and len(above.spec.levels) > len(above.parent.spec.levels):
            method = getattr(above.transform, "method", None)
            return None if method is None else str(method)
    return None


def _ways_down(image: Image) -> Iterator[Derived | Combined]:
    """What was made of one image each, from the top."""
    while isinstance(image, Derived) or (isinstance(image, Combined) and hasattr(image.combination, "every")):
        yield image
        image = image.parent if isinstance(image, Derived) else image.parents[0]
