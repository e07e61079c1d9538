"""Groups and arrays of a Zarr hierarchy by their paths."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from s3facade.core.errors import BadSource, SourceNotFound
from s3facade.core.protocols import SourceFile
from s3facade.readers.folders.documents import Document, beside, document, mapping
from s3facade.readers.zarr.meta import ArrayMeta, version2, version3

MAX_NODES = 400_000
"""Documents that are looked for in one hierarchy, three for each group of a plate; larger ones are refused."""
MAX_DEPTH = 12
_DOCUMENTS = ("zarr.json", ".zmetadata", ".zgroup", ".zattrs", ".zarray")


@dataclass(frozen=True, slots=True)
class Node:
    """A group, or an array."""

    path: str
    """Below the folder that was opened; empty for that one."""
    base: SourceFile
    """The document that says so."""
    prefix: str
    """The node's folder as seen from ``base``, with a final slash; empty if ``base`` lies in it."""
    attributes: Document
    array: Document | None
    """The description of an array; None for a group."""
    version: int

    @property
    def group(self) -> bool:
        """Whether it is a group."""
        return self.array is None


class Tree:
    """Finds nodes. Documents are read once.

    Args:
        file: A document of the outermost node.
    """

    def __init__(self, file: SourceFile) -> None:
        self.file = file
        self.shared: list[SourceFile] = []
        """Files that belong to all images, beside the documents of Zarr."""
        self._read: dict[str, tuple[SourceFile, Document] | None] = {}
        name = posixpath.basename(file.source.path)
        self.version = 3 if name == "zarr.json" else 2
        self._read[name] = (file, document(file))
        self._seen = 0
        self._consolidated = self._all_at_once()

    def _all_at_once(self) -> Document:
        """Documents by path, where they are kept in one."""
        if self.version == 3:
            found = self._document("zarr.json")
            about = mapping(mapping(found[1]).get("consolidated_metadata")) if found else {}
            return mapping(about.get("metadata")) if about.get("kind", "inline") == "inline" else {}
        found = self._document(".zmetadata")
        return mapping(found[1].get("metadata")) if found else {}

    def _document(self, name: str) -> tuple[SourceFile, Document] | None:
        if name not in self._read:
            self._seen += 1
            if self._seen > MAX_NODES:
                raise BadSource(f"The hierarchy has more than {MAX_NODES} documents; open a part of it.")
            file = beside(self.file, name)
            self._read[name] = None if file is None else (file, document(file))
        return self._read[name]

    def documents(self, paths: Iterable[str]) -> list[SourceFile]:
        """What was read of nodes and of all groups that they lie in."""
        folders = {""}
        for below in paths:
            path = below
            while path:
                folders.add(path)
                path = path.rpartition("/")[0]
        names = (f"{f}/{name}" if f else name for f in sorted(folders) for name in _DOCUMENTS)
        return [*(found[0] for found in map(self._read.get, names) if found), *self.shared]

    def node(self, path: str) -> Node | None:
        """What there is at a path; None if there is nothing.

        Raises:
            BadSource: Its document is damaged.
        """
        path = posixpath.normpath(path) if path else ""
        folder = f"{path}/" if path else ""
        return self._third(path, folder) if self.version == 3 else self._second(path, folder)

    def required(self, path: str, what: str) -> Node:
        """What has to be at a path. Raises `SourceNotFound` with ``what`` refers to it."""
        found = self.node(path)
        if found is None:
            raise SourceNotFound(f"{what} refers to {path!r}, which is missing.", private=self.file.source.path)
        return found

    def _third(self, path: str, folder: str) -> Node | None:
        inline = self._consolidated.get(path) if path else None
        if isinstance(inline, dict):
            base, about, prefix = self.file, mapping(inline), folder
        else:
            found = self._document(f"{folder}zarr.json")
            if found is None:
                return None
            base, about, prefix = *found, ""
        if about.get("zarr_format") != 3 or about.get("node_type") not in {"array", "group"}:
            raise BadSource(f"The node {path!r} is no array and no group of Zarr 3.", private=base.source.path)
        array = about if about["node_type"] == "array" else None
        return Node(path, base, prefix, mapping(about.get("attributes")), array, 3)

    def _second(self, path: str, folder: str) -> Node | None:
        inline = [self._consolidated.get(folder + name) for name in (".zarray", ".zgroup", ".zattrs")]
        if isinstance(inline[0] or inline[1], dict):
            array = inline[0] if isinstance(inline[0], dict) else None
            return Node(path, self.file, folder, mapping(inline[2]), array, 2)
        attributes = self._document(f"{folder}.zattrs")
        about = mapping(attributes[1]) if attributes else {}
        found = self._document(f"{folder}.zarray")
        if found is not None:
            return Node(path, found[0], "", about, found[1], 2)
        group = self._document(f"{folder}.zgroup") or attributes
        return Node(path, group[0], "", about, None, 2) if group else None

    def meta(self, node: Node) -> ArrayMeta:
        """The description of an array. Raises `BadSource`, `Unsupported`."""
        if node.array is None:
            raise BadSource(f"The node {node.path!r} is a group where an array is expected.")
        if node.version == 3:
            return version3(node.array, node.prefix)
        return version2(node.array, node.attributes, node.prefix, nested=self._nested(node))

    def _nested(self, node: Node) -> bool | None:
        """Whether chunks lie in folders, of an array whose document does not say so."""
        if node.array is None or "dimension_separator" in node.array or len(node.array.get("shape") or ()) < 2:
            return None
        try:
            names = node.base.names(node.prefix)
        except SourceNotFound:
            return None
        plain = (n for n in names if n[0].isdigit())
        return all(n.endswith("/") for n in plain) and any(n.endswith("/") and n[:-1].isdigit() for n in names)

    def children(self, path: str) -> Iterator[str]:
        """Paths of what lies in a group, sorted; what is no node of Zarr is among them."""
        folder = f"{path}/" if path else ""
        if self._consolidated:
            last = [k.rpartition("/")[0] if self.version == 2 else k for k in self._consolidated]
            inside = {k for k in last if k.startswith(folder) and k and "/" not in k[len(folder) :] and k != path}
        else:
            inside = {folder + n[:-1] for n in self.file.names(path) if n.endswith("/") and not n.startswith(".")}
        yield from sorted(inside, key=natural)


def natural(text: str) -> list[tuple[int, int, str]]:
    """A key to sort by in which numbers count as such: ``s10`` behind ``s9``."""
    out: list[tuple[int, int, str]] = []
    digits = ""
    for letter in f"{text}\0":
        if letter.isascii() and letter.isdigit():
            digits += letter
            continue
        if digits:
            out.append((0, int(digits[:18]), digits))
            digits = ""
        out.append((1, ord(letter), ""))
    return out
