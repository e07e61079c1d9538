"""Images as pages of a TIFF file: which levels and planes, how they are tiled, and what their directories say."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

from s3facade.codecs.interleaved import Interleaved
from s3facade.codecs.raw import Raw
from s3facade.core.errors import Unsupported
from s3facade.core.image import Image
from s3facade.core.objects import Pixels, Run
from s3facade.core.operators import Codec
from s3facade.core.region import Region
from s3facade.core.spec import Spec
from s3facade.layouts.omero import is_rgb
from s3facade.layouts.tiff_directory import IFD, IFD8, LONG, RATIONAL, SHORT, Entry, Form, Line

TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")
"""What every reader of TIFF understands."""
LARGEST = 2**31 - 1
"""Bytes of a tile; a directory has 32 bits for them, and libtiff takes them as signed."""
SIDE = 512
"""Pixels along a tile that are usual."""
_FORMATS = {"u": 1, "i": 2, "f": 3}
_MOST = 2**32 - 1
_RAW = Raw()


@dataclass(frozen=True, slots=True)
class Tiles:
    """One level, cut into tiles."""

    level: int
    shape: tuple[int, int]
    """y, x."""
    tile: tuple[int, int]
    """y, x; multiples of 16."""
    counts: tuple[int, int]
    """Tiles along y and x."""
    nbytes: int
    """Of one tile."""

    @property
    def count(self) -> int:
        """Tiles of a plane."""
        return self.counts[0] * self.counts[1]


@dataclass(frozen=True, slots=True)
class Pages:
    """One image as pages: z fastest, then c, then t; samples of colours within the pixels."""

    image: Image
    samples: int
    """Values of a pixel: 1, or the colours of a photograph."""
    planes: int
    """Pages of the finest level."""
    levels: tuple[Tiles, ...]

    def tiles(self, n: int) -> Run:
        """All tiles of one level, through all planes."""
        level = self.levels[n]
        return Run(self.planes * level.count, level.nbytes, partial(self._tile, level, self._codec()))

    def _codec(self) -> Codec:
        axis = self.image.spec.axis("c")
        return _RAW if self.samples == 1 or axis is None else Interleaved(axis)

    def _tile(self, level: Tiles, codec: Codec, i: int) -> Pixels:
        plane, i = divmod(i, level.count)
        row, column = divmod(i, level.counts[1])
        spec = self.image.spec
        rest, z = divmod(plane, spec.length("z"))
        t, c = (rest, 0) if self.samples > 1 else divmod(rest, spec.length("c"))
        start = {"t": t, "c": c, "z": z, "y": row * level.tile[0], "x": column * level.tile[1]}
        shape = {"t": 1, "c": self.samples, "z": 1, "y": level.tile[0], "x": level.tile[1]}
        low = tuple(start[name] for name in spec.names)
        size = tuple(shape[name] for name in spec.names)
        region = Region(low, tuple(a + n for a, n in zip(low, size, strict=True)))
        return Pixels(self.image, level.level, region.clip(spec.levels[level.level].shape), size, codec)


def pages(image: Image, side: int, *, pyramid: bool) -> Pages:
    """How an image becomes pages.

    Args:
        image: The image.
        side: Pixels along a tile, a multiple of 16.
        pyramid: Whether coarser levels are stored, too: those that have all planes of the finest one.

    Raises:
        Unsupported: A type that readers of TIFF do not know, or an option that does not fit.
    """
    spec = image.spec
    if side % 16 or not 16 <= side <= 2**15:
        raise Unsupported(f"tile: tiles of TIFF have a multiple of 16 pixels from 16 to 32768, not {side}.")
    if spec.dtype.name not in TYPES:
        raise Unsupported(
            f"TIFF files of {spec.dtype} voxels are read by few programs; write `dtype:` with one of "
            f"{', '.join(TYPES)}."
        )
    samples = colours(spec)
    planes = spec.length("t") * spec.length("z") * (1 if samples > 1 else spec.length("c"))
    levels = [
        _tiles(spec, level, side, samples)
        for level, about in enumerate(spec.levels)
        if level == 0 or (pyramid and about.shape[:-2] == spec.levels[0].shape[:-2])
    ]
    return Pages(image, samples, planes, tuple(levels))


def colours(spec: Spec) -> int:
    """Values of a pixel: 3 or 4 where the channels are the colours of a photograph, else 1."""
    count = spec.length("c")
    rgb = spec.dtype.name in ("uint8", "uint16") and len(spec.channels) == count and is_rgb(spec.channels)
    return count if rgb else 1


def _tiles(spec: Spec, level: int, side: int, samples: int) -> Tiles:
    shape = spec.levels[level].shape[-2:]
    tile = tuple(min(side, n + -n % 16) for n in shape)
    counts = tuple(-(-n // m) for n, m in zip(shape, tile, strict=True))
    nbytes = tile[0] * tile[1] * samples * spec.dtype.itemsize
    if nbytes > LARGEST:
        raise Unsupported(
            f"tile: a tile of {tile[1]} x {tile[0]} pixels has {nbytes} bytes, and readers of TIFF take at most "
            f"{LARGEST}; write a smaller number, 512 for instance."
        )
    return Tiles(level, (shape[0], shape[1]), (tile[0], tile[1]), (counts[0], counts[1]), nbytes)


def entries(form: Form, of: Pages, n: int, offsets: Line, counts: Line, below: Sequence[Line]) -> list[Entry]:
    """What the directory of a plane says about its level number ``n``, sorted by tag; without a description.

    Args:
        form: Classic or big.
        of: The pages.
        n: Which of its levels.
        offsets: Where the positions of the plane's tiles are, or the position of its only tile.
        counts: Where their sizes are; not needed where these fit into the entry.
        below: Where the directories of coarser levels are.
    """
    level, spec = of.levels[n], of.image.spec
    shape, tile, samples = level.shape, level.tile, of.samples
    sizes = struct.pack("<I", level.nbytes) * level.count if level.count * 4 <= form.word else None
    found = [
        Entry(254, LONG, 1, struct.pack("<I", int(n > 0))),
        Entry(256, LONG, 1, struct.pack("<I", shape[1])),
        Entry(257, LONG, 1, struct.pack("<I", shape[0])),
        Entry(258, SHORT, samples, struct.pack("<H", 8 * spec.dtype.itemsize) * samples),
        Entry(259, SHORT, 1, struct.pack("<H", 1)),
        Entry(262, SHORT, 1, struct.pack("<H", 2 if samples > 1 else 1)),
        Entry(277, SHORT, 1, struct.pack("<H", samples)),
        *_resolution(spec, level.level),
        Entry(284, SHORT, 1, struct.pack("<H", 1)),
        Entry(322, LONG, 1, struct.pack("<I", tile[1])),
        Entry(323, LONG, 1, struct.pack("<I", tile[0])),
        Entry(324, form.offset_type, level.count, (offsets,)),
        Entry(325, LONG, level.count, (counts,) if sizes is None else sizes),
        *([Entry(330, IFD8 if form.big else IFD, len(below), tuple(below))] if below else []),
        *([Entry(338, SHORT, samples - 3, struct.pack("<H", 2))] if samples > 3 else []),
        Entry(339, SHORT, samples, struct.pack("<H", _FORMATS[spec.dtype.kind]) * samples),
    ]
    return sorted(found, key=lambda entry: entry.tag)


def _resolution(spec: Spec, level: int) -> list[Entry]:
    """Pixels per centimetre, where the source says how large a pixel is."""
    y, x = (_per_centimetre(scale) for scale in spec.levels[level].scale[-2:])
    if any(axis.unit is None for axis in spec.axes[-2:]) or x is None or y is None:
        return []
    return [Entry(282, RATIONAL, 1, x), Entry(283, RATIONAL, 1, y), Entry(296, SHORT, 1, struct.pack("<H", 3))]


def _per_centimetre(micrometres: float) -> bytes | None:
    """The fraction that is meant by the decimal number, as exact as two numbers of 32 bits can say it."""
    if not 1e-5 < micrometres < 1e9:
        return None
    exact = 10_000 / Fraction(repr(float(micrometres)))
    most = _MOST if exact <= 1 else int(_MOST / exact)
    found = exact.limit_denominator(max(most, 1))
    if not 0 < found.numerator <= _MOST:
        return None
    return struct.pack("<II", found.numerator, found.denominator)
