"""Sizes that compressed images state in their own headers, read before a decoder allocates for them."""

from __future__ import annotations

import struct

_START_OF_FRAME = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


def stated_voxels(data: memoryview) -> int:
    """Rows x columns x components of a JPEG, JPEG 2000 or PNG stream; 0 for what is none of these or too damaged.

    The decoders of these three allocate what the header says; a few bytes could ask for gigabytes.
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


def _jpeg2000(data: memoryview, start: int) -> int:
    right, bottom, left, top = struct.unpack_from(">IIII", data, start + 8)
    (components,) = struct.unpack_from(">H", data, start + 40)
    return int(max(0, right - left) * max(0, bottom - top) * components)
