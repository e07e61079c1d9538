"""Files of linear transforms, whatever wrote them: told by what they hold, not by their names."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from typing import Literal

import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.image import Source
from s3facade.transforms.resampling.parameters import elastix, itk, itk_files
from s3facade.transforms.resampling.parameters.source import content, once, source_of
from s3facade.transforms.resampling.parameters.stored import NUMPY_ERRORS

Kind = Literal["itk", "elastix", "fsl", "numpy"]


@dataclass(frozen=True, slots=True)
class Linear:
    """A matrix from a file."""

    sources: tuple[Source, ...]
    kind: Kind
    """Whose conventions hold."""
    rows: tuple[tuple[float, ...], ...]
    """As in the file; for ITK and elastix one row per axis, x first, shift in the last column."""


def read_linear(path: str) -> Linear:
    """The matrix of a file; several transforms of one file are made into one.

    Raises:
        SourceError: It cannot be had.
        BadSource: It is damaged.
        Unsupported: It holds something that is not linear, or is of a kind that is not known.
    """
    try:
        return _read(source_of(path))  # type: ignore[no-any-return]
    except (BadSource, Unsupported) as error:
        error.at(path)
        raise


def _parsed(source: Source) -> Linear:
    data = content(source)
    if data.startswith(itk_files.HDF5):
        return Linear((source,), "itk", _product(itk_files.hdf5(source.path)))
    if data.startswith(itk_files.TEXT):
        return Linear((source,), "itk", _product(itk_files.text(data)))
    if data.startswith(b"\x93NUMPY"):
        return Linear((source,), "numpy", _array(data))
    if itk_files.looks_matlab(data):
        return Linear((source,), "itk", _product(itk_files.matlab(data)))
    if elastix.looks_elastix(data):
        return _elastix(source, data)
    return Linear((source,), "fsl" if os.path.splitext(source.path)[1] == ".mat" else "numpy", _numbers(data))


_read = once(_parsed)


def _product(entries: list[itk_files.Entry]) -> itk.Rows:
    if any(itk.is_field(entry.name) for entry in entries):
        raise Unsupported("The file holds a displacement field; use `displacement` or `chain` for it.")
    composite = entries[0].name.startswith("CompositeTransform")
    rows = [itk.linear(e.name, e.parameters.tolist(), e.fixed.tolist()) for e in entries[composite:]]
    if not rows or (len(rows) > 1 and not composite):
        raise Unsupported("The file holds several transforms that nothing composes; write one file for each.")
    # ITK applies the last of a composite first.
    out = rows[-1]
    for other in reversed(rows[:-1]):
        out = elastix.composed(other, out)
    return out


def _elastix(source: Source, data: bytes) -> Linear:
    rows, before = elastix.matrix(data)
    used = [source]
    while before is not None:
        if len(used) > 32:
            raise BadSource("elastix files refer to each other without end.")
        used.append(source_of(elastix.beside(used[-1].path, before)))
        first, before = elastix.matrix(content(used[-1]))
        rows = elastix.composed(rows, first)
    return Linear(tuple(used), "elastix", rows)


def _array(data: bytes) -> tuple[tuple[float, ...], ...]:
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except NUMPY_ERRORS as error:
        raise BadSource("The NumPy file cannot be read.") from error
    if array.ndim != 2 or array.dtype.kind not in "iuf":
        raise BadSource(f"The NumPy file holds an array of shape {array.shape} and type {array.dtype}, not a matrix.")
    return tuple(tuple(float(v) for v in row) for row in array)


def _numbers(data: bytes) -> tuple[tuple[float, ...], ...]:
    try:
        lines = [line.split("#")[0].replace(",", " ").split() for line in data.decode("utf-8").splitlines()]
        rows = tuple(tuple(float(word) for word in line) for line in lines if line)
    except ValueError as error:
        raise Unsupported(
            "The file is of no known kind: Insight transform (.txt, .mat, .h5), elastix, FLIRT (.mat), NumPy (.npy) or"
            " rows of numbers."
        ) from error
    if not rows or len({len(row) for row in rows}) != 1:
        raise BadSource("The file holds no matrix: its rows differ in length, or there are none.")
    return rows
