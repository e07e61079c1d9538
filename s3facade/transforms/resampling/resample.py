"""The same image on a grid of another spacing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from s3facade.core.errors import Unsupported
from s3facade.core.image import Image
from s3facade.core.options import Length
from s3facade.transforms.resampling.mapping import identity
from s3facade.transforms.resampling.onto import Counts, Lengths, Onto, grid_onto, space_names
from s3facade.transforms.resampling.sampling import Method
from s3facade.transforms.resampling.warp import Warp, method_for, warped


@dataclass(frozen=True, slots=True)
class Resample:
    """Voxels of another size over the same box: of ``spacing``, or so many that there are ``shape`` of them.

    The low corner of the box stays where it is, as does every structure. Values are those between voxel centres of the
    coarsest level of the source that is not coarser than the result: that level, made by averaging, is what keeps fine
    structure from turning into false patterns. Half a voxel at the rim, beyond the outer centres, repeats the rim.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    spacing: Length | Lengths | None = None
    """Distance of voxel centres: one for all space axes, or per axis; axes left out stay as they are."""
    shape: Counts | None = None
    """Voxels per axis, instead of a spacing."""
    method: Method | None = None
    """nearest, linear or cubic; by default linear, and nearest for labels and masks."""

    def build(self, image: Image) -> Image:
        """``image`` on the new grid.

        Raises:
            Unsupported: Neither a spacing nor a shape, both for one axis, or an axis without voxel size.
        """
        if self.spacing is None and self.shape is None:
            raise Unsupported("resample: write a `spacing` or a `shape`, for instance `resample: {spacing: 5 um}`.")
        source = image.spec
        names = space_names(source)
        both = [n for n in names if _given(self.spacing, n) and _given(self.shape, n)]
        if both:
            raise Unsupported(f"resample: there is a spacing and a shape along {both[0]}; leave one of them out.")
        grid = grid_onto(source, Onto(self.spacing, self.shape))
        return warped(image, Warp(identity(len(names)), grid, method_for(source, self.method)))


def _given(value: Lengths | Counts | float | None, name: str) -> bool:
    if isinstance(value, int | float):
        return True
    return value is not None and getattr(value, name) is not None
