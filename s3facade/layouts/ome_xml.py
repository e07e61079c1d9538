"""OME-XML: what is known of images, in the 2016-06 schema, and nothing else.

Sizes, types, channels and voxel sizes are those of the images as they are served, never those of the source's own
document: of that only what no crop or cast makes untrue is taken over.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from s3facade.core.spec import Channel, Spec
from s3facade.layouts.ome_annotations import map_annotations
from s3facade.layouts.ome_elements import (
    NAMESPACE,
    Element,
    document,
    moment,
    number,
    printable,
    stated,
    whole,
    words,
)
from s3facade.layouts.ome_own import Own, attributes_of, own
from s3facade.layouts.ome_plate import plates

__all__ = ["Stored", "metadata", "printable"]

PLANES = 2000
"""Planes of one image that are described one by one at most."""
ALL_PLANES = 40_000
"""Of all images of a document, which share them evenly."""
CREATOR = "s3facade"
_TYPES = {"float16": "float", "float32": "float", "float64": "double", "bool": "bit", "complex64": "complex"}
_WIDE = {"uint64": "double", "int64": "double"}
"""The schema has no integers of 64 bits; an annotation names the type."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The pages of a TIFF file that hold an image, in the order of its planes."""

    first: int
    """Number of the first page."""
    pages: int
    samples: int = 1
    """Values of a pixel: more than one where the channels are colours within a page."""


