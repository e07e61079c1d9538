"""N5 containers: a folder that is one source."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from s3facade.core.errors import BadSource, SourceNotFound, Unsupported
from s3facade.core.protocols import SourceFile
from s3facade.readers.arrays.stored import Stored
from s3facade.readers.folders import places, unpack
from s3facade.readers.folders.array import FolderArray, FolderFreezing, FolderRaster
from s3facade.readers.folders.documents import kept, reading
from s3facade.readers.folders.image import Files, axes_of, folder_of, folders_of_chunks, raster, watchable
from s3facade.readers.folders.places import Keys
from s3facade.readers.n5 import blocks
from s3facade.readers.n5.blocks import dataset
from s3facade.readers.n5.groups import Container, Group, Multi
from s3facade.readers.n5.scales import names, placements

OPTIONS = ("axes", "path")
_KEYS = (
    b'"n5"', b'"blockSize"', b'"downsamplingFactors"', b'"pixelResolution"', b'"multiScale"', b'"multiscales"',
    b'"painteraData"', b'"scales"',
)  # fmt: skip


class N5Reader:
    """Datasets and multi-resolution groups of N5."""

    name: ClassVar[str] = "n5"
    version: ClassVar[int] = 1
    lane: ClassVar[Literal["thread", "serial", "process"]] = "thread"
    suffixes: ClassVar[frozenset[str]] = frozenset({".n5"})
    markers: ClassVar[frozenset[str]] = frozenset({"attributes.json"})

    def __init__(self) -> None:
        self._freezing = FolderFreezing([*unpack.CLASSES, *places.CLASSES, *blocks.CLASSES])

    def sniff(self, head: bytes, name: str) -> bool:
        """Whether these are attributes that N5 or one of its conventions has; other formats use the name as well."""
        if name != "attributes.json" or not head.lstrip().startswith(b"{"):
            return False
        return any(key in head for key in _KEYS) or (b'"axes"' in head and b'"units"' in head)

    def bare(self, head: bytes, name: str) -> bool:  # noqa: ARG002 - there is one name
        """Whether whole attributes say nothing about images in the group but the version of N5."""
        return not any(key in head for key in _KEYS[1:]) and b'"axes"' not in head

    def open(self, file: SourceFile, options: Mapping[str, object]) -> Sequence[FolderRaster]:
        """The images of a container, in order.

        Args:
            file: Its ``attributes.json``.
            options: ``path``: a group or dataset below the folder, to be opened instead; ``axes``: a letter for each
                dimension, slowest first (N5 lists them the other way round), ``-`` for one of length 1 left out.

        Raises:
            BadSource: It contradicts itself, or holds nothing.
            Unsupported: Options, types, compressions.
        """
        unknown = sorted(set(options) - set(OPTIONS))
        if unknown:
            raise Unsupported(f"The N5 reader has no option {unknown[0]!r}; it takes {', '.join(OPTIONS)}.")
        with reading("N5 container"):
            container = Container(file)
            found = list(container.images(_start(container, options)))
            if not found:
                raise BadSource("The N5 container holds no dataset.")
            return [_image(container, image, options, len(found)) for image in found]

    def freeze(self, rasters: Sequence[FolderRaster]) -> bytes | None:
        """The images as bytes."""
        return self._freezing.freeze(rasters)

    def thaw(self, data: bytes, files: Mapping[str, SourceFile]) -> Sequence[FolderRaster]:
        """What was frozen. Raises `ValueError`."""
        return self._freezing.thaw(data, files)


def _start(container: Container, options: Mapping[str, object]) -> Group:
    path = options.get("path", "")
    if not isinstance(path, str) or posixpath.isabs(path) or ".." in path.split("/"):
        raise Unsupported(f"The option `path` is {path!r}; it has to be a path below the folder.")
    try:
        container.file.names(path)
    except SourceNotFound:
        raise SourceNotFound(f"The option `path` refers to {path!r}, which is missing.") from None
    return container.group(posixpath.normpath(path) if path else "")


def _image(container: Container, image: Multi, options: Mapping[str, object], count: int) -> FolderRaster:
    bases, watched, everything = [], folder_of(container.file), True
    for group in (group for level in image.levels for group in level):
        # A dataset is known by its attributes, so they are there.
        assert group.file is not None  # noqa: S101
        bases.append(group.file)
        depth = len(group.attributes["dimensions"]) - 1
        found, complete = folders_of_chunks(group.file, "", depth, watchable(group.file, count) - len(watched))
        watched, everything = watched + found, everything and complete
    files, places_ = Files(container.file, container.documents(image.group)).raster_files(bases, watched)
    first = dataset(image.levels[0][0].attributes)
    called = names(image, len(first.shape))
    dims, notes = axes_of(options.get("axes"), called, first.shape, first.number.kind, first.number.itemsize)
    placed, physical = placements(image, dims)
    arrays = []
    for level in image.levels:
        about = dataset(level[0].attributes)
        where = tuple(places_[g.file.source.path] for g in level if g.file is not None)
        stack = len(level) > 1
        if stack and "t" in dims:
            raise Unsupported("Datasets of several time points have a time axis of their own.")
        stored = Stored(
            ("t", *dims) if stack else tuple(dims),
            (len(level), *about.shape) if stack else about.shape,
            (1, *about.cell) if stack else about.cell,
        )
        fill = bytes(about.number.itemsize)
        arrays.append(FolderArray(stored, about.number, Keys("", "/", reverse=True), about.unpack, fill, where))
    attrs: dict[str, object] = {"axes": ",".join(map(str, called)) if called else "".join(dims)}
    if image.group.path:
        attrs["name"] = image.group.path
    if not everything:
        notes.append("Its chunks lie in too many folders to watch: ones that are replaced may go unnoticed.")
    if notes:
        attrs["notes"] = notes
    return raster(files, arrays, placed, physical, (), attrs | kept(dict(image.group.attributes)))
