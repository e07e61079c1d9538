"""Headers of netCDF files in their classic form (CDF-1 and CDF-2): where variables lie, and their attributes.

Source: the netCDF Classic Format Specification of Unidata. Variables that grow with the unlimited dimension are left
out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from s3facade.core.errors import BadSource
from s3facade.core.protocols import SourceFile
from s3facade.readers.volumes.common import peek

_TYPES = {1: "i1", 2: "S1", 3: ">i2", 4: ">i4", 5: ">f4", 6: ">f8"}
_HEAD = 4 << 20
_MANY = 10_000


@dataclass(frozen=True, slots=True)
class Variable:
    """An array of fixed size."""

    dims: tuple[str, ...]
    sizes: tuple[int, ...]
    number: np.dtype[Any]
    offset: int
    attributes: Mapping[str, Any]
    """Text as str, numbers as lists."""


class _Reading:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 4
        self._wide = data[3] == 2

    def take(self, n: int) -> bytes:
        if n < 0 or self._at + n > len(self._data):
            raise BadSource("The netCDF header is cut short, or larger than can be.")
        self._at += n
        return self._data[self._at - n : self._at]

    def whole(self) -> int:
        return int.from_bytes(self.take(4), "big", signed=True)

    def count(self) -> int:
        """Length of a list, behind its tag, which says no more."""
        self.take(4)
        found = self.whole()
        if not 0 <= found <= _MANY:
            raise BadSource(f"The netCDF header has a list of {found} entries.")
        return found

    def offset(self) -> int:
        return int.from_bytes(self.take(8 if self._wide else 4), "big")

    def name(self) -> str:
        n = self.whole()
        return self.take(n + -n % 4)[:n].decode("latin-1")

    def attributes(self) -> dict[str, Any]:
        found = {}
        for _ in range(self.count()):
            name, kind, n = self.name(), self.whole(), self.whole()
            number = np.dtype(_type(kind))
            size = n * number.itemsize
            data = self.take(size + -size % 4)[: max(0, size)]
            found[name] = data.decode("latin-1").rstrip("\0") if kind == 2 else np.frombuffer(data, number).tolist()
        return found


def _type(kind: int) -> str:
    if kind not in _TYPES:
        raise BadSource(f"The netCDF header has a variable of type {kind}, which is not known.")
    return _TYPES[kind]


def variables(file: SourceFile) -> dict[str, Variable]:
    """The variables of a file, by name.

    Raises:
        BadSource: The header is damaged, or a variable lies behind the end of the file.
    """
    data = peek(file, 1 << 16)
    if data[:3] != b"CDF" or data[3:4] not in (b"\1", b"\2"):
        raise BadSource("This is no netCDF file in its classic form.")
    try:
        return _parsed(data)
    except BadSource:
        if len(data) < 1 << 16:
            raise
    return _parsed(peek(file, _HEAD))


def _parsed(data: bytes) -> dict[str, Variable]:
    about = _Reading(data)
    about.whole()
    dims = [(about.name(), about.whole()) for _ in range(about.count())]
    about.attributes()
    found = {}
    for _ in range(about.count()):
        name = about.name()
        rank = about.whole()
        if not 0 <= rank <= 64:
            raise BadSource(f"The netCDF header has a variable of {rank} dimensions.")
        ids = [about.whole() for _ in range(rank)]
        attributes = about.attributes()
        number = np.dtype(_type(about.whole()))
        about.whole()
        offset = about.offset()
        if any(not 0 <= i < len(dims) for i in ids):
            raise BadSource(f"The netCDF variable {name!r:.40} has dimensions that there are not.")
        sizes = tuple(dims[i][1] for i in ids)
        if all(n > 0 for n in sizes):
            found[name] = Variable(tuple(dims[i][0] for i in ids), sizes, number, offset, attributes)
    return found


def values(file: SourceFile, variable: Variable, most: int = 1 << 20) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The numbers of a small variable. Raises `BadSource` if there are more than ``most``, or they are not there."""
    count = math.prod(variable.sizes)
    if count > most:
        raise BadSource(f"A netCDF variable beside the image has {count} numbers.")
    data = file.pread(variable.offset, count * variable.number.itemsize)
    return np.frombuffer(data, variable.number).astype(np.float64).reshape(variable.sizes)
