"""Images moved, turned, stretched and sheared by a matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from s3facade.core.image import Image
from s3facade.core.options import ParameterFile
from s3facade.transforms.resampling.mapping import Matrix, bounds, inverse
from s3facade.transforms.resampling.matrices import Conventions, Flipped, Given, Maps, Order, Unit, matrix_for
from s3facade.transforms.resampling.onto import Grid, Onto, Positions, as_image, grid_of, grid_onto, space_names
from s3facade.transforms.resampling.parameters.files import read_linear
from s3facade.transforms.resampling.parameters.flirt import Flirt
from s3facade.transforms.resampling.sampling import Method
from s3facade.transforms.resampling.warp import Warp, method_for, warped


@dataclass(frozen=True, slots=True)
class Affine:
    """The image as an affine map of physical coordinates shows it.

    The map leads from places of the output to places of the source, as ITK, ANTs, elastix and SciPy have it, unless
    ``maps`` says otherwise. Coordinates are those of the images as served: micrometres, centre of voxel 0 at the
    image's origin.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    matrix: Given | ParameterFile
    """2x3 or 3x3 in the plane, 3x4 or 4x4 in space; or a file that holds it."""
    maps: Maps | None = None
    """Which way the matrix leads; by default output-to-input, for files of FLIRT input-to-output."""
    order: Order = "xyz"
    """The order of coordinates in rows and columns, for matrices in YAML, NumPy files and plain text."""
    unit: Unit | None = None
    """The unit of the shift: um by default, mm for files of ITK, ANTs and elastix; voxel counts voxels from 0."""
    flipped: Flipped = ()
    """Axes that point the other way in the coordinates of the matrix: x and y between LPS and RAS."""
    center: Positions | None = None
    """The point around which the matrix turns; by default the origin of coordinates, or what the file says."""
    onto: Onto | None = None
    """The grid of the output; by default that of the source."""
    method: Method | None = None
    """nearest, linear or cubic; by default linear, and nearest for labels and masks."""
    outside: float = 0.0
    """The value where there is no source."""
    fsl: Flirt | None = None
    """What a matrix of FLIRT does not say about its two volumes."""

    def build(self, image: Image, *others: Image) -> Image:
        """``image`` through the matrix; the file is read, if it is one.

        Raises:
            SourceError: The file cannot be read, or the matrix does not fit the image.
        """
        source = image.spec
        given = read_linear(self.matrix) if isinstance(self.matrix, str) else self.matrix
        how = Conventions(self.maps, self.order, self.unit, self.flipped, self.center, self.fsl)
        own = grid_of(source.levels[0], len(space_names(source)))

        def matrix(output: Grid) -> Matrix:
            return matrix_for(given, how, source, output)

        onto, like = as_image(self.onto, others)
        box = bounds(inverse(matrix(own)), own.corners) if onto.fit else None
        grid = grid_onto(source, onto, box)
        found = matrix(grid)
        inverse(found)
        files = () if isinstance(given, tuple) else given.sources
        return warped(image, Warp(found, grid, method_for(source, self.method), self.outside, (*files, *like)))
