"""Neuroglancer's precomputed volumes: a folder with a document called ``info``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.protocols import SourceFile
from s3facade.readers.arrays.stored import Stored
from s3facade.readers.folders import unpack
from s3facade.readers.folders.array import FolderArray, FolderFreezing, FolderRaster, Placed, Places, Unpack
from s3facade.readers.folders.documents import Document, document, kept, listed, mapping, numbers, reading, whole
from s3facade.readers.folders.image import Files, folders_of_chunks, raster, watchable
from s3facade.readers.folders.unpack import Numbers
from s3facade.readers.precomputed import chunks, places
from s3facade.readers.precomputed.chunks import TYPES, Picture, Segments
from s3facade.readers.precomputed.places import Boxes, grid_of, sharded

NUMBERS = frozenset({"float32", "int8", "int16", "int32", "uint8", "uint16", "uint32", "uint64"})
MAX_SCALES = 64


class PrecomputedReader:
    """Images and segmentations, sharded or not."""

    name: ClassVar[str] = "precomputed"
    version: ClassVar[int] = 1
    lane: ClassVar[Literal["thread", "serial", "process"]] = "thread"
    suffixes: ClassVar[frozenset[str]] = frozenset({".precomputed"})
    markers: ClassVar[frozenset[str]] = frozenset({"info"})

    def __init__(self) -> None:
        self._freezing = FolderFreezing([*unpack.CLASSES, *places.CLASSES, *chunks.CLASSES])

    def sniff(self, head: bytes, name: str) -> bool:
        """Whether this is the description of a volume; meshes and annotations have documents of the same name."""
        return (
            name == "info"
            and head.lstrip().startswith(b"{")
            and b'"scales"' in head
            and any(key in head for key in (b'"data_type"', b'"num_channels"', b'"chunk_sizes"', b'"resolution"'))
        )

    def open(self, file: SourceFile, options: Mapping[str, object]) -> Sequence[FolderRaster]:
        """The volume: one image.

        Raises:
            BadSource: The document contradicts itself.
            Unsupported: An option, since there are none; encodings and types.
        """
        if options:
            raise Unsupported(f"The precomputed reader has no option {next(iter(options))!r}; it takes none.")
        with reading("precomputed volume"):
            return [_volume(file, document(file))]

    def freeze(self, rasters: Sequence[FolderRaster]) -> bytes | None:
        """The image as bytes."""
        return self._freezing.freeze(rasters)

    def thaw(self, data: bytes, files: Mapping[str, SourceFile]) -> Sequence[FolderRaster]:
        """What was frozen. Raises `ValueError`."""
        return self._freezing.thaw(data, files)


def _volume(file: SourceFile, info: Document) -> FolderRaster:
    kind, count, scales = str(info["data_type"]).lower(), info["num_channels"], listed(info["scales"])
    if kind not in NUMBERS:
        raise Unsupported(f"The volume holds values of type {kind!r:.40}; known are {', '.join(sorted(NUMBERS))}.")
    if type(count) is not int or not 1 <= count <= 1 << 16 or not 1 <= len(scales) <= MAX_SCALES:
        raise BadSource(f"The volume has {count!r:.20} channels and {len(scales)} scales.")
    number = np.dtype(kind).newbyteorder("<")
    levels = [_level(mapping(scale), number, count) for scale in scales]
    first = mapping(scales[0])
    zero = numbers(first.get("resolution"), 3)
    watched: list[SourceFile] = []
    everything = True
    for scale in scales:
        folder = f"{mapping(scale)['key']}"
        found, complete = folders_of_chunks(file, folder, 0, watchable(file) - len(watched))
        watched, everything = watched + found, everything and complete
    files, _ = Files(file).raster_files([], watched)
    attrs: dict[str, object] = {"axes": "x,y,z,channel" if count > 1 else "x,y,z"}
    if info.get("type") == "segmentation":
        if number.kind == "f":
            raise BadSource("The volume is a segmentation of floating-point numbers.")
        attrs["categorical"] = True
    placed = [_placed(mapping(scale), zero) for scale in scales]
    physical = "zyx" if zero and all(p.scale for p in placed) else ""
    if not physical:
        placed = [Placed({}, {}) for _ in scales]
    return raster(files, levels, placed, physical, (), attrs | kept(dict(info)))


def _level(scale: Document, number: np.dtype[np.generic], count: int) -> FolderArray:
    size, chunk = whole(scale["size"], "size", 1), whole(listed(scale["chunk_sizes"])[0], "chunk_sizes", 1)
    offset = tuple(scale.get("voxel_offset", (0, 0, 0)))
    if len(size) != 3 or len(chunk) != 3 or len(offset) != 3 or not all(type(o) is int for o in offset):
        raise BadSource(
            f"A scale has the size {size}, chunks of {chunk} and the offset {offset}; three of each are due."
        )
    folder = f"{scale['key']}".rstrip("/") + "/"
    where: Places
    if scale.get("sharding") is not None:
        where = sharded(mapping(scale["sharding"]), folder, grid_of(size, chunk))
    else:
        where = Boxes(folder, (size[0], size[1], size[2]), (chunk[0], chunk[1], chunk[2]), offset)
    dims = ("c" if count > 1 else "", "z", "y", "x")
    stored = Stored(dims, (count, *size[::-1]), (count, *chunk[::-1]))
    return FolderArray(stored, number, where, _unpack(scale, number, count), bytes(number.itemsize), (0,))


def _unpack(scale: Document, number: np.dtype[np.generic], count: int) -> Unpack:
    encoding = str(scale["encoding"])
    if encoding == "raw":
        return Numbers((), (), cut=True)
    if encoding not in TYPES:
        raise Unsupported(f"The volume is encoded with {encoding!r:.40}; known are raw, {', '.join(TYPES)}.")
    if number.name not in TYPES[encoding]:
        raise BadSource(f"The volume is encoded with {encoding}, which does not hold {number.name}.")
    if encoding == "compressed_segmentation":
        block = whole(scale["compressed_segmentation_block_size"], "compressed_segmentation_block_size", 1)
        if len(block) != 3 or block[0] * block[1] * block[2] > 1 << 24:
            raise BadSource(f"The volume is encoded in blocks of {block}.")
        return Segments((block[0], block[1], block[2]))
    if count > 4:
        raise BadSource(f"The volume is encoded with {encoding}, which does not hold {count} channels.")
    return Picture(encoding)


def _placed(scale: Document, zero: tuple[float, ...] | None) -> Placed:
    """In µm. The outer edge of voxel 0 is half a voxel of the finest level before its centre, at all levels."""
    found = numbers(scale.get("resolution"), 3)
    if not found or not zero or not all(r > 0 for r in found):
        return Placed({}, {})
    offset = scale.get("voxel_offset", (0, 0, 0))
    sizes = {a: r / 1000 for a, r in zip("xyz", found, strict=True)}
    places = {a: ((o + 0.5) * r - z / 2) / 1000 for a, r, o, z in zip("xyz", found, offset, zero, strict=True)}
    return Placed(sizes, places)
