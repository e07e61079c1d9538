"""One plane of a dataset: a TIFF that is at hand as bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from s3facade.core.errors import BadSource, SourceNotFound, Unsupported
from s3facade.core.image import Source
from s3facade.core.operators import Block, Buffer
from s3facade.core.protocols import SourceFile
from s3facade.core.region import Region, cells
from s3facade.readers.tiff.guard import opened, watched
from s3facade.readers.tiff.stack import Stack, build
from s3facade.readers.tiff.table import RawTable, SegmentTable


@dataclass(frozen=True, slots=True)
class _Bytes:
    """A `SourceFile` of bytes, with nothing beside it."""

    data: Buffer
    source: Source

    def pread(self, offset: int, nbytes: int) -> Buffer:
        """Exactly those bytes. Raises `BadSource`."""
        if offset < 0 or offset + nbytes > len(self.data):
            raise BadSource("A plane's file ends before the data it refers to.")
        return memoryview(self.data)[offset : offset + nbytes]

    def stream(self) -> BinaryIO:
        """The bytes as a file."""
        return io.BytesIO(self.data)

    def sibling(self, name: str) -> SourceFile:
        """Never found: a plane stands for itself."""
        raise SourceNotFound(f"The plane refers to {name!r}.")

    def names(self, below: str = "") -> Sequence[str]:  # noqa: ARG002 - the seam
        """Nothing."""
        return []

    def folder(self, below: str = "") -> SourceFile:
        """Never found."""
        raise SourceNotFound(f"The plane refers to the folder {below!r}.")

    def path(self) -> str:
        """None."""
        raise Unsupported("A plane in memory has no path.")


@dataclass(frozen=True, slots=True)
class Member:
    """What a plane's file holds."""

    shape: tuple[int, int]
    """Rows and columns."""
    dtype: np.dtype[Any]
    codec: str
    description: str
    """Text of the first page."""
    table: RawTable | SegmentTable


def member(data: Buffer, page: int = 0) -> Member:
    """A page of a TIFF.

    Raises:
        BadSource: It is damaged, or no single plane of grey values.
    """
    source = Source("plane.tif", len(data), 0, "")
    with watched(), opened(_Bytes(data, source), is_ome=False) as file:
        if page and page >= len(file.tif.pages):
            raise BadSource(f"The index names page {page} of a file of {len(file.tif.pages)} pages.")
        found = file.tif.pages.first if not page else file.tif.pages.get(page, aspage=True)
        table = build(Stack(found.axes, found.shape, [found], [0]), [len(data)])
        geometry = table.geometry
        if geometry.names != ("y", "x"):
            raise BadSource(
                f"A plane of the dataset is of shape {tuple(found.shape)}, axes {found.axes}; single planes are needed."
            )
        rows, columns = geometry.shape
        return Member((rows, columns), table.dtype, table.codec, found.description, table)


def plane(data: Buffer, page: int = 0) -> Block:
    """The voxels of a page, (y, x). Raises `BadSource`."""
    found = member(data, page)
    out: Block = np.empty(found.shape, found.dtype)
    view = memoryview(data)
    for index, box in cells(Region.whole(found.shape), found.table.block):
        cell = found.table.cell(index)
        part = None if cell is None else bytes(view[cell.offset : cell.offset + cell.nbytes])
        out[box.clip(found.shape).slices()] = found.table.decode(index, part)
    return out


def read(file: SourceFile, limit: int, page: int = 0) -> Member:
    """A plane's file, described.

    Raises:
        Unsupported: It is longer than ``limit`` bytes.
        BadSource: It is damaged.
    """
    if file.source.size > limit:
        raise Unsupported(f"A plane's file is longer than {limit >> 20} MiB.", private=file.source.path)
    try:
        return member(file.pread(0, file.source.size), page)
    except BadSource as error:
        error.at(file.source.path)
        raise
