"""The interpreter of plans: pixels of any image, in one worker thread, from call to return.

A plan is evaluated by plain recursion without a thread hop inside: on 2 cores a hop costs about as much as decoding
a 64 KiB tile. Parallelism comes from evaluating several segments at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

import numpy as np

from s3facade.core.errors import BadSource, SourceError
from s3facade.core.image import Combined, Derived, Image, Opened, sources
from s3facade.core.operators import Block
from s3facade.core.protocols import ChunkTable, Raster
from s3facade.core.region import Region, cells
from s3facade.engine import ahead
from s3facade.engine.disk import Disk
from s3facade.engine.flight import Flights, Work
from s3facade.engine.lanes import OpaqueTable
from s3facade.engine.memory import Memory
from s3facade.engine.needs import Key, in_pieces, kept, needed, sparing, worth
from s3facade.engine.rasters import Rasters
from s3facade.stores.local import young

IMAGES = 10_000
"""Images of which it is remembered how old their files are."""


class Evaluator:
    """Reads regions of plans. Thread-safe; blocking."""

    def __init__(self, rasters: Rasters, memory: Memory, disk: Disk | None = None) -> None:
        self._rasters = rasters
        self._memory = memory
        self._disk = disk
        self._flights = Flights()
        self._newest: dict[str, int] = {}
        """When the files behind an image were last modified, by its identity."""

    def read(self, image: Image, level: int, region: Region, work: Work) -> Block:
        """Voxels of a non-empty ``region`` inside ``level``: C-order, axes of the image. Do not write into them.

        Raises:
            SourceError: As it is; never fill values instead.
            Cancelled: ``work`` was called off.
        """
        work.check()
        if isinstance(image, Opened):
            return self._opened(image, level, region, work)
        if kept(image, level, region):
            return self._assembled(image, level, region, work)
        return self._made(image, level, region, work)

    def _opened(self, image: Opened, level: int, region: Region, work: Work) -> Block:
        raster = self._rasters.get(image)
        table = raster.chunks(level) or OpaqueTable(raster, level)
        shape = image.spec.levels[level].shape
        out: Block | None = None
        for index, unclipped in self._fetched(image, raster, table, level, region, work):
            box = unclipped.clip(shape)
            part = box.intersect(region)
            if part == box:
                # Used whole and not again: keeping it would only push other blocks out of the cache.
                block = self._decode(image, raster, table, level, index, work)
                if box == region:
                    return block
            else:
                block = self._cell(image, raster, table, level, index, work)
                if part == region:
                    return np.ascontiguousarray(block[part.slices(box.start)])
            if out is None:
                out = np.empty(region.shape, image.spec.dtype)
            out[part.slices(region.start)] = block[part.slices(box.start)]
        assert out is not None  # noqa: S101 - a non-empty region touches a cell
        return out

    def _fetched(
        self, image: Opened, raster: Raster, table: ChunkTable, level: int, region: Region, work: Work
    ) -> Iterator[tuple[tuple[int, ...], Region]]:
        """The grid cells of a region; stored bytes that come over a network, group by group."""
        if not ahead.remote(image):
            yield from cells(region, table.block)
            return
        for group in ahead.groups(cells(region, table.block)):
            ahead.fetch(image, raster, table, level, [index for index, _ in group], self._memory, work)
            yield from group
            for index, _ in group:
                # Of those that another thread has decoded meanwhile.
                work.fetched.pop((image.spec.identity, level, index), None)

    def ahead(self, boxes: Iterable[tuple[Image, int, Region]], work: Work) -> None:
        """Have what several regions need from a network on this machine, as far as that is not much."""
        ahead.fetch_all(boxes, self._rasters, self._memory, work)

    def _cell(
        self, image: Opened, raster: Raster, table: ChunkTable, level: int, index: tuple[int, ...], work: Work
    ) -> Block:
        """A source chunk that several requests need parts of, through the cache."""
        key = (image.spec.identity, level, index)
        found = self._memory.get(key)
        if found is not None:
            return cast(Block, found)

        def make() -> Block:
            block = self._decode(image, raster, table, level, index, work)
            self._memory.put(key, block)
            return block

        return self._flights.run(key, make, work)

    def _decode(
        self, image: Opened, raster: Raster, table: ChunkTable, level: int, index: tuple[int, ...], work: Work
    ) -> Block:
        work.check()
        cell = table.cell(index)
        try:
            data = ahead.taken(image, raster, level, index, cell, work)
            block = table.decode(index, data)
        except SourceError as error:
            path = image.source.path if cell is None else raster.files[cell.file].source.path
            error.at(f"{path}, level {level}")
            raise
        shape = image.spec.levels[level].shape
        expected = tuple(min(n, s - i * n) for i, n, s in zip(index, table.block, shape, strict=True))
        if block.shape != expected:
            raise BadSource(
                "A chunk of the source image does not have the size that the file declares.",
                private=f"{image.source.path}: level {level}, chunk {index}: {block.shape}, expected {expected}",
            )
        return _owned(block)

    def _made(self, image: Derived | Combined, level: int, region: Region, work: Work) -> Block:
        """A region computed from what it needs."""
        if isinstance(image, Derived) and (grid := in_pieces(image, level, region)) is not None:
            out = np.empty(region.shape, image.spec.dtype)
            for _, unclipped in cells(region, grid):
                piece = unclipped.intersect(region)
                out[piece.slices(region.start)] = self._at_once(image, level, piece, work)
            return out
        return self._at_once(image, level, region, work)

    def _at_once(self, image: Derived | Combined, level: int, region: Region, work: Work) -> Block:
        needs = needed(image, level, region)
        blocks = (self.read(parent, need.level, need.region, work) for parent, need in needs)
        try:
            # Infinities and NaN are values like others: no warning in the log for each block that has one.
            with np.errstate(all="ignore"):
                if isinstance(image, Combined):
                    specs = [parent.spec for parent in image.parents]
                    return image.combination.apply(specs, level, region, blocks)
                block = next(blocks, None)
                work.check()
                return image.transform.apply(image.parent.spec, level, region, block)
        except SourceError as error:
            error.at(f"{next((s.path for s in sources(image)), '')}, level {level}")
            raise

    def once(self, image: Derived | Combined, level: int, region: Region, work: Work) -> Block:
        """`read`, but not put together from blocks of the level, and not remembered."""
        return self._made(image, level, region, work)

    def has(self, key: tuple[str, int, tuple[int, ...]]) -> bool:
        """Whether a computed block is kept."""
        return key in self._memory or (self._disk is not None and self._disk.has(key))

    def _assembled(self, image: Derived | Combined, level: int, region: Region, work: Work) -> Block:
        """A region put together from cached blocks of the level's own grid."""
        about = image.spec.levels[level]
        grid = [(index, unclipped.clip(about.shape)) for index, unclipped in cells(region, about.block)]
        if len(grid) == 1 and grid[0][1] == region:
            return self._block(image, level, *grid[0], work)
        out = np.empty(region.shape, image.spec.dtype)
        absent = [(index, box) for index, box in grid if not self.has((image.spec.identity, level, index))]
        hull = sparing(image, region, [box for _, box in absent], about.block)
        if hull is not None:
            made = self._made(image, level, hull, work)
            out[hull.slices(region.start)] = made
            for index, box in absent:
                if box.intersect(hull) == box:
                    self._memory.put((image.spec.identity, level, index), made[box.slices(hull.start)].copy())
            grid = [cell for cell in grid if cell not in absent]
        for index, box in grid:
            block = self._block(image, level, index, box, work)
            part = box.intersect(region)
            out[part.slices(region.start)] = block[part.slices(box.start)]
        return out

    def _block(self, image: Derived | Combined, level: int, index: tuple[int, ...], box: Region, work: Work) -> Block:
        key = (image.spec.identity, level, index)
        found = self._memory.get(key)
        if found is not None:
            return cast(Block, found)

        def compute() -> Block:
            return _owned(self._made(image, level, box, work))

        def make() -> Block:
            disk = self._shelf(image, level, key, box, work)
            block = compute() if disk is None else disk.array(key, box.shape, image.spec.dtype, compute, work)
            self._memory.put(key, block)
            return block

        return self._flights.run(key, make, work)

    def _shelf(self, image: Derived | Combined, level: int, key: Key, box: Region, work: Work) -> Disk | None:
        """The disk cache, if the block has its place there."""
        disk = self._disk
        if disk is None or not worth(image, level, box) or self.young(image):
            return None
        return disk if work.only is None or key[:2] in work.only or disk.has(key) else None

    def young(self, image: Image) -> bool:
        """Whether a file behind it was written just now, and might be again without its time of change telling."""
        newest = self._newest.get(image.spec.identity)
        if newest is None:
            if len(self._newest) >= IMAGES:
                self._newest.clear()
            newest = self._newest[image.spec.identity] = max((s.modified for s in sources(image)), default=0)
        return young(newest)


def _owned(block: Block) -> Block:
    """The block, copied if it is a view that keeps much more memory alive than it shows."""
    base = block.base
    if isinstance(base, np.ndarray) and base.nbytes > 2 * block.nbytes:
        return block.copy()
    return block
