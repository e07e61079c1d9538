"""Numbers beside their header: in several files, as text, behind bytes to skip."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from s3facade.core.errors import BadSource, SourceNotFound, Unsupported
from s3facade.core.operators import Buffer
from s3facade.core.protocols import SourceFile
from s3facade.readers.arrays.chunked import ChunkedTable, chunked
from s3facade.readers.arrays.raw import RawTable, raw
from s3facade.readers.arrays.stored import Stored
from s3facade.readers.volumes.common import peek, room

MOST = 100_000
"""Files that one image may lie in."""
TEXT = 128 << 20
"""Bytes of numbers written as text."""
_FORMAT = re.compile(r"%[0 -]?\d{0,2}[di]")


@dataclass(frozen=True, slots=True)
class Words:
    """Numbers in decimal, with white space or commas between them."""

    number: np.dtype[Any]

    @property
    def name(self) -> str:
        """``text``."""
        return "text"

    def decode(self, data: Buffer, nbytes: int) -> Buffer:
        """The numbers. Raises `ValueError`, `OverflowError` where there is something else."""
        words = bytes(data).replace(b",", b" ").split()[: nbytes // self.number.itemsize]
        convert = float if self.number.kind == "f" else int
        return np.array([convert(w) for w in words], self.number).tobytes()


@dataclass(frozen=True, slots=True)
class Digits:
    """Bytes as two hexadecimal digits each."""

    name: str = "hexadecimal"

    def decode(self, data: Buffer, nbytes: int) -> Buffer:
        """The bytes. Raises `ValueError` on other characters."""
        return bytes.fromhex(b"".join(bytes(data).split())[: 2 * nbytes].decode("ascii"))


def numbered(pattern: str, first: int, last: int, step: int) -> list[str]:
    """Names of files that a printf pattern stands for, ``last`` among them.

    Raises:
        BadSource: The pattern holds no whole number, or stands for no or too many names.
    """
    if len(_FORMAT.findall(pattern)) != 1 or pattern.count("%") != 1:
        raise BadSource(f"The header names its files by {pattern!r}; that has to hold one whole number such as %03d.")
    if step == 0 or (last - first) // step < 0 or abs(last - first) // abs(step) >= MOST:
        raise BadSource(f"The header counts its files from {first} to {last} by {step}; that cannot be.")
    return [pattern % i for i in range(first, last + (1 if step > 0 else -1), step)]


def members(file: SourceFile, names: Sequence[str]) -> list[SourceFile]:
    """The files that a header names. Raises `SourceNotFound`, `SourceDenied`, `BadSource`."""
    if not names or len(names) > MOST:
        raise BadSource(f"The header names {len(names)} files of numbers.")
    return [_member(file, name) for name in names]


def _member(file: SourceFile, name: str) -> SourceFile:
    """The file called ``name``, or where it is if back-slashes separate folders, as on Windows."""
    try:
        return file.sibling(name)
    except SourceNotFound:
        if "\\" not in name:
            raise
    return file.sibling(name.replace("\\", "/"))


def line_skip(file: SourceFile, start: int, lines: int) -> int:
    """Where the line begins that stands ``lines`` behind the one at ``start``. Raises `BadSource`."""
    at = start
    for _ in range(lines):
        end = peek(file, 1 << 16, at).find(b"\n")
        if end < 0 or at - start > 1 << 22:
            raise BadSource(f"The header says to skip {lines} lines, which are not there.")
        at += end + 1
    return at


def over(
    dims: Sequence[str],
    sizes: Sequence[int],
    number: np.dtype[Any],
    files: Sequence[SourceFile],
    skips: Sequence[int],
    first: int,
) -> RawTable:
    """The table of plain numbers that go on from file to file, each holding as many as the others.

    Args:
        dims: The axis of each dimension, slowest first.
        sizes: Length of each dimension.
        number: Type of the numbers, with byte order.
        files: All files of the image.
        skips: First byte of the numbers in each of the files that hold some; -1: they stand at its end.
        first: The first of ``files`` that holds numbers.

    Raises:
        BadSource: They cannot be shared out so, or lie outside the files.
    """
    count, outer = len(skips), 0
    while math.prod(sizes[:outer]) % count:
        outer += 1
        if outer > len(sizes) or math.prod(sizes[:outer]) > 1 << 24:
            raise BadSource(f"The header names {count} files; {tuple(sizes)} voxels do not share out to so many.")
    places = math.prod(sizes[:outer])
    stride, each = math.prod(sizes[outer:]) * number.itemsize, places // count
    end = [room(f) for f in files]
    starts = [end[first + i] - each * stride if s < 0 else s for i, s in enumerate(skips)]
    if min(starts) < 0:
        raise BadSource("The image is incomplete: a file is shorter than its numbers.")
    at = np.arange(places, dtype=np.int64)
    offsets = np.asarray(starts, np.int64)[at // each] + at % each * stride
    which = (first + at // each).astype(np.uint32)
    return raw(dims, sizes, number, offsets, end=end, outer=outer, files=which)


def text(
    dims: Sequence[str],
    sizes: Sequence[int],
    number: np.dtype[Any],
    files: Sequence[SourceFile],
    start: int,
    filters: Sequence[Words | Digits],
) -> ChunkedTable:
    """The table of numbers that are written as text: one chunk, from ``start`` to the end of the last file.

    Raises:
        Unsupported: There are too many of them.
        BadSource: There are fewer characters than numbers.
    """
    last = len(files) - 1
    nbytes = files[last].source.size - start
    if nbytes > TEXT:
        raise Unsupported(f"The numbers are written as text, {nbytes >> 20} MiB of it; {TEXT >> 20} MiB can be read.")
    if nbytes < math.prod(sizes):
        raise BadSource("The image is incomplete: there is less text than numbers.")
    stored = Stored(tuple(dims), tuple(sizes), tuple(sizes))
    one = np.ones(1, np.int64)
    end, which = [f.source.size for f in files], np.array([last], np.uint32)
    return chunked(stored, number, one * start, one * nbytes, filters, end=end, files=which)
