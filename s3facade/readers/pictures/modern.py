"""WebP, AVIF, JPEG XL, JPEG XR and QOI: how large they are, from their headers, before anything is decoded."""

from __future__ import annotations

from collections.abc import Mapping

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
_JXR = "24c3dd6f034efe4bb1853d77768dc9"
_JXR_KINDS: Mapping[bytes, tuple[str, int]] = {
    bytes.fromhex(name if len(name) == 32 else _JXR + name): kind
    for name, kind in {
        "05": ("?", 1), "08": ("u1", 1), "0b": ("u2", 1), "0c": ("u1", 3), "0d": ("u1", 3), "0f": ("u1", 4),
        "11": ("f4", 1), "15": ("u2", 3), "16": ("u2", 4), "19": ("f4", 4), "1c": ("u1", 4), "1f": ("u2", 4),
        "3a": ("f2", 4), "3b": ("f2", 3), "3e": ("f2", 1), "2dadc7f58d6add43a7a8a29935261ae9": ("u1", 4),
    }.items()
}  # fmt: skip
"""Type and number of the samples of a pixel, by the name of its format (T.832 A.7.18); most begin alike."""
_JXR_INKS = frozenset(bytes.fromhex(_JXR + name) for name in ("1c", "1f"))


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
    notes = ["The file is animated; its still picture is shown."] if head[8:12] == b"avis" else []
    return _probed(file, "avif", *max(sizes, key=lambda s: s[0] * s[1]), notes)


def jxl(file: SourceFile, window: Window) -> Picture:
    """A JPEG XL's first picture (ISO/IEC 18181-1). Raises `BadSource`, `Unsupported`."""
    at = _codestream(window)
    bits = int.from_bytes(window(at, min(16, window.size - at)), "little") >> 16
    width, height = jxl_size(bits)
    return _probed(file, "jpegxl", width, height, [])


def jxr(window: Window) -> Picture:
    """A JPEG XR's picture (ITU-T T.832, annex A: a container like TIFF). Raises `BadSource`, `Unsupported`.

    Nothing is decoded for it: the decoder may crash on damaged data, which is left to a process of its own.
    """
    at = window.number(4, 4, "little")
    found = {}
    for k in range(min(window.number(at, 2, "little"), 1000)):
        entry = at + 2 + 12 * k
        code, kind = window.number(entry, 2, "little"), window.number(entry + 2, 2, "little")
        found[code] = window.number(entry + 8, 2 if kind == 3 else 4, "little")
    size = (found.get(0xBC81), found.get(0xBC80))
    if size != _coded(window, found.get(0xBCC0, 0)) or size[0] is None or size[1] is None:
        raise BadSource("The JPEG XR states no size, or another one than its image.", private=f"{size}")
    name = window(found.get(0xBC01, 0), 16)
    if name not in _JXR_KINDS:
        raise Unsupported(f"The JPEG XR's pixels are of a format that is not decoded: {name.hex()}.")
    number, samples = _JXR_KINDS[name]
    shape = (*size, samples) if samples > 1 else size
    return Picture(shape, np.dtype(number), "jpegxr", inks=name in _JXR_INKS)


def _coded(window: Window, at: int) -> tuple[int, int] | None:
    """Height and width that a JPEG XR's image itself states (8.3); None where there is no image."""
    if window(at, 8) != b"WMPHOTO\0":
        return None
    nbytes = 2 if window(at + 10, 1)[0] & 0x80 else 4
    return 1 + window.number(at + 12 + nbytes, nbytes), 1 + window.number(at + 12, nbytes)


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


def jxl_size(bits: int) -> tuple[int, int]:
    """Width and height from the bits of the size header of JPEG XL, least significant first."""
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
