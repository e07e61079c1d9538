"""Tiles of JPEG 2000 codestreams (ITU-T T.800, annexes A and B), decoded one by one.

A tile depends on nothing but itself and the main header. So a codestream whose image area is that of one tile, with the
packets of this tile, decodes to exactly its samples, on their place of the reference grid.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np

from s3facade.core.errors import BadSource
from s3facade.core.operators import Block, Buffer
from s3facade.readers.arrays.chunked import MAX_CELL, ChunkedTable, chunked
from s3facade.readers.arrays.stored import Stored
from s3facade.readers.pictures.window import Window

_KEPT = frozenset({0xFF50, 0xFF52, 0xFF53, 0xFF5C, 0xFF5D, 0xFF5E, 0xFF5F})
"""Markers of the main header that decoding needs: capabilities, coding styles, quantisation, regions, progression."""
_PACKED = 0xFF60
"""Headers of all packets in the main header (PPM)."""
_SOT, _EOC, _SIZ = 0xFF90, 0xFFD9, 0xFF51
_MAX_PARTS = 1 << 17
_MAX_HEADER = 1 << 16


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile of a codestream, as imagecodecs decodes it."""

    size: bytes
    """The marker segment of sizes (SIZ), without marker and length."""
    header: bytes
    """The other marker segments of the main header."""
    samples: int
    dtype: np.dtype[Any]

    @property
    def name(self) -> str:
        """As people call it."""
        return "JPEG 2000"

    def decode(self, data: Buffer, nbytes: int) -> Buffer:
        """The samples of the tile whose parts ``data`` are: y, x, samples.

        Raises:
            ValueError: The parts are damaged, or of another tile than has ``nbytes`` bytes.
            RuntimeError: As ValueError.
        """
        parts = bytearray(data)
        number = int.from_bytes(parts[4:6], "big")
        far_x, far_y, _, _, width, height = struct.unpack_from(">6I", self.size, 2)
        down, across = divmod(number, -(-far_x // width))
        box = (across * width, down * height, min(far_x, across * width + width), min(far_y, down * height + height))
        shape = (box[3] - box[1], box[2] - box[0], self.samples)
        if min(shape) < 1 or shape[0] * shape[1] * shape[2] * self.dtype.itemsize != nbytes:
            raise ValueError(f"tile {number} is of shape {shape}")
        at = 0
        while at < len(parts):
            size = int.from_bytes(parts[at + 6 : at + 10], "big")
            if parts[at : at + 2] != b"\xff\x90" or parts[at + 4 : at + 6] != number.to_bytes(2, "big"):
                raise ValueError(f"no part of tile {number} at {at}")
            parts[at + 4 : at + 6] = b"\0\0"
            at += size or len(parts)
        area = struct.pack(">8I", box[2], box[3], box[0], box[1], width, height, box[0], box[1])
        sizes = self.size[:2] + area + self.size[34:]
        stream = b"\xff\x4f\xff\x51" + struct.pack(">H", len(sizes) + 2) + sizes + self.header + parts + b"\xff\xd9"
        out: Block = np.empty(shape if self.samples > 1 else shape[:2], self.dtype)
        imagecodecs.jpeg2k_decode(stream, out=out)
        return out.data.cast("B")


def tiles(window: Window, stream: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> ChunkedTable | None:
    """The tiles of the codestream at ``stream`` as a table.

    Args:
        window: The file.
        stream: Where the codestream begins.
        shape: Of the image: (y, x) or (y, x, samples).
        dtype: Of the samples.

    Returns:
        None where the codestream has one tile, or is laid out so that tiles cannot be taken apart.

    Raises:
        BadSource: The parts of tiles do not follow each other, or tiles are missing.
    """
    header, size, at = _header(window, stream)
    width, height, left, top = struct.unpack_from(">4I", size, 18)
    columns, rows = -(-shape[1] // max(width, 1)), -(-shape[0] // max(height, 1))
    count = columns * rows
    samples = shape[2] if len(shape) > 2 else 1
    if header is None or left or top or not 1 < count <= 1 << 16:
        return None
    if width * height * samples * dtype.itemsize > MAX_CELL:
        return None
    found = _parts(window, at, count)
    if found is None:
        return None
    dims, cell = ("y", "x"), (min(height, shape[0]), min(width, shape[1]))
    stored = Stored((*dims, "c"), shape, (*cell, samples)) if samples > 1 else Stored(dims, shape, cell)
    step = Tile(size, header, samples, dtype)
    return chunked(stored, dtype, found[0], found[1], [step], end=[window.size], cut=True)


def _header(window: Window, stream: int) -> tuple[bytes | None, bytes, int]:
    """What decoding a tile needs of the main header (None: this cannot be taken apart), SIZ, where tiles begin."""
    size, kept, at = b"", bytearray(), stream + 2
    apart = True
    while True:
        code, length = window.number(at, 2), window.number(at + 2, 2)
        if code == _SOT:
            break
        if length < 2 or code < 0xFF00 or at - stream > _MAX_HEADER:
            raise BadSource("The JPEG 2000 file's main header is damaged.", private=f"marker {code:#x} at {at}")
        if code == _SIZ:
            size = window(at + 4, length - 2)
        elif code in _KEPT:
            kept += window(at, length + 2)
        apart = apart and code != _PACKED
        at += length + 2
    if len(size) < 36:
        raise BadSource("The JPEG 2000 file states no size (SIZ).")
    return bytes(kept) if apart else None, size, at


def _parts(window: Window, at: int, count: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]] | None:
    """First byte and bytes of each tile; None where the parts of a tile lie apart."""
    offsets, counts = np.zeros(count, np.int64), np.zeros(count, np.int64)
    for _ in range(_MAX_PARTS):
        head = window(at, min(12, window.size - at))
        if head[:2] == b"\xff\xd9":
            break
        if len(head) < 12 or head[:4] != b"\xff\x90\0\x0a":
            raise BadSource(
                "The JPEG 2000 file is damaged or incomplete: parts of tiles are missing.", private=f"at {at}"
            )
        number, size = int.from_bytes(head[4:6], "big"), int.from_bytes(head[6:10], "big")
        if number >= count or (size and size < 14):
            raise BadSource("The JPEG 2000 file is damaged: it has more tiles than the image.", private=f"at {at}")
        if not size:
            # the last part may leave open where it ends
            return None
        if counts[number] and offsets[number] + counts[number] != at:
            return None
        offsets[number] = offsets[number] if counts[number] else at
        counts[number] += size
        at += size
    if not counts.all():
        raise BadSource(f"The JPEG 2000 file is incomplete: {int((counts == 0).sum())} of {count} tiles are missing.")
    return offsets, counts
