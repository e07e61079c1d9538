"""OME-XML: the part that says where planes lie and what they mean."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from xml.parsers.expat import ExpatError

import xmltodict

from s3facade.core.errors import BadSource, Unsupported
from s3facade.readers.ome_parts import acquired, fields, objectives, used
from s3facade.readers.ome_parts import items as _items

MAX_XML = 16 << 20
"""Bytes of OME-XML that are parsed; more is refused."""

_LENGTH = {
    "pm": 1e-6, "\u00c5": 1e-4, "\u212b": 1e-4, "nm": 1e-3, "µm": 1.0, "μm": 1.0, "um": 1.0, "micrometer": 1.0,
    "micron": 1.0, "microns": 1.0, "mm": 1e3, "cm": 1e4, "dm": 1e5, "m": 1e6, "in": 25400.0, "inch": 25400.0,
    "nanometer": 1e-3, "millimeter": 1e3, "centimeter": 1e4, "meter": 1e6,
}  # fmt: skip
_TIME = {
    "ns": 1e-9, "µs": 1e-6, "μs": 1e-6, "us": 1e-6, "ms": 1e-3, "msec": 1e-3, "s": 1.0, "sec": 1.0, "second": 1.0,
    "seconds": 1.0, "min": 60.0, "minute": 60.0, "minutes": 60.0, "h": 3600.0, "hour": 3600.0, "d": 86400.0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class OmeData:
    """A TiffData element: planes of one file, in the order of the image."""

    ifd: int
    first: Mapping[str, int]
    """Start along ``T``, ``C``, ``Z``."""
    count: int | None
    """Planes; None means all of the file."""
    uuid: str | None = None
    file: str | None = None


@dataclass(frozen=True, slots=True)
class OmeChannel:
    """A Channel element."""

    name: str | None
    color: str | None
    """RRGGBB."""
    samples: int | None
    emission: float | None = None
    """nm."""
    excitation: float | None = None
    """nm."""


@dataclass(frozen=True, slots=True)
class OmePlane:
    """A Plane element; times in seconds, positions (x, y, z) in µm."""

    t: int
    c: int
    z: int
    time: float | None
    position: tuple[float | None, float | None, float | None]


@dataclass(frozen=True, slots=True)
class OmeImage:
    """An Image element with its Pixels."""

    name: str | None
    order: str
    """Five letters, fastest first, e.g. ``XYZCT``."""
    sizes: Mapping[str, int]
    """By axis letter."""
    scale: Mapping[str, float]
    """µm per voxel by axis letter, where the file says so."""
    interval: float | None
    """Seconds between time points."""
    channels: tuple[OmeChannel, ...]
    data: tuple[OmeData, ...]
    planes: tuple[OmePlane, ...]
    acquired: str | None = None
    """ISO 8601."""
    objective: Mapping[str, object] = field(default_factory=dict)
    """As in `Spec.attrs`."""
    plate: Mapping[str, object] = field(default_factory=dict)
    """As in `Spec.attrs`."""
    number: int = 0
    """Position among the Image elements."""


@dataclass(frozen=True, slots=True)
class OmeDocument:
    """An OME-XML document."""

    uuid: str | None
    images: tuple[OmeImage, ...]
    metadata_file: str | None
    """Where the metadata are instead, when this document says BinaryOnly."""


def length(value: object, unit: object) -> float | None:
    """A length in µm; None if it is no number or the unit is no length (``pixel``, ``reference frame``)."""
    return _scaled(value, _LENGTH.get(str(unit)))


def duration(value: object, unit: object) -> float | None:
    """A time in seconds; None if it is no number or the unit is unknown."""
    return _scaled(value, _TIME.get(str(unit)))


def _scaled(value: object, factor: float | None) -> float | None:
    if factor is None or value is None:
        return None
    try:
        number = float(str(value)) * factor
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _positive(value: float | None) -> float | None:
    return value if value is not None and value > 0 else None


def _local(_path: object, key: str, value: Any) -> tuple[str, Any]:
    """Drop namespace prefixes from names."""
    at = "@" if key.startswith("@") else ""
    return at + key.removeprefix("@").rpartition(":")[2], value


def parse_ome(text: str) -> OmeDocument:
    """Parse OME-XML.

    Raises:
        BadSource: Not well-formed XML, or numbers that are none.
        Unsupported: A document type declaration (entities could blow it up), or more than 16 MiB.
    """
    if len(text) > MAX_XML:
        raise Unsupported(f"The OME-XML has more than {MAX_XML >> 20} MiB; it is not parsed.")
    if "<!DOCTYPE" in text:
        raise Unsupported("The OME-XML declares a document type (DTD), which could define entities; it is not parsed.")
    try:
        root = xmltodict.parse(text.strip("\0 \r\n\t"), postprocessor=_local, disable_entities=True)
    except (ExpatError, ValueError) as error:
        raise BadSource("The OME-XML is not well-formed.", private=f"{error!r:.200}") from error
    ome = _items(root, "OME")
    if not ome:
        raise BadSource("The XML is not an OME document.", private=f"root {list(root)[:1]}")
    try:
        return _document(ome[0])
    except (KeyError, ValueError, OverflowError) as error:
        raise BadSource("The OME-XML lacks a size, or states one that is no number.", private=f"{error!r}") from error


def properties(text: str) -> dict[str, str]:
    """Properties of a plane in MetaMorph's XML by their ids; empty if the text is none.

    A document type declaration makes it none: entities could blow it up.
    """
    if len(text) > MAX_XML or "<!DOCTYPE" in text:
        return {}
    try:
        root = xmltodict.parse(text.strip("\0 \r\n\t"), disable_entities=True)
    except (ExpatError, ValueError):
        return {}
    plane = (_items((_items(root, "MetaData") or [{}])[0], "PlaneInfo") or [{}])[0]
    found = [*_items(plane, "prop"), *_items(plane, "custom-prop")]
    return {str(p["@id"]): str(p["@value"]) for p in found if "@id" in p and "@value" in p}


def _document(ome: dict[str, Any]) -> OmeDocument:
    only = _items(ome, "BinaryOnly")
    lenses, wells = objectives(ome), fields(ome)
    images = tuple(
        replace(
            _image(i, p),
            acquired=acquired(i),
            objective=used(i, lenses),
            plate=wells.get(str(i.get("@ID")), {}),
            number=n,
        )
        for n, i in enumerate(_items(ome, "Image"))
        for p in _items(i, "Pixels")[:1]
    )
    return OmeDocument(ome.get("@UUID"), images, only[0].get("@MetadataFile") if only else None)


def _image(image: dict[str, Any], pixels: dict[str, Any]) -> OmeImage:
    sizes = {a: int(pixels[f"@Size{a}"]) for a in "TCZYX"}
    order = str(pixels["@DimensionOrder"])
    if sorted(order) != sorted("XYZCT") or not order.startswith("XY"):
        raise ValueError(order)
    if min(sizes.values()) < 1:
        raise ValueError(str(sizes))
    scale = {
        a: _positive(length(pixels.get(f"@PhysicalSize{a}"), pixels.get(f"@PhysicalSize{a}Unit", "µm"))) for a in "XYZ"
    }
    return OmeImage(
        image.get("@Name"),
        order,
        sizes,
        {a: s for a, s in scale.items() if s is not None},
        _positive(duration(pixels.get("@TimeIncrement"), pixels.get("@TimeIncrementUnit", "s"))),
        tuple(_channel(c) for c in _items(pixels, "Channel")),
        tuple(_data(d) for d in _items(pixels, "TiffData")),
        tuple(_plane(p) for p in _items(pixels, "Plane")),
    )


def _channel(node: dict[str, Any]) -> OmeChannel:
    color = None
    if "@Color" in node:
        color = f"{(int(node['@Color']) & 0xFFFFFFFF) >> 8:06X}"
    samples = int(node["@SamplesPerPixel"]) if "@SamplesPerPixel" in node else None
    waves = [
        _positive(length(node.get(f"@{kind}Wavelength"), node.get(f"@{kind}WavelengthUnit", "nm")))
        for kind in ("Emission", "Excitation")
    ]
    emission, excitation = (None if w is None else round(w * 1000, 6) for w in waves)
    return OmeChannel(node.get("@Name") or None, color, samples, emission, excitation)


def _data(node: dict[str, Any]) -> OmeData:
    count = node.get("@PlaneCount", node.get("@NumPlanes"))
    planes = int(count) if count is not None else 1 if "@IFD" in node else 0
    uuid = _items(node, "UUID")
    text = uuid[0].get("#text") if uuid else None
    file = uuid[0].get("@FileName") if uuid else None
    first = {a: int(node.get(f"@First{a}", 0)) for a in "TCZ"}
    return OmeData(int(node.get("@IFD", 0)), first, planes or None, text, file)


def _plane(node: dict[str, Any]) -> OmePlane:
    stage = (_items(node, "StagePosition") or [{}])[0]
    # a position without a unit is in the reference frame of the stage: no length
    position = [
        length(n.get(f"@Position{a}"), n.get(f"@Position{a}Unit"))
        for a in "XYZ"
        for n in [node if f"@Position{a}" in node else stage]
    ]
    return OmePlane(
        int(node.get("@TheT", 0)),
        int(node.get("@TheC", 0)),
        int(node.get("@TheZ", 0)),
        duration(node.get("@DeltaT"), node.get("@DeltaTUnit", "s")),
        (position[0], position[1], position[2]),
    )
