"""DigitalMicrograph (.dm3, .dm4): images, stacks and 4-D data of electron microscopes of Gatan."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.protocols import SourceFile
from s3facade.readers.arrays.raster import TableRaster
from s3facade.readers.arrays.raw import raw
from s3facade.readers.facts import Facts
from s3facade.readers.volumes.common import (
    LENGTHS,
    ORIGINAL,
    TIMES,
    Keeping,
    checked,
    finite,
    image,
    known_dims,
    plain,
    samples,
)
from s3facade.readers.volumes.dm_tags import Array, Tags, Text, version

_TYPES = {
    1: "i2",
    2: "f4",
    6: "u1",
    7: "i4",
    9: "i1",
    10: "u2",
    11: "u4",
    12: "f8",
    14: "u1",
    39: "i8",
    40: "u8",
}
_COLOUR = (8, 23)
_COMPLEX = (3, 5, 13, 27, 28)
_ENERGY = ("ev", "kev")
_KEEPING = Keeping()


class DigitalMicrographReader:
    """DM3 and DM4. No options."""

    name: ClassVar[str] = "dm"
    version: ClassVar[int] = 1
    lane: ClassVar[Literal["thread", "serial", "process"]] = "thread"
    suffixes: ClassVar[frozenset[str]] = frozenset({".dm3", ".dm4"})

    def sniff(self, head: bytes, name: str) -> bool:
        """By version, byte order and name: the first bytes alone are those of other files, too."""
        return version(head) > 0 and name.lower().endswith((".dm3", ".dm4", ".dm"))

    def open(self, file: SourceFile, options: Mapping[str, object]) -> Sequence[TableRaster]:
        """The images of a file but for thumbnails and spectra.

        Raises:
            BadSource: The tags are damaged, or speak of more than the file holds.
            Unsupported: No image is left, for instance since all are complex numbers.
        """
        checked(options, {})
        tags = Tags(file)
        root = tags.root()
        if not isinstance(root, dict) or not isinstance(root.get("ImageList"), list):
            raise BadSource("The file of DigitalMicrograph has no list of images.")
        entries = [e for e in root["ImageList"] if isinstance(e, dict) and isinstance(e.get("ImageData"), dict)]
        small = _thumbnails(root) if len(entries) > 1 else set()
        found, refused = [], []
        for k, entry in enumerate(entries):
            if k in small:
                continue
            try:
                found.append(_raster(file, entry, tags.order))
            except Unsupported as error:
                refused.append(error.public)
        if not found:
            raise Unsupported(" ".join(refused[:1]) or "The file of DigitalMicrograph holds no image.")
        return found

    freeze = staticmethod(_KEEPING.freeze)
    thaw = staticmethod(_KEEPING.thaw)


def _thumbnails(root: Mapping[str, Any]) -> set[int]:
    listed = root.get("Thumbnails")
    if not isinstance(listed, list):
        return set()
    return {int(t["ImageIndex"]) for t in listed if isinstance(t, dict) and isinstance(t.get("ImageIndex"), int)}


def _raster(file: SourceFile, entry: Mapping[str, Any], order: str) -> TableRaster:
    about = entry["ImageData"]
    kind, data = about.get("DataType"), about.get("Data")
    sizes = about.get("Dimensions")
    if not isinstance(sizes, list) or not all(isinstance(n, int) for n in sizes):
        raise BadSource("An image of the file has no dimensions.")
    if not isinstance(data, Array | Text):
        raise BadSource("An image of the file has no numbers.")
    while len(sizes) > 2 and sizes[-1] == 1:
        sizes = sizes[:-1]
    known_dims(sizes, "tag Dimensions")
    if not 2 <= len(sizes) <= 4 or (len(sizes) == 2 and sizes[1] == 1):
        raise Unsupported(f"The data of shape {tuple(sizes)} are a spectrum or have more than 4 dimensions: no image.")
    if kind in _COMPLEX:
        raise Unsupported(f"The image is of type {kind}: complex numbers, such as a Fourier transform.")
    if kind not in _TYPES and kind not in _COLOUR:
        raise Unsupported(f"The image is of type {kind}, which is not known.")
    steps = _calibrations(about, len(sizes))
    notes: list[str] = []
    names = _names(steps, entry, notes)
    number = np.dtype(order + _TYPES.get(kind, "u1"))
    each = 4 if kind in _COLOUR else number.itemsize
    if math.prod(sizes) * each > data.nbytes:
        raise BadSource(f"The image has {tuple(sizes)} voxels, more than the {data.nbytes} bytes of its numbers.")
    dims, lengths = names[::-1], list(sizes[::-1])
    end = [data.offset + data.nbytes]
    if kind in _COLOUR:
        # Stored as blue, green, red and a byte without meaning; in words of the file's byte order.
        strides = [each * math.prod(lengths[k + 1 :]) for k in range(len(lengths))]
        first, step = (2, -1) if order == "<" else (1, 1)
        strides, offset = [*strides, step], data.offset + first
        table = raw([*dims, "c"], [*lengths, 3], number, offset, end=end, strides=strides)
        channels = samples(number, 3)
    else:
        table = raw(dims, lengths, number, data.offset, end=end)
        channels = ()
    return image(table, [file], _facts(entry, names, steps, notes), channels)


def _calibrations(about: Mapping[str, Any], count: int) -> list[tuple[float, float, str]]:
    """Per dimension, fastest first: index of the origin, scale, unit in lower case."""
    listed = about.get("Calibrations")
    listed = listed.get("Dimension") if isinstance(listed, dict) else None
    found = []
    for entry in listed if isinstance(listed, list) else []:
        told = entry if isinstance(entry, dict) else {}
        origin, scale, unit = told.get("Origin"), told.get("Scale"), told.get("Units")
        values = [float(v) if isinstance(v, int | float) and finite(float(v)) else 0.0 for v in (origin, scale)]
        found.append((values[0], values[1], unit.words.lower() if isinstance(unit, Text) else ""))
    return (found + [(0.0, 0.0, "")] * count)[:count]


def _names(steps: Sequence[tuple[float, float, str]], entry: Mapping[str, Any], notes: list[str]) -> list[str]:
    """The axis of each dimension, fastest first: x, y, and what the third and fourth are by their units."""
    names = ["x", "y"]
    tags = entry.get("ImageTags")
    meta = tags.get("Meta Data") if isinstance(tags, dict) else None
    meta = meta if isinstance(meta, dict) else {}
    form = meta.get("Format")
    spectra = isinstance(form, Text) and "spectrum" in form.words.lower()
    for k, (_, _, unit) in enumerate(steps[2:], 2):
        if unit in _ENERGY or (spectra and k == len(steps) - 1):
            name = "c"
        elif unit in TIMES or meta.get("IsSequence") == 1:
            name = "t"
        else:
            name = "z"
        name = name if name not in names else next(a for a in "ztc" if a not in names)
        names.append(name)
        if unit not in LENGTHS or name != "z":
            notes.append(f"Dimension {k + 1} of the data (unit {unit or 'none'}) is shown along {name}.")
    return names


def _facts(
    entry: Mapping[str, Any], names: Sequence[str], steps: Sequence[tuple[float, float, str]], notes: list[str]
) -> Facts:
    scale, origin = {}, {}
    for name, (first, step, unit) in zip(names, steps, strict=True):
        if name in "xyz" and unit in LENGTHS and step > 0:
            scale[name] = step * LENGTHS[unit]
            origin[name] = -first * scale[name]
        elif name == "t" and unit in TIMES and step > 0:
            scale[name] = step * TIMES[unit]
        elif unit and name in "xyz":
            notes.append(f"The axis {name} is calibrated in {unit}, which is no length: it has no scale.")
    attrs: dict[str, Any] = {"notes": notes}
    title = entry.get("Name")
    if isinstance(title, Text) and title.words:
        attrs["name"] = title.words
    about, tags = entry["ImageData"], entry.get("ImageTags")
    when = tags.get("Timestamp") if isinstance(tags, dict) else None
    if isinstance(when, Text) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?", when.words):
        attrs["acquired"] = when.words
    kept = {k: entry[k] for k in ("ImageTags", "Name") if k in entry}
    kept["Calibrations"] = about.get("Calibrations", {})
    original = _readable(kept)
    if len(json.dumps(original)) > ORIGINAL:
        notes.append("The tags of the image are too many to be kept.")
        original = _readable({"Calibrations": about.get("Calibrations", {})})
    attrs["original"] = original
    return Facts(scale, origin, attrs=attrs)


def _readable(value: Any) -> Any:
    """Tags as JSON: texts as such, runs of numbers by their length."""
    if isinstance(value, Text):
        return value.words
    if isinstance(value, Array):
        return f"{value.nbytes} bytes"
    if isinstance(value, dict):
        return {k: _readable(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_readable(v) for v in value]
    return plain(value)
