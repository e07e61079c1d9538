"""Blocks that are worth keeping, in an order in which one pass over the originals makes all of them.

Nothing is computed here. Each level's blocks come in C order, and each block right behind those that it needs: so a
coarse block finds the finer ones in memory, and rows of a source whose chunks are as wide as the image are read once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from s3facade.core.image import Combined, Derived, Image, Opened
from s3facade.core.region import Region, cells
from s3facade.engine.disk import footprint
from s3facade.engine.needs import Key, kept, needed, whole_blocks, worth

Place = tuple[str, int]
"""Where blocks belong: identity of an image, level."""


END = 1 << 62
"""An index behind all others."""


@dataclass(frozen=True, slots=True)
class Step:
    """One block to be computed and kept."""

    image: Derived | Combined
    level: int
    index: tuple[int, ...]
    box: Region
    reads: int
    """Bytes of original voxels behind it, but those behind other blocks that are kept before."""
    wide: int = 0
    """So many of the last axes are those along which one chunk of the original is as long as the image."""

    @property
    def key(self) -> Key:
        """What it is kept by."""
        return (self.image.spec.identity, self.level, self.index)


@dataclass(slots=True)
class Tally:
    """What keeping an image takes."""

    blocks: int = 0
    """All that are worth keeping."""
    nbytes: int = 0
    """Of these, as the disk cache counts them."""
    largest: int = 0
    """Bytes of the largest one."""
    missing: int = 0
    """Blocks that are not kept yet."""
    missing_nbytes: int = 0
    reads: int = 0
    """Bytes of original voxels that these are computed from."""

    def add(self, other: Tally) -> None:
        """Count another image, too."""
        self.blocks += other.blocks
        self.nbytes += other.nbytes
        self.largest = max(self.largest, other.largest)
        self.missing += other.missing
        self.missing_nbytes += other.missing_nbytes
        self.reads += other.reads


@dataclass(slots=True)
class _Stage:
    """A level of an image in the plan, and the part of it that is needed."""

    image: Derived | Combined
    level: int
    region: Region
    wide: int = 0

    def blocks(self) -> Iterator[tuple[tuple[int, ...], Region]]:
        """Index and box, in C order."""
        about = self.image.spec.levels[self.level]
        for index, box in cells(self.region, about.block):
            yield index, box.clip(about.shape)


@dataclass(slots=True)
class _Line:
    """How far a stage has come."""

    stage: _Stage
    rest: Iterator[tuple[tuple[int, ...], Region]] = field(init=False)
    next: tuple[tuple[int, ...], Region] | None = field(init=False)

    def __post_init__(self) -> None:
        self.rest = self.stage.blocks()
        self.next = next(self.rest, None)

    def until(self, last: tuple[int, ...] | None) -> Iterator[tuple[tuple[int, ...], Region]]:
        """Blocks that were not handed out yet, up to index ``last`` in C order, or all of them."""
        while self.next is not None and (last is None or self.next[0] <= last):
            block, self.next = self.next, next(self.rest, None)
            yield block


class Warming:
    """The blocks of one image that are kept: those that requests for it would keep on disk.

    Args:
        image: The image as it is shown.
        levels: Keep only blocks of these levels; what they are computed from is not kept. None: all that is worth it.
    """

    def __init__(self, image: Image, levels: Sequence[int] | None = None) -> None:
        self._stages: dict[Place, _Stage] = {}
        self._deep = levels is None
        every = range(len(image.spec.levels))
        # Coarsest first: whoever needs blocks stands before those that make them.
        for level in sorted(every if levels is None else {*levels} & {*every}, reverse=True):
            self._visit(image, level, Region.whole(image.spec.levels[level].shape))

    @property
    def only(self) -> frozenset[Place] | None:
        """For `Work.only`."""
        return None if self._deep else frozenset(self._stages)

    def tally(self, has: Callable[[Key], bool]) -> Tally:
        """What it takes. ``has`` tells whether a block is kept."""
        told = Tally()
        for place, stage in self._stages.items():
            itemsize = stage.image.spec.dtype.itemsize
            for index, box in stage.blocks():
                if not worth(stage.image, stage.level, box):
                    continue
                size = footprint(box.size * itemsize)
                told.blocks += 1
                told.nbytes += size
                told.largest = max(told.largest, size)
                if not has((*place, index)):
                    told.missing += 1
                    told.missing_nbytes += size
                    told.reads += self._reads(stage.image, stage.level, box)
        return told

    def steps(self, has: Callable[[Key], bool]) -> Iterator[Step]:
        """What is not kept yet. May be iterated while earlier steps are under way."""
        lines = {place: _Line(stage) for place, stage in self._stages.items()}
        for line in lines.values():
            yield from self._advance(line, None, lines, has)

    def rows(self, has: Callable[[Key], bool], most: int) -> Iterator[list[Step]]:
        """`steps`, those together that need the same chunks of the original: ``most`` bytes of blocks at most."""
        row: list[Step] = []
        size = 0
        for step in self.steps(has):
            nbytes = step.box.size * step.image.spec.dtype.itemsize
            if row and (size + nbytes > most or not step.wide or _row(row[-1]) != _row(step)):
                yield row
                row, size = [], 0
            row.append(step)
            size += nbytes
        if row:
            yield row

    def _advance(
        self, line: _Line, last: tuple[int, ...] | None, lines: dict[Place, _Line], has: Callable[[Key], bool]
    ) -> Iterator[Step]:
        image, level = line.stage.image, line.stage.level
        for index, box in line.until(last):
            keep = worth(image, level, box)
            if keep and has((image.spec.identity, level, index)):
                continue
            for place, region in self._behind(image, level, box):
                about = lines[place].stage.image.spec.levels[place[1]]
                end = tuple((b - 1) // n for b, n in zip(region.stop, about.block, strict=True))
                if wide := lines[place].stage.wide:
                    # To the end of the row, which is then made as a whole.
                    end = (*end[:-wide], *(END,) * wide)
                yield from self._advance(lines[place], end, lines, has)
            if keep:
                yield Step(image, level, index, box, self._reads(image, level, box), line.stage.wide)

    def _visit(self, image: Image, level: int, region: Region) -> None:
        if isinstance(image, Opened):
            return
        if kept(image, level, region):
            about = image.spec.levels[level]
            region = whole_blocks(region, about.block, about.shape)
            stage = self._stages.get((image.spec.identity, level))
            if stage is None:
                self._stages[image.spec.identity, level] = _Stage(image, level, region, _wide(image, level))
            else:
                around = Region(
                    tuple(map(min, stage.region.start, region.start)), tuple(map(max, stage.region.stop, region.stop))
                )
                if around == stage.region:
                    return
                stage.region = region = around
            if not self._deep:
                return
        for parent, need in needed(image, level, region):
            self._visit(parent, need.level, need.region)

    def _behind(self, image: Derived | Combined, level: int, region: Region) -> Iterator[tuple[Place, Region]]:
        """The levels that a box is computed from, as far as blocks of them are kept, and the boxes of these."""
        for parent, need in needed(image, level, region):
            if isinstance(parent, Opened):
                continue
            place = (parent.spec.identity, need.level)
            if place in self._stages and kept(parent, need.level, need.region):
                yield place, need.region
            else:
                yield from self._behind(parent, need.level, need.region)

    def _reads(self, image: Derived | Combined, level: int, box: Region) -> int:
        total = 0
        for parent, need in needed(image, level, box):
            if isinstance(parent, Opened):
                total += need.region.size * parent.spec.dtype.itemsize
            elif kept(parent, need.level, need.region):
                about = parent.spec.levels[need.level]
                known = (parent.spec.identity, need.level) in self._stages
                for _, cell in cells(need.region, about.block):
                    inner = cell.clip(about.shape)
                    if not (known and worth(parent, need.level, inner)):
                        total += self._reads(parent, need.level, inner)
            else:
                total += self._reads(parent, need.level, need.region)
        return total


def _row(step: Step) -> tuple[object, ...]:
    return (step.image.spec.identity, step.level, step.index[: len(step.index) - step.wide])


def _wide(image: Derived | Combined, level: int) -> int:
    """See `Step.wide`; 0 where it is computed from other blocks than those of an original, or from several images."""
    about = image.spec.levels[level]
    region = Region.whole(about.block).clip(about.shape)
    current: Image = image
    while not isinstance(current, Opened):
        needs = needed(current, level, region)
        if len(needs) != 1 or (current is not image and kept(current, level, region)):
            return 0
        current, level, region = needs[0][0], needs[0][1].level, needs[0][1].region
    chunk = current.spec.levels[level]
    if len(chunk.shape) != len(about.shape):
        return 0
    wide = 0
    for n, whole, part in zip(reversed(chunk.block), reversed(chunk.shape), reversed(region.shape), strict=True):
        if n < whole or (part == whole and not wide):
            break
        wide += 1
    return min(wide, len(chunk.shape) - 1)
