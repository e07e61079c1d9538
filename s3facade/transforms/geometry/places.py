"""Places along an axis as a user writes them: voxels, physical positions, or percent of the image."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from s3facade.core import units
from s3facade.core.errors import Unsupported
from s3facade.core.options import Parsed
from s3facade.core.spec import Spec

EDGE = 1e-6
"""Voxels by which a centre may miss an edge and still count as on it: sums of decimal fractions are not exact."""
_WHOLE = re.compile(r"\d+")
_VOXELS = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:\s*px)?")
_UNIT = re.compile(r"[-+.0-9]+([eE][-+]?[0-9]+)?\s*")
"""What stands before a unit."""
_PERCENT = re.compile(r"([0-9]*\.?[0-9]+)\s*%")
_UNITS: Mapping[str, float] = {**units.MICROMETERS, **units.SECONDS}
_TIMES = frozenset({"ms", "s", "min", "h", "d"})


@dataclass(frozen=True, slots=True)
class Place:
    """A place along one axis."""

    value: float
    """Voxels of the finest level from 0, µm or s in the image's own coordinates, or a fraction of its length."""
    unit: Literal["voxel", "micrometer", "second", "fraction"] = "voxel"

    def __str__(self) -> str:
        if self.unit == "fraction":
            return f"{100 * self.value:g}%"
        return f"{self.value:g}" + {"voxel": "", "micrometer": " um", "second": " s"}[self.unit]


def place(value: Any) -> Any:
    """``12`` (a voxel), ``"12.5 um"``, ``"3 s"`` or ``"10%"`` as a `Place`."""
    if isinstance(value, Place):
        return value
    text = str(value).strip()
    if _WHOLE.fullmatch(text):
        return Place(float(text))
    percent = _PERCENT.fullmatch(text)
    if percent is not None and float(percent[1]) <= 100:
        return Place(float(percent[1]) / 100, "fraction")
    try:
        amount = units.quantity(text, _UNITS, "10 um")
    except ValueError as error:
        raise ValueError(
            f"must be a whole number of voxels, a length as in '10 um', or percent up to '100%', not {text!r}"
        ) from error
    return Place(amount, "second" if _UNIT.sub("", text) in _TIMES else "micrometer")


PlaceOption: TypeAlias = Annotated[
    Place, Parsed(place, {"type": ["integer", "string"], "examples": [16, "10 um", "25%"]})
]
"""Written as in `place`."""


def position(value: Any) -> Any:
    """``"-12.5 um"``, or ``937`` or ``"3.2 px"`` (voxels of the finest level), as a `Place`."""
    if isinstance(value, Place):
        return value
    text = str(value).strip()
    voxels = _VOXELS.fullmatch(text)
    if voxels is not None:
        return Place(float(voxels[1]))
    try:
        return Place(units.position(text), "micrometer")
    except ValueError as error:
        raise ValueError(f"must be a position as in '12.5 um', or a number of voxels, not {text!r}") from error


PositionOption: TypeAlias = Annotated[
    Place, Parsed(position, {"type": ["number", "string"], "examples": ["12.5 um", 937]})
]
"""Written as in `position`."""


def edge(spec: Spec, axis: int, at: Place) -> float:
    """Where ``at`` lies as an edge between voxels, in voxels of the finest level: the first one has its centre at 0.

    Raises:
        Unsupported: A physical place on an axis that has no such unit.
    """
    if at.unit == "voxel":
        return at.value - 0.5
    level = spec.levels[0]
    if at.unit == "fraction":
        return at.value * level.shape[axis] - 0.5
    return (at.value - level.origin[axis]) / physical(spec, axis, at)


def physical(spec: Spec, axis: int, at: Place) -> float:
    """The size of a voxel along ``axis``, if that is in the unit of ``at``.

    Raises:
        Unsupported: It is not.
    """
    about = spec.axes[axis]
    if about.unit == at.unit:
        return spec.levels[0].scale[axis]
    if about.unit is None and {"micrometer": "space", "second": "time"}[at.unit] == about.kind:
        raise Unsupported(
            f"The image does not say how large its voxels are along {about.name}, so {str(at)!r} has no place on it: "
            f"write voxels, or state the size with a step `metadata: {{pixel_size: ...}}` before."
        )
    raise Unsupported(f"{str(at)!r} is no place on the axis {about.name}; write a unit that fits, or voxels.")


def inside(spec: Spec, level: int, axis: int, start: float, stop: float) -> tuple[int, int]:
    """The voxels of ``level`` whose centres lie between two edges (see `edge`), the first edge included.

    Returns:
        Half-open; may be empty. Clipped to the level.
    """
    fine, here = spec.levels[0], spec.levels[level]
    ratio = fine.scale[axis] / here.scale[axis]
    shift = (fine.origin[axis] - here.origin[axis]) / here.scale[axis]
    first, last = (math.ceil(e * ratio + shift - EDGE) for e in (start, stop))
    return max(first, 0), min(last, here.shape[axis])


def nearest(spec: Spec, level: int, axis: int, index: float) -> int:
    """The voxel of ``level`` that lies over voxel ``index`` of the finest level."""
    fine, here = spec.levels[0], spec.levels[level]
    position = (fine.origin[axis] - here.origin[axis] + index * fine.scale[axis]) / here.scale[axis]
    return min(max(math.floor(position + 0.5 - EDGE), 0), here.shape[axis] - 1)
