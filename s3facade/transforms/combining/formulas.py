"""Arithmetic of two blocks: which type it is done in, and which one comes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeAlias

import numpy as np

from s3facade.core.errors import Unsupported
from s3facade.core.operators import Block
from s3facade.core.spec import Spec
from s3facade.transforms.values.common import changed, dtype_of, quantities, rounded, working

Operation: TypeAlias = Literal["add", "subtract", "difference", "multiply", "divide", "share", "max", "min", "weighted"]
"""a + b, a - b, |a - b|, a * b, a / b, a / (a + b), the larger, the smaller, or a and b times ``weights``."""
FORMULAS: Mapping[str, Callable[[Block, Block], Block]] = {
    "add": np.add,
    "subtract": np.subtract,
    "difference": lambda a, b: np.abs(a - b),
    "multiply": np.multiply,
    "divide": np.divide,
    "share": lambda a, b: a / (a + b),
    "max": np.maximum,
    "min": np.minimum,
}
RATIOS = frozenset({"divide", "share"})
CHOICES = frozenset({"max", "min"})


def result_type(what: str, operation: str, name: str | None, sources: Sequence[Spec]) -> np.dtype[Any]:
    """The type of the result: ``name``, or that of the first image; of ratios a float type.

    Raises:
        Unsupported: Labels, complex numbers, or integers of 64 bits, which floats cannot hold.
    """
    for spec in sources:
        quantities(spec, what)
    dtypes = [spec.dtype for spec in sources]
    dtype = dtype_of(name, working(*dtypes) if operation in RATIOS else dtypes[0])
    wide = next((d for d in (*dtypes, dtype) if d.kind in "iu" and d.itemsize > 4), None)
    if wide is not None and not (operation in CHOICES and len({*dtypes, dtype}) == 1):
        raise Unsupported(f"{what}: numbers of type {wide} are too long to be computed exactly; cast them before.")
    return dtype


def computed(
    operation: str, a: Block, b: Block, dtype: np.dtype[Any], weights: tuple[float, float] = (1, 1), offset: float = 0
) -> Block:
    """The operation on two blocks that broadcast, plus ``offset``.

    Done in single precision where the operation is then rounded but once (floats of 32 bits and integers of 16), else
    in double; rounded and cut off at the range of ``dtype`` as in `rounded`.
    """
    if operation in CHOICES and a.dtype == b.dtype == dtype and offset == 0:
        return np.ascontiguousarray(FORMULAS[operation](a, b))
    single = operation not in {"weighted", "share"} and offset == 0
    wide = working(a.dtype, b.dtype, dtype) if single else np.dtype(np.float64)
    with np.errstate(all="ignore"):
        first, second = a.astype(wide), b.astype(wide)
        if operation == "weighted":
            values = first * weights[0] + second * weights[1]
        else:
            values = FORMULAS[operation](first, second)
        if offset:
            values = values + offset
        return np.ascontiguousarray(rounded(values, dtype))


def described(source: Spec, operation: str, dtype: np.dtype[Any], *, approximate: bool) -> Spec:
    """The first image after the operation; windows stay where values stay of one kind."""
    same = dtype == source.dtype and operation not in RATIOS
    spec = changed(source, dtype, None, approximate=approximate, keep=same)
    return replace(spec, attrs={k: v for k, v in spec.attrs.items() if k != "categorical"})
