"""The XML file of a BigDataViewer dataset.

Source: the BigDataViewer XML format, version 0.2 (SpimData of the package spim_data).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.parsers.expat import ExpatError

import xmltodict

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.protocols import SourceFile

MAX_XML = 64 << 20
"""Bytes; registrations of long recordings take some MB. More is refused."""
MAX_VIEWS = 1 << 20
"""Setups times time points; more is refused."""
Affine = tuple[tuple[float, float, float, float], ...]
"""Three rows that take (x, y, z, 1) to x, y and z."""
IDENTITY: Affine = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0))


@dataclass(frozen=True, slots=True)
class Setup:
    """A ViewSetup: one channel of one angle, tile and illumination."""

    number: int
    name: str | None
    size: tuple[int, ...] | None
    """Voxels: x, y, z."""
    voxel: tuple[float, ...] | None
    """Size: x, y, z, in ``unit``."""
    unit: str
    attributes: Mapping[str, str]
    """Names by kind, e.g. ``channel`` and ``angle``."""


@dataclass(frozen=True, slots=True)
class Views:
    """What an XML file says."""

    hdf5: str
    """Name of the HDF5 file, relative to the XML file."""
    setups: tuple[Setup, ...]
    times: tuple[int, ...]
    """Numbers of the time points, ascending."""
    missing: frozenset[tuple[int, int]] = frozenset()
    """(time point, setup) of views that were never recorded."""
    affines: Mapping[tuple[int, int], Affine] = field(default_factory=dict)
    """Voxels of a view to the common frame, by (time point, setup); all its transforms in one."""


def read(file: SourceFile) -> Views:
    """The XML file.

    Raises:
        BadSource: It is not well formed, or names and numbers are missing.
        Unsupported: It has a document type declaration, or its voxels are not in an HDF5 file.
    """
    size = file.source.size
    if size > MAX_XML:
        raise Unsupported(
            f"The BigDataViewer file has {size >> 20} MiB of XML; more than {MAX_XML >> 20} are not read."
        )
    data = bytes(file.pread(0, size))
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise Unsupported("The BigDataViewer file has a document type declaration; remove it.")
    try:
        document = xmltodict.parse(data, disable_entities=True, force_list=_LISTS)
    except (ExpatError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise BadSource("The BigDataViewer file is not well-formed XML.", private=f"{error!s:.200}") from error
    try:
        return _views(document["SpimData"])
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise BadSource(
            "The BigDataViewer file lacks a part, or a number in it is none.",
            private=f"{type(error).__name__}: {error}",
        ) from error


_LISTS = ("ViewSetup", "ViewRegistration", "ViewTransform", "Attributes", "MissingView")


def _views(root: Any) -> Views:
    sequence = root["SequenceDescription"]
    loader = sequence["ImageLoader"]
    kind = loader.get("@format")
    if kind != "bdv.hdf5":
        raise Unsupported(
            f"The BigDataViewer dataset keeps its voxels as {kind!r}; only 'bdv.hdf5' is read. Open N5 and Zarr "
            "folders themselves."
        )
    setups = _members(sequence["ViewSetups"], "ViewSetup")
    kinds = {a["@name"]: _names(a) for a in _members(sequence["ViewSetups"], "Attributes")}
    times = _times(sequence.get("Timepoints") or {"@type": "range", "first": "0", "last": "0"})
    if len(setups) * len(times) > MAX_VIEWS:
        raise Unsupported(f"The BigDataViewer dataset has {len(setups)} setups of {len(times)} time points: too many.")
    views = [(int(m["@timepoint"]), int(m["@setup"])) for m in _members(sequence.get("MissingViews"), "MissingView")]
    return Views(
        _place(root, loader["hdf5"]),
        tuple(_setup(s, kinds) for s in setups),
        times,
        frozenset(views),
        {
            (int(r["@timepoint"]), int(r["@setup"])): _composed(_members(r, "ViewTransform"))
            for r in _members(root.get("ViewRegistrations"), "ViewRegistration")
        },
    )


def _members(parent: Any, name: str) -> list[Any]:
    return list((parent or {}).get(name) or [])


def _text(value: Any) -> str:
    """Of an element, whether it has attributes or not."""
    return str((value.get("#text") if isinstance(value, dict) else value) or "").strip()


def _place(root: Any, element: Any) -> str:
    base = root.get("BasePath")
    name = _text(element).replace("\\", "/")
    for part, said in ((element, name), (base, _text(base))):
        if (isinstance(part, dict) and part.get("@type") == "absolute") or said.startswith("/"):
            raise Unsupported(
                f"The BigDataViewer file gives the place {said!r}, which is not relative to it; write it relative."
            )
    folder = _text(base).strip("/")
    return name if folder in ("", ".") else f"{folder}/{name}"


def _names(attributes: Any) -> dict[int, str]:
    """Names by number of one kind of attribute: ``<Channel><id>..</id><name>..</name></Channel>``."""
    found = {}
    for key, entries in attributes.items():
        if not key.startswith("@"):
            for entry in entries if isinstance(entries, list) else [entries]:
                if isinstance(entry, dict) and "id" in entry:
                    found[int(entry["id"])] = _text(entry.get("name")) or str(entry["id"])
    return found


def _setup(element: Any, kinds: Mapping[str, Mapping[int, str]]) -> Setup:
    voxel = element.get("voxelSize") or {}
    sizes = _numbers(_text(voxel.get("size")))
    shape = _numbers(_text(element.get("size")))
    marks = element.get("attributes") or {}
    names = {kind: kinds.get(kind, {}).get(int(_text(v)), _text(v)) for kind, v in marks.items() if _text(v).isdigit()}
    return Setup(
        int(_text(element["id"])),
        _text(element.get("name")) or None,
        tuple(int(n) for n in shape) if len(shape) == 3 else None,
        tuple(sizes) if len(sizes) == 3 and min(sizes) > 0 else None,
        _text(voxel.get("unit")),
        names,
    )


def _numbers(written: str) -> list[float]:
    found = [float(v) for v in written.split()]
    if not all(map(math.isfinite, found)):
        raise ValueError(f"{written!r} is not finite")
    return found


def _times(element: Any) -> tuple[int, ...]:
    kind = element.get("@type")
    if kind == "range":
        spans = [(int(_text(element["first"])), int(_text(element["last"])), 1)]
    elif kind in ("pattern", "list"):
        entries = element.get("integerpattern") if kind == "pattern" else element.get("Timepoint")
        if kind == "list":
            entries = entries if isinstance(entries, list) else [entries]
            spans = [(n, n, 1) for n in (int(_text(e["id"])) for e in entries)]
        else:
            spans = [_span(part) for part in _text(entries).split(",") if part.strip()]
    else:
        raise BadSource(f"The BigDataViewer file has time points of type {kind!r}; range, pattern and list are known.")
    if sum(max(0, last - first) // step + 1 for first, last, step in spans) > MAX_VIEWS:
        raise Unsupported(f"The BigDataViewer dataset has more than {MAX_VIEWS} time points.")
    return tuple(sorted({n for first, last, step in spans for n in range(first, last + 1, step)}))


def _span(part: str) -> tuple[int, int, int]:
    """``3``, ``3-9`` or ``3-9:2``."""
    found = re.fullmatch(r"\s*(\d{1,9})(?:\s*-\s*(\d{1,9})(?:\s*:\s*(\d{1,9}))?)?\s*", part)
    if found is None:
        raise ValueError(f"{part!r} is no time point")
    return int(found[1]), int(found[2] or found[1]), max(1, int(found[3] or 1))


def _composed(transforms: Sequence[Any]) -> Affine:
    """All transforms of a view as one: the last one of the list acts first, on voxels."""
    whole = IDENTITY
    for transform in transforms:
        values = _numbers(_text(transform["affine"]))
        if len(values) != 12:
            raise ValueError(f"an affine map of {len(values)} numbers")
        rows = tuple((values[k], values[k + 1], values[k + 2], values[k + 3]) for k in (0, 4, 8))
        whole = _times_affine(whole, rows)
    return whole


def _times_affine(a: Affine, b: Affine) -> Affine:
    extended = (*b, (0.0, 0.0, 0.0, 1.0))
    return tuple(
        (*(sum(row[k] * extended[k][j] for k in range(4)) for j in range(4)),)  # type: ignore[misc]
        for row in a
    )
