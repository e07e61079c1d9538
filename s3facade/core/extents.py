"""Sizes on an image as options: in micrometres or in voxels, for all space axes or by axis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from s3facade.core.errors import Unsupported
from s3facade.core.options import Parsed
from s3facade.core.spec import Spec
from s3facade.core.units import MICROMETERS, quantity

SPACE = ("z", "y", "x")
VOXELS: Mapping[str, float] = {"px": 1.0, "vx": 1.0}
_ONE = {"type": "string", "examples": ["2 um", "3 px"]}
_BY_AXIS = {"type": "object", "propertyNames": {"enum": [*SPACE]}, "additionalProperties": _ONE}


def extents(value: Any) -> Any:
    """``"2 um"``, ``"3 px"`` or ``{y: 2 um, x: 3 px}`` as `Extents`; what is one already stays.

    Raises:
        ValueError: Not written so; says what to write.
    """
    if isinstance(value, tuple):
        return value
    if not isinstance(value, Mapping):
        return (_one("", value),)
    wrong = [name for name in value if name not in SPACE]
    if wrong or not value:
        raise ValueError(
            f"has the axis {wrong[0]!r}; use z, y, x" if wrong else "names no axis; write {y: 2 px, x: 2 px}"
        )
    return tuple(_one(name, value[name]) for name in SPACE if name in value)


def _one(name: str, text: object) -> tuple[str, float, str]:
    number = quantity(text, {**MICROMETERS, **VOXELS}, "2 um")
    if number <= 0:
        raise ValueError("must be greater than zero")
    return name, number, "px" if str(text).strip().endswith(tuple(VOXELS)) else "um"


Extents: TypeAlias = Annotated[tuple[tuple[str, float, str], ...], Parsed(extents, {"anyOf": [_ONE, _BY_AXIS]})]
"""Size by axis, ``um`` (µm) or ``px`` (voxels of the finest level); the axis ``""`` stands for every space axis."""


def in_voxels(sizes: Extents, source: Spec, level: int, option: str) -> tuple[float, ...]:
    """``sizes`` in voxels of ``level``, one for each axis of the image; 0 for those that are not meant.

    Args:
        sizes: The option's value.
        source: The image it acts on.
        level: One of its levels; voxels of the finest one are converted to this one's.
        option: How the option is called, for the error.

    Raises:
        Unsupported: An axis that the image does not have, or micrometres where the image has no physical size.
    """
    named = {name: (number, unit) for name, number, unit in sizes}
    missing = [name for name in named if name and name not in source.names]
    if missing:
        raise Unsupported(f"`{option}` names the axis {missing[0]}, which the image does not have; leave it out.")
    out = []
    for i, axis in enumerate(source.axes):
        number, unit = named.get(axis.name, named.get("", (0.0, "px")) if axis.name in SPACE else (0.0, "px"))
        if number and unit == "um" and axis.unit is None:
            raise Unsupported(
                f"`{option}` is a length, but the axis {axis.name} of the image has no physical size; "
                f"write voxels, as in '2 px', or set `pixel_size` of the source."
            )
        step = source.levels[level].scale[i]
        out.append(number / step if unit == "um" else number * source.levels[0].scale[i] / step)
    return tuple(out)
