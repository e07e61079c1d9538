"""Source chunks that come over a network, several at once: what takes long there is waiting, not reading."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from s3facade.core.errors import SourceError
from s3facade.core.image import Image, Opened
from s3facade.core.operators import Buffer
from s3facade.core.protocols import Cell, ChunkTable, Raster
from s3facade.core.region import Region, cells
from s3facade.engine.flight import Work
from s3facade.engine.lanes import OpaqueTable
from s3facade.engine.memory import Memory
from s3facade.engine.needs import kept, needed
from s3facade.engine.rasters import Rasters
from s3facade.stores.files import is_remote, read_many

T = TypeVar("T")
GROUP = 32
"""Chunks that are fetched at once."""
MOST = 32 << 20
"""Bytes of chunks that are fetched before their turn."""


def remote(image: Opened) -> bool:
    """Whether the bytes of an image come over a network."""
    return is_remote(image.source.path)


def groups(items: Iterable[T]) -> Iterator[list[T]]:
    """Lists of up to `GROUP` items, in order."""
    rest = iter(items)
    while group := list(islice(rest, GROUP)):
        yield group


def fetch(
    image: Opened,
    raster: Raster,
    table: ChunkTable,
    level: int,
    indices: Iterable[tuple[int, ...]],
    memory: Memory,
    work: Work,
) -> None:
    """Have the stored bytes of cells in ``work.fetched``, unless their voxels are in memory. Raises `SourceError`."""
    wanted: dict[tuple[int, ...], Cell] = {}
    nbytes = 0
    for index in indices:
        key = (image.spec.identity, level, index)
        if key in work.fetched or key in memory or (cell := table.cell(index)) is None:
            continue
        wanted[index] = cell
        nbytes += cell.nbytes
        if nbytes > MOST:
            break
    if not wanted:
        return
    work.check()
    try:
        data = read_many([(raster.files[c.file], c.offset, c.nbytes) for c in wanted.values()])
    except SourceError as error:
        error.at(f"{image.source.path}, level {level}")
        raise
    for index, part in zip(wanted, data or (), strict=False):
        work.fetched[image.spec.identity, level, index] = part


def fetch_all(boxes: Iterable[tuple[Image, int, Region]], rasters: Rasters, memory: Memory, work: Work) -> None:
    """The same for the chunks behind several regions of plans, up to a group of them. Raises `SourceError`."""
    by_level: dict[tuple[str, int], tuple[Opened, list[tuple[int, ...]]]] = {}
    count = 0
    for image, level, region in boxes:
        for leaf, below, box in _leaves(image, level, region):
            raster = rasters.get(leaf)
            table = raster.chunks(below)
            if table is None:
                continue
            found = by_level.setdefault((leaf.spec.identity, below), (leaf, []))[1]
            new = [index for index, _ in islice(cells(box, table.block), GROUP)]
            found.extend(new)
            count += len(new)
        if count >= GROUP:
            break
    for (_, level), (leaf, indices) in by_level.items():
        raster = rasters.get(leaf)
        table = raster.chunks(level) or OpaqueTable(raster, level)
        fetch(leaf, raster, table, level, dict.fromkeys(indices), memory, work)


def _leaves(image: Image, level: int, region: Region) -> Iterator[tuple[Opened, int, Region]]:
    """Remote images behind a region, where nothing on the way may be kept already."""
    if isinstance(image, Opened):
        if remote(image):
            yield image, level, region
    elif not kept(image, level, region):
        for parent, need in needed(image, level, region):
            yield from _leaves(parent, need.level, need.region)


def taken(
    image: Opened, raster: Raster, level: int, index: tuple[int, ...], cell: Cell | None, work: Work
) -> Buffer | None:
    """The stored bytes of a cell: fetched before, or read now. Raises `SourceError`."""
    if cell is None:
        return None
    if not remote(image):
        return raster.files[cell.file].pread(cell.offset, cell.nbytes)
    data = work.fetched.pop((image.spec.identity, level, index), None)
    if data is None:
        found = read_many([(raster.files[cell.file], cell.offset, cell.nbytes)])
        data = raster.files[cell.file].pread(cell.offset, cell.nbytes) if found is None else found[0]
    return data
