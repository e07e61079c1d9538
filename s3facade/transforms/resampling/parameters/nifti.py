"""Displacement fields in NIfTI files, as ITK and ANTs write and read them: coordinates in LPS, millimetres."""

from __future__ import annotations

import gzip
import mmap
import struct
import tempfile
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from s3facade.core.errors import BadSource, SourceDenied, Unsupported
from s3facade.core.image import Source

GZIP = b"\x1f\x8b"
_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4"}
_METRES = {1: 1e3, 2: 1.0, 3: 1e-3}
"""Codes of units to millimetres."""
DISPLACEMENT = 1006
"""Vectors of this intent are RAS, as the standard has it; ITK and ANTs write intent 1007 and LPS."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a NIfTI header says about a field."""

    dtype: np.dtype[Any]
    offset: int
    shape: tuple[int, ...]
    """x, y, z, t, components: as many as there are."""
    intent: int
    slope: float
    intercept: float
    affine: tuple[tuple[float, ...], ...]
    """Voxel indices (i, j, k) to LPS millimetres: 4x4."""


def plain(source: Source) -> Any:
    """The bytes of the file, mapped into memory; unpacked into a file of no name first, if need be.

    Raises:
        BadSource: It is not what it claims to be.
        SourceDenied: It cannot be read.
    """
    try:
        with open(source.path, "rb") as file:
            packed = file.read(2) == GZIP
            if not packed:
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        with gzip.open(source.path, "rb") as stream, tempfile.TemporaryFile() as out:
            while block := stream.read(2**22):
                out.write(block)
            out.flush()
            return mmap.mmap(out.fileno(), 0, access=mmap.ACCESS_READ)
    except (EOFError, zlib.error, gzip.BadGzipFile, ValueError) as error:
        raise BadSource("The displacement field is empty or damaged.", private=f"{source.path}: {error}") from error
    except OSError as error:
        raise SourceDenied("The displacement field cannot be read.", private=f"{source.path}: {error}") from error


def header(data: Any) -> Header:
    """The header of a file of NIfTI-1 or NIfTI-2.

    Raises:
        BadSource: It is neither, or cut off.
        Unsupported: A type of voxels that vectors do not have.
    """
    head = bytes(data[:544])
    for end in "<>":
        size = struct.unpack_from(f"{end}i", head)[0] if len(head) >= 348 else 0
        if size == 348:
            found = _first(head, end)
            break
        if size == 540 and len(head) >= 540:
            found = _second(head, end)
            break
    else:
        raise BadSource("The displacement field is no NIfTI file.")
    count = int(np.prod(found.shape, dtype=np.int64))
    if min(found.shape, default=0) < 1 or found.offset + count * found.dtype.itemsize > len(data):
        raise BadSource("The displacement field is shorter than its header says.")
    return found


def _first(head: bytes, end: str) -> Header:
    dims = struct.unpack_from(f"{end}8h", head, 40)
    intent, code = struct.unpack_from(f"{end}2h", head, 68)
    pixdim = struct.unpack_from(f"{end}8f", head, 76)
    offset, slope, intercept = struct.unpack_from(f"{end}3f", head, 108)
    qform, sform = struct.unpack_from(f"{end}2h", head, 252)
    quatern = struct.unpack_from(f"{end}6f", head, 256)
    rows = struct.unpack_from(f"{end}12f", head, 280)
    return _header(
        end, dims, intent, code, pixdim, int(offset), (slope, intercept), head[123], qform, sform, quatern, rows
    )


def _second(head: bytes, end: str) -> Header:
    code = struct.unpack_from(f"{end}h", head, 12)[0]
    dims = struct.unpack_from(f"{end}8q", head, 16)
    pixdim = struct.unpack_from(f"{end}8d", head, 104)
    offset, slope, intercept = struct.unpack_from(f"{end}q2d", head, 168)
    qform, sform = struct.unpack_from(f"{end}2i", head, 344)
    quatern = struct.unpack_from(f"{end}6d", head, 352)
    rows = struct.unpack_from(f"{end}12d", head, 400)
    units, intent = struct.unpack_from(f"{end}2i", head, 500)
    return _header(end, dims, intent, code, pixdim, offset, (slope, intercept), units, qform, sform, quatern, rows)


def _header(
    end: str,
    dims: tuple[int, ...],
    intent: int,
    code: int,
    pixdim: tuple[float, ...],
    offset: int,
    scaling: tuple[float, float],
    units: int,
    qform: int,
    sform: int,
    quatern: tuple[float, ...],
    rows: tuple[float, ...],
) -> Header:
    if code not in _TYPES:
        raise Unsupported(f"The displacement field has voxels of NIfTI type {code}; store vectors as float32.")
    if not 1 <= dims[0] <= 7:
        raise BadSource("The displacement field's header has no dimensions.")
    affine = np.eye(4)
    if sform > 0:
        affine[:3] = np.reshape(rows, (3, 4))
    elif qform > 0:
        affine[:3, :3] = _turned(quatern[:3]) * [*pixdim[1:3], pixdim[3] * (-1 if pixdim[0] < 0 else 1)]
        affine[:3, 3] = quatern[3:]
    else:
        affine[range(3), range(3)] = [p or 1.0 for p in pixdim[1:4]]
    affine[:3] *= _METRES.get(units & 7, 1.0)
    affine[:2] *= -1
    slope = scaling[0] if np.isfinite(scaling[0]) and scaling[0] != 0 else 0.0
    return Header(
        np.dtype(end + _TYPES[code]),
        offset,
        tuple(int(n) for n in dims[1 : dims[0] + 1]),
        intent,
        slope or 1.0,
        scaling[1] if slope else 0.0,
        tuple(tuple(float(v) for v in row) for row in affine),
    )


def _turned(quatern: tuple[float, ...]) -> npt.NDArray[np.float64]:
    b, c, d = quatern
    a = max(0.0, 1 - (b * b + c * c + d * d)) ** 0.5
    return np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )


def array(data: Any, about: Header) -> npt.NDArray[Any]:
    """The voxels, axes reversed: components first, x last."""
    return np.ndarray(about.shape[::-1], about.dtype, data, about.offset)
