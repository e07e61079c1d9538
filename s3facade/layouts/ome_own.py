"""What is taken over from the OME-XML of a source: instruments, settings and surroundings; never sizes or places.

Sources write OME-XML of every version, and not all of it is valid. What is known here by name and has the form that
the 2016-06 schema asks for is kept; everything else stays in the source. IDs are given anew, so that the documents of
several sources go into one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, TypeAlias
from xml.parsers.expat import ExpatError

import xmltodict

from s3facade.core.spec import Spec
from s3facade.layouts.ome_elements import Element, moment, number, whole, words

MAX = 4 << 20
"""Characters of a document that is parsed: a view is described before its first key is known."""
Form: TypeAlias = Any
"""A function that gives the valid form of a value or None, or a set of the words that are allowed."""

_TEXT: Form = words
_POSITIVE: Form = partial(number, positive=True)
_LENGTH = frozenset({"m", "cm", "mm", "µm", "nm", "pm", "Å", "in", "pixel", "reference frame"})
_TIME = frozenset({"s", "ms", "µs", "ns", "min", "h", "d"})
_MAKER: Mapping[str, Form] = dict.fromkeys(("Manufacturer", "Model", "SerialNumber", "LotNumber"), _TEXT)
_IMMERSION = frozenset({"Oil", "Water", "WaterDipping", "Air", "Multi", "Glycerol", "Other"})
_ATTRIBUTES: Mapping[str, Mapping[str, Form]] = {
    "Microscope": {**_MAKER, "Type": frozenset({"Upright", "Inverted", "Dissection", "Electrophysiology", "Other"})},
    "Detector": {
        **_MAKER,
        **dict.fromkeys(("Gain", "Voltage", "Offset", "Zoom", "AmplificationGain"), number),
        "VoltageUnit": frozenset({"V", "mV", "kV"}),
        "Type": frozenset(
            {"CCD", "IntensifiedCCD", "AnalogVideo", "PMT", "Photodiode", "Spectroscopy", "LifetimeImaging"}
            | {"CorrelationSpectroscopy", "FTIR", "EMCCD", "APD", "CMOS", "EBCCD", "Other"}
        ),
    },
    "Objective": {
        **_MAKER,
        "Correction": frozenset(
            {"UV", "PlanApo", "PlanFluor", "SuperFluor", "VioletCorrected", "Achro", "Achromat", "Fluor", "Fl"}
            | {"Fluar", "Neofluar", "Fluotar", "Apo", "PlanNeofluar", "Other"}
        ),
        "Immersion": _IMMERSION,
        **dict.fromkeys(("LensNA", "NominalMagnification", "CalibratedMagnification", "WorkingDistance"), number),
        "WorkingDistanceUnit": _LENGTH,
    },
    "ObjectiveSettings": {
        "CorrectionCollar": number,
        "Medium": frozenset({"Air", "Oil", "Water", "Glycerol", "Other"}),
        "RefractiveIndex": number,
    },
    "ImagingEnvironment": {
        "Temperature": number,
        "TemperatureUnit": frozenset({"°C", "K", "°F"}),
        "AirPressure": number,
        "AirPressureUnit": frozenset({"Pa", "hPa", "kPa", "mbar", "bar", "atm"}),
    },
    "StageLabel": {
        "Name": _TEXT,
        **dict.fromkeys("XYZ", number),
        **dict.fromkeys(("XUnit", "YUnit", "ZUnit"), _LENGTH),
    },
    "Channel": {
        "Name": _TEXT,
        "Fluor": _TEXT,
        "IlluminationType": frozenset({"Transmitted", "Epifluorescence", "Oblique", "NonLinear", "Other"}),
        "PinholeSize": number,
        "PinholeSizeUnit": _LENGTH,
        "NDFilter": number,
        "AcquisitionMode": frozenset(
            {"WideField", "LaserScanningConfocalMicroscopy", "SpinningDiskConfocal", "SlitScanConfocal"}
            | {"MultiPhotonMicroscopy", "StructuredIllumination", "SingleMoleculeImaging", "FluorescenceLifetime"}
            | {"TotalInternalReflection", "SpectralImaging", "FluorescenceCorrelationSpectroscopy", "PALM", "STORM"}
            | {"NearFieldScanningOpticalMicroscopy", "SecondHarmonicGenerationImaging", "STED", "TIRF", "FSM", "LCM"}
            | {"BrightField", "SweptFieldConfocal", "SPIM", "Other"}
        ),
        "ContrastMethod": frozenset(
            {"Brightfield", "Phase", "DIC", "HoffmanModulation", "ObliqueIllumination", "PolarizedLight"}
            | {"Darkfield", "Fluorescence", "Other"}
        ),
        "ExcitationWavelength": _POSITIVE,
        "ExcitationWavelengthUnit": _LENGTH,
        "EmissionWavelength": _POSITIVE,
        "EmissionWavelengthUnit": _LENGTH,
    },
    "Plane": {
        **dict.fromkeys(("TheT", "TheC", "TheZ"), whole),
        **dict.fromkeys(("DeltaT", "ExposureTime", "PositionX", "PositionY", "PositionZ"), number),
        **dict.fromkeys(("DeltaTUnit", "ExposureTimeUnit"), _TIME),
        **dict.fromkeys(("PositionXUnit", "PositionYUnit", "PositionZUnit"), _LENGTH),
    },
}
_ALIKE = {"\u03bcm": "µm", "um": "µm", "\u03bcs": "µs", "\u212b": "Å"}
"""Other ways to write a unit."""


@dataclass(slots=True)
class Own:
    """What one image takes over."""

    acquired: str | None = None
    description: str | None = None
    surroundings: list[Element] = field(default_factory=list)
    """ImagingEnvironment and StageLabel, in this order."""
    settings: Mapping[str, str] | None = None
    """Of the objective: with ``ID``, the one that the source gives it."""
    instrument: str | None = None
    """ID, as the source gives it."""
    channels: Sequence[Mapping[str, str]] = ()
    planes: Sequence[Mapping[str, str]] = ()
    instruments: Mapping[str, Sequence[Element]] = field(default_factory=dict)
    """All of the document: parts by ID; parts have the IDs that the source gives them."""


def own(spec: Spec) -> Own | None:
    """What the source's document says about the image; None if there is none that says something."""
    text, place = spec.attrs.get("ome_xml"), spec.attrs.get("ome_image", 0)
    document = parsed(text) if isinstance(text, str) else None
    if document is None or not isinstance(place, int) or not 0 <= place < len(document.images):
        return None
    image = document.images[place]
    pixels = _every(image, "Pixels")[0]
    found = Own(
        moment(image.get("AcquisitionDate")),
        words(_content(image.get("Description")), spaced=True),
        instruments=document.instruments,
    )
    for name in ("ImagingEnvironment", "StageLabel"):
        for node in _every(image, name)[:1]:
            attributes = attributes_of(name, node)
            if attributes and (name != "StageLabel" or "Name" in attributes):
                found.surroundings.append(Element(name, attributes))
    for node in _every(image, "ObjectiveSettings", "ObjectiveRef")[:1]:
        found.settings = {"ID": str(node.get("@ID")), **attributes_of("ObjectiveSettings", node)}
    for node in _every(image, "InstrumentRef")[:1]:
        found.instrument = str(node.get("@ID"))
    channels = _every(pixels, "Channel")
    if len(channels) == spec.length("c"):
        found.channels = [attributes_of("Channel", node) for node in channels]
    if all(whole(pixels.get(f"@Size{a.upper()}")) == str(spec.length(a)) for a in "tcz"):
        found.planes = _planes(pixels, spec)
    return found


