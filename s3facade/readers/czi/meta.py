"""What the XML of a CZI file says about its images."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from s3facade.core.spec import Channel
from s3facade.readers.czi.pixels import Kind
from s3facade.readers.facts import colours
from s3facade.readers.trees import every, first, integer, number, positive, text

_IMAGE = "ImageDocument/Metadata/Information/Image"
_COLOUR = re.compile(r"#(?:[0-9A-Fa-f]{2})?([0-9A-Fa-f]{6})")


def scale(tree: Mapping[str, Any], times: Sequence[float]) -> dict[str, float]:
    """µm per pixel of x, y and z, and seconds per time point where they are stated."""
    found = {}
    for item in every(tree, "ImageDocument/Metadata/Scaling/Items/Distance"):
        axis, size = text(item, "@Id"), positive(text(item, "Value"))
        if axis in ("X", "Y", "Z") and size is not None:
            found[axis.lower()] = size * 1e6
    steps = np.diff(np.asarray(times, float))
    step = positive(text(tree, f"{_IMAGE}/Dimensions/T/Positions/Interval/Increment"))
    if len(steps):
        mean = float(steps.mean())
        if mean > 0 and float(np.abs(steps - mean).max()) <= 0.01 * mean:
            found["t"] = mean
    elif step is not None:
        found["t"] = step
    return found


def channels(tree: Mapping[str, Any], indices: Sequence[int], kind: Kind) -> tuple[Channel, ...]:
    """One channel for each index of C that an image has; red, green and blue of each where pixels have colours."""
    if kind.samples > 1:
        return colours(kind.number.newbyteorder("="), kind.samples) * len(indices)
    information = every(tree, f"{_IMAGE}/Dimensions/Channels/Channel")
    shown = every(tree, "ImageDocument/Metadata/DisplaySetting/Channels/Channel")
    display = {text(item, "@Id"): item for item in shown}
    out = []
    for index in indices:
        about = information[index] if 0 <= index < len(information) else {}
        setting = display.get(text(about, "@Id"))
        if setting is None:
            setting = shown[index] if 0 <= index < len(shown) and len(shown) == len(information) else {}
        out.append(_channel(about, setting, kind))
    return tuple(out)


def _channel(about: Any, setting: Any, kind: Kind) -> Channel:
    named = _COLOUR.fullmatch(text(setting, "Color") or text(about, "Color") or "")
    low, high = number(text(setting, "Low")), number(text(setting, "High"))
    window = None
    if kind.number.kind == "u" and low is not None and high is not None and 0 <= low < high <= 1:
        top = float(np.iinfo(kind.number).max)
        window = (low * top, high * top)
    return Channel(
        text(about, "@Name") or text(setting, "@Name"),
        named[1].upper() if named else None,
        window,
        emission=positive(text(about, "EmissionWavelength")),
        excitation=positive(text(about, "ExcitationWavelength")),
    )


def attributes(tree: Mapping[str, Any], indices: Sequence[int], scene: int | None) -> dict[str, object]:
    """Entries of `Spec.attrs` but for notes, times and codec."""
    out: dict[str, object] = {}
    when = text(tree, f"{_IMAGE}/AcquisitionDateAndTime")
    if when and not when.startswith("0001-"):
        out["acquired"] = when
    lens = first(tree, "ImageDocument/Metadata/Information/Instrument/Objectives/Objective")
    objective = {
        "name": text(lens, "@Name") or text(lens, "Manufacturer/Model"),
        "magnification": positive(text(lens, "NominalMagnification")),
        "na": positive(text(lens, "LensNA")),
        "immersion": text(lens, "Immersion"),
    }
    if any(v is not None for v in objective.values()):
        out["objective"] = {k: v for k, v in objective.items() if v is not None}
    about = _scene(tree, scene)
    name, centre = text(about, "@Name"), (text(about, "CenterPosition") or "").split(",")
    if name:
        out["name"] = name
    place = [number(v) for v in centre]
    if len(place) == 2 and None not in place:
        out["positions"] = [{"x": place[0], "y": place[1]}]
    information = every(tree, f"{_IMAGE}/Dimensions/Channels/Channel")
    exposures = [positive(text(information[i], "ExposureTime")) for i in indices if 0 <= i < len(information)]
    if any(exposures):
        # stated in nanoseconds
        out["exposures"] = [None if e is None else e / 1e9 for e in exposures]
    return out


def _scene(tree: Mapping[str, Any], scene: int | None) -> Any:
    for item in every(tree, f"{_IMAGE}/Dimensions/S/Scenes/Scene") if scene is not None else []:
        if integer(text(item, "@Index")) == scene:
            return item
    return None


def times(data: bytes) -> list[float]:
    """Seconds of the time points, from the attachment ``TimeStamps``: int32 size, int32 count, float64 values."""
    if len(data) < 8:
        return []
    _, count = struct.unpack_from("<ii", data)
    count = max(0, min(count, (len(data) - 8) // 8))
    values = np.frombuffer(data, "<f8", count, 8)
    return [float(v) for v in values] if np.isfinite(values).all() else []
