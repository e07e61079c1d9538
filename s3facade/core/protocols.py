"""The seams of plug-ins: what a reader and a layout promise; transforms and codecs stand in `operators`.

All are structural; nothing inherits from them. Implementations are stateless or frozen dataclasses whose
fields are their options.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar, Literal, Protocol

from s3facade.core.image import Dataset, Source
from s3facade.core.keyspace import Node
from s3facade.core.operators import Block, Buffer
from s3facade.core.region import Region
from s3facade.core.spec import Spec


class SourceFile(Protocol):
    """A blocking, read-only view of one source; what a reader sees instead of a path."""

    @property
    def source(self) -> Source:
        """What the file was when it was opened."""
        ...

    def pread(self, offset: int, nbytes: int) -> Buffer:
        """Exactly ``nbytes`` bytes from ``offset``.

        Raises:
            BadSource: The range ends behind the end of the file.
            SourceUnavailable: The file cannot be read now.
            SourceChanged: It is not the file that was opened.
        """
        ...

    def stream(self) -> BinaryIO:
        """A new seekable binary file object; the caller closes it. For format libraries."""
        ...

    def sibling(self, name: str) -> SourceFile:
        """Another file of the same folder or below it, by the relative name that the data give.

        Raises:
            SourceNotFound: There is none.
            SourceDenied: The name leaves the folder.
        """
        ...

    def names(self, below: str = "") -> Sequence[str]:
        """What is in the folder that the file lies in, or in a folder ``below`` it: sorted, folders end in ``/``.

        Raises:
            SourceNotFound: There is no such folder.
            SourceDenied: The name leaves the folder.
        """
        ...

    def folder(self, below: str = "") -> SourceFile:
        """That folder as a source without bytes: its etag changes when entries come or go.

        A raster that depends on what is in a folder lists it among its `Raster.files`. Raises as `names`.
        """
        ...

    def path(self) -> str:
        """A path of this machine, for libraries that take nothing else; a remote file is fetched whole for it."""
        ...


@dataclass(frozen=True, slots=True)
class Cell:
    """Where one source chunk lies."""

    file: int
    """Index into `Raster.files`."""
    offset: int
    nbytes: int


class ChunkTable(Protocol):
    """One level's own chunks: a regular grid over the level, parsed once. Thread-safe."""

    @property
    def block(self) -> tuple[int, ...]:
        """Size of a grid cell in voxels, axes of the image."""
        ...

    @property
    def codec(self) -> str:
        """The codec chain in words, e.g. ``zstd`` or ``deflate, predictor 2``."""
        ...

    def cell(self, index: tuple[int, ...]) -> Cell | None:
        """Where grid cell ``index`` is stored; None where the format says "nothing here" (sparse: fill value)."""
        ...

    def decode(self, index: tuple[int, ...], data: Buffer | None) -> Block:
        """Voxels of a grid cell, clipped to the level at its far edges, C-order, the image's dtype.

        ``data`` is what `cell` points at, None for a sparse cell. Output memory is bounded by the cell's shape.

        Raises:
            BadSource: The bytes do not decode to these voxels.
        """
        ...


class Finding(Protocol):
    """What a `SourceFile` may offer as well: a quick look at parts that need not be there."""

    def find(self, name: str) -> SourceFile | None:
        """`SourceFile.sibling`, but None where there is surely no such file; not remembered as asked for.

        For formats in which an absent part has a meaning, and parts are many: chunks in files of their own.

        Raises:
            SourceUnavailable: It cannot be told now whether there is one.
            SourceDenied: The name leaves the folder, or the file may not be read.
        """
        ...


class Distant(Protocol):
    """What a `SourceFile` may state as well."""

    far: ClassVar[bool]
    """Whether each look at a folder or another file costs a wait, since it lies behind a network: look at few."""


class Raster(Protocol):
    """One open image: description at hand, pixels on request. Thread-safe.

    It may state ``fragile`` as well: True where reading it may crash the process, as some codecs do on damaged data.
    The engine then opens the file anew in a process of its own, though the reader's lane is another one.
    """

    @property
    def spec(self) -> Spec:
        """Description; ``identity`` is left empty, the engine fills it in."""
        ...

    @property
    def files(self) -> Sequence[SourceFile]:
        """Every file the pixels come from, and folders that it depends on; the first is the one that was opened."""
        ...

    def chunks(self, level: int) -> ChunkTable | None:
        """Where the source keeps this level's chunks, or None if it has no random access to them."""
        ...

    def read(self, level: int, region: Region) -> Block:
        """Voxels of ``region`` for levels without a `ChunkTable`: C-order, the image's dtype, owned by the caller.

        ``region`` is non-empty and inside the level. Blocking; called from workers only.

        Raises:
            BadSource: Never fill values instead.
        """
        ...


