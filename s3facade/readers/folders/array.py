"""Arrays whose chunks are found by name, and images made of them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from s3facade.core.errors import BadSource, SourceUnavailable, Unsupported
from s3facade.core.operators import Block, Buffer
from s3facade.core.portable import Portable
from s3facade.core.protocols import SourceFile
from s3facade.core.region import Region, cells
from s3facade.core.spec import Axis, Channel, Level, Spec
from s3facade.readers.arrays.chunked import MAX_CELL
from s3facade.readers.arrays.filters import FILTERS
from s3facade.readers.arrays.stored import Stored, owned
from s3facade.readers.folders.documents import part


class Places(Protocol):
    """Where chunks are. A frozen dataclass of portable fields; thread-safe."""

    def fetch(self, base: SourceFile, at: tuple[int, ...], most: int) -> Buffer | None:
        """A chunk as it is stored; None where the format says that there is none.

        Args:
            base: The document that names are relative to.
            at: Position in the grid, dimensions as stored.
            most: Bytes that a chunk may take; more is damage.

        Raises:
            SourceError: It cannot be read. Never None then.
        """
        ...


class Unpack(Protocol):
    """How a chunk becomes numbers. A frozen dataclass of portable fields; thread-safe."""

    @property
    def name(self) -> str:
        """The codec chain in words."""
        ...

    def unpack(self, data: Buffer, cell: tuple[int, ...], extent: tuple[int, ...], number: np.dtype[Any]) -> Block:
        """The numbers of a chunk, as many dimensions as stored; at least ``extent``, or what the chunk says it has.

        Args:
            data: As stored.
            cell: Size of a whole chunk.
            extent: What of it is inside the array.
            number: Type of a number, with byte order.

        Raises:
            ValueError: The data do not decode; so do RuntimeError, TypeError, IndexError.
        """
        ...


@dataclass(frozen=True, slots=True)
class FolderArray:
    """One array, with all that is needed to read any chunk of it."""

    stored: Stored
    number: np.dtype[Any]
    """Of a stored number, with its byte order."""
    places: Places
    unpack: Unpack
    fill: bytes
    """One number, native byte order: the value of absent chunks."""
    bases: tuple[int, ...]
    """Index into `Raster.files`: what names of chunks are relative to. Several: one for each index of the first
    dimension, which is then a list of arrays."""
    proof: str = ""
    """A document that is there as long as the array is, if that is not the base itself."""

    def __post_init__(self) -> None:
        nbytes = math.prod(self.stored.cell) * self.number.itemsize
        if nbytes > MAX_CELL:
            raise Unsupported(
                f"One chunk of the image holds {math.prod(self.stored.cell)} numbers; "
                f"more than {MAX_CELL >> 20} MiB at once cannot be read."
            )

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the image."""
        return self.number.newbyteorder("=")

    def block(self, files: Sequence[SourceFile], index: tuple[int, ...]) -> Block:
        """The voxels of a grid cell, clipped to the array, axes of the image. Raises `SourceError`."""
        at = self.stored.locate(index)
        extent, cell = self.stored.extent(at), self.stored.cell
        base, place = files[self.bases[0]], at
        stack = len(self.bases) > 1
        if stack:
            base, place, cell = files[self.bases[at[0]]], at[1:], cell[1:]
        inner = extent[1:] if stack else extent
        nbytes = math.prod(cell) * self.number.itemsize
        data = self.places.fetch(base, place, 2 * nbytes + (1 << 16))
        if data is None:
            if self.proof and part(base, self.proof) is None:
                raise SourceUnavailable("A part of the source is gone.", private=f"{base.source.path}: {self.proof}")
            return self.stored.arrange(np.full(extent, self._fill))
        try:
            found = self.unpack.unpack(data, cell, inner, self.number)
        except (ValueError, RuntimeError, TypeError, IndexError, MemoryError, OverflowError) as error:
            raise BadSource(
                "A chunk of the image does not decode; the file is damaged there.",
                private=f"{base.source.path}: chunk {place}, {len(data)} bytes: {error!r:.200}",
            ) from error
        found = found[tuple(slice(n) for n in inner)]
        if found.shape != inner:
            # Blocks that were written while the array was smaller: what lies outside them was never written.
            written, found = found, np.full(inner, self._fill)
            found[tuple(slice(n) for n in written.shape)] = written
        block = self.stored.arrange(found.reshape(extent)).astype(self.dtype, copy=False)
        return owned(block)

    @property
    def _fill(self) -> np.generic:
        found: np.generic = np.frombuffer(self.fill, self.dtype)[0]
        return found


@dataclass(frozen=True, slots=True)
class FolderRaster:
    """One image of a folder: described, no file held open by it."""

    spec: Spec
    files: tuple[SourceFile, ...]
    arrays: tuple[FolderArray, ...]
    """One per level."""

    @property
    def codec(self) -> str:
        """The codec chain of the finest level in words."""
        return self.arrays[0].unpack.name

    def chunks(self, level: int) -> None:  # noqa: ARG002 - the seam
        """None: where a chunk is, and whether there is one, is known once it is asked for."""
        return

    def read(self, level: int, region: Region) -> Block:
        """Voxels of ``region``, C order, axes of the image. Raises `SourceError`."""
        array, shape = self.arrays[level], self.spec.levels[level].shape
        out: Block | None = None
        for index, unclipped in cells(region, array.stored.block):
            box = unclipped.clip(shape)
            block = array.block(self.files, index)
            if box == region:
                return block
            part = box.intersect(region)
            if out is None:
                out = np.empty(region.shape, array.dtype)
            out[part.slices(region.start)] = block[part.slices(box.start)]
        assert out is not None  # noqa: S101 - a non-empty region touches a cell
        return out


@dataclass(frozen=True, slots=True)
class Placed:
    """Where one level lies, by axis; what is absent follows from the shapes."""

    scale: Mapping[str, float]
    """µm or seconds per voxel; on axes without a unit, voxels of the finest level."""
    origin: Mapping[str, float]
    """Centre of the first voxel, likewise."""


class FolderFreezing:
    """`FolderRaster` as bytes and back, for the ``freeze`` and ``thaw`` of a reader.

    Args:
        classes: Of `Places` and `Unpack`, and what these are made of.
    """

    def __init__(self, classes: Iterable[type[Any]]) -> None:
        self._portable = Portable([Spec, Axis, Channel, Level, Stored, FolderArray, *FILTERS, *classes])

    def freeze(self, rasters: Sequence[FolderRaster]) -> bytes | None:
        """The rasters as bytes, with the paths of their files."""
        paths: dict[str, int] = {}
        frozen = []
        for raster in rasters:
            numbers = [paths.setdefault(f.source.path, len(paths)) for f in raster.files]
            attrs = json.dumps(dict(raster.spec.attrs))
            frozen.append((replace(raster.spec, attrs={}), attrs, numbers, raster.arrays))
        return self._portable.dump((list(paths), frozen))

    def thaw(self, data: bytes, files: Mapping[str, SourceFile]) -> list[FolderRaster]:
        """The rasters again. Raises `ValueError` if the data are of another version."""
        paths, frozen = self._portable.load(data)
        found = [files[p] for p in paths]
        return [
            FolderRaster(replace(spec, attrs=json.loads(attrs)), tuple(found[n] for n in numbers), tuple(arrays))
            for spec, attrs, numbers, arrays in frozen
        ]
