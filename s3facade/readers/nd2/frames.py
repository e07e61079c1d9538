"""Frames of an ND2 file as chunk tables: raw ones by arithmetic, compressed ones through a filter."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.operators import Buffer
from s3facade.core.protocols import SourceFile
from s3facade.readers.arrays.chunked import MAX_CELL, ChunkedTable, chunked
from s3facade.readers.arrays.raw import Ints, RawTable, raw
from s3facade.readers.arrays.stored import Stored
from s3facade.readers.nd2.chunks import Chunks, head
from s3facade.readers.trees import integer

_TYPES = {8: "u1", 16: "<u2", 32: "<f4"}
_TIMESTAMP = 8
"""Bytes before the pixels of a frame."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Inflates a frame; drops what pads its rows and turns blue, green, red around. A filter of chunk tables."""

    row: int
    """Bytes of a row as stored."""
    used: int
    """Bytes of a row that are pixels."""
    reversed: int
    """Bytes of a value, where the values of each pixel are to be reversed; else 0."""
    samples: int

    @property
    def name(self) -> str:
        """In words."""
        return "deflate"

    def decode(self, data: Buffer, nbytes: int) -> Buffer:
        """The pixels. Raises `ValueError`, `RuntimeError`."""
        plain = imagecodecs.zlib_decode(bytes(data), out=nbytes // self.used * self.row)
        found = np.frombuffer(plain, np.uint8).reshape(-1, self.row)[:, : self.used]
        if self.reversed:
            found = found.reshape(-1, self.samples, self.reversed)[:, ::-1]
        return found.tobytes()


@dataclass(frozen=True, slots=True)
class Frame:
    """What all frames have in common."""

    height: int
    width: int
    channels: int
    samples: int
    """Values per channel: 1; or 3, blue, green, red."""
    row: int
    """Bytes of a row."""
    number: np.dtype[Any]
    bits: int
    """Bits of a value that are used."""
    compressed: bool

    @property
    def nbytes(self) -> int:
        """Bytes of a frame, not compressed."""
        return self.height * self.row


def frame(attributes: Mapping[str, Any], channels: int) -> Frame:
    """From the attributes of the file. Raises `BadSource`, `Unsupported`."""
    names = ("uiHeight", "uiWidth", "uiComp", "uiWidthBytes", "uiBpcInMemory", "eCompression")
    values = {n: integer(attributes.get(n)) for n in names}
    height, width, components, row, bits, compression = values.values()
    if not height or not width or not components or min(height, width, components) < 1:
        raise BadSource(f"The ND2 file has frames of {width} x {height} pixels with {components} values each.")
    if bits not in _TYPES:
        raise Unsupported(f"The ND2 file has values of {bits} bits; known are 8, 16 and 32.")
    if compression == 1:
        raise Unsupported("The ND2 file is compressed with losses, a way that is not known; save it without in NIS.")
    number = np.dtype(_TYPES[bits])
    used = width * components * number.itemsize
    row = row or used
    if row < used or height * row > MAX_CELL << 6:
        raise BadSource(f"The ND2 file has rows of {row} bytes, which do not fit {width} pixels.")
    if components % max(channels, 1) == 0 and components // max(channels, 1) == 3:
        channels, samples = max(channels, 1), 3
    else:
        channels, samples = components, 1
    significant = integer(attributes.get("uiBpcSignificant")) or bits
    return Frame(height, width, channels, samples, row, number, min(significant, bits), compression == 0)


def places(chunks: Chunks, count: int) -> tuple[Ints, Ints]:
    """First byte of the pixels of each frame and their number; both 0 for frames that are missing.

    The length of the head is read once: it is the same in all frames of a file.
    """
    file = chunks.file
    found = [chunks.places.get(b"ImageDataSeq|%d!" % k) for k in range(count)]
    there = [k for k, place in enumerate(found) if place is not None]
    offsets, sizes = np.zeros((2, count), np.int64)
    if not there:
        return offsets, sizes
    first = found[there[0]]
    assert first is not None  # noqa: S101 - by the line above
    before = head(file, first[0])[0] - first[0]
    limit = file.source.size
    for k in there:
        position, length = found[k] or (0, 0)
        if length in (position, 0, (1 << 64) - 1):
            start, length = head(file, position)
        else:
            start = position + before
        if start > limit or length > limit:
            raise BadSource("The ND2 file is incomplete: frames of it lie behind its end.")
        offsets[k], sizes[k] = start + _TIMESTAMP, max(0, length - _TIMESTAMP)
    return offsets, sizes


def table(
    file: SourceFile, about: Frame, dims: Sequence[str], counts: Sequence[int], offsets: Ints, sizes: Ints
) -> RawTable | ChunkedTable:
    """The table of an image.

    Args:
        file: The ND2 file.
        about: Its frames.
        dims: Axes of the loops, outermost first.
        counts: Lengths of the loops.
        offsets: First byte of each frame, in C order of the loops.
        sizes: Bytes of each frame.
    """
    item = about.number.itemsize
    names, lengths = [*dims, "y", "x"], [*counts, about.height, about.width]
    pixel = about.channels * about.samples * item
    steps = [about.row, pixel]
    if about.channels > 1:
        names, lengths, steps = [*names, "c"], [*lengths, about.channels], [*steps, about.samples * item]
    if about.samples > 1:
        names, lengths, steps = [*names, "c"], [*lengths, about.samples], [*steps, -item]
    end = [file.source.size]
    if not about.compressed:
        if (sizes < about.nbytes - (about.row - about.width * pixel)).any():
            raise BadSource(f"Frames of the ND2 file are shorter than the {about.nbytes} bytes of a frame.")
        start = offsets + (about.samples - 1) * item
        return raw(names, lengths, about.number, start, end=end, outer=len(dims), strides=steps)
    if about.channels > 1 and about.samples > 1:
        raise Unsupported("The ND2 file has several channels of colour pixels in compressed frames; that is not known.")
    cell = [1] * len(dims) + lengths[len(dims) :]
    stored = Stored(tuple(names), tuple(lengths), tuple(cell))
    reverse = item if about.samples > 1 else 0
    step = Rows(about.row, about.width * pixel, reverse, about.samples)
    if math.prod(cell) * item > MAX_CELL:
        raise Unsupported(f"A compressed frame of the ND2 file has more than {MAX_CELL >> 20} MiB.")
    return chunked(stored, about.number, offsets, sizes, [step], end=end)
