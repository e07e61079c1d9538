"""MINC 1 (netCDF) and MINC 2 (HDF5) of the Montreal Neurological Institute.

Source: the MINC programmer's guide and the MINC 2.0 file format reference: numbers of the valid range stand for values
between image-min and image-max, which may differ from slice to slice; world coordinates are RAS, in millimetres.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.protocols import ChunkTable, SourceFile
from s3facade.readers.arrays.chunked import ChunkedTable
from s3facade.readers.arrays.raster import TableRaster
from s3facade.readers.arrays.raw import RawTable, raw
from s3facade.readers.facts import Facts
from s3facade.readers.hdf5.attributes import attributes
from s3facade.readers.hdf5.library import Tree, is_hdf5, opened
from s3facade.readers.hdf5.pipeline import CLASSES
from s3facade.readers.hdf5.tables import piece, table
from s3facade.readers.inflated import unpacked
from s3facade.readers.volumes import netcdf
from s3facade.readers.volumes.common import (
    MM,
    TIMES,
    Keeping,
    checked,
    content,
    finite,
    image,
    kept,
    placed,
    room,
    wide,
)
from s3facade.readers.volumes.scaled import Floats, scaled

_AXES = {"xspace": "x", "yspace": "y", "zspace": "z", "time": "t", "vector_dimension": "c"}
_COSINES = {"xspace": (1.0, 0.0, 0.0), "yspace": (0.0, 1.0, 0.0), "zspace": (0.0, 0.0, 1.0)}
_KEEPING = Keeping(CLASSES)
_SIGNED = "signed__"


@dataclass(frozen=True, slots=True)
class Volume:
    """What both versions say about an image."""

    dims: tuple[str, ...]
    """As MINC calls them, slowest first."""
    numbers: RawTable | ChunkedTable
    number: np.dtype[Any]
    valid: tuple[float, float]
    least: Floats | None
    """image-min, by the first dimensions."""
    greatest: Floats | None
    about: Mapping[str, Mapping[str, Any]]
    """Attributes of each dimension."""


class MincReader:
    """MINC 1 and 2. No options."""

    name: ClassVar[str] = "minc"
    version: ClassVar[int] = 2
    lane: ClassVar[Literal["thread", "serial", "process"]] = "thread"
    apart: ClassVar[bool] = True
    suffixes: ClassVar[frozenset[str]] = frozenset({".mnc", ".mnc.gz"})

    def sniff(self, head: bytes, name: str) -> bool:
        """By its name and the magic of netCDF or HDF5, which many files have."""
        data = unpacked(head, 16)
        known = data[:4] in (b"CDF\1", b"CDF\2") or is_hdf5(data)
        return known and name.lower().endswith((".mnc", ".mnc.gz", ".mnc2"))

    def open(self, file: SourceFile, options: Mapping[str, object]) -> Sequence[TableRaster]:
        """The image of a file.

        Raises:
            BadSource: The file contradicts itself.
            Unsupported: Irregular spacing, dimensions that are no axes of an image.
        """
        checked(options, {})
        whole = content(file)
        if bytes(whole.pread(0, 3)) == b"CDF":
            return [_raster(_first(whole), [whole])]
        if whole is not file:
            raise Unsupported("MINC 2 packs its numbers itself; unpack the file.")
        with opened(file) as tree:
            return [_raster(_second(tree), [file])]

    freeze = staticmethod(_KEEPING.freeze)
    thaw = staticmethod(_KEEPING.thaw)


def _axes(dims: Sequence[str]) -> list[str]:
    unknown = [d for d in dims if d not in _AXES]
    if unknown or len(set(dims)) != len(dims):
        raise Unsupported(f"The image has the dimensions {', '.join(dims)!s:.100}; {sorted(_AXES)} can be shown.")
    return [_AXES[d] for d in dims]


def _first(file: SourceFile) -> Volume:
    found = netcdf.variables(file)
    stored = found.get("image")
    if stored is None:
        raise BadSource("The MINC file has no variable called image.")
    kind = stored.number.str
    if stored.number.kind == "S":
        raise BadSource("The image of the MINC file is text.")
    sign = str(stored.attributes.get("signtype", "unsigned" if stored.number.itemsize == 1 else _SIGNED))
    number = stored.number
    if number.kind == "i" and sign.strip() != _SIGNED:
        number = np.dtype(kind.replace("i", "u"))
    names = _axes(stored.dims)
    numbers = raw(names, stored.sizes, number, stored.offset, end=[room(file)])
    limits = [found.get("image-min"), found.get("image-max")]
    least, greatest = (None if v is None else netcdf.values(file, v) for v in limits)
    if any(v is not None and v.dims != stored.dims[: len(v.dims)] for v in limits):
        raise Unsupported("The scales image-min and image-max do not follow the first dimensions of the image.")
    about = {d: dict(found[d].attributes) if d in found else {} for d in stored.dims}
    return Volume(stored.dims, numbers, number, _valid(stored.attributes, number), least, greatest, about)


def _second(tree: Tree) -> Volume:
    stored = tree.dataset("minc-2.0/image/0/image")
    if stored is None:
        raise BadSource("The file is HDF5, but has no dataset minc-2.0/image/0/image.")
    own = attributes(stored.item)
    dims = tuple(d.strip() for d in str(own.get("dimorder", "")).split(","))[: len(stored.item.shape)]
    if len(dims) != len(stored.item.shape):
        raise BadSource("The image of the MINC file does not name its dimensions.")
    found = piece(stored, tree.files[0])
    numbers = table([found], _axes(dims), files=tree.files[:1])
    limits = []
    for name in ("image-min", "image-max"):
        limit = tree.dataset(f"minc-2.0/image/0/{name}")
        if limit is not None and limit.item.size > 1 << 20:
            raise BadSource(f"The dataset {name} of the MINC file has {limit.item.size} numbers.")
        limits.append(None if limit is None else np.asarray(limit.item[()], np.float64))
    about = {}
    for d in dims:
        dimension = tree.find(f"minc-2.0/dimensions/{d}")
        about[d] = {} if dimension is None else attributes(dimension.item)
    return Volume(dims, numbers, found.number, _valid(own, found.number), limits[0], limits[1], about)


def _valid(own: Mapping[str, Any], number: np.dtype[Any]) -> tuple[float, float]:
    """The numbers that stand for image-min and image-max."""
    if number.kind == "f":
        return 0.0, 1.0
    whole = np.iinfo(number)
    given = own.get("valid_range")
    if given is None and "valid_min" in own and "valid_max" in own:
        given = [*_list(own["valid_min"]), *_list(own["valid_max"])]
    values = [float(v) for v in _list(given)] if given is not None else []
    if values and (len(values) != 2 or not finite(*values) or values[0] >= values[1]):
        raise BadSource(f"The valid range of the MINC image is {values[:4]}, which is none.")
    low, high = values or (float(whole.min), float(whole.max))
    if low < whole.min or high > whole.max:
        raise BadSource(f"The valid range of the MINC image, {low} to {high}, is beyond its type {number}.")
    return low, high


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _raster(volume: Volume, files: Sequence[SourceFile]) -> TableRaster:
    numbers, sizes = volume.numbers, volume.numbers.stored.sizes
    made: ChunkTable = numbers
    if volume.number.kind in "iu" and volume.least is not None and volume.greatest is not None:
        least, greatest = volume.least, volume.greatest
        if least.shape != greatest.shape or least.shape != sizes[: least.ndim]:
            raise BadSource("The scales image-min and image-max are not as many as the image has slices.")
        if not (np.isfinite(least).all() and np.isfinite(greatest).all()):
            raise BadSource("The scales image-min and image-max are no numbers.")
        low, high = volume.valid
        slopes = (greatest - least) / (high - low)
        whole = np.iinfo(volume.number)
        limits = None if (low, high) == (whole.min, whole.max) else (low, high)
        made = scaled(numbers, slopes, least - low * slopes, wide(volume.number), limits)
    return image(made, files, _facts(volume))


def _facts(volume: Volume) -> Facts:
    scale: dict[str, float] = {}
    matrix = np.eye(4)
    start = np.zeros(3)
    turn = np.eye(3)
    known = True
    for dim in volume.dims:
        about, axis = volume.about[dim], _AXES[dim]
        if "irregular" in str(about.get("spacing", "")):
            raise Unsupported(f"The dimension {dim} of the MINC file has irregular spacing.")
        step = _number(about.get("step"))
        unit = str(about.get("units", "")).strip().lower()
        if axis == "t" and step and step > 0 and unit in TIMES:
            scale["t"] = step * TIMES[unit]
        if axis not in "xyz":
            continue
        k = "xyz".index(axis)
        known = known and step is not None and step != 0
        if step:
            scale[axis] = abs(step) * MM
        cosines = [float(v) for v in _list(about.get("direction_cosines", _COSINES[dim]))]
        turn[:, k] = cosines if len(cosines) == 3 and finite(*cosines) else _COSINES[dim]
        matrix[:3, k] = turn[:, k] * (step or 1.0) * MM
        start[k] = _number(about.get("start")) or 0.0
    attrs: dict[str, Any] = {"original": kept({d: dict(volume.about[d]) for d in volume.dims})}
    origin: dict[str, float] = {}
    if known and {"x", "y", "z"} <= scale.keys():
        matrix[:3, 3] = turn @ start * MM
        origin, attrs["affine"] = placed(matrix, scale)
        attrs["frame"] = "RAS"
    return Facts(scale, origin, attrs=attrs)


def _number(value: Any) -> float | None:
    values = _list(value)
    if len(values) != 1 or not isinstance(values[0], int | float) or not finite(float(values[0])):
        return None
    return float(values[0])
