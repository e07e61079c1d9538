"""Affine maps between physical coordinates, and their form in voxel indices that computes without rounding.

A matrix has one row per space axis of the image it is for, in the image's order (z, y, x or y, x), and one column
more than rows: the shift.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from s3facade.core.errors import Unsupported
from s3facade.transforms.resampling.onto import Grid

Matrix: TypeAlias = tuple[tuple[float, ...], ...]
Array: TypeAlias = npt.NDArray[np.float64]
_BITS = 52


def square(matrix: Matrix) -> Array:
    """The matrix with its last row, (0, …, 0, 1)."""
    n = len(matrix)
    out = np.eye(n + 1)
    out[:n] = matrix
    return out


def rows(array: npt.NDArray[Any]) -> Matrix:
    """A homogeneous square matrix without its last row."""
    return tuple(tuple(float(v) for v in row) for row in array[:-1])


def identity(count: int) -> Matrix:
    """The map that leaves ``count`` coordinates as they are."""
    return rows(np.eye(count + 1))


def compose(first: Matrix, second: Matrix) -> Matrix:
    """``first``, then ``second``."""
    return rows(square(second) @ square(first))


def inverse(matrix: Matrix) -> Matrix:
    """The way back.

    Raises:
        Unsupported: There is none.
    """
    array = square(matrix)
    with np.errstate(all="ignore"):
        scale = np.abs(array[:-1, :-1]).max(initial=0.0)
        flat = not np.isfinite(array).all() or not scale or abs(np.linalg.det(array[:-1, :-1] / scale)) < 1e-12
    if flat:
        raise Unsupported("The matrix of the transform is singular: it squeezes space flat and has no way back.")
    return rows(np.linalg.inv(array))


def bounds(matrix: Matrix, box: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    """The smallest box around the image of ``box``, two ends per axis."""
    out = []
    for row in matrix:
        ends = [sorted((m * a, m * b)) for m, (a, b) in zip(row, box, strict=False)]
        out.append((row[-1] + sum(e[0] for e in ends), row[-1] + sum(e[1] for e in ends)))
    return tuple(out)


def indices(matrix: Matrix, output: Grid, source: Grid) -> Matrix:
    """A map of physical coordinates as one of voxel indices, both from output to source.

    Entries are rounded to the finest fixed point at which every product and sum over the output grid is exact in
    double precision. So coordinates do not depend on how the image is cut or on the order of additions, and what is
    0 or 1 but for rounding becomes exactly that. It moves no coordinate by more than a millionth of a voxel in
    images of up to 100,000 voxels a side.
    """
    n = len(matrix)
    into, back = np.eye(n + 1), np.eye(n + 1)
    for i in range(n):
        into[i, i], into[i, n] = output.scale[i], output.origin[i]
        back[i, i], back[i, n] = 1 / source.scale[i], -source.origin[i] / source.scale[i]
    array = (back @ square(matrix) @ into)[:n]
    reach = np.abs(array) @ np.array([*output.shape, 1.0])
    largest = float(reach.max())
    if not math.isfinite(largest) or largest >= 2.0**40:
        raise Unsupported("The transform leads to coordinates too far from the image; check its units.")
    fine = 2.0 ** (_BITS - math.frexp(largest + 1)[1])
    snapped = np.rint(array * fine) / fine
    return tuple(tuple(float(v) for v in row) for row in snapped)
