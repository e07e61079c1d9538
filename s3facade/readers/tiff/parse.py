"""From a file to described images: structure by tifffile, everything read before the file is closed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from s3facade.core.errors import BadSource, SourceNotFound
from s3facade.core.protocols import SourceFile
from s3facade.core.spec import Spec
from s3facade.readers.tiff import meta
from s3facade.readers.tiff.guard import check, opened, watched
from s3facade.readers.tiff.ndtiff import INDEX, ndtiff
from s3facade.readers.tiff.ome import assemble, read_text
from s3facade.readers.tiff.pages import ForeignMetadata
from s3facade.readers.tiff.spec import Table, spec
from s3facade.readers.tiff.stack import Stack, build

_POSITIONS = "RPM"
"""Letters of dimensions that count places of the stage."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """One image, described."""

    spec: Spec
    files: tuple[SourceFile, ...]
    tables: tuple[Table, ...]


def parse(file: SourceFile) -> list[Parsed]:
    """All images of ``file``. Errors as `TiffReader.open`."""
    with watched() as messages:
        companion = file.source.path.lower().endswith(".companion.ome")
        found = _companion(file) if companion else _tiff(file)
        check(messages)
        if not found:
            raise BadSource("The TIFF holds no image.")
        return found


def _companion(file: SourceFile) -> list[Parsed]:
    try:
        return _ome(file, read_text(file))
    except ForeignMetadata as reason:
        raise BadSource(f"The companion file describes no image: {reason}") from reason


def _tiff(file: SourceFile) -> list[Parsed]:
    with opened(file) as source:
        tif = source.tif
        # tifffile's own test needs a path
        if (tif.micromanager_metadata or {}).get("MajorVersion", 0) >= 2 and _has(file, INDEX):
            return _ndtiff(file, tif)
        text = tif.ome_metadata if tif.is_ome else None
        if text is None:
            return list(_series(file, tif, []))
    try:
        return _ome(file, text)
    except ForeignMetadata as reason:
        note = f"{reason} It was ignored."
    with opened(file, is_ome=False) as source:
        return list(_series(file, source.tif, [note]))


def _has(file: SourceFile, name: str) -> bool:
    try:
        file.sibling(name)
    except SourceNotFound:
        return False
    return True


def _ndtiff(file: SourceFile, tif: Any) -> list[Parsed]:
    stack, files = ndtiff(file, opened)
    table = build(stack, [f.source.size for f in files])
    page = tif.pages.first
    return [Parsed(spec([table], meta.from_tags(tif, page), page), tuple(files), (table,))]


def _ome(file: SourceFile, text: str) -> list[Parsed]:
    data = assemble(file, text, opened)
    sizes = [f.source.size for f in data.files]
    found = []
    for image in data.images:
        tables = tuple(build(s, sizes) for s in image.levels)
        facts = meta.from_ome(image.image)
        facts = replace(facts, attrs={**facts.attrs, "ome_xml": data.text, "ome_image": image.image.number})
        found.append(Parsed(spec(tables, facts, image.levels[0].pages[0].keyframe), data.files, tables))
    return found


def _series(file: SourceFile, tif: Any, notes: list[str]) -> Iterator[Parsed]:
    """Images as tifffile finds them in one file."""
    for series in tif.series:
        levels = [_positions(_stack(level)) for level in series.levels]
        if len({len(parts) for parts in levels}) > 1:
            raise BadSource("The levels of the TIFF's image have different numbers of positions.")
        facts = meta.from_tags(tif, series.keyframe, series)
        known = facts.attrs.get("notes", [])
        said = [*(known if isinstance(known, list) else []), *notes]
        for number, stacks in enumerate(zip(*levels, strict=True)):
            tables = tuple(build(s, [file.source.size]) for s in stacks)
            attrs: dict[str, object] = {**facts.attrs, "axes": series.axes, **({"notes": said} if said else {})}
            if series.name or len(levels[0]) > 1:
                place = f"position {number}" if len(levels[0]) > 1 else ""
                attrs["name"] = " ".join(filter(None, (series.name, place)))
            yield Parsed(spec(tables, replace(facts, attrs=attrs), series.keyframe), (file,), tables)


def _positions(stack: Stack) -> list[Stack]:
    """One stack for each place of the stage, where a dimension counts such."""
    found = [k for k, (a, n) in enumerate(zip(stack.axes, stack.shape, strict=True)) if a in _POSITIONS and n > 1]
    outer = math.prod(n for a, n in zip(stack.axes, stack.shape, strict=True) if a not in "YXS")
    if len(found) != 1 or stack.contiguous is not None or len(stack.pages) != outer:
        return [stack]
    (at,) = found
    planes = np.arange(outer).reshape([n for a, n in zip(stack.axes, stack.shape, strict=True) if a not in "YXS"])
    axes, shape = stack.axes[:at] + stack.axes[at + 1 :], (*stack.shape[:at], *stack.shape[at + 1 :])
    return [
        Stack(axes, shape, [stack.pages[i] for i in planes.take(k, at).ravel().tolist()], stack.files)
        for k in range(stack.shape[at])
    ]


def _stack(level: Any) -> Stack:
    contiguous = level.dataoffset
    pages = [level.pages[0]] if contiguous is not None else list(level.pages)
    if any(p is None for p in pages):
        raise BadSource("The TIFF lacks some of the planes that its metadata describe.")
    if level.transform is not None:
        raise BadSource("The TIFF's values need a conversion that is not known here.")
    return Stack(level.axes, level.shape, pages, [0], contiguous)
