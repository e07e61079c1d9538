"""Opera Phenix and Operetta: the index that Harmony writes beside the planes, versions 4 to 7."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import ClassVar, Literal

from s3facade.core.errors import BadSource
from s3facade.core.protocols import SourceFile
from s3facade.core.spec import Channel
from s3facade.readers.arrays.raster import TableRaster
from s3facade.readers.plates.dataset import FREEZING, About, Plane, images, options_of, plate_size, with_scale
from s3facade.readers.plates.text import children, content, elements, number, whole, words

_WANTED = frozenset({"Image", "Entry", "Plate", "InstrumentType"})
_M = 1e6
"""µm in a metre, the unit of all lengths."""
_FLAT = "FlatfieldProfile"


class HarmonyReader:
    """Plates of Opera Phenix and Operetta."""

    name: ClassVar[str] = "harmony"
    version: ClassVar[int] = 2
    lane: ClassVar[Literal["thread", "serial", "process"]] = "thread"
    suffixes: ClassVar[frozenset[str]] = frozenset()
    markers: ClassVar[frozenset[str]] = frozenset({"Index.idx.xml", "Index.xml", "ImageIndex.ColumbusIDX.xml"})
    loose: ClassVar[bool] = True

    def sniff(self, head: bytes, name: str) -> bool:
        """Whether this is an index of Harmony or of Columbus, by its name and its root."""
        return name.lower().endswith(".xml") and "<EvaluationInputData" in words(head)

    def open(self, file: SourceFile, options: Mapping[str, object]) -> Sequence[TableRaster]:
        """The fields of all wells.

        Raises:
            BadSource: The index contradicts itself.
            Unsupported: An option, since there are none.
            SourceNotFound: No plane is there.
        """
        options_of("Harmony", options)
        entries: dict[str, dict[str, str]] = {}
        listed: list[dict[str, str]] = []
        plates: list[dict[str, str]] = []
        for element in elements(content(file), _WANTED):
            tag = element.tag.rpartition("}")[2]
            if tag == "Entry" and element.get("ChannelID"):
                known = entries.setdefault(element.get("ChannelID", ""), {})
                known.update({k: v for k, v in children(element).items() if k != _FLAT})
            elif tag == "Plate":
                plates.append(children(element))
            elif tag == "Image":
                found = children(element)
                if "URL" in found:
                    url = next((c for c in element if c.tag.rpartition("}")[2] == "URL"), None)
                    found["BufferNo"] = (url.get("BufferNo") if url is not None else None) or "0"
                    listed.append(found)
        if not listed:
            raise BadSource("The index of Harmony names no plane.")
        first = {**entries.get(listed[0].get("ChannelID", ""), {}), **listed[0]}
        plate = plates[0] if plates else {}
        about = About(
            plate=plate.get("Name") or plate.get("PlateID") or "",
            channels=_channels(listed, entries),
            attrs=_attrs(first, plate, entries),
            acquisition=plate.get("MeasurementID", ""),
            size=plate_size(plate.get("PlateRows"), plate.get("PlateColumns")),
        )
        about = with_scale(about, x=_length(first, "ImageResolutionX"), y=_length(first, "ImageResolutionY"))
        return images(file, _planes(listed), about)

    freeze = staticmethod(FREEZING.freeze)
    thaw = staticmethod(FREEZING.thaw)


def _length(values: Mapping[str, str], name: str) -> float | None:
    found = number(values.get(name))
    return None if found is None else found * _M


def _planes(listed: Sequence[dict[str, str]]) -> list[Plane]:
    out = []
    for found in listed:
        x, y = _length(found, "PositionX"), _length(found, "PositionY")
        z = _length(found, "AbsPositionZ")
        height = _length(found, "PositionZ")
        position = None
        if x is not None and y is not None and (z is not None or height is not None):
            # AbsPositionZ is that of the plate's bottom, the same for all slices
            position = (x, y, (z or 0.0) + (height or 0.0))
        out.append(
            Plane(
                found["URL"].replace("\\", "/"),
                (whole(found, "Row") - 1, whole(found, "Col") - 1, whole(found, "FieldID", 1)),
                whole(found, "TimepointID", 0),
                whole(found, "ChannelID", 1),
                whole(found, "PlaneID", 1),
                page=whole(found, "BufferNo", 0),
                position=position,
                seconds=number(found.get("MeasurementTimeOffset")),
            )
        )
    return out


def _channels(listed: Sequence[dict[str, str]], entries: Mapping[str, dict[str, str]]) -> dict[int, Channel]:
    found: dict[int, Channel] = {}
    for image in listed:
        c = whole(image, "ChannelID", 1)
        if c in found:
            continue
        values = {**entries.get(image.get("ChannelID", ""), {}), **image}
        colour = values.get("ChannelColor", "")
        try:
            hexed = f"{int(colour) & 0xFFFFFF:06X}" if colour else None
        except ValueError:
            hexed = colour.lstrip("#")[-6:].upper() if colour.startswith("#") and len(colour) in (7, 9) else None
        found[c] = Channel(
            values.get("ChannelName") or None,
            hexed,
            emission=number(values.get("MainEmissionWavelength")),
            excitation=number(values.get("MainExcitationWavelength")),
        )
    return found


def _attrs(
    first: Mapping[str, str], plate: Mapping[str, str], entries: Mapping[str, Mapping[str, str]]
) -> dict[str, object]:
    attrs: dict[str, object] = {
        "original": {
            "Plate": dict(plate),
            "Channels": {k: dict(v) for k, v in entries.items()},
            "FirstImage": dict(first),
        }
    }
    lens = {"magnification": number(first.get("ObjectiveMagnification")), "na": number(first.get("ObjectiveNA"))}
    known = {name: value for name, value in lens.items() if value}
    if known:
        attrs["objective"] = known
    when = first.get("AbsTime") or plate.get("MeasurementStartTime", "")
    with suppress(ValueError):
        attrs["acquired"] = datetime.fromisoformat(when).isoformat()
    return attrs