class Reader(Protocol):
    """A file format. Stateless."""

    name: ClassVar[str]
    version: ClassVar[int]
    """Bump when the same file would give other voxels or metadata."""
    lane: ClassVar[Literal["thread", "serial", "process"]]

    def sniff(self, head: bytes, name: str) -> bool:
        """Whether the first 4,096 bytes and the file name look like this format. No I/O, never raises."""
        ...

    def open(self, file: SourceFile, options: Mapping[str, object]) -> Sequence[Raster]:
        """The images of a file, in order. Parses headers only; blocking.

        Raises:
            BadSource: The file contradicts itself.
            Unsupported: A kind of file that cannot be shown truly; names field and value.
            SourceNotFound: A member file is missing.
        """
        ...


class Optional(Protocol):
    """What a reader may state as well."""

    suffixes: ClassVar[frozenset[str]]
    """Ends of names, lower case, with the dot: a file called so claims to be an image of this format, and is named as
    broken where no reader recognises it. Only what nothing else is called."""
    rank: ClassVar[int]
    """Readers of higher rank are asked later; 0 if it is not stated. For formats that others are special cases of."""
    markers: ClassVar[frozenset[str]]
    """Names of files that make the folder they lie in one image, e.g. ``zarr.json``: the file stands for the folder,
    and nothing below it is looked at. ``*.htd`` is any name that ends so, if it is the only one in its folder."""
    loose: ClassVar[bool]
    """Whether the files in such a folder are images on their own, too, of which the marker is an index: a source that
    asks for them by name, or by another reader, gets them."""

    def bare(self, head: bytes, name: str) -> bool:
        """Whether a marker, of which ``head`` is all, says no more than that its folder is a group of a hierarchy.

        Where other images lie in such a folder as well, it is an ordinary one.
        """
        ...

    needs: ClassVar[tuple[str, ...]]
    """Modules that it imports when it opens a file, and that may not be installed."""
    extra: ClassVar[str]
    """The extra of the package that brings them."""
    apart: ClassVar[bool]
    """Whether `Reader.open` asks a library that a damaged file may crash, or have loop or take memory without end. It
    then runs in the process lane, and only there; what it finds is frozen there and thawed in the server, so that the
    reader is a `Freezer`, too. Images that it cannot freeze are read in the process lane. Files of a store are opened
    in the server all the same: the processes have no stores."""
    how: ClassVar[str]
    """What to do to have them, where an extra of the package does not do it."""


class Freezer(Protocol):
    """What a reader may offer as well: its rasters as bytes, so that a restart need not parse every file again.

    Whoever keeps the bytes answers for it that they are given back whole, to the same version of the reader, and only
    while all files are what they were.
    """

    def freeze(self, rasters: Sequence[Any]) -> bytes | None:
        """What `Reader.open` gave for one file, without the files; None if these cannot be frozen."""
        ...

    def thaw(self, data: bytes, files: Mapping[str, SourceFile]) -> Sequence[Raster]:
        """The rasters again. Quick: no I/O.

        Args:
            data: What `freeze` made.
            files: All files of the rasters, by path.

        Raises:
            ValueError: ``data`` are of another version.
        """
        ...


class Layout(Protocol):
    """A directory format, or a file format: dataset to key space. A frozen dataclass; its fields are its options.

    One that shows an image as a single file gives a `File`, and states ``leaf: ClassVar[bool] = True`` and its
    ``media_type: str``, which is told where no image is opened. One whose
    levels are those of single planes states ``flat: ClassVar[bool] = True``: z is not halved then.
    Folders that are no Zarr state their ``format: ClassVar[str]``, so that users are told lines that open them.
    """

    version: ClassVar[int]
    """Bump when any key's bytes would change."""

    def build(self, dataset: Dataset) -> Node:
        """Describe every key. Pure and quick: no I/O, no voxels. Raises `Unsupported`."""
        ...
