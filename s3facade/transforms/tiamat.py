"""Steps of tiamat's pipelines that depend on the image in a way that no other transform has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from s3facade.core.errors import Unsupported
from s3facade.core.image import Image
from s3facade.transforms.resampling.mapping import inverse, rows
from s3facade.transforms.resampling.matrices import Conventions, homogeneous, matrix_for
from s3facade.transforms.resampling.onto import Grid, grid_of, space_names
from s3facade.transforms.resampling.sampling import Method
from s3facade.transforms.resampling.warp import Warp, method_for, warped
from s3facade.transforms.values.rescale import Rescale


@dataclass(frozen=True, slots=True)
class TiamatAffine:
    """A matrix of the plane as tiamat's ``AffineTransformer`` means it.

    It leads from the source to the output and acts on pixels counted from the corner of the first one, x before y;
    its shift is in micrometres where the image has a pixel size. The output begins at the origin and has the extent
    of the transformed image: what is moved to negative coordinates is cut off.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    matrix: tuple[tuple[float, ...], ...]
    """2x3 or 3x3."""
    method: Method | None = None
    """nearest, linear or cubic; by default cubic, and nearest for labels and masks."""
    outside: float = 0.0
    """The value where there is no source."""

    def build(self, image: Image) -> Image:
        """The transformed image. Raises `Unsupported`."""
        source = image.spec
        given = homogeneous(self.matrix, 2)
        level = source.levels[0]
        ends = [(x, y) for x in (0, source.length("x")) for y in (0, source.length("y"))]
        corners = np.array(ends) @ given[:2, :2].T
        width, height = (round(float(n)) for n in corners.max(0) - corners.min(0))
        if min(width, height) < 1:
            raise Unsupported("tiamat_affine: nothing is left of the image by this matrix.")
        for row, index in ((0, -1), (1, -2)):
            if source.axes[index].unit is not None:
                given[row, 2] /= level.scale[index]
        # From corners to centres: half a pixel before and after.
        given[:2, 2] += given[:2, :2] @ (0.5, 0.5) - 0.5
        own = grid_of(level, len(space_names(source)))
        grid = Grid((*own.shape[:-2], height, width), own.scale, own.origin)
        how = Conventions("input-to-output", "xyz", "voxel", (), None, None)
        matrix = matrix_for(rows(given), how, source, grid)
        inverse(matrix)
        method = self.method or ("nearest" if method_for(source, None) == "nearest" else "cubic")
        return warped(image, Warp(matrix, grid, method, self.outside))


@dataclass(frozen=True, slots=True)
class TiamatMinMax:
    """Values from 0 to 1 as tiamat's ``MinMaxNormalizationTransformer`` means them: float32."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    range: tuple[float, float] | None = None
    """Values that become 0 and 1; default: the range of integers."""
    approximate: bool = False
    """Act on the image's own levels instead of computing levels of the result."""

    def build(self, image: Image) -> Image:
        """The normalised image. Raises `Unsupported`."""
        dtype = image.spec.dtype
        window = self.range
        if window is None:
            if dtype.kind not in "iu":
                raise Unsupported(f"tiamat's min-max normalisation of {dtype} needs `value_range` in the pipeline.")
            window = (float(np.iinfo(dtype).min), float(np.iinfo(dtype).max))
        return Rescale((window,), None, (0.0, 1.0), "float32", self.approximate).build(image)
