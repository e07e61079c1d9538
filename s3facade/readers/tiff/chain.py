"""The chain of directories of a TIFF, followed once before anything trusts it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from s3facade.core.errors import BadSource, Unsupported

MAX_IFDS = 1 << 20
"""Directories of one file; more is refused."""
_CODING = np.isin(
    np.arange(1 << 16), [256, 257, 258, 259, 262, 266, 277, 278, 284, 317, 322, 323, 338, 339, 32997, 32998]
)
"""By tag: whether it says how pixels are laid out."""


@dataclass(frozen=True, slots=True)
class _Format:
    """How this kind of TIFF writes its directories."""

    order: str
    number: str
    """Number of entries."""
    link: str
    """Offset of the next directory."""
    entry: np.dtype[np.void]
    first: int


def _format(stream: BinaryIO, size: int) -> _Format | None:
    """None for files whose 32-bit offsets cannot reach everything: there the chain is not what it seems.

    Those use one directory only (ImageJ), or add the upper halves elsewhere (NDPI).
    """
    stream.seek(0)
    head = stream.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 8:
        raise BadSource("The file does not begin like a TIFF.")
    big = head[2:4] in (b"+\0", b"\0+")
    if big and len(head) < 16:
        raise BadSource("The TIFF ends within its header.")
    if size >= 1 << 32 and not big:
        return None
    link = order + ("Q" if big else "I")
    wide = 8 if big else 4
    entry = np.dtype(
        [("code", order + "u2"), ("type", order + "u2"), ("count", f"{order}u{wide}"), ("value", f"V{wide}")]
    )
    return _Format(order, order + ("Q" if big else "H"), link, entry, struct.unpack_from(link, head, wide)[0])


def walk(stream: BinaryIO, size: int) -> bool:
    """Follow the chain of directories; whether all pages are laid out alike.

    Raises:
        BadSource: It runs in a circle or leaves the file.
        Unsupported: It is longer than `MAX_IFDS`.
    """
    form = _format(stream, size)
    seen: set[int] = set()
    layouts: set[bytes] = set()
    offset = form.first if form else 0
    while form and offset:
        if offset in seen:
            raise BadSource("The TIFF's directories run in a circle.", private=f"directory {len(seen)} at {offset}")
        if len(seen) >= MAX_IFDS:
            raise Unsupported(f"The TIFF has more than {MAX_IFDS} pages.")
        entries, following = _directory(stream, form, offset, size, len(seen))
        seen.add(offset)
        # values that stand elsewhere (count > 1) have offsets here, which tell nothing
        inline = entries[_CODING[entries["code"]] & (entries["count"] == 1)]
        layouts.add(inline.tobytes())
        offset = following
    stream.seek(0)
    return len(layouts) < 2


def _directory(
    stream: BinaryIO, form: _Format, offset: int, size: int, number: int
) -> tuple[np.ndarray[tuple[int], np.dtype[np.void]], int]:
    """Entries of the directory at ``offset``, and where the next one is."""
    stream.seek(min(offset, size))
    head = stream.read(struct.calcsize(form.number))
    if len(head) < struct.calcsize(form.number):
        raise BadSource(
            "The TIFF is incomplete: a directory lies behind the end of the file.",
            private=f"directory {number} at {offset} of {size} bytes",
        )
    (tags,) = struct.unpack(form.number, head)
    length = tags * form.entry.itemsize
    data = stream.read(length + struct.calcsize(form.link)) if tags <= 4096 else b""
    if len(data) < length + struct.calcsize(form.link):
        raise BadSource(
            "The TIFF is damaged or incomplete: a directory has more entries than there is room for.",
            private=f"directory {number} at {offset}: {tags} entries",
        )
    return np.frombuffer(data, form.entry, tags), struct.unpack_from(form.link, data, length)[0]
