"""Displacement fields in MetaImage files (.mha, .mhd), as elastix and ITK write them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from s3facade.core.errors import BadSource, SourceNotFound, Unsupported
from s3facade.core.image import Source

_TYPES = {"MET_FLOAT": "f4", "MET_DOUBLE": "f8"}
_HEAD = 2**16


@dataclass(frozen=True, slots=True)
class Header:
    """What the header says about a field."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    """x, y, z."""
    affine: tuple[tuple[float, ...], ...]
    """Voxel indices to millimetres, homogeneous; x first."""
    path: str
    """The file that holds the vectors."""
    offset: int


def header(source: Source) -> Header:
    """The header of a field.

    Raises:
        BadSource: It contradicts itself.
        Unsupported: Compressed, or not a field of as many components as axes.
    """
    with open(source.path, "rb") as file:
        head = file.read(_HEAD)
    keys: dict[str, str] = {}
    at = 0
    while "ElementDataFile" not in keys:
        end = head.find(b"\n", at)
        if end < 0:
            raise BadSource("The MetaImage file of a field has no end of its header.")
        key, _, value = head[at:end].decode("latin-1").partition("=")
        keys[key.strip()] = value.strip()
        at = end + 1
    try:
        return _header(source, keys, at)
    except (KeyError, ValueError, IndexError) as error:
        raise BadSource(f"The MetaImage header of a field lacks something: {error}.") from error


def _header(source: Source, keys: Mapping[str, str], end: int) -> Header:
    n = int(keys["NDims"])
    if keys.get("CompressedData", "False") == "True":
        raise Unsupported("Compressed MetaImage fields have no random access; write the field without compression.")
    if int(keys.get("ElementNumberOfChannels", "1")) != n or keys["ElementType"] not in _TYPES:
        raise Unsupported(f"The MetaImage file holds no displacement field of {n} floating-point components.")
    spacing = _floats(keys.get("ElementSpacing", "1 " * n))
    origin = _floats(keys.get("Offset") or keys.get("Position") or keys.get("Origin") or "0 " * n)
    turn = _floats(keys.get("TransformMatrix") or " ".join(map(str, np.eye(n).ravel())))
    affine = np.eye(n + 1)
    affine[:n, :n] = np.reshape(turn, (n, n)).T * spacing
    affine[:n, n] = origin
    local = keys["ElementDataFile"] == "LOCAL"
    path = (
        source.path if local else os.path.join(os.path.dirname(source.path), os.path.basename(keys["ElementDataFile"]))
    )
    big = keys.get("BinaryDataByteOrderMSB", keys.get("ElementByteOrderMSB", "False")) == "True"
    return Header(
        np.dtype((">" if big else "<") + _TYPES[keys["ElementType"]]),
        tuple(int(v) for v in keys["DimSize"].split()),
        tuple(tuple(float(v) for v in row) for row in affine),
        path,
        end if local else int(keys.get("HeaderSize", "0")),
    )


def _floats(text: str) -> list[float]:
    return [float(word) for word in text.split()]


def array(source: Source) -> npt.NDArray[Any]:
    """The vectors, mapped into memory: z, y, x, components (x first).

    Raises:
        BadSource: Cut off.
        SourceNotFound: The file with the vectors is missing.
    """
    about = header(source)
    shape = (*about.shape[::-1], len(about.shape))
    try:
        return np.memmap(about.path, about.dtype, "r", about.offset, shape)
    except FileNotFoundError as error:
        raise SourceNotFound("The file that a MetaImage header names does not exist.", private=about.path) from error
    except (ValueError, OSError) as error:
        raise BadSource("The MetaImage file of a field is cut off.", private=about.path) from error
