"""Pages put together to a TIFF file whose every byte has its place before a pixel is computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from s3facade.core.errors import Unsupported
from s3facade.core.objects import Literal, Object, Run, Segment
from s3facade.layouts.tiff_directory import ASCII, Block, Entry, Form, Line, Table, block, extent
from s3facade.layouts.tiff_pages import Pages, entries

LARGEST = 2**32 - 1
"""Bytes of a classic file, all of whose offsets have 32 bits."""
DESCRIBED = 4096
"""Descriptions begin no earlier: some programs judge a file by what they find before."""
ALIGNED = 16
"""Tiles begin at multiples of it."""
_NOWHERE = Line(0, 0)


@dataclass(frozen=True, slots=True)
class Place:
    """Where one level of one image lies: the positions of its tiles, their sizes, and the tiles themselves."""

    offsets: Table
    offsets_at: int | None
    """None where there is one tile per plane, whose position stands in the directory."""
    sizes: Table
    sizes_at: int | None
    """None where they stand in the directories."""

    @property
    def tables(self) -> list[tuple[int, Table]]:
        """Those that are in the file, by their positions."""
        pairs = ((self.offsets_at, self.offsets), (self.sizes_at, self.sizes))
        return [(at, table) for at, table in pairs if at is not None]


@dataclass(frozen=True, slots=True)
class TiffFile:
    """A whole file, described."""

    form: Form
    images: tuple[Pages, ...]
    description: bytes
    """Of the first page, with its final zero; empty for none."""
    description_at: int
    sizes: tuple[int, ...]
    """Bytes of the directories of a plane, per image."""
    places: tuple[tuple[Place, ...], ...]
    """Per image and level."""
    size: int
    """Bytes of the file."""

    def body(self) -> Object:
        """The file. Quick: what is long in it is made when it is read."""
        parts: list[Segment | Run] = [Literal(self.form.header(self.form.head)), *self._directories()]
        at = self.form.head + sum(n * image.planes for n, image in zip(self.sizes, self.images, strict=True))
        parts += [Literal(bytes(self.description_at - at)), Literal(self.description)]
        at = self.description_at + len(self.description)
        for places in self.places:
            for where, table in (pair for place in places for pair in place.tables):
                parts += [Literal(bytes(where - at)), *table.parts()]
                at = where + table.nbytes
        parts.append(Literal(bytes(self.places[0][0].offsets.first - at)))
        parts += [image.tiles(n) for image in self.images for n in range(len(image.levels))]
        return Object(tuple(part for part in parts if isinstance(part, Run) or part.nbytes))

    def _directories(self) -> list[Segment | Run]:
        """Blocks of all planes. The first has the description, the last ends the chain."""
        parts: list[Segment | Run] = []
        at = self.form.head
        for n, (image, nbytes) in enumerate(zip(self.images, self.sizes, strict=True)):
            ends = n == len(self.images) - 1
            rest = self._block(n, at, b"")
            first, stop = 0, image.planes - ends
            if n == 0:
                described = self._block(0, at, self.description)
                parts.append(Literal(described.plane(0, last=ends and image.planes == 1)))
                first = 1
            if stop > first:
                parts.append(Run(stop - first, nbytes, partial(_plane, rest, first)))
            if ends and stop >= first:
                parts.append(Literal(rest.plane(stop, last=True)))
            at += image.planes * nbytes
        return parts

    def _block(self, n: int, at: int, description: bytes) -> Block:
        """The directories of a plane of image ``n``, those of its plane 0 at ``at``."""
        about = (self.form, self.images[n], self.places[n], description, self.description_at)
        lines, low = [], at
        for entries_of in directories(*about, ()):
            lines.append(Line(low, self.sizes[n]))
            low += extent(self.form, entries_of)
        return block(self.form, at, self.sizes[n], directories(*about, tuple(lines[1:])))


def _plane(of: Block, first: int, i: int) -> Literal:
    return Literal(of.plane(first + i, last=False))


def directories(
    form: Form, image: Pages, places: Sequence[Place], description: bytes, at: int, below: Sequence[Line]
) -> list[list[Entry]]:
    """Entries of the directories of a plane, finest level first.

    Args:
        form: Classic or big.
        image: What is described.
        places: Where its levels lie.
        description: Of this page, at ``at``; may be empty.
        at: Position in the file.
        below: Where the directories of coarser levels are; where they are not known yet, none.
    """
    found = []
    coarser = tuple(below) or (_NOWHERE,) * (len(image.levels) - 1)
    for n, (level, place) in enumerate(zip(image.levels, places, strict=True)):
        table = place.offsets
        # One tile: its position is the value itself.
        positions = Line(table.first, table.step)
        if place.offsets_at is not None:
            positions = Line(place.offsets_at, level.count * table.width)
        sizes = Line(place.sizes_at or 0, level.count * place.sizes.width)
        made = entries(form, image, n, positions, sizes, coarser if n == 0 else ())
        if n == 0 and description:
            made.append(Entry(270, ASCII, len(description), (Line(at, 0),)))
            made.sort(key=lambda entry: entry.tag)
        found.append(made)
    return found


def tiff_file(images: Sequence[Pages], description: bytes, *, big: bool | None) -> TiffFile:
    """The file that holds ``images``, one after the other.

    Args:
        images: At least one.
        description: Text of the first page; ends in a zero unless it is empty.
        big: Whether offsets have 64 bits; None: where they must.

    Raises:
        Unsupported: A classic file is asked for, and it would be too large.
    """
    if big is None or not big:
        made = _placed(Form(big=False), images, description)
        if made.size <= LARGEST:
            return made
        if big is not None:
            raise Unsupported(
                f"{made.size} bytes do not fit into a classic TIFF file; leave out `bigtiff: false`, or call the file "
                ".ome.btf, as BigTIFFs are called."
            )
    return _placed(Form(big=True), images, description)


def _placed(form: Form, images: Sequence[Pages], description: bytes) -> TiffFile:
    nowhere = [[_place(form, image, n, 0, 0, 0) for n in range(len(image.levels))] for image in images]
    sizes = []
    for i, (image, places) in enumerate(zip(images, nowhere, strict=True)):
        made = directories(form, image, places, description if i == 0 else b"", 0, ())
        sizes.append(sum(extent(form, entries_of) for entries_of in made))
    at = form.head + sum(n * image.planes for n, image in zip(sizes, images, strict=True))
    description_at = max(at, DESCRIBED) if description else at
    at = _aligned(description_at + len(description))
    tables: list[list[tuple[int, int]]] = []
    for places in nowhere:
        tables.append([])
        for place in places:
            offsets_at = at
            at += place.offsets.nbytes if place.offsets_at is not None else 0
            sizes_at = at
            at += place.sizes.nbytes if place.sizes_at is not None else 0
            tables[-1].append((offsets_at, sizes_at))
    at = _aligned(at)
    final = []
    for image, wheres in zip(images, tables, strict=True):
        placed = []
        for n, where in enumerate(wheres):
            placed.append(_place(form, image, n, *where, at))
            at += image.planes * image.levels[n].count * image.levels[n].nbytes
        final.append(tuple(placed))
    return TiffFile(form, tuple(images), description, description_at, tuple(sizes), tuple(final), at)


def _place(form: Form, image: Pages, n: int, offsets_at: int, sizes_at: int, data_at: int) -> Place:
    level = image.levels[n]
    count = image.planes * level.count
    offsets = Table(data_at, level.nbytes, count, form.word)
    sizes = Table(level.nbytes, 0, count, 4)
    inside = level.count * sizes.width <= form.word
    return Place(offsets, offsets_at if level.count > 1 else None, sizes, None if inside else sizes_at)


def _aligned(at: int) -> int:
    return at + -at % ALIGNED
