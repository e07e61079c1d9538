"""ITK's linear transforms by class name: parameters and fixed parameters to a matrix.

Matrices have one row per axis, x first, and the shift as last column.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from s3facade.core.errors import BadSource, Unsupported

Rows: TypeAlias = tuple[tuple[float, ...], ...]
Array: TypeAlias = npt.NDArray[np.float64]
Built: TypeAlias = tuple[Array, Array, Array]
"""Matrix, translation and centre."""
_FIELDS = frozenset({"DisplacementFieldTransform", "GaussianSmoothingOnUpdateDisplacementFieldTransform"})


def split(name: str) -> tuple[str, int]:
    """``AffineTransform_double_3_3`` as its class and number of axes.

    Raises:
        Unsupported: It maps between spaces of different dimension, or those are neither 2 nor 3.
    """
    parts = name.split("_")
    if len(parts) != 4 or parts[2] != parts[3] or parts[2] not in ("2", "3"):
        raise Unsupported(f"The transform {name!r} of the file is not one between images of 2 or 3 axes.")
    return parts[0], int(parts[2])


def is_field(name: str) -> bool:
    """Whether ``name`` is that of a displacement field."""
    return name.split("_", 1)[0] in _FIELDS


def linear(name: str, parameters: Sequence[float], fixed: Sequence[float]) -> Rows:
    """The matrix of one transform of a file.

    Raises:
        Unsupported: It is not linear, or of a class that is not known here.
        BadSource: The number of parameters is not that of the class.
    """
    kind, n = split(name)
    make = _CLASSES.get((kind, n)) or _CLASSES.get((kind, 0))
    if make is None:
        raise Unsupported(
            f"Transforms of ITK's class {kind} are not read; supported are affine, rigid and similarity transforms,"
            " translations, scales and displacement fields."
        )
    values, held = np.asarray(parameters, np.float64), np.asarray(fixed, np.float64)
    try:
        matrix, shift, center = make(values, held, n)
    except (IndexError, ValueError) as error:
        raise BadSource(
            f"The file gives {len(values)} parameters for a {kind} of {n} axes, which do not fit."
        ) from error
    if matrix.shape != (n, n) or shift.shape != (n,) or center.shape != (n,):
        raise BadSource(f"The file gives {len(values)} parameters for a {kind} of {n} axes, which do not fit.")
    offset = shift + center - matrix @ center
    return tuple((*(float(v) for v in row), float(o)) for row, o in zip(matrix, offset, strict=True))


def _center(fixed: Array, n: int) -> Array:
    return fixed[:n] if len(fixed) else np.zeros(n)


def _sized(p: Array, count: int) -> Array:
    if len(p) != count:
        raise ValueError(count)
    return p


def _affine(p: Array, fixed: Array, n: int) -> Built:
    _sized(p, n * n + n)
    return p[: n * n].reshape(n, n), p[n * n :], _center(fixed, n)


def _centered_affine(p: Array, _: Array, n: int) -> Built:
    _sized(p, n * n + 2 * n)
    return p[: n * n].reshape(n, n), p[n * n + n :], p[n * n : n * n + n]


def _translation(p: Array, _: Array, n: int) -> Built:
    return np.eye(n), _sized(p, n), np.zeros(n)


def _identity(_: Array, __: Array, n: int) -> Built:
    return np.eye(n), np.zeros(n), np.zeros(n)


def _scale(p: Array, fixed: Array, n: int) -> Built:
    return np.diag(_sized(p, n)), np.zeros(n), _center(fixed, n)


def _plane(angle: float) -> Array:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s], [s, c]])


def _rigid2(p: Array, fixed: Array, n: int) -> Built:
    return _plane(_sized(p, 3)[0]), p[1:], _center(fixed, n)


def _centered_rigid2(p: Array, _: Array, __: int) -> Built:
    return _plane(_sized(p, 5)[0]), p[3:], p[1:3]


def _similarity2(p: Array, fixed: Array, n: int) -> Built:
    return _sized(p, 4)[0] * _plane(p[1]), p[2:], _center(fixed, n)


def _centered_similarity2(p: Array, _: Array, __: int) -> Built:
    return _sized(p, 6)[0] * _plane(p[1]), p[4:], p[2:4]


def _turns(angles: Array, *, zyx: bool) -> Array:
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    turned: Array = z @ y @ x if zyx else z @ x @ y
    return turned


def _euler3(p: Array, fixed: Array, n: int) -> Built:
    zyx = len(fixed) > n and fixed[n] != 0
    return _turns(_sized(p, 6)[:3], zyx=zyx), p[3:], _center(fixed, n)


def _centered_euler3(p: Array, fixed: Array, _: int) -> Built:
    return _turns(_sized(p, 9)[:3], zyx=bool(len(fixed) and fixed[-1] != 0)), p[6:], p[3:6]


def _versor(v: Array) -> Array:
    """The rotation of a unit quaternion, by its vector part; w is not negative."""
    x, y, z = v
    w = math.sqrt(max(0.0, 1 - float(v @ v)))
    return _quaternion(np.array([x, y, z, w]))


def _quaternion(q: Array) -> Array:
    x, y, z, w = q / math.sqrt(float(q @ q))
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def _versor_only(p: Array, fixed: Array, n: int) -> Built:
    return _versor(_sized(p, 3)), np.zeros(n), _center(fixed, n)


def _versor_rigid(p: Array, fixed: Array, n: int) -> Built:
    return _versor(_sized(p, 6)[:3]), p[3:], _center(fixed, n)


def _similarity3(p: Array, fixed: Array, n: int) -> Built:
    return _sized(p, 7)[6] * _versor(p[:3]), p[3:6], _center(fixed, n)


def _quaternion_rigid(p: Array, fixed: Array, n: int) -> Built:
    return _quaternion(_sized(p, 7)[:4]), p[4:], _center(fixed, n)


_CLASSES: Mapping[tuple[str, int], Callable[[Array, Array, int], Any]] = {
    ("AffineTransform", 0): _affine,
    ("MatrixOffsetTransformBase", 0): _affine,
    ("CenteredAffineTransform", 0): _centered_affine,
    ("TranslationTransform", 0): _translation,
    ("IdentityTransform", 0): _identity,
    ("ScaleTransform", 0): _scale,
    ("Euler2DTransform", 2): _rigid2,
    ("Rigid2DTransform", 2): _rigid2,
    ("CenteredRigid2DTransform", 2): _centered_rigid2,
    ("CenteredEuler2DTransform", 2): _centered_rigid2,
    ("Similarity2DTransform", 2): _similarity2,
    ("CenteredSimilarity2DTransform", 2): _centered_similarity2,
    ("Euler3DTransform", 3): _euler3,
    ("CenteredEuler3DTransform", 3): _centered_euler3,
    ("VersorTransform", 3): _versor_only,
    ("VersorRigid3DTransform", 3): _versor_rigid,
    ("Similarity3DTransform", 3): _similarity3,
    ("QuaternionRigidTransform", 3): _quaternion_rigid,
}
