"""Files with displacement fields: told by what they hold, described without their vectors."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from s3facade.core.errors import BadSource, SourceNotFound, Unsupported
from s3facade.core.image import Source
from s3facade.transforms.resampling.mapping import Matrix, rows
from s3facade.transforms.resampling.parameters import metaimage, nifti
from s3facade.transforms.resampling.parameters.itk import is_field, linear, split
from s3facade.transforms.resampling.parameters.itk_files import HDF5, Entry, damage, hdf5, opened
from s3facade.transforms.resampling.parameters.source import source_of
from s3facade.transforms.resampling.parameters.stored import numpy_array, zarr_array
from s3facade.transforms.resampling.parameters.vectors import Field

MM = 1000.0
Components = Literal["first", "last"]
Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Layout:
    """What a bare array (Zarr, HDF5, NumPy) does not say about itself."""

    spacing: tuple[float, ...]
    """Axis units, order of the image's axes."""
    origin: tuple[float, ...]
    unit: float = 1.0
    """Axis units per unit of the vectors."""
    reverse: bool = True
    """Whether components begin with x."""
    components: Components | None = None
    absolute: bool = False
    dataset: str = ""


def is_bare(path: str) -> bool:
    """Whether the file is an array that needs a `Layout`. Raises SourceError."""
    if os.path.isdir(path):
        return True
    head = _head(path)
    if head.startswith(HDF5):
        with damage(path), opened(path) as file:
            return "TransformGroup" not in file
    return head.startswith(b"\x93NUMPY")


def read_steps(path: str, count: int, flipped: tuple[str, ...] = ()) -> tuple[Matrix | Field, ...]:
    """The transforms of a file of NIfTI, MetaImage or ITK's HDF5, the one that is applied first in front.

    Args:
        path: The file.
        count: Space axes of the image.
        flipped: Axes that point the other way in the file.

    Raises:
        SourceError: It cannot be read, or does not fit the image.
    """
    source = source_of(path)
    head = _head(path)
    try:
        if head.startswith(HDF5):
            steps = _composite(source, flipped)
        elif head.startswith((b"ObjectType", b"NDims", b"Comment")):
            about = metaimage.header(source)
            steps = (_field(source, "metaimage", "", about.shape, np.array(about.affine), flipped),)
        else:
            steps = (_nifti(source, count, flipped),)
    except (BadSource, Unsupported) as error:
        error.at(path)
        raise
    for step in steps:
        axes = len(step.shape) if isinstance(step, Field) else len(step)
        if axes != count:
            raise Unsupported(
                f"The displacement field has {axes} axes and the image {count}; fields of the plane are applied to"
                " sections before they are stacked.",
                private=path,
            )
    return steps


def bare(path: str, count: int, layout: Layout) -> Field:
    """An array of vectors.

    Raises:
        SourceError: It cannot be read, or is no field of ``count`` axes.
    """
    source, kind, name, shape, dtype = _array(path, layout.dataset)
    if len(shape) != count + 1 or dtype.kind not in "iuf":
        raise Unsupported(
            f"The field is an array of shape {shape} and type {dtype}, not vectors on {count} axes.", private=path
        )
    ends = [end for end, size in (("first", shape[0]), ("last", shape[-1])) if size == count]
    where = layout.components or (ends[0] if ends else "first")
    if where not in ends:
        raise Unsupported(
            f"The field has the shape {shape}: its {where} axis does not hold {count} components.", private=path
        )
    space = shape[1:] if where == "first" else shape[:-1]
    placed = tuple(
        (*(s if i == k else 0.0 for k in range(count)), o)
        for i, (s, o) in enumerate(zip(layout.spacing, layout.origin, strict=True))
    )
    turn = np.eye(count)[:: -1 if layout.reverse else 1] * layout.unit
    return Field(source, f"{kind}:{where}", name, space, placed, _tuples(turn), layout.absolute)


def _head(path: str) -> bytes:
    source_of(path)
    with open(path, "rb") as file:
        return file.read(16)


