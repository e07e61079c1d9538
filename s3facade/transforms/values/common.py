"""What transforms of values have in common: types, rounding, and tables for small integers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.levels import shown_levels
from s3facade.core.operators import Block
from s3facade.core.spec import Channel, Spec
from s3facade.transforms.described import DOCUMENT, kept

PIECE = 1 << 15
"""Voxels that are computed at once: what stands between steps is small, and stays in the processor's cache."""


def dtype_of(name: str | None, source: np.dtype[Any]) -> np.dtype[Any]:
    """The type called ``name``: an integer or float type; ``source`` where there is no name.

    Raises:
        Unsupported: No such type.
    """
    try:
        dtype = np.dtype(name) if name is not None else source
    except TypeError as error:
        raise Unsupported(f"{name!r} is no data type; use a name such as uint16 or float32.") from error
    if dtype.kind not in "iuf":
        raise Unsupported(f"Voxels cannot be of type {dtype} here; use a name such as uint16 or float32.")
    return dtype.newbyteorder("=")


def quantities(source: Spec, what: str) -> None:
    """Whether voxels of ``source`` are numbers that can be weighed against each other.

    Raises:
        Unsupported: They are labels, booleans or complex numbers.
    """
    if source.attrs.get("categorical"):
        raise Unsupported(f"`{what}` acts on quantities, but the image holds labels; leave it out.")
    if source.dtype.kind not in "iuf":
        raise Unsupported(f"`{what}` acts on integers and floats, not on {source.dtype}; add a `cast` before it.")


def working(*dtypes: np.dtype[Any]) -> np.dtype[Any]:
    """The float type in which ``dtypes`` are computed: single precision for integers of 16 bits, else double."""
    small = all(d.itemsize <= (4 if d.kind == "f" else 2) for d in dtypes)
    return np.dtype(np.float32 if small else np.float64)


def rounded(values: Block, dtype: np.dtype[Any]) -> Block:
    """Floats as ``dtype``: integers are rounded to the nearest, halves to the even one, and end at their range.

    ``values`` may be overwritten.

    Raises:
        BadSource: A value is not a number, and ``dtype`` holds numbers only.
    """
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return values.astype(dtype, copy=False)
    if np.isnan(np.min(values, initial=0.0)):
        raise BadSource(
            f"A voxel is not a number, which {dtype} cannot hold; write `dtype: float32` where the step has it."
        )
    info = np.iinfo(dtype)
    low, high = (values.dtype.type(end) for end in (info.min, info.max))
    if int(high) > info.max:
        # The end of the range is not a float: the greatest float below it is.
        high = np.nextafter(high, values.dtype.type(0))
    np.rint(values, out=values)
    np.clip(values, low, high, out=values)
    return values.astype(dtype)


def pointwise(block: Block, function: Callable[[Block], Block]) -> Block:
    """``function`` of every voxel; by a table of all values where that is less work, else piece by piece.

    Args:
        block: Voxels, C-order.
        function: Array of one axis to array of one axis, every voxel by itself.
    """
    small = block.dtype.kind in "iu" and block.dtype.itemsize <= 2
    if not small or block.size < 2 << (8 * block.dtype.itemsize):
        flat = np.ascontiguousarray(block).reshape(-1)
        first = function(flat[:PIECE])
        if flat.size <= PIECE:
            return first.reshape(block.shape)
        out = np.empty(flat.size, first.dtype)
        out[:PIECE] = first
        for start in range(PIECE, flat.size, PIECE):
            out[start : start + PIECE] = function(flat[start : start + PIECE])
        return out.reshape(block.shape)
    unsigned = block.dtype.str.replace("i", "u")
    table = np.arange(1 << (8 * block.dtype.itemsize)).astype(unsigned).view(block.dtype)
    return np.take(function(table), block.view(unsigned))


def along(axis: int, index: int | slice) -> tuple[int | slice, ...]:
    """The index of one place, or one stretch, on an axis, and of everything on the axes before it."""
    return (*(slice(None),) * axis, index)


def full_range(dtype: np.dtype[Any]) -> tuple[float, float]:
    """Black and white of a type: the range of integers, 0 to 1 of floats."""
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return float(info.min), float(info.max)
    return 0.0, 1.0


def changed(
    source: Spec, dtype: np.dtype[Any], window: tuple[float, float] | None, *, approximate: bool, keep: bool = False
) -> Spec:
    """``source`` with other values: of ``dtype``, shown in ``window``.

    Args:
        source: The image before.
        dtype: Type of the new values.
        window: Values shown as black and white, None if nothing is known.
        approximate: Whether all levels stay.
        keep: Whether windows of channels stay, for transforms that keep the scale of values.
    """
    channels = source.channels
    if not keep:
        channels = tuple(Channel(c.name, c.color, window, c.active) for c in channels)
    levels = shown_levels(source, approximate=approximate)
    return replace(source, dtype=dtype, levels=levels, channels=channels, attrs=kept(source, DOCUMENT))
