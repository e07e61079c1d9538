"""Files that are watched, and rasters read whole: what the checks of readers are made of."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np

from s3facade.core.image import Source
from s3facade.core.operators import Block
from s3facade.core.protocols import ChunkTable, Raster
from s3facade.core.region import Region, cells, grid
from s3facade.stores.local import LocalFile


@dataclass(slots=True)
class Notes:
    """What was read, by whoever reads."""

    reads: list[tuple[str, int, int]] = field(default_factory=list)
    """Path, offset and bytes of each ``pread``."""
    streams: list[BinaryIO] = field(default_factory=list)
    """Every file object that was given out."""

    def close_all(self) -> int:
        """Close what was left open; how many that were."""
        left = [s for s in self.streams if not s.closed]
        for stream in left:
            stream.close()
        return len(left)


class Watched:
    """A `SourceFile` on this machine that notes what is read of it and of the files beside it.

    Args:
        file: The file.
        notes: Where reads are noted.
    """

    __slots__ = ("_file", "notes")

    def __init__(self, file: LocalFile, notes: Notes) -> None:
        self._file = file
        self.notes = notes

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Watched:
        """The file at ``path``. Raises `SourceUnavailable` or `SourceDenied`."""
        return cls(LocalFile.open(path), Notes())

    @property
    def source(self) -> Source:
        """What the file was when it was described."""
        return self._file.source

    def pread(self, offset: int, nbytes: int) -> bytes:
        """As `LocalFile.pread`."""
        self.notes.reads.append((self.source.path, offset, nbytes))
        return self._file.pread(offset, nbytes)

    def stream(self) -> BinaryIO:
        """As `LocalFile.stream`."""
        stream = self._file.stream()
        self.notes.streams.append(stream)
        return stream

    def sibling(self, name: str) -> Watched:
        """As `LocalFile.sibling`."""
        return Watched(self._file.sibling(name), self.notes)

    def names(self, below: str = "") -> Sequence[str]:
        """As `LocalFile.names`."""
        return self._file.names(below)

    def folder(self, below: str = "") -> Watched:
        """As `LocalFile.folder`."""
        return Watched(self._file.folder(below), self.notes)

    def path(self) -> str:
        """As `LocalFile.path`."""
        return self._file.path()


def block(raster: Raster, table: ChunkTable, index: tuple[int, ...]) -> Block:
    """The voxels of one cell, read and decoded as the engine does. Raises `SourceError`."""
    where = table.cell(index)
    data = None if where is None else raster.files[where.file].pread(where.offset, where.nbytes)
    return table.decode(index, data)


def voxels(raster: Raster, level: int, region: Region | None = None) -> Block:
    """Voxels of ``region``, of the whole level if there is none, from chunks or read. Raises `SourceError`.

    Raises:
        AssertionError: A block is not of the shape or type that the description promises.
    """
    spec = raster.spec
    shape = spec.levels[level].shape
    box = region or Region.whole(shape)
    table = raster.chunks(level)
    if table is None:
        found = raster.read(level, box)
        _check(found, box.shape, spec.dtype, f"level {level}, {box}")
        return found
    out: Block = np.empty(box.shape, spec.dtype)
    for index, whole in cells(box, table.block):
        full = whole.clip(shape)
        part = block(raster, table, index)
        _check(part, full.shape, spec.dtype, f"level {level}, cell {index}")
        inside = full.intersect(box)
        out[inside.slices(box.start)] = part[inside.slices(full.start)]
    return out


def sampled(raster: Raster, level: int, most: int) -> int:
    """Decode at most ``most`` cells of a level, first and last ones; how many. Raises `SourceError`."""
    table, shape = raster.chunks(level), raster.spec.levels[level].shape
    if table is None:
        size = raster.spec.levels[level].block
        box = Region((0,) * len(shape), tuple(min(n, m) for n, m in zip(shape, size, strict=True)))
        raster.read(level, box)
        return 1
    counts = grid(shape, table.block)
    total = int(np.prod([int(n) for n in counts], dtype=object))
    numbers = list(range(min(most, total)))
    numbers[len(numbers) // 2 :] = range(total - (len(numbers) - len(numbers) // 2), total)
    for number in numbers:
        block(raster, table, _index(number, counts))
    return len(numbers)


def _index(number: int, counts: Sequence[int]) -> tuple[int, ...]:
    out = []
    for n in reversed(counts):
        number, i = divmod(number, n)
        out.append(i)
    return tuple(reversed(out))


def _check(found: Block, shape: tuple[int, ...], dtype: np.dtype[Any], where: str) -> None:
    assert isinstance(found, np.ndarray), f"{where}: a {type(found).__name__}, not an array"
    assert found.shape == shape, f"{where}: voxels of shape {found.shape}, {shape} promised"
    assert found.dtype == dtype, f"{where}: voxels of type {found.dtype}, {dtype} promised"
    assert found.flags.c_contiguous, f"{where}: the voxels are not in C order"
