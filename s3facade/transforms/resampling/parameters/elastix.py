"""elastix' files of transform parameters: lines of ``(Key value value …)``."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.transforms.resampling.parameters.itk import Rows, linear

_LINE = re.compile(r'\s*\((\w+)((?:\s+(?:"[^"]*"|[^\s()"]+))*)\s*\)\s*(?://.*)?')
_WORD = re.compile(r'"([^"]*)"|([^\s"]+)')
_NAMES = {
    ("AffineTransform", 2): "AffineTransform",
    ("AffineTransform", 3): "AffineTransform",
    ("EulerTransform", 2): "Euler2DTransform",
    ("EulerTransform", 3): "Euler3DTransform",
    ("SimilarityTransform", 2): "Similarity2DTransform",
    ("SimilarityTransform", 3): "Similarity3DTransform",
    ("TranslationTransform", 2): "TranslationTransform",
    ("TranslationTransform", 3): "TranslationTransform",
}


def looks_elastix(data: bytes) -> bool:
    """Whether ``data`` is such a file."""
    return b"(Transform " in data and b"(TransformParameters" in data


def parse(data: bytes) -> Mapping[str, Sequence[str]]:
    """Keys and values."""
    found = {}
    for line in data.decode("utf-8", "replace").splitlines():
        match = _LINE.fullmatch(line)
        if match:
            found[match[1]] = [a or b for a, b in _WORD.findall(match[2])]
    return found


def matrix(data: bytes) -> tuple[Rows, str | None]:
    """The matrix, and the path of the file with the transform that comes before it, if any.

    Raises:
        Unsupported: A transform that is not linear.
        BadSource: The file contradicts itself.
    """
    keys = parse(data)
    kind = _first(keys, "Transform")
    try:
        count = int(_first(keys, "FixedImageDimension"))
        parameters = [float(word) for word in keys["TransformParameters"]]
        center = [float(word) for word in keys.get("CenterOfRotationPoint", [])]
    except (KeyError, ValueError) as error:
        raise BadSource("The elastix file lacks its dimension or its parameters, or they are no numbers.") from error
    name = _NAMES.get((kind, count))
    if name is None:
        raise Unsupported(
            f"elastix transforms of the kind {kind} in {count} axes are not read; let transformix write its deformation"
            " field (-def all) and use `displacement`."
        )
    if center and keys.get("ComputeZYX", ["false"])[0] == "true":
        center.append(1.0)
    before = keys.get("InitialTransformParametersFileName") or keys.get("InitialTransformParameterFileName") or []
    path = before[0] if before and before[0] != "NoInitialTransform" else None
    if path is not None and keys.get("HowToCombineTransforms", ["Compose"])[0] != "Compose":
        raise Unsupported("elastix files that add transforms are not read, only those that compose them.")
    return linear(f"{name}_double_{count}_{count}", parameters, center), path


def _first(keys: Mapping[str, Sequence[str]], key: str) -> str:
    values = keys.get(key)
    if not values:
        raise BadSource(f"The elastix file lacks {key}.")
    return values[0]


def composed(rows: Rows, before: Rows) -> Rows:
    """``before``, then ``rows``."""
    n = len(rows)
    if len(before) != n:
        raise BadSource("The elastix file and the one that it begins with differ in their dimension.")
    last = [0.0] * n + [1.0]
    product = np.array([*rows, last]) @ np.array([*before, last])
    return tuple(tuple(float(v) for v in row) for row in product[:n])


def beside(path: str, name: str) -> str:
    """The path that a file names; elastix writes absolute ones, which move with the folder they are in."""
    return (
        name
        if os.path.isabs(name) and os.path.exists(name)
        else os.path.join(os.path.dirname(path), os.path.basename(name))
    )
