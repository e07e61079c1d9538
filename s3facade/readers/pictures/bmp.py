"""BMP (Microsoft's device-independent bitmaps): rows of raw pixels, mostly from the bottom up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.operators import Buffer
from s3facade.readers.arrays.chunked import chunked
from s3facade.readers.arrays.raw import raw
from s3facade.readers.arrays.stored import Stored
from s3facade.readers.pictures.picture import Picture, physical
from s3facade.readers.pictures.window import Window

HEADERS = (40, 52, 56, 64, 108, 124)
_BGRX = (0x00FF0000, 0x0000FF00, 0x000000FF)
_RAW, _FIELDS = 0, 3
_COLOURS = "The colours of the palette are shown."
_BAND = 1 << 20
"""Pixels of the rows that are decoded at once, about."""


@dataclass(frozen=True, slots=True)
class Indexed:
    """Whole rows of indices of a palette, as colours. A filter of chunk tables."""

    bits: int
    """Of an index: 1, 4 or 8; the first pixel is in the highest."""
    width: int
    down: bool
    """Whether the upper row comes first."""
    palette: bytes
    """Four bytes per entry: blue, green, red, nothing."""

    @property
    def name(self) -> str:
        """As people call it."""
        return "BMP"

    def decode(self, data: Buffer, nbytes: int) -> Buffer:  # noqa: ARG002 - the rows bound it
        """The colours: y, x, samples. Raises `ValueError` for an index that the palette has not."""
        rows = np.frombuffer(data, np.uint8).reshape(-1, _row(self.width, self.bits))
        if not self.down:
            rows = rows[::-1]
        if self.bits == 1:
            rows = np.unpackbits(rows, axis=1)
        elif self.bits == 4:
            rows = np.stack([rows >> 4, rows & 15], -1).reshape(len(rows), -1)
        indices, entries = rows[:, : self.width], np.frombuffer(self.palette, np.uint8).reshape(-1, 4)
        if int(indices.max()) >= len(entries):
            raise ValueError(f"colour {int(indices.max())} of a palette of {len(entries)}")
        return np.ascontiguousarray(entries[:, 2::-1])[indices].tobytes()


def _row(width: int, bits: int) -> int:
    """Bytes of a row."""
    return -(-width * bits // 32) * 4


def bmp(window: Window) -> Picture:
    """A BMP's picture; rows are read in parts.

    Raises:
        BadSource: The header is damaged, or the file cut short.
        Unsupported: Kinds of packing that are not decoded.
    """
    start, header = window.number(10, 4, "little"), window.number(14, 4, "little")
    width, height = _signed(window, 18), _signed(window, 22)
    bits, packing = window.number(28, 2, "little"), window.number(30, 4, "little")
    down, height = height < 0, abs(height)
    if width < 1 or height < 1 or header not in HEADERS:
        raise BadSource(f"The BMP states {width} x {height} pixels in a header of {header} bytes.")
    scale = physical({"x": float(_signed(window, 38)), "y": float(_signed(window, 42))})
    row = _row(width, bits)
    first, step = (start, row) if down else (start + (height - 1) * row, -row)
    plain = packing == _RAW or (packing == _FIELDS and bits == 32 and _masks(window) == _BGRX)
    if plain and bits in (24, 32):
        table = raw(
            ("y", "x", "c"),
            (height, width, 3),
            np.dtype("u1"),
            first + 2,
            strides=(step, bits // 8, -1),
            end=[window.size],
        )
        return Picture((height, width, 3), np.dtype("u1"), table=table, scale=scale)
    if packing == _RAW and bits == 8 and _grey(window, 14 + header):
        table = raw(("y", "x"), (height, width), np.dtype("u1"), first, strides=(step, 1), end=[window.size])
        return Picture((height, width), np.dtype("u1"), table=table, scale=scale)
    if packing != _RAW or bits not in (1, 4, 8):
        raise Unsupported(f"The BMP has {bits} bits per pixel with compression {packing}; this is not decoded.")
    return _indexed(window, (height, width), Indexed(bits, width, down, _palette(window, 14 + header, bits)), scale)


def _indexed(window: Window, shape: tuple[int, int], step: Indexed, scale: dict[str, float]) -> Picture:
    height, width = shape
    start, row = window.number(10, 4, "little"), _row(width, step.bits)
    if start + row * height > window.size:
        raise BadSource("The BMP is incomplete: rows lie behind the end of the file.")
    band = min(height, max(1, _BAND // width))
    first = np.arange(0, height, band, dtype=np.int64)
    last = np.minimum(first + band, height)
    offsets = start + (first if step.down else height - last) * row
    stored = Stored(("y", "x", "c"), (height, width, 3), (band, width, 3))
    number, end = np.dtype("u1"), [window.size]
    table = chunked(stored, number, offsets, (last - first) * row, [step], end=end, cut=True)
    return Picture(
        (height, width, 3), number, table=table, scale=scale, notes=["The colours of the palette are shown."]
    )


def _palette(window: Window, at: int, bits: int) -> bytes:
    """All entries; there are as many as an index may tell apart, unless fewer are stated."""
    count = window.number(46, 4, "little") or 1 << bits
    return window(at, 4 * min(count, 1 << bits))


def _signed(window: Window, at: int) -> int:
    return int.from_bytes(window(at, 4), "little", signed=True)


def _masks(window: Window) -> tuple[int, ...]:
    """Which bits are red, green and blue."""
    return tuple(window.number(54 + 4 * k, 4, "little") for k in range(3))


def _grey(window: Window, at: int) -> bool:
    """Whether the palette leads from black to white in 256 even steps: then the indices are the values."""
    stated = window.number(46, 4, "little")
    if stated not in (0, 256) or at + 1024 > window.size:
        return False
    table = np.frombuffer(window(at, 1024), np.uint8).reshape(256, 4)
    return bool((table[:, :3] == np.arange(256)[:, None]).all())
