"""Where the pixels of sub-blocks lie: told by the head of each, which is read now, or with its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from s3facade.core.errors import BadSource
from s3facade.core.protocols import SourceFile
from s3facade.readers.arrays.raw import Ints
from s3facade.readers.czi.segments import Entry, Header, data

_FEW = 64
"""Sub-blocks whose heads are read when a file is opened."""
_SMALL = 4 << 20
"""Bytes of pixels up to which a sub-block is read whole, head included."""
_SLACK = 1 << 20
"""Bytes that metadata and attachments of a sub-block may have beside its pixels, so that it is read whole."""


@dataclass(frozen=True, slots=True)
class Places:
    """Of each sub-block, the bytes of its pixels; or, where ``headed``, of its whole segment."""

    offsets: Ints
    sizes: Ints
    headed: bool


def ends(file: SourceFile, head: Header, entries: Sequence[Entry]) -> Ints:
    """All places where a segment begins, ascending, and the end of the file: none reaches over the next."""
    known = [e.position for e in entries] + [head.directory, head.metadata, head.attachments, file.source.size]
    return np.unique(np.array(known, np.int64))


def places(file: SourceFile, entries: Sequence[Entry], limits: Ints, nbytes: Ints) -> Places:
    """Where the pixels are.

    Args:
        file: The CZI file.
        entries: Sub-blocks.
        limits: What `ends` gave.
        nbytes: Bytes of each sub-block's pixels, not compressed.

    Raises:
        BadSource: Sub-blocks lie outside the file.
    """
    if len(entries) > _FEW and int(nbytes.max()) <= _SMALL:
        # A read for each head would be thousands of requests on a network, and most pixels are never asked for.
        start = np.array([e.position for e in entries], np.int64)
        if int(start.min()) < 0 or int(start.max()) > file.source.size - 48:
            raise BadSource("The CZI file is incomplete: sub-blocks of it lie behind its end.")
        sizes = limits[np.searchsorted(limits, start, "right")] - start
        if bool((sizes <= nbytes + _SLACK).all()):
            return Places(start, sizes, headed=True)
    found = np.array([data(file, e) for e in entries], np.int64).reshape(-1, 2)
    return Places(found[:, 0], found[:, 1], headed=False)
