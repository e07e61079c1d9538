"""Deflate blocks that are stored, not compressed (RFC 1951, 3.2.4): five bytes and their content each.

So their size is arithmetic, and what lies at an offset is known without anything before it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from s3facade.core.operators import Buffer

MOST = 65535
"""Bytes of content of a block, at most."""
HEAD = 5
"""Bytes in front of the content."""
LAST = b"\x01\x00\x00\xff\xff"
"""An empty block that ends a stream."""


def nbytes(content: int) -> int:
    """Bytes that ``content`` (>= 0) bytes take in as few blocks as can be."""
    return content + HEAD * -(-content // MOST)


def append(out: bytearray, data: Buffer, *, last: bool = False) -> None:
    """Put ``data`` behind ``out``, in blocks; ``last``: the stream ends with them."""
    view = memoryview(data)
    for at in range(0, len(view), MOST):
        part = view[at : at + MOST]
        out += struct.pack("<BHH", last and at + len(part) == len(view), len(part), len(part) ^ 0xFFFF)
        out += part


def contents(blocks: Buffer) -> Iterator[memoryview]:
    """What each of whole ``blocks`` holds."""
    view = memoryview(blocks)
    at = 0
    while at < len(view):
        size = int.from_bytes(view[at + 1 : at + 3], "little")
        yield view[at + HEAD : at + HEAD + size]
        at += HEAD + size
