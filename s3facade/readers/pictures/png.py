"""PNG (W3C PNG specification, third edition): the chunks before the pixels."""

from __future__ import annotations

import numpy as np

from s3facade.core.errors import BadSource
from s3facade.readers.pictures.exif import exif, moment
from s3facade.readers.pictures.picture import Picture, physical
from s3facade.readers.pictures.window import Window

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SAMPLES = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_MAX_CHUNKS = 10_000


def png(window: Window, *, indices: bool) -> Picture:
    """A PNG's picture; with ``indices``, the indices of its palette instead of the colours.

    Raises:
        BadSource: The header is damaged.
    """
    if window(12, 4) != b"IHDR":
        raise BadSource("The PNG does not begin with its header (IHDR).")
    width, height = window.number(16, 4), window.number(20, 4)
    bits, kind = window(24, 2)
    if bits not in _DEPTHS.get(kind, ()) or not width or not height:
        raise BadSource(f"The PNG states {width} x {height} pixels of colour type {kind} with {bits} bits.")
    chunks = _chunks(window)
    alpha = kind in (0, 2, 3) and b"tRNS" in chunks
    samples = _SAMPLES[kind] + alpha
    notes, attrs = _texts(window, chunks)
    dtype = np.dtype("u2" if bits == 16 else "u1")
    scale = {}
    if b"pHYs" in chunks:
        at, size = chunks[b"pHYs"]
        if size == 9 and window(at + 8, 1) == b"\x01":
            scale = physical({"x": window.number(at, 4), "y": window.number(at + 4, 4)})
    if b"acTL" in chunks:
        notes.append("The PNG is animated; its still picture is shown.")
    if kind == 3 and indices:
        return Picture((height, width), dtype, "png", mode="index", scale=scale, attrs=attrs, notes=notes)
    if kind == 3:
        notes.append("The colours of the palette are shown; the reader's option palette: index shows its indices.")
    elif bits < 8:
        notes.append(f"The values of {bits} bit{'s' if bits > 1 else ''} are stretched to 0 to 255.")
    shape = (height, width, samples) if samples > 1 else (height, width)
    return Picture(shape, dtype, "png", scale=scale, attrs=attrs, notes=notes)


def _chunks(window: Window) -> dict[bytes, tuple[int, int]]:
    """Offset and length of the first chunk of each kind, up to the pixels."""
    found: dict[bytes, tuple[int, int]] = {}
    at = 8
    for _ in range(_MAX_CHUNKS):
        size, kind = window.number(at, 4), window(at + 4, 4)
        found.setdefault(kind, (at + 8, size))
        if kind in (b"IDAT", b"IEND"):
            break
        at += size + 12
    if b"IDAT" not in found:
        raise BadSource("The PNG holds no pixels (IDAT).")
    if b"PLTE" not in found and window(25, 1) == b"\x03":
        raise BadSource("The PNG has indices but no palette (PLTE).")
    return found


def _texts(window: Window, chunks: dict[bytes, tuple[int, int]]) -> tuple[list[str], dict[str, object]]:
    notes: list[str] = []
    attrs: dict[str, object] = {}
    if b"tIME" in chunks and chunks[b"tIME"][1] == 7:
        year, *rest = window.number(chunks[b"tIME"][0], 2), *window(chunks[b"tIME"][0] + 2, 5)
        attrs["original"] = {"modified": "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z".format(year, *rest)}
    if b"eXIf" in chunks and chunks[b"eXIf"][1] <= 1 << 16:
        facts = exif(window(*chunks[b"eXIf"]))
        if facts.acquired:
            attrs["acquired"] = facts.acquired
        if facts.orientation > 1:
            notes.append(f"The pixels are shown as stored; Exif orientation {facts.orientation} asks to turn them.")
    if b"tEXt" in chunks and chunks[b"tEXt"][1] <= 4096:
        key, _, text = window(*chunks[b"tEXt"]).partition(b"\0")
        if key == b"Creation Time" and (time := moment(text.decode("latin-1"))):
            attrs.setdefault("acquired", time)
    return notes, attrs
