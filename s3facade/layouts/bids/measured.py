"""What images themselves say that BIDS has fields for, by modality."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from s3facade.core.spec import Spec
from s3facade.layouts.bids.scanner import scanner
from s3facade.layouts.bids.values import PIXELS, UNITS, tidy
from s3facade.layouts.ome_own import own

_MICROSCOPE = {
    "Manufacturer": "Manufacturer",
    "ManufacturersModelName": "Model",
    "DeviceSerialNumber": "SerialNumber",
}
"""Attributes of OME-XML's Microscope by field."""


def microscopy(spec: Spec) -> dict[str, Any]:
    """Fields of a microscopy image (schema: rules.sidecars.micr). Sizes are of its finest level, in µm."""
    found = pixels(spec)
    objective = spec.attrs.get("objective")
    if isinstance(objective, Mapping):
        magnification, aperture, immersion = (objective.get(key) for key in ("magnification", "na", "immersion"))
        if _positive(magnification):
            found["Magnification"] = tidy(float(str(magnification)))
        if _positive(aperture):
            found["NumericalAperture"] = tidy(float(str(aperture)))
        if isinstance(immersion, str) and immersion:
            found["Immersion"] = immersion
    return {**found, **_microscope(spec)}


def pixels(spec: Spec) -> dict[str, Any]:
    """`PixelSize` along x, y and z, and its unit; nothing where the image does not state all of them."""
    level = spec.levels[0]
    axes = [i for name in ("x", "y", "z") if (i := spec.axis(name)) is not None]
    if any(spec.axes[i].unit is None for i in axes):
        return {}
    return {PIXELS: [tidy(level.scale[i]) for i in axes], UNITS: "um"}


def volumes(spec: Spec) -> dict[str, Any]:
    """Fields of volumes over time: `RepetitionTime` in seconds, where the image states it."""
    place = spec.axis("t")
    if place is None or spec.axes[place].unit is None or spec.length("t") < 2:
        return {}
    return {"RepetitionTime": tidy(spec.levels[0].scale[place])}


def functional(spec: Spec) -> dict[str, Any]:
    """Fields of volumes over time, and of the scan."""
    return {**scanner(spec), **volumes(spec)}


MEASURED: Mapping[str, Callable[[Spec], dict[str, Any]]] = {
    "micr": microscopy,
    "func": functional,
    **dict.fromkeys(("anat", "dwi", "fmap", "perf"), scanner),
}
"""What is asked of an image, by datatype."""
ALWAYS = frozenset({"micr", "func"})
"""Datatypes of which images of any format have something to say; of the others, only those with a scanner's header."""


def _microscope(spec: Spec) -> dict[str, Any]:
    """Who made the instrument, as the source's OME-XML says."""
    said = own(spec)
    if said is None:
        return {}
    parts = said.instruments.get(said.instrument or "", ())
    about = next((part.attributes for part in parts if part.name == "Microscope"), {})
    return {name: about[key] for name, key in _MICROSCOPE.items() if about.get(key)}


def _positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
