"""Where the voxels of a NIfTI file stand: its two ways of saying it, from sizes, origins and affines in µm.

NIfTI means right, anterior and superior by its axes +x, +y and +z. An image whose source says how it lies (``affine``
in a ``frame`` of anatomical directions) is turned to these. Of all others only sizes and origins along their own axes
are known: they get the code 2, "aligned", which names no frame, and which side is which is not told.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from s3facade.core.spec import Spec

Matrix = npt.NDArray[np.float64]
MM = 1e-3
"""mm in a µm."""
SCANNER, ALIGNED = 1, 2
_CODES = {"scanner": SCANNER, "aligned": ALIGNED, "talairach": 3, "mni": 4, "template": 5}
_SIGNS = {"r": (0, 1), "l": (0, -1), "a": (1, 1), "p": (1, -1), "s": (2, 1), "i": (2, -1)}
_WORDS = frozenset({"right", "left", "anterior", "posterior", "superior", "inferior"})
_SQUARE = 1e-4
"""Cosine of an angle that passes for a right one: the header's numbers are single precision."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a header says of sizes and places, mm."""

    matrix: Matrix
    """3x4: voxel (x, y, z) to position."""
    steps: tuple[float, float, float]
    """Sizes of a voxel along x, y, z."""
    known: bool
    """Whether the unit of length holds for all axes of several voxels."""
    code: int
    """Of the frame: NIFTI_XFORM_…"""
    square: bool
    """Whether the axes are at right angles, so that a quaternion says the same."""
    handed: float
    """1, or -1 where a mirror image is turned: ``pixdim[0]``."""
    quaternion: tuple[float, float, float]


def place(spec: Spec) -> Place:
    """What to say of the finest level of ``spec``."""
    sizes, origin, known = _own(spec)
    given = spec.attrs.get("affine")
    matrix = np.hstack([np.diag(sizes), origin[:, None]])
    code = ALIGNED
    if given is not None:
        matrix = np.asarray(given, np.float64) * MM
        matrix, code = _turned(matrix, str(spec.attrs.get("frame", "")))
        norms = np.linalg.norm(matrix[:, :3], axis=0)
        sizes = np.where(norms > 0, norms, sizes)
    turn = matrix[:, :3] / sizes
    square = bool(np.allclose(turn.T @ turn, np.eye(3), atol=_SQUARE))
    handed = -1.0 if square and np.linalg.det(turn) < 0 else 1.0
    quaternion = _quaternion(turn * (1, 1, handed)) if square else (0.0, 0.0, 0.0)
    x, y, z = map(float, sizes)
    return Place(matrix, (x, y, z), known, code, square, handed, quaternion)


def _own(spec: Spec) -> tuple[Matrix, Matrix, bool]:
    """Sizes and origins along x, y and z, and whether all that count are known; 1 and 0 where there is nothing."""
    sizes, origin, known, first = np.ones(3), np.zeros(3), True, spec.levels[0]
    for i, name in enumerate("xyz"):
        axis = spec.axis(name)
        if axis is None:
            continue
        if spec.axes[axis].unit is None:
            known = known and first.shape[axis] == 1
        else:
            sizes[i], origin[i] = first.scale[axis] * MM, first.origin[axis] * MM
    return sizes, origin, known and any(a.unit for a in spec.axes if a.name in "xyz")


def _turned(matrix: Matrix, frame: str) -> tuple[Matrix, int]:
    """The matrix to right, anterior, superior, and the code of its frame; as it is if the frame has no such sides."""
    text = frame.lower()
    sides = _sides(text.partition(",")[0].strip())
    if sides is None:
        return matrix, ALIGNED
    turned = np.zeros_like(matrix)
    for row, side in zip(matrix, sides, strict=True):
        to, sign = _SIGNS[side]
        turned[to] = sign * row
    code = next((code for word, code in _CODES.items() if word in text), SCANNER if sides == "lps" else ALIGNED)
    return turned, code


def _sides(text: str) -> str | None:
    """The first letters of the three directions that a frame is called by; None for other names."""
    words = text.split("-")[:3]
    letters = "".join(word[0] for word in words) if len(words) == 3 and set(words) <= _WORDS else text
    known = len(letters) == 3 and set(letters) <= set(_SIGNS) and len({_SIGNS[k][0] for k in letters}) == 3
    return letters if known else None


def _quaternion(turn: Any) -> tuple[float, float, float]:
    """b, c and d of the unit quaternion of a rotation whose a is not negative."""
    # The largest of the four is divided by, so that none of them loses digits.
    traces = np.array([np.trace(turn), *np.diag(turn)])
    k = int(np.argmax(traces))
    if k == 0:
        a = math.sqrt(max(0.0, 1 + traces[0])) / 2
        b, c, d = (turn[(i + 2) % 3, (i + 1) % 3] - turn[(i + 1) % 3, (i + 2) % 3] for i in range(3))
        return b / (4 * a), c / (4 * a), d / (4 * a)
    i = k - 1
    j, m = (i + 1) % 3, (i + 2) % 3
    whole = math.sqrt(max(0.0, 1 + turn[i, i] - turn[j, j] - turn[m, m])) * 2
    found = [0.0, 0.0, 0.0]
    found[i] = whole / 4
    found[j] = (turn[j, i] + turn[i, j]) / whole
    found[m] = (turn[m, i] + turn[i, m]) / whole
    sign = -1.0 if turn[m, j] - turn[j, m] < 0 else 1.0
    x, y, z = (float(sign * v) for v in found)
    return x, y, z
