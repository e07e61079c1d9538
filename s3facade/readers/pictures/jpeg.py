"""JPEG (ITU-T T.81, with the markers of JFIF, Exif and Adobe) and JPEG-LS (T.87): what stands before the first scan."""

from __future__ import annotations

import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.readers.pictures.exif import Exif, exif
from s3facade.readers.pictures.picture import Picture, physical
from s3facade.readers.pictures.window import Window

_FRAMES = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7})
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_MAX_MARKERS = 10_000


def jpeg(window: Window, *, turn: bool) -> Picture:
    """A JPEG's picture; with ``turn``, upright as its Exif orientation says.

    Raises:
        BadSource: The header is damaged.
        Unsupported: Kinds of JPEG that are not decoded.
    """
    frame, kind, facts, density = _markers(window)
    bits, height, width, samples = frame[0], frame[1] << 8 | frame[2], frame[3] << 8 | frame[4], frame[5]
    if not width or not height or samples not in (1, 3, 4) or not 2 <= bits <= 16:
        raise Unsupported(
            f"The JPEG states {width} x {height} pixels of {samples} samples with {bits} bits; this cannot be shown."
        )
    notes = []
    if samples == 4:
        notes.append("The samples are inks (CMYK), not light; many programs store them inverted, 255 for none.")
    if facts.orientation > 1 and not turn:
        notes.append(
            f"The pixels are shown as stored; Exif orientation {facts.orientation} asks to turn them "
            "(the reader's option orientation: upright does)."
        )
    attrs: dict[str, object] = {"acquired": facts.acquired} if facts.acquired else {}
    if facts.texts:
        attrs["original"] = dict(facts.texts)
    mode = f"upright{facts.orientation}" if turn and facts.orientation > 1 else ""
    scale = density
    if mode and facts.orientation > 4:
        height, width = width, height
        scale = {"yx"["xy".index(a)]: s for a, s in density.items()}
    shape = (height, width, samples) if samples > 1 else (height, width)
    return Picture(
        shape,
        np.dtype("u2" if bits > 8 else "u1"),
        "jpegls" if kind == 0xF7 else "jpeg",
        mode=mode,
        bits=bits,
        inks=samples == 4,
        scale=scale,
        attrs=attrs,
        notes=notes,
    )


def _markers(window: Window) -> tuple[bytes, int, Exif, dict[str, float]]:
    """The frame header with its marker, Exif, and µm per pixel."""
    frame, kind, facts, density = b"", 0, Exif(), {}
    at = 2
    for _ in range(_MAX_MARKERS):
        if window(at, 1) != b"\xff":
            raise BadSource("The JPEG is damaged: no marker follows the last one.", private=f"at {at}")
        code = window(at + 1, 1)[0]
        if code == 0xFF or code in _ALONE:
            at += 1 if code == 0xFF else 2
            continue
        if code in (0xDA, 0xD9):
            break
        size = window.number(at + 2, 2)
        if size < 2:
            raise BadSource("The JPEG is damaged: a marker has no length.", private=f"at {at}")
        body = at + 4
        if code in _FRAMES:
            if frame:
                raise Unsupported("The JPEG has several frames (hierarchical); it cannot be decoded.")
            frame, kind = window(body, 6), code
        elif code == 0xE0 and size >= 14 and window(body, 5) == b"JFIF\0" and window(body + 7, 1) == b"\x02":
            density = physical({"x": 100 * window.number(body + 8, 2), "y": 100 * window.number(body + 10, 2)})
        elif code == 0xE1 and size >= 16 and window(body, 6) == b"Exif\0\0":
            facts = exif(window(body + 6, size - 8))
        at += size + 2
    if not frame:
        raise BadSource("The JPEG has no frame header (SOF).")
    return frame, kind, facts, density
