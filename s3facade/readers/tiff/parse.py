"""From a file to described images: structure by tifffile, everything read before the file is closed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

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
        facts = replace(facts, attrs={**facts.attrs, "ome_xml": data.text})
        found.append(Parsed(spec(tables, facts, image.levels[0].pages[0].keyframe), data.files, tables))
    return found


def _series(file: SourceFile, tif: Any, notes: list[str]) -> Iterator[Parsed]:
    """Images as tifffile finds them in one file."""
    for series in tif.series:
        stacks = [_stack(level) for level in series.levels]
        tables = tuple(build(s, [file.source.size]) for s in stacks)
        facts = meta.from_tags(tif, series.keyframe)
        attrs: dict[str, object] = {**facts.attrs, "axes": series.axes, **({"notes": notes} if notes else {})}
        if series.name:
            attrs["name"] = series.name
        yield Parsed(spec(tables, replace(facts, attrs=attrs), series.keyframe), (file,), tables)


def _stack(level: Any) -> Stack:
    contiguous = level.dataoffset
    pages = [level.pages[0]] if contiguous is not None else list(level.pages)
    if any(p is None for p in pages):
        raise BadSource("The TIFF lacks some of the planes that its metadata describe.")
    if level.transform is not None:
        raise BadSource("The TIFF's values need a conversion that is not known here.")
    return Stack(level.axes, level.shape, pages, [0], contiguous)
