"""ITK's transform files: text, MATLAB level 4 and HDF5.

Each is read as a list of transforms in the order in which they stand there: class name, parameters, fixed parameters.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from s3facade.core.errors import BadSource

Numbers: TypeAlias = npt.NDArray[np.float64]
TEXT = b"#Insight Transform File"
HDF5 = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One transform of a file."""

    name: str
    """As in ``AffineTransform_double_3_3``."""
    parameters: Numbers
    fixed: Numbers


def text(data: bytes) -> list[Entry]:
    """Transforms of an Insight transform file.

    Raises:
        BadSource: It is not written as it should be.
    """
    entries: list[Entry] = []
    name, parameters = "", np.zeros(0)
    for line in data.decode("utf-8", "replace").splitlines():
        key, _, value = line.partition(":")
        if key == "Transform":
            name, parameters = value.strip(), np.zeros(0)
            if name.startswith("CompositeTransform"):
                entries.append(Entry(name, parameters, parameters))
        elif key == "Parameters":
            parameters = _numbers(value)
        elif key == "FixedParameters" and not name.startswith("CompositeTransform"):
            entries.append(Entry(name, parameters, _numbers(value)))
    if not entries:
        raise BadSource("The transform file holds no transform.")
    return entries


def _numbers(value: str) -> Numbers:
    try:
        return np.array([float(word) for word in value.split()])
    except ValueError as error:
        raise BadSource("The transform file has something else where numbers should be.") from error


def looks_matlab(data: bytes) -> bool:
    """Whether ``data`` begins as a level 4 MATLAB file with real numbers does."""
    if len(data) < 20:
        return False
    little, big = (struct.unpack_from(f"{end}5i", data) for end in "<>")
    return any(
        head[0] in (kind, kind + 10)
        and 0 <= head[1] < 2**28
        and 0 <= head[2] < 2**28
        and head[3] == 0
        and 1 < head[4] < 128
        for head, kind in ((little, 0), (big, 1000))
    )


def matlab(data: bytes) -> list[Entry]:
    """Transforms of a level 4 MATLAB file as ITK and ANTs write it: pairs of variables, the second called fixed.

    Raises:
        BadSource: It is cut off, or not such a file.
    """
    found: list[tuple[str, Numbers]] = []
    at = 0
    while at < len(data):
        if at + 20 > len(data):
            raise BadSource("The MATLAB file is cut off.")
        end = "<" if struct.unpack_from("<i", data, at)[0] < 1000 else ">"
        kind, rows, columns, _, length = struct.unpack_from(f"{end}5i", data, at)
        dtype = np.dtype(f"{end}f4" if kind % 100 // 10 == 1 else f"{end}f8")
        start = at + 20 + length
        stop = start + rows * columns * dtype.itemsize
        if kind % 100 // 10 > 1 or min(rows, columns, length) < 0 or stop > len(data):
            raise BadSource("The MATLAB file is cut off, or holds something else than real numbers.")
        name = data[at + 20 : start].rstrip(b"\0").decode("ascii", "replace")
        found.append((name, np.frombuffer(data[start:stop], dtype).astype(np.float64)))
        at = stop
    entries = [
        Entry(name, numbers, fixed)
        for (name, numbers), (second, fixed) in zip(found[::2], found[1::2], strict=False)
        if second == "fixed"
    ]
    if not entries or 2 * len(entries) != len(found):
        raise BadSource("The MATLAB file does not hold transforms as ITK writes them.")
    return entries


def hdf5(path: str) -> list[Entry]:
    """Transforms of an HDF5 file; parameters of displacement fields are not read.

    Raises:
        BadSource: It is damaged, or not such a file.
        Unsupported: The library that reads such files is not installed.
    """
    entries: list[Entry] = []
    with damage(path), opened(path) as file:
        group = file.get("TransformGroup")
        for key in sorted(group, key=int) if group is not None else ():
            item = group[key]
            name = item["TransformType"][()]
            name = name[0] if isinstance(name, np.ndarray) else name
            name = name.decode() if isinstance(name, bytes) else str(name)
            fixed = _member(item, "FixedParameters")
            field = name.startswith(("DisplacementField", "GaussianSmoothing"))
            parameters = np.zeros(0) if field else _member(item, "Parameters")
            entries.append(Entry(name, parameters, fixed))
    if not entries:
        raise BadSource("The HDF5 file holds no transform as ITK writes it.")
    return entries


def _member(item: Any, name: str) -> Numbers:
    # Some versions of ITK write the word without its s.
    for key in (f"Transform{name}", f"Tranform{name}"):
        if key in item:
            return np.asarray(item[key][()], np.float64).reshape(-1)
    return np.zeros(0)


@contextmanager
def damage(path: str) -> Iterator[None]:
    """Where an array library works: its errors become `BadSource`. HDF5 has many, by where the damage is."""
    try:
        yield
    except (OSError, KeyError, IndexError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise BadSource("The file of a transform is damaged.", private=f"{path}: {error}") from error


def opened(path: str) -> Any:
    """An HDF5 file, open for reading.

    Raises:
        BadSource: It is damaged.
    """
    import h5py

    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise BadSource("The HDF5 file of a transform cannot be read.", private=f"{path}: {error}") from error
