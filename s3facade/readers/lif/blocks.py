"""The blocks of LIF and LOF files: XML first or last, then named runs of numbers.

Source: "Leica Image File Formats" 3.2 by Leica Microsystems. All numbers are little-endian. Every part begins with the
int32 0x70 and its length; texts are a byte 0x2A, an int32 number of characters, and UTF-16.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.protocols import SourceFile
from s3facade.readers.trees import MAX_XML, integer, parsed, text

MAX_BLOCKS = 1 << 20
_CUT = "The Leica file is incomplete: it ends within its structure."


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of bytes of an image's memory, and where it lies."""

    start: int
    """First byte within the memory."""
    nbytes: int
    file: int
    """Index of the file."""
    offset: int


@dataclass(frozen=True, slots=True)
class Container:
    """A file of one kind or the other."""

    tree: Mapping[str, Any]
    """The XML below its root."""
    blocks: Mapping[str, tuple[int, int]]
    """Place and length of each block of memory by its id."""
    single: bool = False
    """Whether the one block that there is belongs to the image, whatever it is called (LOF)."""

    def block(self, element: Any) -> tuple[int, int] | None:
        """Place and length of the memory of an element; None if the file does not hold it."""
        if self.single:
            return next(iter(self.blocks.values()), None)
        return self.blocks.get(text(element, "Memory/@MemoryBlockID") or "")


def is_binary(head: bytes) -> bool:
    """Whether a file begins as LIF and LOF files do."""
    if len(head) < 13:
        return False
    mark, size, kind, length = struct.unpack_from("<IIBI", head)
    return bool(mark == 0x70 and kind == 0x2A and size == 2 * length + 5)


def container(file: SourceFile) -> Container:
    """The structure of a LIF or LOF file. Raises `BadSource`, `Unsupported`."""
    text_, at = _text(file, 0)
    if text_ == "LMS_Object_File":
        return _object_file(file, at)
    tree = xml(text_)
    version = integer(text(tree, "@Version"))
    if version not in (1, 2):
        raise Unsupported(f"The LIF file is of version {version}; known are 1 and 2.")
    return Container(tree, _blocks(file, at, version))


def xml(document: str) -> Mapping[str, Any]:
    """The XML below its root. Raises `BadSource`, `Unsupported`."""
    if len(document) > MAX_XML:
        raise Unsupported(f"The XML of the Leica file has more than {MAX_XML >> 20} million characters.")
    tree = parsed(document.encode("utf-8", "replace") if not document.startswith("<?xml") else document)
    root = next(iter(tree.values())) if tree else None
    if not isinstance(root, Mapping):
        raise BadSource("The XML of the Leica file cannot be read; the file is damaged.")
    return root


def _read(file: SourceFile, at: int, form: str) -> tuple[Any, ...]:
    size = struct.calcsize(form)
    if at + size > file.source.size:
        raise BadSource(_CUT)
    return struct.unpack(form, file.pread(at, size))


def _text(file: SourceFile, at: int) -> tuple[str, int]:
    """The text at ``at``, and where it ends."""
    mark, _, kind, length = _read(file, at, "<IIBI")
    if mark != 0x70 or kind != 0x2A:
        raise BadSource("The Leica file has no text where its structure asks for one; it is damaged.")
    end = at + 13 + 2 * length
    if end > file.source.size:
        raise BadSource(_CUT)
    if length > MAX_XML:
        raise Unsupported(f"The XML of the Leica file has more than {MAX_XML >> 20} million characters.")
    return bytes(file.pread(at + 13, 2 * length)).decode("utf-16-le", "replace"), end


def _object_file(file: SourceFile, at: int) -> Container:
    first, _, second, _, third, size = _read(file, at, "<BIBIBQ")
    if (first, second, third) != (0x2A, 0x2A, 0x2A):
        raise BadSource("The LOF file is damaged: its head has other marks than 0x2A.")
    start = at + struct.calcsize("<BIBIBQ")
    if start + size > file.source.size:
        raise BadSource("The LOF file is incomplete: its numbers end behind the end of the file.")
    document, _ = _text(file, start + size)
    tree = xml(document)
    # older files have the data of the element without the element
    whole = tree if "Element" in tree else {"Element": {"Data": tree}}
    return Container(whole, {"": (start, size)}, single=True)


def _blocks(file: SourceFile, at: int, version: int) -> dict[str, tuple[int, int]]:
    """Place and length of each block. Raises `BadSource`."""
    form = "<IIBQBI" if version == 2 else "<IIBIBI"
    found: dict[str, tuple[int, int]] = {}
    size = file.source.size
    while at + struct.calcsize(form) <= size:
        mark, _, one, nbytes, two, length = _read(file, at, form)
        if (mark, one, two) != (0x70, 0x2A, 0x2A):
            # Whatever this is, it is no memory; images whose memory is missing are found out by name.
            break
        at += struct.calcsize(form)
        start = at + 2 * length
        if length > 4096 or start + nbytes > size or len(found) >= MAX_BLOCKS:
            raise BadSource("The LIF file is incomplete: a block of memory ends behind the end of the file.")
        found[bytes(file.pread(at, 2 * length)).decode("utf-16-le", "replace")] = (start, nbytes)
        at = start + nbytes
    return found
