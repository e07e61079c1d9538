"""BMP (Microsoft's device-independent bitmaps): rows of raw pixels, mostly from the bottom up."""

from __future__ import annotations

import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.readers.arrays.raw import raw
from s3facade.readers.pictures.picture import Picture, physical
from s3facade.readers.pictures.window import Window

HEADERS = (40, 52, 56, 64, 108, 124)
_BGRX = (0x00FF0000, 0x0000FF00, 0x000000FF)
_RAW, _FIELDS = 0, 3


def bmp(window: Window) -> Picture:
    """A BMP's picture. Plain rows are read in parts; what is packed is decoded by imagecodecs.

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
    row = -(-width * bits // 32) * 4
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
    if start + row * height > window.size:
        raise BadSource("The BMP is incomplete: rows lie behind the end of the file.")
    note = "The colours of the palette are shown."
    return Picture((height, width, 3), np.dtype("u1"), "bmp", scale=scale, notes=[note])


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
