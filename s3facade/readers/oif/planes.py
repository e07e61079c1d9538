"""The planes of an OIF or OIB: small TIFFs, uncompressed, whose names say which plane they are."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.readers.oif.compound import Extent
from s3facade.readers.oif.folder import Member

_NAME = re.compile(r"_((?:[A-Z]\d+)+)\.tiff?", re.IGNORECASE)
_PLAIN = re.compile(r"[^_]+\.tiff?", re.IGNORECASE)
_TYPES = {1: "B", 3: "H", 4: "I"}
_HEAD = 4096


@dataclass(frozen=True, slots=True)
class Plane:
    """A TIFF, as far as its pixels go."""

    height: int
    width: int
    samples: int
    number: np.dtype[Any]
    pieces: tuple[Extent, ...]
    """Where the rows lie in the file, in order."""


def named(names: Iterable[str]) -> tuple[tuple[str, ...], dict[tuple[int, ...], str]]:
    """Letters and indices of the planes of the image, by their names; of several kinds of names the most common one.

    ``s_C001Z002.tif`` is the index (1, 2) of (C, Z). Other kinds are pictures of reference and previews.
    """
    groups: dict[tuple[str, ...], dict[tuple[int, ...], str]] = {}
    for name in sorted(names):
        found = _NAME.search(name)
        if found is not None:
            parts = re.findall(r"([A-Za-z])(\d+)", found[1])
            groups.setdefault(tuple(a.upper() for a, _ in parts), {})[tuple(int(n) for _, n in parts)] = name
        elif _PLAIN.fullmatch(name):
            groups.setdefault((), {})[()] = name
    if not groups:
        raise BadSource("The image has no planes: there is no TIFF whose name tells which plane it is.")
    letters = max(groups, key=lambda g: (len(groups[g]), g))
    if len(set(letters)) < len(letters):
        raise Unsupported(f"The names of the planes have a letter more than once: {''.join(letters)}.")
    return letters, groups[letters]


def plane(member: Member) -> Plane:
    """What a TIFF says about its pixels (TIFF 6.0, first directory only). Raises `BadSource`, `Unsupported`."""
    head = member.read(0, min(_HEAD, member.nbytes))
    try:
        tags = _tags(member, head)
        width, height = tags[256][0], tags[257][0]
        bits, samples = tags.get(258, (1,))[0], tags.get(277, (1,))[0]
        offsets, counts = tags[273], tags[279]
    except (struct.error, KeyError, IndexError) as error:
        raise BadSource(f"The plane {member.name} is no TIFF, or damaged.", private=repr(error)) from error
    if tags.get(259, (1,))[0] != 1 or tags.get(284, (1,))[0] != 1 or bits not in (8, 16) or samples not in (1, 3):
        raise Unsupported(
            f"The plane {member.name} has {samples} values of {bits} bits with compression {tags.get(259, (1,))[0]}; "
            "known are uncompressed ones of 8 or 16 bits."
        )
    number = np.dtype(f"{'>' if head[:2] == b'MM' else '<'}u{bits // 8}")
    nbytes = height * width * samples * number.itemsize
    if width < 1 or height < 1 or len(offsets) != len(counts) or sum(counts) < nbytes:
        raise BadSource(f"The plane {member.name} has {sum(counts)} bytes of pixels instead of {nbytes}.")
    pieces: list[Extent] = []
    left = nbytes
    for offset, count in zip(offsets, counts, strict=True):
        for start, size in member.pieces(offset, min(count, left)) if left else ():
            if pieces and sum(pieces[-1]) == start:
                pieces[-1] = (pieces[-1][0], pieces[-1][1] + size)
            else:
                pieces.append((start, size))
        left -= min(count, left)
    return Plane(height, width, samples, number, tuple(pieces))


def _tags(member: Member, head: bytes) -> dict[int, Sequence[int]]:
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(head[:4])
    if order is None:
        raise KeyError("signature")
    (at,) = struct.unpack_from(order + "I", head, 4)

    def part(offset: int, nbytes: int) -> bytes:
        return head[offset : offset + nbytes] if offset + nbytes <= len(head) else member.read(offset, nbytes)

    (count,) = struct.unpack(order + "H", part(at, 2))
    data = part(at + 2, 12 * count)
    tags: dict[int, Sequence[int]] = {}
    for k in range(count):
        tag, kind, length = struct.unpack_from(order + "HHI", data, 12 * k)
        form = _TYPES.get(kind)
        if form is None:
            continue
        nbytes = struct.calcsize(order + form) * length
        if nbytes > member.nbytes:
            raise KeyError(tag)
        if nbytes <= 4:
            values = data[12 * k + 8 : 12 * k + 8 + nbytes]
        else:
            values = part(struct.unpack_from(order + "I", data, 12 * k + 8)[0], nbytes)
        tags[tag] = struct.unpack(f"{order}{length}{form}", values)
    return tags
