"""Vector fields as files store them: arrays of which parts can be read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from tokenize import TokenError
from typing import Any

import numpy as np
import numpy.typing as npt

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.image import Source
from s3facade.core.region import Region
from s3facade.transforms.resampling.parameters import metaimage, nifti
from s3facade.transforms.resampling.parameters.itk_files import damage, opened

NUMPY_ERRORS = (ValueError, EOFError, OSError, SyntaxError, TokenError, TypeError, UserWarning)
"""NumPy reads headers of its files as Python: damaged ones end in whatever Python says of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """An open field: an array whose parts can be had by slices, components first or last."""

    array: Any
    first: bool
    extra: int = 0
    """Axes of length 1 between components and space."""
    chunk: tuple[int, ...] | None = None
    """Its chunks along space axes."""
    slope: float = 1.0
    intercept: float = 0.0

    def read(self, box: Region) -> npt.NDArray[Any]:
        """Components by box."""
        space = box.slices()
        if self.first:
            part = np.asarray(self.array[(slice(None), *(0,) * self.extra, *space)])
        else:
            part = np.moveaxis(np.asarray(self.array[(*space, slice(None))]), -1, 0)
        return part


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Vectors one behind the other, components next to each other, x first: as ITK keeps them in HDF5."""

    numbers: Any
    shape: tuple[int, ...]

    def __getitem__(self, where: tuple[slice, ...]) -> npt.NDArray[Any]:
        n = len(self.shape)
        *outer, row, _ = where
        firsts = [range(*s.indices(size)) for s, size in zip(outer[:-1], self.shape, strict=False)]
        y = range(*outer[-1].indices(self.shape[-2]))
        width = self.shape[-1]
        planes = []
        for index in np.ndindex(*(len(r) for r in firsts)):
            plane = sum(r[k] for r, k in zip(firsts, index, strict=True)) * self.shape[-2]
            start, stop = (plane + y.start) * width * n, (plane + y.stop) * width * n
            planes.append(np.asarray(self.numbers[start:stop]).reshape(len(y), width, n)[:, row])
        return np.stack(planes).reshape(*(len(r) for r in firsts), *planes[0].shape)


def open_field(source: Source, kind: str, name: str, count: int) -> Stored:
    """A field of ``count`` axes, open for reading.

    Args:
        source: The file, or the metadata of a Zarr array.
        kind: ``nifti``, ``metaimage``, ``itk`` (HDF5), ``hdf5``, ``zarr`` or ``numpy``; with ``:last`` behind it where
            components are the last axis.
        name: The array inside.
        count: Axes of space.

    Raises:
        BadSource: The file is damaged.
        Unsupported: A library is missing.
    """
    form, _, order = kind.partition(":")
    first = order != "last"
    if form == "nifti":
        data = nifti.plain(source)
        about = nifti.header(data)
        array = nifti.array(data, about)
        return Stored(array, first=True, extra=array.ndim - 1 - count, slope=about.slope, intercept=about.intercept)
    if form == "metaimage":
        return Stored(metaimage.array(source), first=False)
    if form == "numpy":
        return Stored(numpy_array(source), first)
    if form == "zarr":
        array = zarr_array(source)
        return Stored(array, first, chunk=_space(array.chunks, first=first))
    with damage(source.path):
        return _in_hdf5(source, form, name, count, first=first)


def _in_hdf5(source: Source, form: str, name: str, count: int, *, first: bool) -> Stored:
    file = opened(source.path)
    if form == "itk":
        group = file[name]
        size = tuple(int(v) for v in np.asarray(itk_member(group, "FixedParameters"))[:count])
        return Stored(Rows(itk_member(group, "Parameters"), size[::-1]), first=False)
    dataset = file[name]
    chunk = _space(dataset.chunks, first=first) if dataset.chunks else None
    return Stored(dataset, first, chunk=chunk)


def _space(chunk: tuple[int, ...], *, first: bool) -> tuple[int, ...]:
    return tuple(chunk[1:] if first else chunk[:-1])


def itk_member(group: Any, name: str) -> Any:
    """Parameters of a transform in a file of ITK, some versions of which leave out a letter."""
    for key in (f"Transform{name}", f"Tranform{name}"):
        if key in group:
            return group[key]
    raise BadSource("The HDF5 file holds a transform without parameters.")


def numpy_array(source: Source) -> npt.NDArray[Any]:
    """The array of a NumPy file, mapped into memory. Raises BadSource."""
    try:
        return np.load(source.path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
    except NUMPY_ERRORS as error:
        raise BadSource("The NumPy file of a field cannot be read.", private=f"{source.path}: {error}") from error


def zarr_array(source: Source) -> Any:
    """The Zarr array whose metadata is ``source``.

    Raises:
        BadSource: It cannot be opened.
        Unsupported: The library that reads Zarr is not installed.
    """
    try:
        import zarr
    except ImportError as error:
        raise Unsupported("Displacement fields in Zarr need the package zarr; install s3facade[zarr].") from error
    try:
        return zarr.open_array(os.path.dirname(source.path), mode="r")
    except (ValueError, KeyError, OSError, TypeError) as error:
        raise BadSource("The Zarr array of a field cannot be opened.", private=f"{source.path}: {error}") from error
