"""Leica data sets of several files: XLEF lists XLIF, which describe images whose numbers lie in LOF or TIFF files."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from s3facade.core.errors import BadSource, SourceDenied, Unsupported
from s3facade.core.protocols import SourceFile
from s3facade.readers.lif.blocks import Segment, container, xml
from s3facade.readers.lif.elements import elements
from s3facade.readers.trees import MAX_XML, every, integer, text

MAX_FILES = 1 << 16
MAX_LEVELS = 8


@dataclass(frozen=True, slots=True)
class Found:
    """An image of a data set."""

    path: str
    node: Mapping[str, Any]
    files: list[SourceFile]
    """The file that was opened, those that lead to the image, and those with its numbers."""
    segments: list[Segment]


@dataclass(frozen=True, slots=True)
class _Set:
    """Files around the one that was opened, by their path relative to it."""

    root: SourceFile
    known: dict[str, SourceFile] = field(default_factory=dict)

    def file(self, folder: str, name: str) -> tuple[str, SourceFile]:
        path = posixpath.normpath(posixpath.join(folder, unquote(name.replace("\\", "/"))))
        if path.startswith(("..", "/")):
            raise SourceDenied(f"The file refers to {name!r}, outside its own folder; open the .xlef file above it.")
        if path not in self.known:
            if len(self.known) >= MAX_FILES:
                raise Unsupported(f"The data set refers to more than {MAX_FILES} files.")
            self.known[path] = self.root.sibling(path)
        return path, self.known[path]


def document(file: SourceFile) -> Mapping[str, Any]:
    """The XML of a file that is XML. Raises `BadSource`, `Unsupported`."""
    if file.source.size > MAX_XML:
        raise Unsupported(f"The XML file has more than {MAX_XML >> 20} MiB.")
    data = bytes(file.pread(0, file.source.size))
    for code, mark in (("utf-16", b"\xff\xfe"), ("utf-16-le", b"<\0"), ("utf-16-be", b"\0<"), ("utf-8-sig", b"")):
        if data.startswith(mark):
            # what the text says of its own encoding is no longer so
            words = data.decode(code, "replace").lstrip()
            return xml(words.partition("?>")[2] if words.startswith("<?xml") else words)
    raise BadSource("The file is no XML.")


def images(file: SourceFile) -> Iterator[Found]:
    """The images of an XLIF file, or of all files that an XLEF file leads to. Raises `SourceError`."""
    yield from _images(_Set(file), "", file, [file], 0)


def _images(around: _Set, here: str, file: SourceFile, above: list[SourceFile], level: int) -> Iterator[Found]:
    folder = posixpath.dirname(here)
    if level > MAX_LEVELS:
        raise Unsupported(f"The files refer to each other more than {MAX_LEVELS} times in a row.")
    tree = document(file)
    for path, node in elements(tree):
        yield _image(around, folder, path, node, above)
    for reference in every(tree, "Element/Children/Reference"):
        name = text(reference, "@File")
        if name and name.lower().endswith((".xlif", ".xlef", ".xlcf")):
            there, found = around.file(folder, name)
            if found in above:
                raise BadSource("The files of the data set refer to each other in a circle.")
            yield from _images(around, there, found, [*above, found], level + 1)


def _image(around: _Set, folder: str, path: str, node: Mapping[str, Any], above: list[SourceFile]) -> Found:
    files, segments = list(above), []
    blocks = [b for kind in _memory(node) for b in every(node, f"Memory/{kind}") if text(b, "@File")]
    if not blocks:
        raise BadSource(f"The image {path!r} does not say in which file its numbers are.")
    for block in blocks:
        name = text(block, "@File") or ""
        start, size = integer(text(block, "@Offset")) or 0, integer(text(block, "@Size")) or 0
        _, file = around.file(folder, name)
        offset, nbytes = _place(file, name)
        if len(blocks) == 1:
            start, size = 0, nbytes
        if start < 0 or size > nbytes:
            raise BadSource(f"The file {name!r} holds {nbytes} bytes of the image; {size} are expected.")
        files.append(file)
        segments.append(Segment(start, size, len(files) - 1, offset))
    return Found(path, node, files, segments)


def _memory(node: Mapping[str, Any]) -> list[str]:
    memory = node.get("Memory")
    return [k for k in memory if not k.startswith(("@", "#"))] if isinstance(memory, Mapping) else []


def _place(file: SourceFile, name: str) -> tuple[int, int]:
    """First byte and number of the numbers in a file. Raises `BadSource`, `Unsupported`."""
    lower = name.lower()
    if lower.endswith(".lof"):
        return next(iter(container(file).blocks.values()))
    if lower.endswith((".tif", ".tiff")) and not lower.endswith((".ome.tif", ".aivia.tif")):
        return _tiff(file, name)
    raise Unsupported(f"The image's numbers are in {name!r}; known are LOF files and plain TIFF files. Open that file.")


def _tiff(file: SourceFile, name: str) -> tuple[int, int]:
    from tifffile import TiffFile, TiffFileError

    with file.stream() as stream:
        try:
            with TiffFile(stream, name=name) as tif:
                page = tif.pages.first
                plain = page.is_contiguous and tif.byteorder == "<" and len(tif.pages) == 1
                place = (int(page.dataoffsets[0]), int(page.nbytes))
        except (TiffFileError, ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError) as error:
            raise BadSource(f"The file {name!r} cannot be read as TIFF.", private=repr(error)[:200]) from error
    if not plain:
        raise Unsupported(f"The image's numbers are in {name!r}, compressed or in tiles. Open that file.")
    return place
