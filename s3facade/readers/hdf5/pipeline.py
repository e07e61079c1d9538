"""HDF5's filter pipelines as the filters that undo them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from s3facade.core.errors import Unsupported
from s3facade.readers.arrays import filters
from s3facade.readers.arrays.chunked import Filter
from s3facade.readers.arrays.raster import Freezing
from s3facade.readers.hdf5.blosc2_frame import Blosc2Frame
from s3facade.readers.hdf5.packed import ScaleOffset, scale_offset

CLASSES: tuple[type[Any], ...] = (*filters.FILTERS, ScaleOffset, Blosc2Frame)
"""All filters that tables of HDF5 files may have."""
FREEZING = Freezing(CLASSES)
NAMES: Mapping[int, str] = {
    5: "n-bit", 305: "LZO", 307: "bzip2", 32000: "LZF", 32001: "Blosc", 32004: "LZ4", 32008: "Bitshuffle",
    32013: "ZFP", 32014: "FPZIP", 32015: "Zstandard", 32017: "SZ", 32018: "FCIDECOMP", 32019: "JPEG", 32020: "VBZ",
    32021: "FAPEC", 32022: "BitGroom", 32024: "SZ3", 32026: "Blosc 2", 32027: "JPEG XL", 32028: "SPERR",
    32030: "JPEG XR", 32040: "LC", 32768: "B3D",
}  # fmt: skip
"""Filters registered with The HDF Group, by number."""


@dataclass(frozen=True, slots=True)
class Applied:
    """One filter of a dataset."""

    code: int
    values: tuple[int, ...]
    """Its client data."""
    label: str = ""
    """What the file calls it."""

    @property
    def title(self) -> str:
        """Number and name, for sentences."""
        name = NAMES.get(self.code) or self.label
        return f"{self.code} ({name})" if name else str(self.code)


def _szip(a: Applied, _: np.dtype[Any], __: float | None) -> Filter | None:
    return filters.Szip(*a.values) if len(a.values) == 4 else None


def _bitshuffle(a: Applied, number: np.dtype[Any], _: float | None) -> Filter | None:
    inner = {0: "", 2: "lz4", 3: "zstd"}.get(a.values[4] if len(a.values) > 4 else 0)
    block = a.values[3] if len(a.values) > 3 else 0
    itemsize = a.values[2] if len(a.values) > 2 else number.itemsize
    return None if inner is None or not 1 <= itemsize <= 255 else filters.Bitshuffle(itemsize, block, inner)


def _shuffle(a: Applied, number: np.dtype[Any], _: float | None) -> Filter | None:
    itemsize = a.values[0] if a.values else number.itemsize
    return filters.Shuffle(itemsize) if itemsize >= 1 else None


_MAKERS: Mapping[int, Callable[[Applied, np.dtype[Any], float | None], Filter | None]] = {
    1: lambda *_: filters.Deflate(),
    2: _shuffle,
    3: lambda *_: filters.Fletcher32(),
    4: _szip,
    6: lambda a, number, fill: scale_offset(a.values, number, fill),
    307: lambda *_: filters.Bz2(),
    32000: lambda *_: filters.Lzf(),
    32001: lambda *_: filters.Blosc(),
    32004: lambda *_: filters.Lz4H5(),
    32008: _bitshuffle,
    32015: lambda *_: filters.Zstd(),
    32026: lambda *_: Blosc2Frame(),
}


def undone(applied: Sequence[Applied], number: np.dtype[Any], fill: float | None) -> tuple[Filter, ...] | Applied:
    """The filters in the order of decoding, or the first one that only its plug-in can undo.

    Args:
        applied: In the order of the file.
        number: Type of the stored numbers.
        fill: The dataset's fill value.
    """
    steps: list[Filter] = []
    for a in applied:
        maker = _MAKERS.get(a.code)
        step = maker(a, number, fill) if maker else None
        if step is None:
            return a
        steps.insert(0, step)
    return tuple(steps)


def needed(applied: Applied, available: Callable[[int], bool]) -> None:
    """Raise `Unsupported` unless HDF5 has the plug-in of a filter, as ``available`` tells by its number."""
    if not available(applied.code):
        raise Unsupported(
            f"The image is compressed with HDF5 filter {applied.title}, which this server has no plug-in for; "
            "pip install hdf5plugin may bring it."
        )
