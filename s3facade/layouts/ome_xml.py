"""``OME/METADATA.ome.xml`` of a collection: the source's own where it has one, else the little that is known."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any
from xml.parsers.expat import ExpatError

import numpy as np
import xmltodict

from s3facade.core.spec import Spec

NAMESPACE = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
_DROPPED = {"BinData", "TiffData", "BinaryOnly"}
_TYPES = {"float16": "float", "float32": "float", "float64": "double", "bool": "bit", "complex64": "complex"}
_UNITS = {"micrometer": "µm", "second": "s"}


def metadata(specs: Sequence[Spec], names: Sequence[str]) -> bytes:
    """The document for images in the order of their series; image N has the ID ``Image:N``.

    The source's own document is used when all images come from the same one, as ``attrs["ome_xml"]`` (the text) and
    ``attrs["ome_image"]`` (position of the image in it) tell. Without positions the images must be all of its images.
    """
    own = _own(specs)
    root = _minimal(specs, names) if own is None else own
    text: str = xmltodict.unparse(root, full_document=False)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + text.encode("utf-8", "replace")


def _own(specs: Sequence[Spec]) -> dict[str, Any] | None:
    """The source's document, reordered to the series and without places of pixels; None if there is no such."""
    texts = {spec.attrs.get("ome_xml") for spec in specs}
    text = texts.pop() if len(texts) == 1 else None
    if not isinstance(text, str):
        return None
    try:
        document = xmltodict.parse(text)
    except (ExpatError, ValueError):
        return None
    (top, root), *_ = document.items()
    if _local(top) != "OME" or not isinstance(root, dict):
        return None
    key = next((k for k in root if _local(k) == "Image"), None)
    images = _many(root.get(key)) if key else []
    order: list[object] = [spec.attrs.get("ome_image") for spec in specs]
    if order == [None] * len(images):
        order = list(range(len(images)))
    places = [i for i in order if isinstance(i, int) and 0 <= i < len(images) and isinstance(images[i], dict)]
    if len(places) != len(specs) or len(set(places)) != len(places) or key is None:
        return None
    renamed = {str(images[place].get("@ID")): f"Image:{n}" for n, place in enumerate(places)}
    root[key] = [_bare({**images[place], "@ID": f"Image:{n}"}) for n, place in enumerate(places)]
    return {top: _cleaned(root, renamed)}


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _many(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _bare(image: dict[str, Any]) -> dict[str, Any]:
    """An Image whose Pixels say that they are elsewhere; the order of elements is the schema's."""
    out: dict[str, Any] = {}
    for name, value in image.items():
        if _local(name) != "Pixels" or not isinstance(value, dict):
            out[name] = value
            continue
        prefix = name[: -len("Pixels")]
        before = {k: v for k, v in value.items() if k.startswith("@") or _local(k) == "Channel"}
        after = {k: v for k, v in value.items() if k not in before and _local(k) not in _DROPPED | {"MetadataOnly"}}
        out[name] = {**before, f"{prefix}MetadataOnly": None, **after}
    return out


def _cleaned(node: Any, renamed: Mapping[str, str]) -> Any:
    """Without places of pixels; references follow their images or go."""
    if isinstance(node, list):
        return [_cleaned(item, renamed) for item in node]
    if not isinstance(node, dict):
        return node
    out: dict[str, Any] = {}
    for name, value in node.items():
        if _local(name) in _DROPPED:
            continue
        if _local(name) == "ImageRef":
            refs = [r for r in _many(value) if isinstance(r, dict) and r.get("@ID") in renamed]
            if refs:
                out[name] = [{**r, "@ID": renamed[r["@ID"]]} for r in refs]
            continue
        out[name] = _cleaned(value, renamed)
    return out


def _minimal(specs: Sequence[Spec], names: Sequence[str]) -> dict[str, Any]:
    images = [_image(n, spec, name) for n, (spec, name) in enumerate(zip(specs, names, strict=True))]
    return {"OME": {"@xmlns": NAMESPACE, "Image": images}}


def _image(number: int, spec: Spec, name: str) -> dict[str, Any]:
    pixels: dict[str, Any] = {
        "@ID": f"Pixels:{number}",
        "@DimensionOrder": "XYZCT",
        "@Type": _TYPES.get(spec.dtype.name, "double-complex" if spec.dtype.kind == "c" else spec.dtype.name),
        **{f"@Size{axis.upper()}": str(spec.length(axis)) for axis in "xyzct"},
        **_steps(spec),
    }
    channels = itertools.zip_longest(range(spec.length("c")), spec.channels[: spec.length("c")])
    pixels["Channel"] = [
        {
            "@ID": f"Channel:{number}:{c}",
            **({"@Name": printable(channel.name)} if channel and channel.name else {}),
            "@SamplesPerPixel": "1",
            **({"@Color": _signed(channel.color)} if channel and channel.color else {}),
        }
        for c, channel in channels
    ]
    pixels["MetadataOnly"] = None
    return {"@ID": f"Image:{number}", "@Name": printable(name), "Pixels": pixels}


def _steps(spec: Spec) -> dict[str, str]:
    steps = {}
    for axis, scale in zip(spec.axes, spec.levels[0].scale, strict=True):
        if axis.unit is None:
            continue
        field = "TimeIncrement" if axis.name == "t" else f"PhysicalSize{axis.name.upper()}"
        steps[f"@{field}"] = repr(float(scale))
        steps[f"@{field}Unit"] = _UNITS.get(axis.unit, axis.unit)
    return steps


def _signed(color: str) -> str:
    """RRGGBB as the signed RGBA integer of OME-XML."""
    return str(int(np.uint32(int(color + "FF", 16)).view(np.int32)))


def printable(text: str) -> str:
    """``text`` without what XML and JSON readers refuse: control characters and lone surrogates."""
    return "".join(c if c >= " " and not "\ud800" <= c <= "\udfff" and c not in "\ufffe\uffff" else "_" for c in text)
