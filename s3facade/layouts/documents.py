"""JSON documents whose size is known although some of their numbers come from pixels.

Such a number stands in a field of fixed width, padded with spaces, which JSON allows between tokens. Listing a key
or asking for its size therefore never reads a voxel.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from s3facade.core.identity import digest
from s3facade.core.keyspace import File
from s3facade.core.objects import Literal, Object, Packed, Pixels
from s3facade.core.operators import Buffer

Document: TypeAlias = Mapping[str, Any]
Number: TypeAlias = int | float
Measure: TypeAlias = Callable[[Buffer | None], Sequence[Number]]

WIDTH = 24
"""Characters of the longest number: a double such as -1.7976931348623157e+308."""
LONG = 4096
"""Bytes of a document from which on it is kept packed."""
_MARK = re.compile(r'"\\u0000(\d+)\\u0000"')


@dataclass(frozen=True, slots=True)
class Slot:
    """A number that is measured when the document is read: ``measure(bytes of part)[pick]``.

    ``measure`` gets None when the pixels could not be decoded and must give numbers even then. Slots that share one
    ``part`` object share its measure.
    """

    part: Pixels
    measure: Measure
    pick: int


def json_file(document: Document, modified: int, version: int) -> File:
    """``document`` as a key; a `Slot` may stand wherever a number may.

    Args:
        document: What to write.
        modified: Nanoseconds since 1970.
        version: Of the layout: what slots measure may change with it.
    """
    slots: list[Slot] = []

    def mark(value: object) -> str:
        if not isinstance(value, Slot):
            raise TypeError(f"{value!r} has no place in a JSON document")
        slots.append(value)
        return f"\0{len(slots) - 1}\0"

    text = json.dumps(document, separators=(",", ":"), allow_nan=False, default=mark)
    if not slots:
        return literal_file(text.encode(), "application/json", modified)
    pieces = tuple(piece.encode() for piece in _MARK.split(text)[::2])
    nbytes = sum(map(len, pieces)) + WIDTH * len(slots)
    parts = {id(s.part): s.part for s in slots}
    order = {key: i for i, key in enumerate(parts)}
    fields = tuple((order[id(s.part)], s.pick) for s in slots)
    measured = {id(s.part): (s.part, s.measure) for s in slots}
    identity = digest(text, version, [(p.image.spec.identity, p.level, p.region) for p in parts.values()])
    packed = Packed(tuple(measured.values()), partial(_render, pieces, fields), nbytes, identity)
    return File(nbytes, "application/json", identity, modified, partial(Object, (packed,)))


def literal_file(data: bytes, media_type: str, modified: int) -> File:
    """Bytes at hand as a key. Long ones are kept packed: a server has one or two for each of its images."""
    identity = digest(data.decode(errors="surrogateescape"), media_type)
    if len(data) < LONG:
        body = Object((Literal(data),))
        return File(len(data), media_type, identity, modified, lambda: body)
    packed = zlib.compress(data, 1)
    return File(len(data), media_type, identity, modified, lambda: Object((Literal(zlib.decompress(packed)),)))


def _render(pieces: Sequence[bytes], fields: Sequence[tuple[int, int]], measured: Sequence[Sequence[Number]]) -> bytes:
    """The document, with what was ``measured`` between its ``pieces``."""
    out = [pieces[0]]
    for piece, (part, pick) in zip(pieces[1:], fields, strict=True):
        out += (json.dumps(measured[part][pick], allow_nan=False).encode().ljust(WIDTH), piece)
    return b"".join(out)
