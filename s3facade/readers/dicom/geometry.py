"""Sizes and places of a stack, in µm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from s3facade.readers.dicom.frames import Frame
from s3facade.readers.dicom.stacks import Stack

_MM = 1000.0


@dataclass(frozen=True, slots=True)
class Geometry:
    """What is known; nothing of it is made up."""

    scale: Mapping[str, float]
    """µm or seconds per voxel, by axis."""
    origin: Mapping[str, float]
    """µm along the image's own directions, of the centre of the first voxel."""
    affine: list[list[float]] | None
    """Voxels (x, y, z) to µm, LPS."""
    notes: tuple[str, ...]


def geometry(stack: Stack) -> Geometry:
    """The geometry of a stack (PS3.3 C.7.6.2.1.1)."""
    slices = stack.frames[: stack.shape[2]]
    first, last = slices[0], slices[-1]
    scale: dict[str, float] = {}
    origin: dict[str, float] = {}
    notes: list[str] = []
    if first.spacing is not None and all(_same(f.spacing, first.spacing) for f in stack.frames):
        scale["y"], scale["x"] = first.spacing[0] * _MM, first.spacing[1] * _MM
    elif first.spacing is not None:
        notes.append("The sizes of pixels differ between slices; none is stated.")
    if len(slices) > 1 and stack.step is not None:
        scale["z"] = stack.step * _MM
    elif len(slices) > 1 and first.along is None and first.between is not None:
        scale["z"] = first.between * _MM
        notes.append("The distance of slices is the stated one; their places are not stated.")
    if stack.seconds is not None:
        scale["t"] = stack.seconds
    if first.orientation is not None and first.position is not None:
        axes = {"x": first.orientation[:3], "y": first.orientation[3:], "z": first.normal or ()}
        here = {a: sum(p * v for p, v in zip(first.position, axis, strict=True)) for a, axis in axes.items()}
        origin = {a: v * _MM for a, v in here.items() if a in scale}
    affine = _affine(first, last, len(slices), stack.step) if "x" in scale else None
    if affine is not None and len(slices) > 1 and _sheared(first, last):
        notes.append("Slices are shifted against each other, as by a tilted gantry; the affine tells by how much.")
    return Geometry(scale, origin, affine, tuple(notes))


def _same(a: tuple[float, float] | None, b: tuple[float, float]) -> bool:
    """Whether sizes are equal but for the digits that they are written with."""
    return a is not None and all(abs(m - n) <= 1e-4 * n for m, n in zip(a, b, strict=True))


def _affine(first: Frame, last: Frame, count: int, step: float | None) -> list[list[float]] | None:
    if first.orientation is None or first.position is None or first.spacing is None or last.position is None:
        return None
    if count > 1:
        if step is None:
            return None
        between = (np.array(last.position) - np.array(first.position)) / (count - 1)
    elif first.thickness is not None:
        between = np.array(first.normal) * first.thickness
    else:
        return None
    rows, columns = first.spacing
    matrix = np.stack(
        [np.array(first.orientation[:3]) * columns, np.array(first.orientation[3:]) * rows, between, first.position], 1
    )
    return [[float(v) for v in row] for row in matrix * _MM]


def _sheared(first: Frame, last: Frame) -> bool:
    if first.position is None or last.position is None or first.normal is None:
        return False
    way = np.array(last.position) - np.array(first.position)
    return bool(np.linalg.norm(np.cross(way, first.normal)) > 0.01 * np.linalg.norm(way))
