"""What the settings of an OIF say about the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from s3facade.core.spec import Channel
from s3facade.readers.ome_xml import duration, length
from s3facade.readers.trees import number, positive

Settings = Mapping[str, Mapping[str, str]]


def axis_order(settings: Settings) -> str:
    """Letters of the axes, fastest first; ``XY`` where they are not stated."""
    order = settings.get("Axis Parameter Common", {}).get("AxisOrder", "")
    return order if len(order) >= 2 else "XY"


def scale(settings: Settings, planes: Settings, sizes: Mapping[str, int]) -> dict[str, float]:
    """µm or seconds per voxel, by axis letter.

    Args:
        settings: Of the image.
        planes: Of its first plane.
        sizes: Lengths of the axes, by letter.
    """
    found: dict[str, float] = {}
    picture = settings.get("Reference Image Parameter") or planes.get("Image Parameters") or {}
    order = axis_order(settings)
    for letter, side in ((order[0], "Width"), (order[1], "Height")):
        step = length(positive(picture.get(f"{side}ConvertValue")), picture.get(f"{side}Unit"))
        if step is not None and letter in "XY":
            found[letter] = step
    for axis in axes(settings):
        letter = axis.get("AxisCode", "")
        size = sizes.get(letter, 1)
        if letter in ("Z", "T") and size > 1:
            convert = duration if letter == "T" else length
            step = convert(_step(axis, size), axis.get("UnitName"))
            if step is not None and step > 0:
                found[letter] = step
    return found


def axes(settings: Settings) -> list[Mapping[str, str]]:
    """The sections of the axes."""
    return [settings[name] for k in range(16) if (name := f"Axis {k} Parameters Common") in settings]


def _step(axis: Mapping[str, str], size: int) -> float | None:
    step = positive(axis.get("Interval"))
    start, end = number(axis.get("StartPosition")), number(axis.get("EndPosition"))
    if step is None and start is not None and end is not None:
        step = abs(end - start) / (size - 1)
    return step


def channels(settings: Settings, indices: Sequence[int]) -> tuple[Channel, ...]:
    """One for each index of C."""
    out = []
    for index in indices:
        about = settings.get(f"Channel {index} Parameters", {})
        dye = about.get("DyeName", "")
        out.append(
            Channel(
                dye if dye not in ("", "None") else about.get("CH Name") or None,
                emission=positive(about.get("EmissionWavelength")),
                excitation=positive(about.get("ExcitationWavelength")),
            )
        )
    return tuple(out)


def attributes(settings: Settings, planes: Settings) -> dict[str, object]:
    """Entries of `Spec.attrs`: when it was acquired, with which objective."""
    out: dict[str, object] = {}
    when = settings.get("Acquisition Parameters Common", {}).get("ImageCaputreDate", "")  # the format's own spelling
    if len(when) == 19 and when[10] == " ":
        # local time of the microscope: the zone is not stated
        out["acquired"] = when.replace(" ", "T")
    about = planes.get("Acquisition Parameters Common", {})
    lens = {
        "name": about.get("ObjectiveLens Name") or None,
        "magnification": positive(about.get("Magnification")),
        "na": positive(about.get("ObjectiveLens NAValue")),
    }
    if any(v is not None for v in lens.values()):
        out["objective"] = {k: v for k, v in lens.items() if v is not None}
    return out
