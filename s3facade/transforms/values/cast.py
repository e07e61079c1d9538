"""Other types for the same values, for viewers that cannot read all of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.operators import Block, Need
from s3facade.core.region import Region
from s3facade.core.spec import Spec

# fmt: off
Dtype = Literal[
    "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
    "float16", "float32", "float64", "complex64", "complex128",
]
# fmt: on


@dataclass(frozen=True, slots=True)
class Cast:
    """The same values as ``dtype``, e.g. ``float32``.

    Nothing wraps and nothing is cut off: a value that ``dtype`` cannot hold is an error where it is read. Floats, and
    large integers that become floats, are rounded to the nearest; True becomes 1.
    """

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = False
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    dtype: Dtype
    """A NumPy name: uint8, int32, float32, …"""

    def spec(self, source: Spec) -> Spec:
        """``source`` with another type.

        Raises:
            Unsupported: An unknown type, or one that drops fractions, signs of complex numbers, or counts.
        """
        target = self._target()
        old, new = source.dtype.kind, target.kind
        # Each kind turns into itself or one that holds all of its values but for range and precision.
        if new not in {"b": "biufc", "i": "iufc", "u": "iufc", "f": "fc", "c": "c"}.get(old, ""):
            raise Unsupported(
                f"Voxels of type {source.dtype} cannot be cast to {target} without changing what they say."
            )
        return replace(source, dtype=target)

    def need(self, source: Spec, level: int, region: Region) -> Need:  # noqa: ARG002 - the seam
        """The same box."""
        return Need(level, region)

    def apply(self, source: Spec, level: int, region: Region, block: Block | None) -> Block:  # noqa: ARG002 - the seam
        """The same voxels.

        Raises:
            BadSource: A value is out of the range of the new type.
        """
        if block is None:
            raise ValueError("a cast needs the voxels of its source")
        target = self._target()
        if block.dtype == target:
            return block
        if target.kind in "iu":
            _check_range(block, target)
            return block.astype(target)
        with np.errstate(over="ignore"):
            result = block.astype(target)
        if not np.can_cast(block.dtype, target) and block.dtype.kind in "iufc":
            lost = np.isinf(result) & np.isfinite(block)
            if lost.any():
                raise _too_large(block[lost][0], target)
        return result

    def _target(self) -> np.dtype[Any]:
        try:
            dtype = np.dtype(self.dtype)
        except TypeError as error:
            raise Unsupported(f"{self.dtype!r} is no data type; use a name such as uint16 or float32.") from error
        if dtype.kind not in "biufc":
            raise Unsupported(f"Voxels cannot be of type {self.dtype}; use a name such as uint16 or float32.")
        return dtype.newbyteorder("=")


def _check_range(block: Block, target: np.dtype[Any]) -> None:
    if block.size == 0 or np.can_cast(block.dtype, target):
        return
    info = np.iinfo(target)
    for value in (int(block.min()), int(block.max())):
        if not info.min <= value <= info.max:
            raise _too_large(value, target)


def _too_large(value: object, target: np.dtype[Any]) -> BadSource:
    return BadSource(f"A voxel holds {value}, which {target} cannot; leave out the cast or choose a wider type.")
