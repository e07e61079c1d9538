"""The images of a Zarr hierarchy: which there are, in which order, and what belongs to each."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from s3facade.core.errors import BadSource, SourceNotFound, Unsupported
from s3facade.readers.arrays.stored import Stored
from s3facade.readers.folders.array import FolderArray, FolderRaster, Placed
from s3facade.readers.folders.documents import Document, kept, listed, mapping
from s3facade.readers.folders.image import Files, axes_of, folder_of, folders_of_chunks, raster, watchable
from s3facade.readers.zarr import ngff
from s3facade.readers.zarr.meta import ArrayMeta
from s3facade.readers.zarr.tree import MAX_DEPTH, Node, Tree

MAX_IMAGES = 20_000
MAX_XML = 16 << 20


@dataclass(frozen=True, slots=True)
class Found:
    """An image, before its arrays are looked at."""

    node: Node
    multiscale: int | None = None
    """Which of the node's multiscale images; None for an array."""
    attrs: Mapping[str, object] | None = None
    """What is known from outside of it: its plate, for instance."""


def ome(node: Node) -> Document:
    """The attributes that OME-Zarr defines, wherever the version keeps them."""
    inner = node.attributes.get("ome")
    return inner if isinstance(inner, dict) else node.attributes


class Finder:
    """Goes through a hierarchy.

    Args:
        tree: The hierarchy.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self.left_out: list[str] = []
        """Sentences on what is not shown."""

    def images(self, node: Node, depth: int = 0) -> Iterator[Found]:
        """Images of a node, in order. Raises `SourceError`."""
        about = ome(node)
        if node.array is not None:
            yield Found(node)
        elif listed(about.get("multiscales")):
            yield from (Found(node, n) for n in range(len(about["multiscales"])))
        elif isinstance(about.get("plate"), dict):
            yield from self._plate(node, about["plate"])
        elif isinstance(about.get("well"), dict):
            yield from self._well(node, about["well"], {})
        elif "bioformats2raw.layout" in about:
            yield from self._collection(node, about)
        elif listed(about.get("labels")):
            yield from (f for n in about["labels"] for f in self._member(node, str(n), {"categorical": True}))
        elif depth < MAX_DEPTH:
            yield from self._group(node, depth)

    def _group(self, node: Node, depth: int) -> Iterator[Found]:
        """A group without a meaning of its own: what is in it."""
        for path in self._tree.children(node.path):
            child = self._tree.node(path)
            if child is not None:
                yield from self.images(child, depth + 1)

    def _member(self, node: Node, name: str, attrs: Mapping[str, object]) -> Iterator[Found]:
        """The images of a group that another one refers to."""
        path = f"{node.path}/{name}" if node.path else name
        child = self._tree.required(path, "The metadata of the collection")
        for n in range(len(listed(ome(child).get("multiscales")))):
            yield Found(child, n, attrs)

    def _plate(self, node: Node, plate: Document) -> Iterator[Found]:
        name, count = plate.get("name"), 0
        for well in map(mapping, listed(plate.get("wells"))):
            path = str(well.get("path", ""))
            child = self._tree.node(f"{node.path}/{path}" if node.path else path)
            if child is None:
                self.left_out.append(f"The well {path} is listed and missing.")
                continue
            row, _, column = path.partition("/")
            place: dict[str, object] = {"row": row, "column": column}
            if isinstance(name, str) and name:
                place["name"] = name
            yield from self._well(child, mapping(ome(child).get("well")), place)
            count += 1
            if count > MAX_IMAGES:
                raise Unsupported(f"The plate has more than {MAX_IMAGES} wells.")

    def _well(self, node: Node, well: Document, place: Mapping[str, object]) -> Iterator[Found]:
        for field, image in enumerate(map(mapping, listed(well.get("images")))):
            about = {**place, "field": field}
            if isinstance(image.get("acquisition"), int):
                about["acquisition"] = image["acquisition"]
            name = str(image.get("path", ""))
            path = f"{node.path}/{name}" if node.path else name
            if self._tree.node(path) is None:
                self.left_out.append(f"The field {path} is listed and missing.")
            else:
                yield from self._member(node, name, {"plate": about})

    def _collection(self, node: Node, about: Document) -> Iterator[Found]:
        """Numbered images beside OME-XML, as bioformats2raw writes them."""
        folder = f"{node.path}/OME" if node.path else "OME"
        meta = self._tree.node(folder)
        named = listed(mapping(about).get("series")) or (listed(ome(meta).get("series")) if meta else [])
        xml = self._xml(f"{folder}/METADATA.ome.xml")
        number = 0
        while number < len(named) if named else True:
            name = str(named[number]) if named else str(number)
            path = f"{node.path}/{name}" if node.path else name
            if not named and self._tree.node(path) is None:
                break
            attrs = {"ome_xml": xml, "ome_image": number} if xml else {}
            yield from self._member(node, name, attrs)
            number += 1

    def _xml(self, name: str) -> str | None:
        try:
            file = self._tree.file.sibling(name)
        except SourceNotFound:
            return None
        if file.source.size > MAX_XML:
            self.left_out.append("The OME-XML is too long to be kept.")
            return None
        self._tree.shared.append(file)
        try:
            return bytes(file.pread(0, file.source.size)).decode()
        except UnicodeDecodeError as error:
            raise BadSource("The OME-XML is not UTF-8.", private=file.source.path) from error


class Builder:
    """Makes images of what was found.

    Args:
        tree: The hierarchy.
        options: Of the source.
        notes: Sentences that belong to all images.
        count: How many images there are: they share what can be watched.
    """

    def __init__(self, tree: Tree, options: Mapping[str, object], notes: Sequence[str] = (), count: int = 1) -> None:
        self._tree = tree
        self._count = count
        self._axes = options.get("axes")
        self._options = options
        self._notes = list(notes)

    def with_notes(self, notes: Sequence[str]) -> Builder:
        """The same with other notes."""
        return Builder(self._tree, self._options, notes, self._count)

    def build(self, found: Found) -> FolderRaster:
        """An image. Raises `SourceError`."""
        if found.multiscale is None:
            return self._plain(found.node)
        return self._multiscale(found.node, found.multiscale, found.attrs or {})

    def _plain(self, node: Node) -> FolderRaster:
        """An array without OME metadata."""
        meta = self._tree.meta(node)
        dims, notes = axes_of(self._axes, meta.names, meta.shape, meta.number.kind, meta.number.itemsize)
        attrs: dict[str, object] = {"axes": ",".join(map(str, meta.names)) if meta.names else "".join(dims)}
        if node.path:
            attrs["name"] = node.path
        return self._raster(
            node, [(node, meta)], dims, [Placed({}, {})], frozenset(), [], attrs | kept(meta.attributes), notes
        )

    def _multiscale(self, node: Node, number: int, outer: Mapping[str, object]) -> FolderRaster:
        about = ome(node)
        multiscale = mapping(about["multiscales"][number])
        paths = [str(mapping(d)["path"]) for d in listed(multiscale.get("datasets"))]
        if not paths:
            raise BadSource("The multiscale image has no datasets.", private=node.path)
        below = f"{node.path}/" if node.path else ""
        nodes = [self._tree.required(below + p, "The metadata of the image") for p in paths]
        levels = [(n, self._tree.meta(n)) for n in nodes]
        rank = len(levels[0][1].shape)
        if any(len(meta.shape) != rank for _, meta in levels):
            raise BadSource("The levels of the image differ in their number of dimensions.")
        shapes = [meta.shape for _, meta in levels]
        if self._axes is None:
            dims = ngff.dimensions(multiscale, rank)
            ngff.check_lengths(dims, shapes[0])
        else:
            told, _ = axes_of(self._axes, (), shapes[0], "u", 1)
            dims = ngff.Dimensions(told, (None,) * rank, "".join(told))
        placed, physical, notes = ngff.placements(multiscale, dims, shapes)
        attrs: dict[str, object] = {"axes": dims.names, **outer}
        name = multiscale.get("name") or mapping(about.get("omero")).get("name")
        if isinstance(name, str) and name and name != "/":
            attrs["name"] = name
        elif node.path:
            attrs["name"] = node.path
        where = posixpath.join(posixpath.dirname(self._tree.file.source.path), node.path).rstrip("/")
        if "image-label" in about or posixpath.basename(posixpath.dirname(where)) == "labels":
            attrs["categorical"] = True
        labels = self._labels(node, notes)
        if labels:
            attrs["labels"] = labels
        channels = ngff.channels(mapping(about.get("omero"))) if "c" in dims.axes or number == 0 else []
        return self._raster(
            node, levels, dims.axes, placed, physical, channels, attrs | kept(dict(node.attributes)), notes
        )

    def _labels(self, node: Node, notes: list[str]) -> dict[str, str]:
        """Label images of an image, by name: the documents that open them, as seen from the one that was opened."""
        path = f"{node.path}/labels" if node.path else "labels"
        folder = self._tree.node(path)
        found: dict[str, str] = {}
        for name in map(str, listed(ome(folder).get("labels")) if folder else ()):
            inner = self._tree.node(f"{path}/{name}") if name and "/" not in name and name != ".." else None
            if inner is None:
                notes.append(f"The labels {name!r} are listed and missing.")
            else:
                document = "zarr.json" if inner.version == 3 else ".zgroup"
                found[name] = (
                    f"{path}/{name}/{document if inner.prefix else posixpath.basename(inner.base.source.path)}"
                )
        return found

    def _raster(
        self,
        group: Node,
        levels: Sequence[tuple[Node, ArrayMeta]],
        dims: Sequence[str],
        placed: Sequence[Placed],
        physical: frozenset[str],
        channels: Sequence[Any],
        attrs: dict[str, object],
        notes: Sequence[str],
    ) -> FolderRaster:
        # Documents may come to be there that were not when it was opened.
        watched = folder_of(self._tree.file)
        room = watchable(self._tree.file, self._count)
        everything = True
        for node, meta in levels:
            folder = node.prefix or ""
            found, complete = folders_of_chunks(node.base, folder, meta.depth, room - len(watched))
            watched += found
            everything = everything and complete
        said = [*self._notes, *notes]
        if not everything:
            said.append("Its chunks lie in too many folders to watch: ones that are replaced may go unnoticed.")
        if said:
            attrs["notes"] = said
        documents = self._tree.documents(
            [group.path, *(n.path for n, _ in levels), posixpath.join(group.path, "labels")]
        )
        files, places = Files(self._tree.file, documents).raster_files([n.base for n, _ in levels], watched)
        arrays = [
            FolderArray(
                Stored(tuple(dims), meta.shape, meta.chunk),
                meta.number,
                meta.places,
                meta.unpack,
                meta.fill,
                (places[node.base.source.path],),
                node.prefix + ("zarr.json" if node.version == 3 else ".zarray") if node.prefix else "",
            )
            for node, meta in levels
        ]
        return raster(files, arrays, placed, physical, channels, attrs)