def metadata(
    specs: Sequence[Spec], names: Sequence[str], *, original: bool = True, stored: Sequence[Stored] = ()
) -> bytes:
    """The document for images in the order of their series; image N has the ID ``Image:N``.

    Args:
        specs: The images as they are served.
        names: What each is called.
        original: Whether the format's own metadata are told.
        stored: Of each image, where the file that the document is in has its pixels; empty if it has none.
    """
    instruments = _Instruments()
    images, notes = [], []
    for n, (spec, name) in enumerate(zip(specs, names, strict=True)):
        told = map_annotations(n, spec, original=original, images=len(specs))
        about = own(spec) or Own()
        pixels = _pixels(n, spec, about, min(PLANES, ALL_PLANES // len(specs)), stored[n] if stored else None)
        images.append(_image(n, spec, name, about, instruments, told, pixels))
        notes += told
    children = [*plates(specs), *instruments.elements, *images]
    if notes:
        children.append(Element("StructuredAnnotations", {}, notes))
    return document(Element("OME", {"xmlns": NAMESPACE, "Creator": CREATOR}, children))


class _Instruments:
    """Instruments of all images, each once, with IDs of their own."""

    def __init__(self) -> None:
        self.elements: list[Element] = []
        self._known: dict[tuple[str, str], tuple[str, Mapping[str, str]]] = {}
        self._alone: dict[tuple[tuple[str, str], ...], str] = {}

    def named(self, text: str, about: Own) -> tuple[str | None, Mapping[str, str]]:
        """ID of the image's instrument, and those of its parts by what the source calls them."""
        wanted = about.instrument
        if wanted is None and about.settings is not None and len(about.instruments) == 1:
            wanted = next(iter(about.instruments))
        if wanted is None or wanted not in about.instruments:
            return None, {}
        key = (text, wanted)
        if key not in self._known:
            n, parts, ids = len(self.elements), [], {}
            for k, part in enumerate(about.instruments[wanted]):
                attributes = dict(part.attributes)
                if "ID" in attributes:
                    ids[attributes["ID"]] = attributes["ID"] = f"{part.name}:{n}:{k}"
                parts.append(Element(part.name, attributes))
            self.elements.append(Element("Instrument", {"ID": f"Instrument:{n}"}, parts))
            self._known[key] = (f"Instrument:{n}", ids)
        return self._known[key]

    def objective(self, about: Mapping[str, object]) -> tuple[str, str] | None:
        """IDs of an instrument and its only objective, which is all that is known of it."""
        known = attributes_of("Objective", {f"@{key}": value for key, value in _objective(about).items()})
        if not known:
            return None
        key = tuple(known.items())
        if key not in self._alone:
            n = len(self.elements)
            objective = Element("Objective", {"ID": f"Objective:{n}:0", **known})
            self.elements.append(Element("Instrument", {"ID": f"Instrument:{n}"}, [objective]))
            self._alone[key] = str(n)
        n_known = self._alone[key]
        return f"Instrument:{n_known}", f"Objective:{n_known}:0"


def _objective(about: Mapping[str, object]) -> dict[str, object]:
    immersion = str(about.get("immersion") or "").strip().lower()
    words_of = {"oil": "Oil", "water": "Water", "air": "Air", "dry": "Air", "glycerol": "Glycerol", "multi": "Multi"}
    words_of |= {"glycerin": "Glycerol", "waterdipping": "WaterDipping", "water dipping": "WaterDipping"}
    found = {
        "Model": about.get("name"),
        "NominalMagnification": about.get("magnification"),
        "LensNA": about.get("na"),
        "Immersion": words_of.get(immersion, "Other" if immersion else None),
    }
    return {key: value for key, value in found.items() if value is not None}


def _image(
    n: int, spec: Spec, name: str, about: Own, instruments: _Instruments, notes: Sequence[Element], pixels: Element
) -> Element:
    children = []
    acquired = moment(spec.attrs.get("acquired")) or about.acquired
    if acquired:
        children.append(Element("AcquisitionDate", text=acquired))
    if about.description:
        children.append(Element("Description", text=about.description))
    children += _optics(spec, about, instruments)
    children += about.surroundings
    children.append(pixels)
    children += [Element("AnnotationRef", {"ID": note.attributes["ID"]}) for note in notes]
    return Element("Image", {"ID": f"Image:{n}", "Name": words(name) or f"image {n}"}, children)


def _optics(spec: Spec, about: Own, instruments: _Instruments) -> list[Element]:
    """InstrumentRef and ObjectiveSettings."""
    instrument, ids = instruments.named(str(spec.attrs.get("ome_xml")), about)
    if instrument is not None:
        found = [Element("InstrumentRef", {"ID": instrument})]
        if about.settings is not None and about.settings["ID"] in ids:
            found.append(Element("ObjectiveSettings", {**about.settings, "ID": ids[about.settings["ID"]]}))
        return found
    objective = spec.attrs.get("objective")
    pair = instruments.objective(objective) if isinstance(objective, Mapping) else None
    if pair is None:
        return []
    return [Element("InstrumentRef", {"ID": pair[0]}), Element("ObjectiveSettings", {"ID": pair[1]})]


def _pixels(n: int, spec: Spec, about: Own, planes: int, stored: Stored | None) -> Element:
    name = spec.dtype.name
    attributes = {
        "ID": f"Pixels:{n}",
        "DimensionOrder": "XYZCT",
        "Type": _TYPES.get(name) or _WIDE.get(name) or ("double-complex" if spec.dtype.kind == "c" else name),
        **{f"Size{axis.upper()}": str(min(spec.length(axis), 2**31 - 1)) for axis in "xyzct"},
        **_steps(spec),
    }
    shown = _planes(spec, about)[:planes]
    if stored is not None and stored.samples > 1:
        # The colours of a photograph are one channel, whose name and colour would be those of red.
        children = [Element("Channel", {"ID": f"Channel:{n}:0", "SamplesPerPixel": str(stored.samples)})]
        shown = [plane for plane in shown if plane.attributes["TheC"] == "0"]
    else:
        known = itertools.zip_longest(spec.channels[: spec.length("c")], about.channels, range(spec.length("c")))
        children = [_channel(f"Channel:{n}:{c}", channel or Channel(), taken or {}) for channel, taken, c in known]
    children.append(_data(stored))
    return Element("Pixels", attributes, [*children, *shown])


def _data(stored: Stored | None) -> Element:
    """Where the pixels are: planes in the order of the dimensions, or not in this file."""
    if stored is None:
        return Element("MetadataOnly")
    return Element("TiffData", {"IFD": str(stored.first), "PlaneCount": str(stored.pages)})


def _steps(spec: Spec) -> dict[str, str]:
    steps = {}
    for axis, scale in zip(spec.axes, spec.levels[0].scale, strict=True):
        value = number(scale, positive=True)
        if axis.unit is None or axis.name == "c" or value is None:
            continue
        field = "TimeIncrement" if axis.name == "t" else f"PhysicalSize{axis.name.upper()}"
        steps[field] = value
        steps[f"{field}Unit"] = "s" if axis.name == "t" else "µm"
    return steps


def _channel(identity: str, channel: Channel, taken: Mapping[str, str]) -> Element:
    """``taken`` from the source's document; what the image says itself goes before."""
    emission, excitation = (number(w, positive=True) for w in (channel.emission, channel.excitation))
    known = {k: v for k, v in taken.items() if k != "Name"}
    if emission:
        known |= {"EmissionWavelength": emission, "EmissionWavelengthUnit": "nm"}
    if excitation:
        known |= {"ExcitationWavelength": excitation, "ExcitationWavelengthUnit": "nm"}
    color = signed(channel.color) if channel.color else None
    return Element(
        "Channel",
        {"ID": identity, **stated(Name=words(channel.name)), "SamplesPerPixel": "1", **known, **stated(Color=color)},
    )


def _planes(spec: Spec, about: Own) -> list[Element]:
    """Where and when planes were taken, by the image's attributes and, without them, by the source's document."""
    planes: dict[tuple[int, int, int], dict[str, str]] = {}
    for taken in about.planes:
        at = (int(taken["TheT"]), int(taken["TheC"]), int(taken["TheZ"]))
        planes[at] = {k: v for k, v in taken.items() if not k.startswith("The")}
    for entry in _entries(spec, "times"):
        seconds = number(entry.get("seconds"))
        if seconds is not None:
            planes.setdefault(_at(entry), {}).update(DeltaT=seconds, DeltaTUnit="s")
    for entry in _entries(spec, "positions"):
        for axis, key in (("X", "x"), ("Y", "y"), ("Z", "z_position")):
            value = number(entry.get(key))
            if value is not None:
                planes.setdefault(_at(entry), {}).update({f"Position{axis}": value, f"Position{axis}Unit": "µm"})
    return [
        Element("Plane", {"TheZ": str(z), "TheT": str(t), "TheC": str(c), **known})
        for (t, c, z), known in sorted(planes.items())
    ]


def _entries(spec: Spec, key: str) -> list[Mapping[str, object]]:
    """Entries about planes that the image has. An index that is not stated is 0: the first plane is meant, too."""
    found = spec.attrs.get(key)
    if not isinstance(found, list | tuple):
        return []
    lengths = {a: spec.length(a) for a in "tcz"}
    return [
        e
        for e in _numbered(found, lengths)
        if isinstance(e, Mapping)
        and all(e.get(a) is None or ((i := whole(e.get(a))) is not None and int(i) < n) for a, n in lengths.items())
    ]


def _numbered(found: Sequence[object], lengths: Mapping[str, int]) -> Sequence[object]:
    """Entries that are one value per plane, t slowest and z fastest, with the indices of their planes.

    Where there are fewer values than planes, they are of the planes of the first channel, or of all of a time point.
    """
    if not found or any(isinstance(value, Mapping) for value in found):
        return found
    for axes in ("tcz", "tz", "t", "z"):
        if math.prod(lengths[a] for a in axes) == len(found):
            places = itertools.product(*(range(lengths[a]) for a in axes))
            return [dict(zip(axes, place, strict=True)) | _named(v) for place, v in zip(places, found, strict=True)]
    return ()


def _named(value: object) -> dict[str, object]:
    """Seconds, or a position x, y, z in µm."""
    if isinstance(value, list | tuple):
        return dict(zip(("x", "y", "z_position"), value, strict=False))
    return {"seconds": value}


def _at(entry: Mapping[str, object]) -> tuple[int, int, int]:
    t, c, z = (int(str(entry.get(a) or 0)) for a in "tcz")
    return t, c, z


def signed(color: str) -> str:
    """RRGGBB as the signed RGBA integer of OME-XML."""
    value = int(color + "FF", 16)
    return str(value - (1 << 32) if value >= 1 << 31 else value)