@dataclass(frozen=True, slots=True)
class Document:
    """What a document says; each of its images, of thousands perhaps, is looked up by its place."""

    images: Sequence[Mapping[str, Any]]
    """Those with pixels."""
    instruments: Mapping[str, Sequence[Element]]


@lru_cache(maxsize=2)  # the images of a collection share their document
def parsed(text: str) -> Document | None:
    """An OME document, names without prefixes; None if it is none."""
    if len(text) > MAX or "<!DOCTYPE" in text:
        return None
    try:
        document = xmltodict.parse(text.strip("\0 \r\n\t"), postprocessor=_local, disable_entities=True)
    except (ExpatError, ValueError):
        return None
    root = document.get("OME")
    if not isinstance(root, dict):
        return None
    return Document(
        [image for image in _every(root, "Image") if _every(image, "Pixels")],
        {str(node.get("@ID")): _parts(node) for node in _every(root, "Instrument")},
    )


def attributes_of(name: str, node: Mapping[str, Any]) -> dict[str, str]:
    """Attributes of an element as the schema wants them; a unit only with its number."""
    found = {}
    for attribute, form in _ATTRIBUTES[name].items():
        value = node.get(f"@{attribute}")
        if value is None or (attribute.endswith("Unit") and attribute.removesuffix("Unit") not in found):
            continue
        if isinstance(form, frozenset):
            value = _ALIKE.get(value, value)
            if value in form:
                found[attribute] = value
            elif attribute.endswith("Unit"):
                # A number in a unit that is not known says nothing.
                del found[attribute.removesuffix("Unit")]
            continue
        valid = form(value)
        if valid is not None:
            found[attribute] = valid
    return found


def _planes(pixels: Mapping[str, Any], spec: Spec) -> list[Mapping[str, str]]:
    planes: dict[tuple[str, ...], Mapping[str, str]] = {}
    for node in _every(pixels, "Plane"):
        found = attributes_of("Plane", node)
        at = tuple(found.get(f"The{a}", "") for a in "TCZ")
        if all(i and int(i) < spec.length(a) for i, a in zip(at, "tcz", strict=True)) and len(found) > 3:
            planes.setdefault(at, found)
    return list(planes.values())


def _parts(instrument: Mapping[str, Any]) -> list[Element]:
    found = []
    for name in ("Microscope", "Detector", "Objective"):
        for node in _every(instrument, name):
            known = attributes_of(name, node)
            identity = {} if name == "Microscope" else {"ID": str(node.get("@ID"))}
            if known or identity:
                found.append(Element(name, {**identity, **known}))
            if name == "Microscope":
                break
    return found


def _local(_path: object, key: str, value: Any) -> tuple[str, Any]:
    at = "@" if key.startswith("@") else ""
    return at + key.removeprefix("@").rpartition(":")[2], value


def _every(node: Mapping[str, Any], *names: str) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for name in names:
        value = node.get(name)
        found += [v for v in (value if isinstance(value, list) else [value]) if isinstance(v, dict)]
    return found


def _content(value: Any) -> Any:
    return value.get("#text") if isinstance(value, dict) else value
