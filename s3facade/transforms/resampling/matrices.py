"""Matrices in a user's conventions to the one form that is computed with.

That form leads from the output to the source, in axis units, coordinates in the order of the image's axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from s3facade.core.errors import Unsupported
from s3facade.core.spec import Spec
from s3facade.core.units import MICROMETERS
from s3facade.transforms.resampling.mapping import Matrix, inverse, rows, square
from s3facade.transforms.resampling.onto import Grid, Onto, Positions, grid_of, grid_onto, space_names
from s3facade.transforms.resampling.parameters.files import Linear
from s3facade.transforms.resampling.parameters.flirt import Flirt, Volume, to_fsl

Maps = Literal["output-to-input", "input-to-output"]
Order = Literal["xyz", "zyx"]
Unit = Literal["nm", "um", "mm", "cm", "m", "voxel"]
Flipped = tuple[Literal["x", "y", "z"], ...]
Given = tuple[tuple[float, ...], ...]
Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Conventions:
    """How a matrix is meant; None is what its origin says."""

    maps: Maps | None = None
    order: Order = "xyz"
    unit: Unit | None = None
    flipped: Flipped = ()
    center: Positions | None = None
    fsl: Flirt | None = None


def matrix_for(given: Given | Linear, how: Conventions, source: Spec, output: Grid) -> Matrix:
    """The map from physical coordinates of the output to those of the source.

    Raises:
        Unsupported: A matrix of another size than the image asks for, or conventions that do not go together.
    """
    names = space_names(source)
    file = given if isinstance(given, Linear) else None
    kind = "numpy" if file is None else file.kind
    array = homogeneous(given if not isinstance(given, Linear) else given.rows, len(names))
    if kind == "fsl":
        return _flirt(array, how, source, output)
    unit = how.unit or ("um" if kind == "numpy" else "mm")
    _check(source, how, kind, unit, len(array) - 1)
    if how.order == "zyx":
        array = _reversed(array)
    n = len(array) - 1
    if unit != "voxel":
        array[:n, n] *= MICROMETERS[unit]
    if how.center is not None:
        array = _around(array, how.center)
    if how.maps == "input-to-output":
        array = square(inverse(rows(array)))
    own = grid_of(source.levels[0], len(names))
    if unit == "voxel":
        return rows(_placed(own) @ _full(_reversed(array), len(names)) @ np.linalg.inv(_placed(output)))
    flip = np.diag([-1.0 if name in how.flipped else 1.0 for name in "xyz"[:n]] + [1.0])
    return rows(_full(_reversed(flip @ array @ flip), len(names)))


def homogeneous(given: Given, count: int) -> Array:
    """A matrix of any written size as a square one, for an image of ``count`` space axes.

    Raises:
        Unsupported: A size that is none of 2x3, 3x3, 3x4, 4x4, or does not fit the image.
    """
    shape = (len(given), len(given[0]) if given else 0)
    if any(len(row) != shape[1] for row in given) or shape not in {(2, 3), (3, 3), (3, 4), (4, 4)}:
        raise Unsupported(f"affine: a matrix of {shape[0]} rows is none of 2x3, 3x3, 3x4 and 4x4.")
    array = np.array(given, np.float64)
    if shape[0] == shape[1]:
        if not np.array_equal(array[-1], np.eye(shape[1])[-1]):
            hint = " (a 3x3 matrix is one of the plane; write 3x4 for space)" if shape[0] == 3 else ""
            raise Unsupported(f"affine: the last row of a square matrix must be 0 … 0 1{hint}.")
        array = array[:-1]
    if not np.isfinite(array).all():
        raise Unsupported("affine: the matrix has an entry that is not a number.")
    if len(array) > count:
        raise Unsupported("affine: the matrix is one of space, but the image has no z axis; write 2x3 or 3x3.")
    return np.vstack([array, np.eye(len(array) + 1)[-1]])


def _check(source: Spec, how: Conventions, kind: str, unit: str, count: int) -> None:
    if how.fsl is not None:
        raise Unsupported("affine: `fsl` is for matrices of FLIRT, and this is none; leave it out.")
    if how.order == "zyx" and kind != "numpy":
        raise Unsupported("affine: files of ITK and elastix fix the order of axes; leave `order` out.")
    if unit == "voxel":
        if how.flipped or how.center is not None:
            raise Unsupported("affine: `flipped` and `center` do not go with `unit: voxel`.")
        return
    # A matrix of the plane leaves z alone, whether it has a size or not.
    missing = [a.name for a in source.axes if a.name in space_names(source)[-count:] and a.unit is None]
    if missing:
        raise Unsupported(
            f"affine: the image has no voxel size along {missing[0]}, so physical coordinates say nothing; write"
            " `unit: voxel` if the matrix counts voxels, or set `pixel_size`."
        )


def _reversed(array: Array) -> Array:
    """Coordinates in the opposite order."""
    n = len(array) - 1
    turn = [*range(n - 1, -1, -1), n]
    return array[np.ix_(turn, turn)].copy()


def _full(array: Array, count: int) -> Array:
    """A matrix of the plane (y, x) as one of space (z, y, x) that leaves z alone."""
    out = np.eye(count + 1)
    lead = count + 1 - len(array)
    out[lead:, lead:] = array
    return out


def _around(array: Array, center: Positions) -> Array:
    n = len(array) - 1
    point = np.array([getattr(center, name) or 0.0 for name in "xyz"[:n]])
    out = array.copy()
    out[:n, n] += point - array[:n, :n] @ point
    return out


def _placed(grid: Grid) -> Array:
    """Voxel indices to coordinates."""
    n = len(grid.shape)
    out = np.eye(n + 1)
    out[range(n), range(n)] = grid.scale
    out[:n, n] = grid.origin
    return out


def _flirt(array: Array, how: Conventions, source: Spec, output: Grid) -> Matrix:
    if how.fsl is None:
        raise Unsupported(
            "affine: a FLIRT matrix needs `fsl: {neurological: [...]}`: which of input and reference `fslorient"
            " -getorient` calls NEUROLOGICAL; [] if none."
        )
    if how.unit is not None or how.order != "xyz" or how.flipped or how.center is not None:
        raise Unsupported(
            "affine: FLIRT fixes unit, order and axes; leave `unit`, `order`, `flipped` and `center` out."
        )
    if "z" not in source.names or any(a.unit is None for a in source.axes if a.name in "zyx"):
        raise Unsupported("affine: a FLIRT matrix is for volumes with a voxel size along z, y and x.")
    own = grid_of(source.levels[0], 3)
    reference = _volume(source, how.fsl.reference, output)
    moving = _volume(source, how.fsl.input, own)
    way = array if how.maps == "output-to-input" else square(inverse(rows(array)))
    there = to_fsl(reference, neurological="reference" in how.fsl.neurological)
    back = np.linalg.inv(to_fsl(moving, neurological="input" in how.fsl.neurological))
    return rows(_reversed(back @ way @ there))


def _volume(source: Spec, given: Volume | None, default: Grid) -> Grid:
    if given is None:
        return default
    return grid_onto(source, Onto(given.spacing, given.shape, given.origin), default.corners)
