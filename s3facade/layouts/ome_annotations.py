"""The format's own metadata as an annotation of OME-XML: names and values, no more than a viewer can list."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from s3facade.core.spec import Spec
from s3facade.layouts.ome_elements import Element, printable

ENTRIES = 500
BYTES = 64 << 10
"""Of one image."""
ALL = 4 << 20
"""Of all images of a document, which share it evenly: plates have thousands of fields."""
LONGEST = 1024
"""Characters of one value."""
ORIGINAL = "openmicroscopy.org/OriginalMetadata"
OURS = "s3facade/served"


def map_annotations(number: int, spec: Spec, *, original: bool = True, images: int = 1) -> list[Element]:
    """Annotations of an image, with their IDs; with the format's own metadata if they are wanted.

    Args:
        number: Of the image, in its document.
        spec: The image.
        original: Whether the format's own metadata are told.
        images: How many the document has.
    """
    about = spec.attrs.get("original") if original else None
    maps = [(ORIGINAL, list(bounded(flat(about, ""), min(BYTES, ALL // images))))]
    maps.append((OURS, list(_served(spec))))
    return [
        Element(
            "MapAnnotation",
            {"ID": f"Annotation:{number}:{k}", "Namespace": namespace},
            [Element("Value", {}, [Element("M", {"K": key}, text=value) for key, value in entries])],
        )
        for k, (namespace, entries) in enumerate(maps)
        if entries
    ]


def flat(value: object, path: str, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Leaves of a tree with their paths, as in ``Stage.Axes.0``."""
    if isinstance(value, Mapping) and depth < 16:
        for key, item in value.items():
            yield from flat(item, f"{path}.{key}" if path else str(key), depth + 1)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes) and depth < 16:
        if all(isinstance(item, int | float) for item in value):
            yield path, ", ".join(map(str, value[:LONGEST]))
        else:
            for i, item in enumerate(value):
                yield from flat(item, f"{path}.{i}" if path else str(i), depth + 1)
    elif value is not None and not isinstance(value, bytes):
        yield path, str(value)


def bounded(entries: Iterator[tuple[str, str]], room: int = BYTES) -> Iterator[tuple[str, str]]:
    """The first of them that fit ``room`` bytes, long ones cut."""
    for count, (key, value) in enumerate(entries):
        name, text = printable(key[:LONGEST]), printable(value[:LONGEST])
        room -= len(name.encode()) + len(text.encode())
        if count == ENTRIES or room < 0:
            yield "…", "there is more in the source"
            return
        if text:
            yield name, text


def _served(spec: Spec) -> Iterator[tuple[str, str]]:
    """What OME-XML has no place for: types, days without a time, how voxels become places."""
    if spec.dtype.name in ("uint64", "int64", "float16", "bool"):
        yield "data type", spec.dtype.name
    acquired = spec.attrs.get("acquired")
    if isinstance(acquired, str) and acquired and "T" not in acquired:
        yield "acquired", printable(acquired[:LONGEST])
    origin = {a.name: o for a, o in zip(spec.axes, spec.levels[0].origin, strict=True) if a.unit and math.isfinite(o)}
    if any(origin.values()):
        yield "origin", ", ".join(f"{name} {value!r}" for name, value in origin.items())
