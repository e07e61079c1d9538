"""What a request would do: the plan behind its bytes, and what it would read. Nothing is computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from s3facade.core.image import Combined, Derived, Image, Opened
from s3facade.core.objects import Cut, Literal, Object, Packed, Passed, Pixels, cut
from s3facade.core.operators import Need
from s3facade.core.region import Region, cells, hull
from s3facade.engine.lanes import OpaqueTable
from s3facade.engine.needs import Key, cost, kept, needed
from s3facade.engine.rasters import Rasters

MOST = 200_000
"""Source chunks that are counted; a request that reads more is too large whatever the exact number is."""


@dataclass(slots=True)
class Reads:
    """Chunks of one file."""

    path: str
    codec: str
    chunks: int = 0
    stored: int = 0
    """Bytes in the file."""


@dataclass(slots=True)
class Node:
    """One image of the plan, as far as a request needs it."""

    image: Image
    level: int
    region: Region
    """The smallest box that holds all that is needed of it."""
    parents: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Explanation:
    """What ``start <= byte < stop`` of an object is made of and would read."""

    start: int
    stop: int
    documents: int = 0
    """Bytes that are at hand: metadata, indices of shards."""
    passed: int = 0
    """Bytes of files that go out as they are."""
    pieces: int = 0
    """Encoded boxes of voxels, such as the inner chunks of a shard."""
    plans: list[Node] = field(default_factory=list)
    """Of each image and level that the pieces are boxes of."""
    reads: dict[tuple[str, int], Reads] = field(default_factory=dict)
    """By path and image in it."""
    decoded: int = 0
    """Bytes of source voxels."""
    computed: int = 0
    """Blocks of computed levels that would be computed and kept."""
    kept: int = 0
    """Those that are kept already."""
    memory: int = 0
    """Bytes that the largest piece holds at once, at most."""
    complete: bool = True
    """False: more than `MOST` source chunks, the rest was not counted."""


def explain(obj: Object, start: int, stop: int, rasters: Rasters, has: Callable[[Key], bool]) -> Explanation:
    """What bytes ``start <= i < stop`` of ``obj`` would take. Blocking: files are opened, no chunk is read.

    Args:
        obj: The object.
        start: First byte.
        stop: Byte after the last one.
        rasters: Opens the files.
        has: Whether a computed block is kept.

    Raises:
        SourceError: A file cannot be opened.
    """
    account = _Account(Explanation(start, stop), rasters, has)
    boxes: dict[tuple[str, int], tuple[Image, Region]] = {}
    for piece in _pixels(cut(obj, start, stop), account.told):
        account.told.pieces += 1
        account.told.memory = max(account.told.memory, cost(piece.image, piece.level, piece.region))
        key = (piece.image.spec.identity, piece.level)
        known = boxes.get(key)
        boxes[key] = (piece.image, piece.region if known is None else hull((known[1], piece.region)))
        account.visit(piece.image, piece.level, piece.region)
    account.told.plans = [_node(image, level, region, {}) for (_, level), (image, region) in boxes.items()]
    return account.told


def _pixels(cuts: Iterator[Cut], told: Explanation) -> Iterator[Pixels]:
    """The boxes of voxels in an object; what is none of them is counted in ``told``."""
    for c in cuts:
        segment = c.segment
        if isinstance(segment, Literal):
            told.documents += c.hi - c.lo
        elif isinstance(segment, Passed):
            told.passed += c.hi - c.lo
        elif isinstance(segment, Packed):
            told.documents += c.hi - c.lo
            yield from (part for part, _ in segment.parts)
        else:
            yield segment


class _Account:
    """Follows boxes down to the files, each block once, as one request would."""

    def __init__(self, told: Explanation, rasters: Rasters, has: Callable[[Key], bool]) -> None:
        self.told = told
        self._rasters = rasters
        self._has = has
        self._seen: set[Key] = set()

    def visit(self, image: Image, level: int, region: Region) -> None:
        """Count what a box needs."""
        if isinstance(image, Opened):
            self._read(image, level, region)
        elif kept(image, level, region):
            about = image.spec.levels[level]
            for index, box in cells(region, about.block):
                if self._new((image.spec.identity, level, index)):
                    self._block(image, level, index, box.clip(about.shape))
        elif self._new((image.spec.identity, level, (*region.start, *region.stop))):
            self._needs(image, level, region)

    def _block(self, image: Derived | Combined, level: int, index: tuple[int, ...], box: Region) -> None:
        if self._has((image.spec.identity, level, index)):
            self.told.kept += 1
        else:
            self.told.computed += 1
            self._needs(image, level, box)

    def _needs(self, image: Derived | Combined, level: int, region: Region) -> None:
        for parent, need in needed(image, level, region):
            if not self.told.complete:
                return
            self.visit(parent, need.level, need.region)

    def _read(self, image: Opened, level: int, region: Region) -> None:
        raster = self._rasters.get(image)
        table = raster.chunks(level) or OpaqueTable(raster, level)
        shape = image.spec.levels[level].shape
        for index, box in cells(region, table.block):
            if not self._new((image.spec.identity, level, index)):
                continue
            if len(self._seen) > MOST:
                self.told.complete = False
                return
            where = table.cell(index)
            path = image.source.path if where is None else raster.files[where.file].source.path
            reads = self.told.reads.setdefault((path, image.series), Reads(path, table.codec))
            reads.chunks += 1
            reads.stored += 0 if where is None else where.nbytes
            self.told.decoded += box.clip(shape).size * image.spec.dtype.itemsize

    def _new(self, key: Key) -> bool:
        if key in self._seen:
            return False
        self._seen.add(key)
        return True


def _node(image: Image, level: int, region: Region, made: dict[tuple[str, int, Region], Node]) -> Node:
    """The plan behind a box; where two ways lead to one box, both have the same node."""
    known = made.get((image.spec.identity, level, region))
    if known is None:
        parents = [] if isinstance(image, Opened) else _parents(image, level, region, made)
        known = made[image.spec.identity, level, region] = Node(image, level, region, parents)
    return known


def _parents(
    image: Derived | Combined, level: int, region: Region, made: dict[tuple[str, int, Region], Node]
) -> list[Node]:
    boxes: dict[tuple[int, int], tuple[Image, Need]] = {}
    for parent, need in needed(image, level, region):
        known = boxes.get((id(parent), need.level))
        box = need.region if known is None else hull((known[1].region, need.region))
        boxes[id(parent), need.level] = (parent, Need(need.level, box))
    return [_node(parent, need.level, need.region, made) for parent, need in boxes.values()]
