"""The beginning of a file that is being written: its end is where the file ends, not where it ended at first.

Source: HDF5 File Format Specification 3.0, II.A (superblock, versions 2 and 3); checksums are Jenkins' lookup3.
"""

from __future__ import annotations

import struct

SIZE = 48
"""Bytes of a superblock whose places have eight bytes."""
_EOF = 28
_MASK = 0xFFFFFFFF
_WRITING = 0b101
"""Flags: opened for writing; for one writer and many readers."""


def mended(head: bytes, size: int) -> bytes | None:
    """The superblock of a file that is open for writing, with the end that the file has; None if nothing is to mend.

    The library writes the end last, when the file is closed, and reads nothing behind it.

    Args:
        head: The first bytes of the file.
        size: Of the file.
    """
    if len(head) < SIZE or head[8] not in (2, 3) or head[9] != 8 or not head[11] & _WRITING:
        return None
    base, _, end = struct.unpack_from("<3Q", head, 12)
    (checksum,) = struct.unpack_from("<I", head, SIZE - 4)
    if base or end >= size or checksum != lookup3(head[: SIZE - 4]):
        return None
    body = head[:_EOF] + struct.pack("<Q", size) + head[_EOF + 8 : SIZE - 4]
    return body + struct.pack("<I", lookup3(body))


def lookup3(data: bytes) -> int:
    """Checksum of metadata in HDF5: Jenkins' hash of 32 bits, with 0 to begin with."""
    a = (0xDEADBEEF + len(data)) & _MASK
    b = c = a
    whole = max(0, (len(data) - 1) // 12)
    for n in range(whole):
        x, y, z = struct.unpack_from("<3I", data, 12 * n)
        a, b, c = (a + x) & _MASK, (b + y) & _MASK, (c + z) & _MASK
        for shift in (4, 6, 8, 16, 19, 4):
            # Each round is the one before with the words in turn.
            a = ((a - c) & _MASK) ^ _turned(c, shift)
            c = (c + b) & _MASK
            a, b, c = b, c, a
    rest = data[12 * whole :]
    if not rest:
        return c
    x, y, z = struct.unpack("<3I", rest.ljust(12, b"\0"))
    a, b, c = (a + x) & _MASK, (b + y) & _MASK, (c + z) & _MASK
    for shift in (14, 11, 25, 16, 4, 14, 24):
        c = ((c ^ b) - _turned(b, shift)) & _MASK
        a, b, c = b, c, a
    found: int = b
    return found


def _turned(word: int, bits: int) -> int:
    return (word << bits | word >> (32 - bits)) & _MASK
