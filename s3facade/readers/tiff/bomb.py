"""Sizes that compressed images state in their own headers, read before a decoder allocates for them."""

from __future__ import annotations

import struct

from s3facade.readers.pictures.modern import jxl_size

_START_OF_FRAME = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


def stated_voxels(data: memoryview) -> int:
    """Rows x columns x components that a compressed image says it has; 0 for what says nothing or is too damaged.

    Of JPEG, JPEG 2000, PNG, JPEG XL, WebP and LERC: their decoders allocate what the header says; a few bytes could ask
    for gigabytes.
    """
    try:
        head = bytes(data[:8])
        if head.startswith(b"\xff\xd8"):
            return _jpeg(data)
        if head.startswith(b"\xff\x4f\xff\x51"):
            return _jpeg2000(data, 0)
        if head[4:] == b"jP  ":
            start = bytes(data[:1024]).find(b"\xff\x4f\xff\x51")
            return _jpeg2000(data, start) if start >= 0 else 0
        if head == b"\x89PNG\r\n\x1a\n":
            width, height = struct.unpack_from(">II", data, 16)
            return int(width * height * 4)
        if head.startswith(b"Lerc2 "):
            return _lerc(data)
        if head.startswith(b"\xff\x0a") or head[4:] == b"JXL ":
            return _jpegxl(data)
        if head.startswith(b"RIFF"):
            return _webp(data)
    except (struct.error, IndexError):
        return 0
    return 0


def _jpeg(data: memoryview) -> int:
    at = 2
    while at + 9 < len(data):
        if data[at] != 0xFF:
            return 0
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _START_OF_FRAME:
            height, width, components = struct.unpack_from(">HHB", data, at + 5)
            return int(height * width * components)
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:
            at += 2
        else:
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    return 0


def _lerc(data: memoryview) -> int:
    """Esri's Lerc2: a version, a checksum from version 3 on, rows, columns, and values per pixel from version 4 on."""
    (version,) = struct.unpack_from("<i", data, 6)
    at = 14 if version >= 3 else 10
    height, width, depth = struct.unpack_from("<iii", data, at)
    return max(0, int(height)) * max(0, int(width)) * (max(1, int(depth)) if version >= 4 else 1)


def _webp(data: memoryview) -> int:
    """Of the three kinds of first chunk of a WebP (RFC 9649), each with a size of its own form."""
    kind = bytes(data[12:16])
    if kind == b"VP8X":
        return 4 * (1 + int.from_bytes(data[24:27], "little")) * (1 + int.from_bytes(data[27:30], "little"))
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 4 * (1 + (bits & 0x3FFF)) * (1 + (bits >> 14 & 0x3FFF))
    width, height = struct.unpack_from("<HH", data, 26)
    return 4 * int(width & 0x3FFF) * int(height & 0x3FFF)


def _jpegxl(data: memoryview) -> int:
    start = 0 if bytes(data[:2]) == b"\xff\x0a" else bytes(data[:1024]).find(b"\xff\x0a")
    if start < 0:
        return 0
    width, height = jxl_size(int.from_bytes(data[start + 2 : start + 16], "little"))
    return width * height


def _jpeg2000(data: memoryview, start: int) -> int:
    right, bottom, left, top = struct.unpack_from(">IIII", data, start + 8)
    (components,) = struct.unpack_from(">H", data, start + 40)
    return int(max(0, right - left) * max(0, bottom - top) * components)
