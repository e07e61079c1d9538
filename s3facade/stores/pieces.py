"""Ranges of files that are wanted, put together where one request is cheaper than two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from s3facade.core.image import Source

GAP = 64 << 10
"""Bytes between two ranges for which one request is cheaper than two."""
LARGEST = 8 << 20
"""Bytes of one request."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a file that is wanted."""

    source: Source
    start: int
    stop: int


def together(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Pieces in groups that one request reads: of one file, near each other, in order."""
    groups: list[list[Piece]] = []
    end = 0
    for piece in sorted(pieces, key=lambda p: (p.source.path, p.source.etag, p.start, p.stop)):
        last = groups[-1] if groups else None
        if last and last[0].source == piece.source and piece.start - end <= GAP:
            end = max(end, piece.stop)
            if end - last[0].start <= LARGEST:
                last.append(piece)
                continue
        groups.append([piece])
        end = piece.stop
    return groups
