"""NRRD (.nrrd, .nhdr): 3D Slicer, Teem, ITK."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.protocols import ChunkTable, SourceFile
from s3facade.readers.arrays.raster import TableRaster
from s3facade.readers.facts import Facts, colours
from s3facade.readers.inflated import Inflated, Packing
from s3facade.readers.volumes.common import (
    LENGTHS,
    MM,
    TIMES,
    Keeping,
    anonymous,
    axes_option,
    checked,
    image,
    kept,
    placed,
    unit_option,
)
from s3facade.readers.volumes.nrrd_header import Header, parse, recognised
from s3facade.readers.volumes.parts import Digits, Words, line_skip, members, numbered, over, text

_SPACE = ("domain", "space")
_NAMED_TIME = frozenset({"time", "frame", "t"})
_COLOURS = {"rgb-color": 3, "rgba-color": 4}
_PACKED: Mapping[str, Literal["gzip", "bzip2"]] = {"gzip": "gzip", "gz": "gzip", "bzip2": "bzip2", "bz2": "bzip2"}
_TEXT = ("txt", "text", "ascii")
_KEEPING = Keeping([Words, Digits])


class NrrdReader:
    """NRRD.

    Options: ``unit``, of length, where the header names none or a wrong one; ``axes``, a letter of t, c, z, y, x for
    each dimension, in the order of the field ``sizes`` (the fastest first).
    """

    name: ClassVar[str] = "nrrd"
    version: ClassVar[int] = 1
    lane: ClassVar[Literal["thread", "serial", "process"]] = "thread"
    suffixes: ClassVar[frozenset[str]] = frozenset({".nrrd", ".nhdr"})

    def sniff(self, head: bytes, name: str) -> bool:  # noqa: ARG002 - the magic tells
        """By its first line."""
        return recognised(head)

    def open(self, file: SourceFile, options: Mapping[str, object]) -> Sequence[TableRaster]:
        """The image of a file, with those that its header names.

        Raises:
            BadSource: The header contradicts itself or the size of the files.
            Unsupported: Types, kinds and encodings that cannot be shown.
            SourceNotFound: A file that the header names is missing.
        """
        known = checked(options, {"unit": unit_option, "axes": axes_option})
        about = parse(file)
        names = _names(about, known.get("axes"))
        table, files = _table(file, about, [n if about.sizes[k] > 1 or n in "xyz" else "" for k, n in enumerate(names)])
        tinted = [_COLOURS.get(k) == n and names.count("c") == 1 for k, n in zip(about.kinds, about.sizes, strict=True)]
        channels = colours(about.number, about.sizes[tinted.index(True)]) if any(tinted) else ()
        return [image(table, files, _facts(about, names, known.get("unit")), channels)]

    freeze = staticmethod(_KEEPING.freeze)
    thaw = staticmethod(_KEEPING.thaw)


def _names(about: Header, given: str | None) -> list[str]:
    """The axis of each dimension, fastest first."""
    if given is not None:
        if len(given) != len(about.sizes):
            raise Unsupported(f"The option 'axes' is {given!r}; the image has {len(about.sizes)} dimensions.")
        return list(given)
    if "complex" in about.kinds:
        raise Unsupported("The NRRD file holds complex numbers (kind complex); store their magnitude.")
    out: list[str] = []
    space = iter("xyz")
    for kind, size, label, vector in zip(about.kinds, about.sizes, about.labels, about.directions, strict=True):
        placeless = any(v is not None for v in about.directions) and vector is None
        if kind in ("stub", "scalar") and size == 1:
            out.append("")
        elif kind == "time" or (kind in ("", "list") and label.lower() in _NAMED_TIME):
            out.append("t")
        elif kind in _SPACE or (not kind and not placeless):
            out.append(next(space, "t"))
        elif kind in ("", "list"):
            # Volumes one behind the other, as the fourth dimension of NIfTI; or samples of a voxel.
            out.append("t" if "x" in out else "c")
        else:
            out.append("c")
    return out


def _table(file: SourceFile, about: Header, names: Sequence[str]) -> tuple[ChunkTable, list[SourceFile]]:
    apart = "data file" in about.fields
    data = members(file, _files(about)) if apart else [file]
    first = 1 if apart else 0
    lines, skip = _whole(about, "line skip"), _whole(about, "byte skip")
    starts = [line_skip(f, 0 if apart else about.end, lines) for f in data]
    dims, sizes = names[::-1], about.sizes[::-1]
    number = about.number
    if about.encoding in _PACKED:
        form = _PACKED[about.encoding]
        data = [Inflated(f, Packing(form, s)) for f, s in zip(data, starts, strict=True)]
        if skip < 0:
            raise Unsupported("The field byte skip is -1 in a packed NRRD file; only raw numbers stand at a known end.")
        starts = [0] * len(data)
    files = [file, *data] if apart else data
    if about.encoding in _TEXT or about.encoding == "hex":
        if len(data) > 1 or skip:
            raise Unsupported("The numbers are written as text, in several files or behind bytes to skip.")
        number = number if about.encoding == "hex" else number.newbyteorder("=")
        steps = [Digits()] if about.encoding == "hex" else [Words(number)]
        return text(dims, sizes, number, files, starts[0], steps), files
    if about.encoding != "raw" and about.encoding not in _PACKED:
        raise Unsupported(f"The field encoding of the NRRD header is {about.encoding!r:.40}, which is not known.")
    if skip < -1:
        raise BadSource(f"The field byte skip of the NRRD header is {skip}.")
    return over(dims, sizes, number, files, [s + skip if skip >= 0 else -1 for s in starts], first), files


def _whole(about: Header, name: str) -> int:
    value = about.fields.get(name, "0")
    try:
        return int(value)
    except ValueError as error:
        raise BadSource(f"The field {name} of the NRRD header is {value!r:.40}, which is no whole number.") from error


def _files(about: Header) -> list[str]:
    given = about.fields["data file"]
    if given.upper().startswith("LIST"):
        return list(about.listed)
    words = given.rsplit(None, 4)
    if not words:
        raise BadSource("The field data file of the NRRD header is empty; it names the file of the numbers.")
    for count in (4, 3):
        pattern = given.rsplit(None, count)
        if len(pattern) == count + 1 and "%" in pattern[0] and all(w.lstrip("-").isdecimal() for w in pattern[1:]):
            first, last, step = (int(w) for w in pattern[1:4])
            return numbered(pattern[0], first, last, step)
    if "%" in words[0] and len(words) > 1:
        raise BadSource(f"The field data file of the NRRD header is {given!r:.80}; a first, last and step are missing.")
    return [given]


def _facts(about: Header, names: Sequence[str], unit: float | None) -> Facts:
    notes: list[str] = []
    scale: dict[str, float] = {}
    vectors: dict[str, tuple[float, ...]] = {}
    length = _space_unit(about, unit, notes)
    for k, name in enumerate(names):
        vector, spacing, own = about.directions[k], about.spacings[k], about.units[k].lower()
        if names.count(name) > 1:
            continue
        if name and name in "xyz" and vector is not None and len(vector) <= 3:
            vectors[name] = vector
            if length and math.hypot(*vector) > 0:
                scale[name] = math.hypot(*vector) * length
        elif name and name in "xyz" and spacing > 0:
            factor = unit or LENGTHS.get(own)
            if factor:
                scale[name] = spacing * factor
            else:
                notes.append(f"The spacing {spacing} along {name} has no unit of length; the option `unit` gives it.")
        elif name == "t" and spacing > 0 and own in TIMES:
            scale["t"] = spacing * TIMES[own]
    if "list" in about.kinds and "t" in names:
        notes.append("The list of images is shown along t.")
    attrs: dict[str, Any] = {"original": kept(anonymous(about.fields))}
    keys = kept(anonymous(about.keys))
    if keys:
        attrs["original"]["keys"] = keys
    attrs["notes"] = notes
    origin: dict[str, float] = {}
    if length and sorted(vectors) == ["x", "y", "z"] and {len(v) for v in vectors.values()} == {3}:
        matrix = np.eye(4)
        # what is too large is found by `placed`
        with np.errstate(over="ignore", invalid="ignore"):
            matrix[:3, :3] = np.array([vectors[a] for a in "xyz"]).T * length
            if len(about.origin) == 3:
                matrix[:3, 3] = np.array(about.origin) * length
        origin, rows = placed(matrix, scale)
        if len(about.origin) == 3:
            attrs |= {"affine": rows, "frame": about.frame or "space of the file"}
    if any(k.startswith("Segment0_") for k in about.keys):
        attrs["categorical"] = True
    if about.fields.get("content"):
        attrs["name"] = about.fields["content"]
    return Facts(scale, origin, attrs=attrs)


def _space_unit(about: Header, unit: float | None, notes: list[str]) -> float | None:
    """µm of a unit of space, or None if that is not known."""
    if unit:
        return unit
    found = {LENGTHS.get(u.lower()) for u in about.space_units if u}
    if len(found) == 1 and None not in found:
        return found.pop()
    if not about.space_units and about.anatomical:
        notes.append(
            "The header names no unit of length; millimetres are taken, as by the programs that use anatomical spaces. "
            "The option `unit` says otherwise."
        )
        return MM
    if any(v is not None for v in about.directions):
        notes.append("The directions of space have no unit of length; the option `unit` gives it.")
    return None
