"""What the header of a picture says, and the open image made of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from s3facade.core.errors import Unsupported
from s3facade.core.protocols import ChunkTable, SourceFile
from s3facade.core.spec import Channel
from s3facade.readers.arrays.chunked import MAX_CELL, ChunkedTable, chunked
from s3facade.readers.arrays.raster import TableRaster
from s3facade.readers.arrays.raw import RawTable
from s3facade.readers.arrays.stored import Stored
from s3facade.readers.facts import Facts, Grid, colours, described
from s3facade.readers.pictures.whole import Whole

METRE = 1e6
"""µm."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One image of a file.

    Either ``table`` is its only level, or the file is decoded whole by ``codec``.
    """

    shape: tuple[int, ...]
    """As decoded: (y, x), (y, x, c) or (t, y, x, c)."""
    dtype: np.dtype[Any]
    codec: str = ""
    """Of imagecodecs."""
    levels: int = 1
    """Resolutions in the stream, each half of the one before, rounded up."""
    mode: str = ""
    """A change on the way, see `Whole`."""
    table: RawTable | ChunkedTable | None = None
    bits: int | None = None
    """Bits of a sample, where they are fewer than the type has."""
    inks: bool = False
    """Whether four samples are cyan, magenta, yellow and black."""
    scale: Mapping[str, float] = field(default_factory=dict)
    """By axis: µm or seconds."""
    attrs: Mapping[str, object] = field(default_factory=dict)
    notes: Sequence[str] = ()


def raster(file: SourceFile, picture: Picture) -> TableRaster:
    """The open image.

    Raises:
        Unsupported: It, or its file, is too large to be decoded at once.
    """
    tables = _tables(file, picture)
    first = tables[0]
    stored = first.stored
    codec = picture.codec or first.codec
    attrs: dict[str, object] = {**picture.attrs, "codec": codec}
    if picture.notes:
        attrs["notes"] = list(picture.notes)
    nbytes = math.prod(picture.shape) * picture.dtype.itemsize
    if picture.table is None and nbytes >= 8 << 20:
        attrs["reasons"] = [f"Decoded whole, {nbytes >> 20} MiB, for whatever part is read."]
    facts = Facts(picture.scale, attrs=attrs)
    grids = [Grid(t.stored.shape, t.block) for t in tables]
    spec = described(stored.names, first.dtype, grids, facts, _channels(picture, stored.shape, stored.names))
    return TableRaster(spec, (file,), tables)


def _tables(file: SourceFile, picture: Picture) -> tuple[Any, ...]:
    if picture.table is not None:
        return (picture.table,)
    size = file.source.size
    if size > MAX_CELL:
        raise Unsupported(
            f"The picture's file has {size} bytes and can be decoded whole only; more than {MAX_CELL >> 20} MiB "
            "cannot be. Convert it to a tiled format such as OME-TIFF."
        )
    tables: list[ChunkTable] = []
    for level in range(picture.levels):
        shape = tuple(-(-n // 2**level) if k < 2 else n for k, n in enumerate(picture.shape))
        dims = {2: ("y", "x"), 3: ("y", "x", "c"), 4: ("t", "y", "x", "c")}[len(shape)]
        if math.prod(shape) * picture.dtype.itemsize > MAX_CELL:
            raise Unsupported(
                f"The picture's shape is {shape} and it can be decoded whole only; more than {MAX_CELL >> 20} MiB "
                "cannot be. Convert it to a tiled format such as OME-TIFF."
            )
        step = Whole(picture.codec, shape, picture.dtype, picture.mode, level)
        places, counts = np.zeros(1, np.int64), np.full(1, size, np.int64)
        tables.append(chunked(Stored(dims, shape, shape), picture.dtype, places, counts, [step], end=[size]))
    return tuple(tables)


def _channels(picture: Picture, shape: Sequence[int], names: Sequence[str]) -> tuple[Channel, ...]:
    count = shape[list(names).index("c")] if "c" in names else 1
    if picture.inks:
        return tuple(map(Channel, ("Cyan", "Magenta", "Yellow", "Black")))
    if count in (3, 4):
        return colours(picture.dtype, count, picture.bits)
    if count == 2:
        return (Channel(), Channel("Alpha", active=False))
    return ()


def physical(per_metre: Mapping[str, float]) -> dict[str, float]:
    """µm per pixel from pixels per metre, where that can be a measure and is no resolution of a printer or a screen.

    Nothing coarser than 100 µm, and nothing that is `printed`.
    """
    found = {}
    for axis, count in per_metre.items():
        if not math.isfinite(count) or count < METRE / 100 or printed(count):
            return {}
        found[axis] = METRE / count
    return found


def printed(per_metre: float) -> bool:
    """Whether so many pixels per metre are a whole number of dots per inch up to 4,800.

    Cameras, scanners and drawing programs write these without knowing what the picture shows. Multiples of 127 are no
    resolutions of theirs, but whole numbers of 50 pixels per centimetre: 10 µm or 20 µm per pixel.
    """
    dots = per_metre * 0.0254
    whole = round(dots)
    # the count is a whole number itself in most formats
    return 0 < dots <= 4800.5 and whole % 127 != 0 and abs(dots - whole) <= max(0.02, 1e-4 * dots)
