"""WebP, AVIF, JPEG XL, JPEG XR and QOI: how large they are, from their headers, before anything is decoded."""

from __future__ import annotations

import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.protocols import SourceFile
from s3facade.readers.arrays.chunked import MAX_CELL
from s3facade.readers.pictures.picture import Picture
from s3facade.readers.pictures.probe import probe
from s3facade.readers.pictures.whole import NAMES
from s3facade.readers.pictures.window import Window

JXL = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")
_RATIOS = ((0, 1), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_ANIMATED = "The file is animated; its first picture is shown."
_SEARCHED = 1 << 20


def webp(window: Window) -> Picture:
    """A WebP's picture (RFC 9649). Raises `BadSource`."""
    kind = window(12, 4)
    notes = []
    if kind == b"VP8X":
        flags = window(20, 1)[0]
        width, height = 1 + window.number(24, 3, "little"), 1 + window.number(27, 3, "little")
        alpha = bool(flags & 0x10)
        if flags & 0x02:
            notes.append(_ANIMATED)
    elif kind == b"VP8L":
        bits = window.number(21, 4, "little")
        width, height, alpha = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF), bool(bits >> 28 & 1)
    elif kind == b"VP8 ":
        width, height, alpha = window.number(26, 2, "little") & 0x3FFF, window.number(28, 2, "little") & 0x3FFF, False
    else:
        raise BadSource("The WebP holds no picture that is known.", private=repr(kind))
    if not width or not height:
        raise BadSource(f"The WebP states {width} x {height} pixels.")
    return Picture((height, width, 4 if alpha else 3), np.dtype("u1"), "webp", notes=notes)


def qoi(window: Window) -> Picture:
    """A QOI's picture. Raises `BadSource`."""
    width, height, samples = window.number(4, 4), window.number(8, 4), window(12, 1)[0]
    if not width or not height or samples not in (3, 4):
        raise BadSource(f"The QOI states {width} x {height} pixels of {samples} samples.")
    return Picture((height, width, samples), np.dtype("u1"), "qoi")


def avif(file: SourceFile, window: Window) -> Picture:
    """An AVIF's first picture. Raises `BadSource`, `Unsupported`."""
    head = window(0, min(window.size, _SEARCHED))
    sizes = []
    at = head.find(b"ispe")
    while at >= 0 and at + 16 <= len(head):
        sizes.append((int.from_bytes(head[at + 8 : at + 12], "big"), int.from_bytes(head[at + 12 : at + 16], "big")))
        at = head.find(b"ispe", at + 4)
    if not sizes:
        raise BadSource("The AVIF states no size (ispe).")
    notes = [_ANIMATED] if head[8:12] == b"avis" else []
    return _probed(file, "avif", *max(sizes, key=lambda s: s[0] * s[1]), notes)


def jxl(file: SourceFile, window: Window) -> Picture:
    """A JPEG XL's first picture (ISO/IEC 18181-1). Raises `BadSource`, `Unsupported`."""
    at = _codestream(window)
    bits = int.from_bytes(window(at, min(16, window.size - at)), "little") >> 16
    width, height = _jxl_size(bits)
    return _probed(file, "jpegxl", width, height, [])


def jxr(file: SourceFile, window: Window) -> Picture:
    """A JPEG XR's picture (ITU-T T.832, a TIFF-like container). Raises `BadSource`, `Unsupported`."""
    at = window.number(4, 4, "little")
    found = {}
    for k in range(min(window.number(at, 2, "little"), 1000)):
        entry = at + 2 + 12 * k
        code, kind = window.number(entry, 2, "little"), window.number(entry + 2, 2, "little")
        found[code] = window.number(entry + 8, 2 if kind == 3 else 4, "little")
    if not found.get(0xBC80) or not found.get(0xBC81):
        raise BadSource("The JPEG XR states no size.")
    return _probed(file, "jpegxr", found[0xBC80], found[0xBC81], [])


def _probed(file: SourceFile, codec: str, width: int, height: int, notes: list[str]) -> Picture:
    if width * height * 3 > MAX_CELL:
        raise Unsupported(
            f"The {NAMES[codec]} states {width} x {height} pixels and can be decoded whole only; "
            f"more than {MAX_CELL >> 20} MiB cannot be."
        )
    shape, dtype = probe(file, codec)
    return Picture(shape, dtype, codec, notes=notes)


def _codestream(window: Window) -> int:
    """Where the codestream begins, in a container or without one."""
    if window(0, 2) == JXL[0]:
        return 0
    at = 0
    for _ in range(1000):
        size, kind, body = window.number(at, 4), window(at + 4, 4), at + 8
        if size == 1:
            size, body = window.number(at + 8, 8), at + 16
        if kind in (b"jxlc", b"jxlp"):
            body += 4 if kind == b"jxlp" else 0
            if window(body, 2) == JXL[0]:
                return body
        if size < body - at:
            break
        at += size
    raise BadSource("The JPEG XL file holds no codestream.")


def _jxl_size(bits: int) -> tuple[int, int]:
    """Width and height from the bits of the size header, least significant first."""
    at = 0

    def take(count: int) -> int:
        nonlocal at
        value = bits >> at & (1 << count) - 1
        at += count
        return value

    small = take(1)

    def length() -> int:
        return 8 * (1 + take(5)) if small else 1 + take((9, 13, 18, 30)[take(2)])

    height = length()
    ratio = take(3)
    width = length() if ratio == 0 else height * _RATIOS[ratio][0] // _RATIOS[ratio][1]
    return width, height
