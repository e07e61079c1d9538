"""A coarser image: the finest level reduced, and nothing else left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from s3facade.core.errors import Unsupported
from s3facade.core.image import Image, derive
from s3facade.core.options import Parsed
from s3facade.core.spec import AXES
from s3facade.transforms.filters.gaussian import Gaussian
from s3facade.transforms.pyramids.downsample import AddLevel, Method
from s3facade.transforms.resampling.levels_kept import KeepLevels

_COUNT = {"type": "integer", "minimum": 1}


def factors(value: Any) -> Any:
    """``2``, for y and x, or ``{z: 2, y: 4, x: 4}`` as `Factors`.

    Raises:
        ValueError: Not written so.
    """
    if isinstance(value, tuple):
        return value
    by_axis = value if isinstance(value, Mapping) else {"y": value, "x": value}
    wrong = [name for name in by_axis if name not in AXES or name == "c"]
    if wrong or not by_axis:
        raise ValueError(f"has the axis {wrong[0]!r}; use t, z, y, x" if wrong else "names no axis")
    counts = {name: str(count) for name, count in by_axis.items()}
    if not all(count.isascii() and count.isdigit() and int(count) > 0 for count in counts.values()):
        raise ValueError("must be whole numbers of at least 1, as in 2 or {z: 1, y: 4, x: 4}")
    return tuple((name, int(counts[name])) for name in AXES if name in counts)


_BY_AXIS = {"type": "object", "propertyNames": {"enum": ["t", "z", "y", "x"]}, "additionalProperties": _COUNT}
Factors: TypeAlias = Annotated[tuple[tuple[str, int], ...], Parsed(factors, {"anyOf": [_COUNT, _BY_AXIS]})]
"""Whole numbers by axis."""


@dataclass(frozen=True, slots=True)
class Downsample:
    """The finest level with each block of voxels as one; levels of the source are not there any more."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    factors: Factors = (("y", 2), ("x", 2))
    """Voxels per block: of y and x, or by axis, as in `{z: 2, y: 4, x: 4}`. What does not fill a block at the far edge
    is left out."""
    method: Literal["mean", "gaussian", "nearest", "mode"] | None = None
    """`mean` of the block, exact, the default; `mode`, its most frequent value, the default for labels; `nearest`, its
    first voxel; `gaussian`, its first voxel after smoothing with half the factor as standard deviation."""

    def build(self, image: Image) -> Image:
        """The coarser image. Raises `Unsupported`."""
        spec = image.spec
        by_name = dict(self.factors)
        missing = [name for name in by_name if name not in spec.names]
        if missing:
            raise Unsupported(f"`downsample` names the axis {missing[0]}, which the image does not have; leave it out.")
        labels = bool(spec.attrs.get("categorical"))
        method = self.method or ("mode" if labels else "mean")
        if labels and method in {"mean", "gaussian"}:
            raise Unsupported(f"Labels have no {method}; use `mode` or `nearest`.")
        finest: Image = derive(image, KeepLevels(0, 1))
        plain: Method = "nearest" if method == "gaussian" else method
        if method == "gaussian":
            sigmas = tuple((name, n / 2, "px") for name, n in self.factors if n > 1 and name != "t")
            if by_name.get("t", 1) > 1:
                raise Unsupported("`downsample: gaussian` does not smooth along t; use `mean`.")
            finest = derive(finest, Gaussian(sigmas)) if sigmas else finest
        reduced = derive(finest, AddLevel(tuple(by_name.get(name, 1) for name in spec.names), plain))
        return derive(reduced, KeepLevels(-1, 1))