def _array(path: str, dataset: str) -> tuple[Source, str, str, tuple[int, ...], np.dtype[Any]]:
    if os.path.isdir(path):
        folder = os.path.join(path, dataset)
        found = [f for f in ("zarr.json", ".zarray") if os.path.exists(os.path.join(folder, f))]
        if not found:
            raise SourceNotFound("There is no Zarr array where a displacement field should be.", private=folder)
        source = source_of(os.path.join(folder, found[0]))
        array = zarr_array(source)
        return source, "zarr", "", tuple(array.shape), np.dtype(array.dtype)
    source = source_of(path)
    if _head(path).startswith(b"\x93NUMPY"):
        values = numpy_array(source)
        return source, "numpy", "", values.shape, values.dtype
    with damage(path), opened(path) as file:
        if not dataset or dataset not in file:
            held = ", ".join(list(file)[:10])
            raise Unsupported(
                f"Name the `dataset` of the HDF5 file that holds the vectors; it has {held}.", private=path
            )
        return source, "hdf5", dataset, tuple(file[dataset].shape), np.dtype(file[dataset].dtype)


def _field(
    source: Source,
    kind: str,
    name: str,
    shape: tuple[int, ...],
    affine: Array,
    flipped: tuple[str, ...],
    signs: tuple[float, ...] | None = None,
) -> Field:
    """A field whose geometry is told x first, in millimetres."""
    n = len(shape)
    flip = np.diag([-1.0 if axis in flipped else 1.0 for axis in "xyz"[:n]])
    placed = affine[:n].copy()
    placed = flip @ placed * MM
    turned = np.hstack([placed[::-1, n - 1 :: -1], placed[::-1, n:]])
    vectors = (flip * MM * (signs or (1.0,) * n))[::-1]
    return Field(source, kind, name, shape[::-1], _tuples(turned), _tuples(vectors))


def _tuples(array: Array) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(v) for v in row) for row in array)


def _nifti(source: Source, count: int, flipped: tuple[str, ...]) -> Field:
    about = nifti.header(nifti.plain(source))
    shape = about.shape
    if 2001 < about.intent < 2020:
        raise Unsupported(
            "Warps of FSL (FNIRT, TOPUP) count in voxels of two volumes and are not read; convert them with"
            " `convertwarp` and ITK or ANTs tools to a field of intent 1007."
        )
    if len(shape) != 5 or shape[3] != 1 or shape[4] not in (2, 3) or (shape[4] == 2) != (shape[2] == 1 and count == 2):
        raise Unsupported(f"The NIfTI file of shape {shape} holds no vectors; five dimensions, the last of 2 or 3, do.")
    n = shape[4]
    affine = np.array(about.affine)
    keep = [*range(n), 3]
    signs = (-1.0, -1.0, 1.0)[:n] if about.intent == nifti.DISPLACEMENT else None
    return _field(source, "nifti", "", shape[:n], affine[np.ix_(keep, keep)], flipped, signs)


def _composite(source: Source, flipped: tuple[str, ...]) -> tuple[Matrix | Field, ...]:
    entries = hdf5(source.path)
    first = entries[0].name.startswith("CompositeTransform")
    if len(entries) > 1 and not first:
        raise Unsupported("The file holds several transforms that nothing composes; write one file for each.")
    made = [_step(source, i, entry, flipped) for i, entry in enumerate(entries) if not (first and i == 0)]
    # ITK applies the last of a composite first.
    return tuple(reversed(made))


def _step(source: Source, index: int, entry: Entry, flipped: tuple[str, ...]) -> Matrix | Field:
    if is_field(entry.name):
        n = split(entry.name)[1]
        if len(entry.fixed) != n * (3 + n) or not np.isfinite(entry.fixed).all() or min(entry.fixed[:n]) < 1:
            raise BadSource("The displacement field of the file does not say where it stands.")
        size, origin, spacing = (entry.fixed[i * n : (i + 1) * n] for i in range(3))
        affine = np.eye(n + 1)
        affine[:n, :n] = entry.fixed[3 * n :].reshape(n, n) * spacing
        affine[:n, n] = origin
        shape = tuple(int(v) for v in size)
        return _field(source, "itk", f"TransformGroup/{index}", shape, affine, flipped)
    return in_micrometres(linear(entry.name, entry.parameters.tolist(), entry.fixed.tolist()), flipped)


def in_micrometres(given: tuple[tuple[float, ...], ...], flipped: tuple[str, ...]) -> Matrix:
    """A matrix in millimetres, x first, in axis units and in the order of images."""
    n = len(given)
    array = np.vstack([np.array(given), np.eye(n + 1)[-1]])
    array[:n, n] *= MM
    flip = np.diag([-1.0 if axis in flipped else 1.0 for axis in "xyz"[:n]] + [1.0])
    turn = [*range(n - 1, -1, -1), n]
    return rows((flip @ array @ flip)[np.ix_(turn, turn)])
