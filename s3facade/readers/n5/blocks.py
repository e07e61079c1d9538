"""Datasets of N5: their attributes, and their blocks as they are stored (N5 specification 4.0.0)."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import imagecodecs
import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.operators import Block, Buffer
from s3facade.readers.arrays.chunked import Filter
from s3facade.readers.arrays.filters import SLACK, Blosc, Deflate, Gzip, Lzma, Zstd
from s3facade.readers.folders.documents import Document, mapping, whole
from s3facade.readers.folders.unpack import Bz2Streams, run

_TYPES: Mapping[str, str] = {
    **{f"{sign}int{8 * n}": f">{kind}{n}" for sign, kind in (("", "i"), ("u", "u")) for n in (1, 2, 4, 8)},
    "float32": ">f4",
    "float64": ">f8",
}
_FRAME = struct.Struct("<8sB3I")
_MAGIC = b"LZ4Block"


@dataclass(frozen=True, slots=True)
class Lz4Blocks:
    """Blocks of LZ4 as lz4-java frames them; without its magic number one plain block."""

    name: ClassVar[str] = "lz4"

    def decode(self, data: Buffer, nbytes: int) -> Buffer:
        """The blocks' content."""
        view, room = memoryview(data), nbytes + SLACK
        parts: list[bytes] = []
        if bytes(view[:8]) != _MAGIC:
            return cast(bytes, imagecodecs.lz4_decode(bytes(view), out=nbytes))
        while len(view) >= _FRAME.size:
            magic, token, packed, size, _ = _FRAME.unpack_from(view)
            if magic != _MAGIC or packed > len(view) - _FRAME.size or size > room:
                raise ValueError("a block of LZ4 does not fit")
            inside = bytes(view[_FRAME.size : _FRAME.size + packed])
            if size:
                stored = token >> 4 == 1
                parts.append(inside if stored else cast(bytes, imagecodecs.lz4_decode(inside, out=size)))
            view, room = view[_FRAME.size + packed :], room - size
        return b"".join(parts)


_FILTERS: Mapping[str, Callable[[], Filter]] = {
    "blosc": Blosc,
    "bzip2": Bz2Streams,
    "gzip": Gzip,
    "lz4": Lz4Blocks,
    "xz": Lzma,
    "zstd": Zstd,
}


@dataclass(frozen=True, slots=True)
class N5Block:
    """Blocks that state their own size."""

    filters: tuple[Filter, ...]

    @property
    def name(self) -> str:
        """How they are compressed."""
        return ", ".join(f.name for f in self.filters) or "raw"

    def unpack(self, data: Buffer, cell: tuple[int, ...], extent: tuple[int, ...], number: np.dtype[Any]) -> Block:
        """The numbers of a block, as many as it has: at the far edges blocks may be cut to the array.

        Raises:
            ValueError: It does not fit.
            Unsupported: It does not hold plain numbers.
        """
        rank = len(extent)
        size = 4 + 4 * rank
        if len(data) < size:
            raise ValueError("shorter than its header")
        mode, count, *lengths = struct.unpack_from(f">2H{rank}I", data)
        if mode:
            raise Unsupported(f"Blocks of the array have the mode {mode}, of values of different length.")
        shape = tuple(reversed(lengths))
        if count != rank or any(not 1 <= n <= m for n, m in zip(shape, cell, strict=True)):
            raise ValueError(f"a block of {lengths} in {count} dimensions")
        nbytes = math.prod(shape) * number.itemsize
        found = run(self.filters, memoryview(data)[size:], nbytes)
        if len(found) != nbytes:
            raise ValueError(f"{len(found)} bytes instead of {nbytes}")
        return np.frombuffer(found, number).reshape(shape)


@dataclass(frozen=True, slots=True)
class Dataset:
    """The attributes of one array, dimensions slowest first: N5 writes them the other way round."""

    shape: tuple[int, ...]
    cell: tuple[int, ...]
    number: np.dtype[Any]
    unpack: N5Block


def dataset(about: Document) -> Dataset:
    """A dataset from its attributes.

    Raises:
        BadSource: They contradict themselves.
        Unsupported: Types of numbers, compressions.
    """
    shape, cell = whole(about["dimensions"], "dimensions"), whole(about["blockSize"], "blockSize", 1)
    if len(shape) != len(cell) or not shape:
        raise BadSource(f"The dataset has the dimensions {shape} and blocks of {cell}.")
    kind = str(about["dataType"]).lower()
    if kind not in _TYPES:
        raise Unsupported(f"The dataset holds values of type {kind!r:.40}; images are of numbers.")
    if about.get("isLabelMultiset") or "varLength" in about:
        raise Unsupported("The dataset holds label multisets, which are no plain numbers.")
    return Dataset(shape[::-1], cell[::-1], np.dtype(_TYPES[kind]), N5Block(_filters(about)))


def _filters(about: Document) -> tuple[Filter, ...]:
    found = about.get("compression", about.get("compressionType"))
    how = mapping(found)
    name = str(how.get("type") if how else found)
    if name == "raw":
        return ()
    if name == "gzip" and how.get("useZlib"):
        return (Deflate(),)
    if name not in _FILTERS:
        raise Unsupported(f"The dataset is compressed with {name!r:.40}; known are raw, {', '.join(_FILTERS)}.")
    return (_FILTERS[name](),)


CLASSES: tuple[type[Any], ...] = (N5Block, Lz4Blocks)
"""For `FolderFreezing`."""
