"""Zarr 2 and 3, with OME-Zarr's metadata or without."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Literal

from s3facade.core.errors import BadSource, SourceError, Unsupported
from s3facade.core.protocols import SourceFile
from s3facade.readers.folders import places, unpack
from s3facade.readers.folders.array import FolderFreezing, FolderRaster
from s3facade.readers.folders.documents import listed, reading
from s3facade.readers.zarr import shards
from s3facade.readers.zarr.images import MAX_IMAGES, Builder, Finder, Found, ome
from s3facade.readers.zarr.tree import Node, Tree

OPTIONS = ("axes", "labels", "path")
_MEANINGS = (b'"multiscales"', b'"plate"', b'"well"', b'"labels"', b'"bioformats2raw.layout"', b'"series"')
MAX_XML_OF_ALL = 64 << 20
"""Characters of OME-XML that all images of a collection keep, each of them the whole document."""


class ZarrReader:
    """Arrays, groups, OME-Zarr images, plates and collections: a folder that is one source."""

    name: ClassVar[str] = "zarr"
    version: ClassVar[int] = 1
    lane: ClassVar[Literal["thread", "serial", "process"]] = "thread"
    suffixes: ClassVar[frozenset[str]] = frozenset({".zarr", ".zarray", ".zgroup"})
    markers: ClassVar[frozenset[str]] = frozenset({"zarr.json", ".zarray", ".zgroup", ".zattrs"})

    def __init__(self) -> None:
        self._freezing = FolderFreezing([*unpack.CLASSES, *places.CLASSES, *shards.CLASSES])

    def sniff(self, head: bytes, name: str) -> bool:
        """Whether this is a document of Zarr, by its name and its first fields."""
        if not head.lstrip().startswith(b"{"):
            return False
        if name == ".zattrs":
            return any(key in head for key in (b'"multiscales"', b'"plate"', b'"bioformats2raw.layout"'))
        # Long attributes may come first.
        return name in {"zarr.json", ".zarray", ".zgroup"} and (b'"zarr_format"' in head or len(head) >= 4096)

    def bare(self, head: bytes, name: str) -> bool:
        """Whether a whole document says only that there is a group, and nothing about images in it."""
        if name == ".zarray" or any(key in head for key in _MEANINGS):
            return False
        return name != "zarr.json" or b'"array"' not in head

    def open(self, file: SourceFile, options: Mapping[str, object]) -> Sequence[FolderRaster]:
        """The images of a hierarchy, in order.

        Args:
            file: A document of the outermost node.
            options: ``path``: a group or an array below the folder, to be opened instead; ``labels``: the name of
                the labels to be opened instead of the image; ``axes``: a letter for each dimension, ``-`` for one
                of length 1 that is left out.

        Raises:
            BadSource: It contradicts itself, or holds nothing.
            Unsupported: Options, types, codecs.
            SourceNotFound: A part that it refers to is missing.
        """
        unknown = sorted(set(options) - set(OPTIONS))
        if unknown:
            raise Unsupported(f"The Zarr reader has no option {unknown[0]!r}; it takes {', '.join(OPTIONS)}.")
        with reading("Zarr hierarchy"):
            tree = Tree(file)
            node = self._start(tree, options)
            finder = Finder(tree)
            found = self._limited(finder, node)
            if "labels" in options:
                found = self._labels(tree, found, str(options["labels"]))
            builder = Builder(tree, options, finder.left_out, len(found))
            if len(found) == 1:
                return [builder.build(found[0])]
            return self._several(builder, found, finder)

    @staticmethod
    def _start(tree: Tree, options: Mapping[str, object]) -> Node:
        path = options.get("path", "")
        if not isinstance(path, str) or posixpath.isabs(path) or ".." in path.split("/"):
            raise Unsupported(f"The option `path` is {path!r}; it has to be a path below the folder.")
        return tree.required(path, "The option `path`" if path else "The folder")

    @staticmethod
    def _limited(finder: Finder, node: Node) -> list[Found]:
        found: list[Found] = []
        for item in finder.images(node):
            found.append(item)
            if len(found) > MAX_IMAGES:
                raise Unsupported(f"The hierarchy holds more than {MAX_IMAGES} images; open a part of it with `path`.")
        if sum(len(str(f.attrs.get("ome_xml", ""))) for f in found if f.attrs) > MAX_XML_OF_ALL:
            finder.left_out.append("The OME-XML is too long to be kept with each of the images.")
            found = [replace(f, attrs={k: v for k, v in (f.attrs or {}).items() if k != "ome_xml"}) for f in found]
        if not found:
            raise BadSource("The Zarr group holds no image: no arrays, and nothing that OME-Zarr describes.")
        return found

    @staticmethod
    def _labels(tree: Tree, found: Sequence[Found], name: str) -> list[Found]:
        """The labels of each image."""
        out: list[Found] = []
        for item in found:
            below = f"{item.node.path}/" if item.node.path else ""
            node = tree.required(f"{below}labels/{name}", "The option `labels`")
            count = len(listed(ome(node).get("multiscales")))
            out += [Found(node, n, {**(item.attrs or {}), "categorical": True}) for n in range(count)]
        if not out:
            raise BadSource(f"The labels {name!r} hold no image.")
        return out

    @staticmethod
    def _several(builder: Builder, found: Sequence[Found], finder: Finder) -> list[FolderRaster]:
        """Images of a group: arrays in it that are no images stand beside them, and are left out with a note."""
        out: list[FolderRaster] = []
        first: SourceError | None = None
        flat = [item for item in found if len((item.node.array or {}).get("shape", "--")) < 2]
        if len(flat) < len(found):
            finder.left_out += _left_out(flat)
            found = [item for item in found if item not in flat]
        good: list[Found] = []
        for item in found:
            if item.multiscale is not None:
                good.append(item)
                continue
            try:
                builder.build(item)
            except Unsupported as error:
                first = first or error
                finder.left_out.append(f"The array {item.node.path!r} is left out: {error}")
            else:
                good.append(item)
        if not good and first is not None:
            raise first
        whole = builder.with_notes(finder.left_out)
        out.extend(whole.build(item) for item in good)
        return out

    def freeze(self, rasters: Sequence[FolderRaster]) -> bytes | None:
        """The images as bytes."""
        return self._freezing.freeze(rasters)

    def thaw(self, data: bytes, files: Mapping[str, SourceFile]) -> Sequence[FolderRaster]:
        """What was frozen. Raises `ValueError`."""
        return self._freezing.thaw(data, files)


def _left_out(flat: Sequence[Found]) -> list[str]:
    names = ", ".join(item.node.path for item in flat[:8]) + (", …" if len(flat) > 8 else "")
    return [f"Arrays of fewer than two dimensions are left out: {names}."] if flat else []
