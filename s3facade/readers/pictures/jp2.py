"""JPEG 2000 (ITU-T T.800) and HTJ2K (T.814): the codestream's header, and the boxes of JP2 around it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.readers.pictures.jp2_tiles import tiles
from s3facade.readers.pictures.picture import Picture, physical
from s3facade.readers.pictures.window import Window

BOX = b"\0\0\0\x0cjP  \r\n\x87\n"
STREAM = b"\xff\x4f\xff\x51"
_MAX_BOXES = 1000
_SMALLEST = 32
"""Pixels of the larger side; smaller resolutions are of no use."""
_INSIDE = (b"jp2h", b"res ")


@dataclass(slots=True)
class _Boxes:
    """What the boxes say."""

    stream: int = -1
    palette: int = 0
    """Columns of a palette."""
    converted: bool = False
    """Whether the samples stand for colours of another kind (sYCC), which the decoder converts."""
    profile: bool = False
    """Whether there is a colour profile (ICC), which the decoder would apply: the samples are shown as they are."""
    density: dict[str, float] = field(default_factory=dict)
    """Pixels per metre as captured."""


def jp2(window: Window) -> Picture:
    """The picture of a JPEG 2000 file or codestream.

    Raises:
        BadSource: The header is damaged.
        Unsupported: Samples that cannot be shown.
    """
    boxes = _Boxes(0) if window(0, 4) == STREAM else _Boxes()
    if boxes.stream < 0:
        _boxes(window, 0, window.size, boxes, [0])
    if boxes.stream < 0 or window(boxes.stream, 4) != STREAM:
        raise BadSource("The JPEG 2000 file holds no codestream.")
    at = boxes.stream + 4
    far = [window.number(at + 4 + 4 * k, 4) for k in range(4)]
    width, height = far[0] - far[2], far[1] - far[3]
    samples = window.number(at + 36, 2)
    if width < 1 or height < 1 or not 1 <= samples <= 16384:
        raise BadSource(f"The JPEG 2000 file states {width} x {height} pixels of {samples} samples.")
    kinds = [bytes(window(at + 38 + 3 * k, 3)) for k in range(min(samples, 4))]
    if samples > 4 or len(set(kinds)) > 1 or kinds[0][1:] != b"\x01\x01":
        raise Unsupported(
            f"The JPEG 2000 file has {samples} samples per pixel, of different kinds or sizes; this is not decoded."
        )
    signed, bits = kinds[0][0] >> 7, (kinds[0][0] & 127) + 1
    if bits > 16:
        raise Unsupported(f"The JPEG 2000 file's samples have {bits} bits; up to 16 are decoded.")
    samples = boxes.palette or samples
    fast = bool(window.number(at + 2, 2) & 0x4000)
    shape = (height, width, samples) if samples > 1 else (height, width)
    halvings = _halvings(window, boxes.stream) if fast and not (far[2] or far[3]) else 0
    while halvings and max(width, height) >> halvings < _SMALLEST:
        halvings -= 1
    codec = "htj2k" if fast and boxes.stream == 0 else "jpeg2k"
    dtype = np.dtype(f"{'i' if signed else 'u'}{1 if bits <= 8 else 2}")
    table = None
    if codec == "jpeg2k" and not (boxes.palette or boxes.converted or far[2] or far[3]):
        table = tiles(window, boxes.stream, shape, dtype)
    if table is not None:
        return Picture(shape, dtype, table=table, bits=bits, scale=physical(boxes.density))
    return Picture(
        shape,
        dtype,
        codec,
        mode=f"skip:{boxes.stream}" if boxes.profile and not (boxes.palette or boxes.converted) else "",
        levels=1 + (halvings if codec == "htj2k" else 0),
        bits=bits,
        scale=physical(boxes.density),
    )


def _boxes(window: Window, at: int, end: int, found: _Boxes, count: list[int]) -> None:
    while at + 8 <= end and found.stream < 0:
        count[0] += 1
        if count[0] > _MAX_BOXES:
            raise Unsupported(f"The JPEG 2000 file has more than {_MAX_BOXES} boxes before its pixels.")
        size, kind, body = window.number(at, 4), window(at + 4, 4), at + 8
        if size == 1:
            size, body = window.number(at + 8, 8), at + 16
        elif size == 0:
            size = end - at
        if size < body - at:
            raise BadSource("The JPEG 2000 file is damaged: a box is shorter than its header.", private=f"at {at}")
        if kind == b"jp2c":
            found.stream = body
        elif kind == b"pclr":
            found.palette = window(body + 2, 1)[0]
        elif kind == b"colr":
            found.converted |= window(body, 1) == b"\x01" and window.number(body + 3, 4) not in (16, 17)
            found.profile |= window(body, 1) != b"\x01"
        elif kind == b"resc":
            found.density = _density(window, body)
        elif kind in _INSIDE:
            _boxes(window, body, min(end, at + size), found, count)
        at += size


def _density(window: Window, at: int) -> dict[str, float]:
    """Pixels per metre: two fractions, y first, and their powers of ten."""
    found = {}
    for k, axis in enumerate("yx"):
        up, down = window.number(at + 4 * k, 2), window.number(at + 4 * k + 2, 2)
        power = int.from_bytes(window(at + 8 + k, 1), "big", signed=True)
        if up and down:
            found[axis] = up / down * 10.0**power
    return found if len(found) == 2 else {}


def _halvings(window: Window, stream: int) -> int:
    """Resolutions below the first, from the default coding style (COD)."""
    at = stream + 2
    for _ in range(1000):
        code, size = window.number(at, 2), window.number(at + 2, 2)
        if code == 0xFF52:
            return min(window(at + 9, 1)[0], 32)
        if code == 0xFF90:
            break
        at += size + 2
    return 0
