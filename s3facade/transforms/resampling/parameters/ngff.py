"""Fields as OME-Zarr's RFC-5 stores them: Zarr arrays, with components as one more axis."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.units import MICROMETERS
from s3facade.transforms.resampling.parameters.fields import Layout, bare
from s3facade.transforms.resampling.parameters.vectors import Field

_UNITS = {"nanometer": "nm", "micrometer": "um", "millimeter": "mm", "centimeter": "cm", "meter": "m"}


def ngff_field(path: str, names: Sequence[str], *, absolute: bool) -> Field:
    """The field of displacements, or of coordinates.

    Args:
        path: An array, then voxel indices are its coordinates; or a multiscale image, whose finest level it is.
        names: Space axes of the image; the field has the same, and components in their order.
        absolute: Whether vectors are places.

    Raises:
        SourceError: It cannot be read, or does not fit the image.
    """
    about = _multiscale(path)
    if about is None:
        layout = Layout((1.0,) * len(names), (0.0,) * len(names), reverse=False, absolute=absolute)
        return bare(path, len(names), layout)
    try:
        return _described(path, about, names, absolute=absolute)
    except (KeyError, IndexError, TypeError) as error:
        raise BadSource("The metadata of a displacement field lack something.", private=f"{path}: {error}") from error


def _multiscale(path: str) -> Mapping[str, Any] | None:
    for name, inner in (("zarr.json", "attributes"), (".zattrs", None)):
        file = os.path.join(path, name)
        if not os.path.isfile(file):
            continue
        try:
            with open(file, encoding="utf-8") as stream:
                document = json.load(stream)
        except (ValueError, OSError) as error:
            raise BadSource(
                "The metadata of a displacement field cannot be read.", private=f"{file}: {error}"
            ) from error
        attributes = document.get(inner, {}) if inner else document
        found = attributes.get("ome", attributes).get("multiscales")
        return found[0] if found else None
    return None


def _described(path: str, about: Mapping[str, Any], names: Sequence[str], *, absolute: bool) -> Field:
    axes = about["axes"] if "axes" in about else about["coordinateSystems"][0]["axes"]
    space = [i for i, axis in enumerate(axes) if axis.get("type") == "space"]
    if [axes[i]["name"] for i in space] != list(names) or len(axes) != len(names) + 1:
        raise Unsupported(
            f"The field has the axes {', '.join(a['name'] for a in axes)}; it needs {', '.join(names)} and one for its"
            " components.",
            private=path,
        )
    dataset = about["datasets"][0]
    scale, shift = [1.0] * len(axes), [0.0] * len(axes)
    for step in _flat(dataset["coordinateTransformations"]):
        if step["type"] == "scale":
            scale = [a * b for a, b in zip(step["scale"], scale, strict=True)]
            shift = [a * b for a, b in zip(step["scale"], shift, strict=True)]
        elif step["type"] == "translation":
            shift = [a + b for a, b in zip(step["translation"], shift, strict=True)]
        elif step["type"] != "identity":
            raise Unsupported(
                f"The field stands in its space by {step['type']!r}; only scale and translation are read."
            )
    units = {MICROMETERS[_UNITS[axes[i].get("unit") or "micrometer"]] for i in space}
    if len(units) > 1:
        raise Unsupported("The axes of the displacement field have different units.", private=path)
    (unit,) = units
    layout = Layout(
        tuple(scale[i] * unit for i in space),
        tuple(shift[i] * unit for i in space),
        unit,
        reverse=False,
        components="first" if space[0] == 1 else "last",
        absolute=absolute,
        dataset=dataset["path"],
    )
    return bare(path, len(names), layout)


def _flat(steps: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    out: list[Mapping[str, Any]] = []
    for step in steps:
        out.extend(_flat(step["transformations"]) if step["type"] == "sequence" else [step])
    return out
