"""Yokogawa CellVoyager 7000 and 8000: records of a measurement, and what it was set to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import ClassVar, Literal

from s3facade.core.errors import BadSource, SourceDenied, SourceNotFound
from s3facade.core.protocols import SourceFile
from s3facade.core.spec import Channel
from s3facade.readers.arrays.raster import TableRaster
from s3facade.readers.plates.dataset import FREEZING, About, Plane, images, options_of, plate_size, with_scale
from s3facade.readers.plates.text import attributes, content, elements, number, whole, words

INDEX, DETAIL = "MeasurementData.mlf", "MeasurementDetail.mrf"
_ACTIONS = {"MIP": "projection"}
Values = dict[str, str]


class Cv8000Reader:
    """Plates of CellVoyager microscopes."""

    name: ClassVar[str] = "cv8000"
    version: ClassVar[int] = 2
    lane: ClassVar[Literal["thread", "serial", "process"]] = "thread"
    suffixes: ClassVar[frozenset[str]] = frozenset({".mlf"})
    markers: ClassVar[frozenset[str]] = frozenset({INDEX})
    loose: ClassVar[bool] = True

    def sniff(self, head: bytes, name: str) -> bool:
        """Whether this is a list of measurement records, by its name and its root."""
        return name.lower().endswith(".mlf") and ":MeasurementData" in words(head)

    def open(self, file: SourceFile, options: Mapping[str, object]) -> Sequence[TableRaster]:
        """The fields of all wells.

        Raises:
            BadSource: The list contradicts itself.
            Unsupported: An option, since there are none.
            SourceNotFound: No plane is there.
        """
        options_of("CV8000", options)
        planes, failed = _planes(content(file))
        detail = _beside(file, DETAIL)
        settings: Mapping[str, Sequence[Values]] = {}
        measured = _read(detail, {"MeasurementDetail", "MeasurementChannel", "MeasurementSamplePlate"})
        whole_one = (measured.get("MeasurementDetail") or [{}])[0]
        if whole_one.get("MeasurementSettingFileName"):
            settings = _read(_beside(file, whole_one["MeasurementSettingFileName"]), {"Channel"})
        plate = (measured.get("MeasurementSamplePlate") or [{}])[0]
        cameras = {c.get("Ch", ""): c for c in measured.get("MeasurementChannel", ())}
        chosen = {c.get("Ch", ""): c for c in settings.get("Channel", ())}
        about = About(
            plate=plate.get("Name", "") or whole_one.get("Title", ""),
            channels={c: _channel(chosen.get(str(c), {})) for c in {p.c for p in planes}},
            attrs=_attrs(whole_one, plate, cameras, chosen, planes, failed),
            size=plate_size(whole_one.get("RowCount"), whole_one.get("ColumnCount")),
        )
        used = cameras.get(str(planes[0].c), {}) if planes else {}
        about = with_scale(
            about, x=number(used.get("HorizontalPixelDimension")), y=number(used.get("VerticalPixelDimension"))
        )
        return images(file, planes, about)

    freeze = staticmethod(FREEZING.freeze)
    thaw = staticmethod(FREEZING.thaw)


def _planes(data: bytes) -> tuple[list[Plane], int]:
    """The planes that were taken, and how many were not."""
    found: list[Plane] = []
    failed, start = 0, None
    for element in elements(data, frozenset({"MeasurementRecord"})):
        values = attributes(element)
        if values.get("Type") != "IMG":
            failed += values.get("Type") == "ERR"
            continue
        try:
            when = datetime.fromisoformat(values.get("Time", "")).timestamp()
        except ValueError:
            when = None
        start = when if start is None else start
        place = (whole(values, "Row") - 1, whole(values, "Column") - 1, whole(values, "FieldIndex", 1))
        at = [number(values.get(n)) for n in ("X", "Y", "Z")]
        x, y, z = at
        found.append(
            Plane(
                (element.text or "").strip().replace("\\", "/"),
                place,
                whole(values, "TimePoint", 1),
                whole(values, "Ch", 1),
                whole(values, "ZIndex", 1),
                part=_part(values),
                position=(x, y, z) if x is not None and y is not None and z is not None else None,
                seconds=None if when is None or start is None else round(when - start, 3),
            )
        )
    if not found:
        raise BadSource("The list of measurement records names no image.")
    return found, failed


def _part(values: Values) -> str:
    """Projections, and time lines behind the first one, are images of their own."""
    line = values.get("TimelineIndex", "1")
    parts = [f"time line {line}" if line != "1" else "", _ACTIONS.get(values.get("Action", ""), "")]
    return " ".join(p for p in parts if p)


def _beside(file: SourceFile, name: str) -> bytes | None:
    try:
        return content(file.sibling(name))
    except (SourceNotFound, SourceDenied):
        return None


def _read(data: bytes | None, wanted: set[str]) -> Mapping[str, Sequence[Values]]:
    """Attributes of elements by name; a light source's name counts as one of its channel."""
    found: dict[str, list[Values]] = {}
    for element in elements(data or b"<none/>", frozenset(wanted)):
        values = attributes(element)
        lights = [(c.text or "").strip() for c in element if c.tag.rpartition("}")[2] == "LightSourceName"]
        if lights:
            values["LightSource"] = lights[0]
        found.setdefault(element.tag.rpartition("}")[2], []).append(values)
    return found


def _channel(values: Values) -> Channel:
    name = values.get("Fluorophore") or values.get("Acquisition") or values.get("Target") or None
    colour = values.get("Color", "").lstrip("#").upper()
    light = number(values.get("LightSource", "").removesuffix("nm").strip())
    # a band-pass filter is called BP, its centre, a slash and its width
    band = number(values.get("Acquisition", "").removeprefix("BP").partition("/")[0])
    return Channel(name, colour[-6:] if len(colour) in (6, 8) else None, emission=band, excitation=light)


def _attrs(
    detail: Values,
    plate: Values,
    cameras: Mapping[str, Values],
    chosen: Mapping[str, Values],
    planes: Sequence[Plane],
    failed: int,
) -> dict[str, object]:
    used = {str(p.c) for p in planes}
    kept = {k: v for k, v in detail.items() if k != "OperatorName"}
    channels = [{**v, **chosen.get(c, {})} for c, v in cameras.items() if c in used]
    attrs: dict[str, object] = {"original": {"MeasurementDetail": kept, "SamplePlate": plate, "Channels": channels}}
    with suppress(ValueError):
        attrs["acquired"] = datetime.fromisoformat(detail.get("BeginTime", "")).isoformat()
    first = next((chosen[c] for c in sorted(used) if c in chosen), {})
    lens = {"name": first.get("Objective"), "magnification": number(first.get("Magnification"))}
    if any(lens.values()):
        attrs["objective"] = {name: value for name, value in lens.items() if value}
    if failed:
        attrs["notes"] = [f"{failed} planes of the plate failed when they were to be taken."]
    return attrs
