"""Images deformed by a displacement field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from s3facade.core.errors import Unsupported
from s3facade.core.image import Image
from s3facade.core.options import Length, ParameterFile
from s3facade.core.spec import Spec
from s3facade.core.units import MICROMETERS
from s3facade.transforms.resampling.bend import Step, bent
from s3facade.transforms.resampling.matrices import Flipped, Order
from s3facade.transforms.resampling.onto import Lengths, Onto, Positions, as_image, grid_onto, space_names
from s3facade.transforms.resampling.parameters.fields import Components, Layout, bare, is_bare, read_steps
from s3facade.transforms.resampling.sampling import Method


@dataclass(frozen=True, slots=True)
class Displacement:
    """The image as a displacement field shows it: each output voxel is read at its own place plus the vector there.

    Vectors between the voxels of the field are interpolated linearly; outside of the field there is no displacement.
    Files of ANTs and ITK (NIfTI, MetaImage, HDF5, composites included) say where they stand and count millimetres;
    of bare arrays (Zarr, HDF5, NumPy) that is told here.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    field: ParameterFile
    """The file, or the folder of a Zarr store."""
    dataset: str = ""
    """The array inside of an HDF5 file or Zarr store."""
    spacing: Length | Lengths | None = None
    """Bare arrays: distance of vectors; by default that of the image."""
    origin: Positions | None = None
    """Bare arrays: place of the first vector; by default the image's origin."""
    unit: Literal["nm", "um", "mm", "cm", "m"] = "um"
    """Bare arrays: the unit of vectors."""
    order: Order = "xyz"
    """Bare arrays: the order of components."""
    components: Components | None = None
    """Bare arrays: whether components are the first or the last axis; by default the one of that length."""
    absolute: bool = False
    """Bare arrays: whether vectors are places in the source instead of displacements."""
    flipped: Flipped = ()
    """Files of ITK: axes that point the other way there than in the image, x and y between LPS and RAS."""
    onto: Onto | None = None
    """The grid of the output; by default that of the source."""
    method: Method | None = None
    """nearest, linear or cubic; by default linear, and nearest for labels and masks."""
    outside: float = 0.0
    """The value where there is no source."""

    def build(self, image: Image, *others: Image) -> Image:
        """``image`` through the field.

        Raises:
            SourceError: The field cannot be read, or does not fit the image.
        """
        onto, like = as_image(self.onto, others)
        return bent(image, self.steps(image.spec), onto, self.method, self.outside, like)

    def steps(self, source: Spec) -> tuple[Step, ...]:
        """The maps that the file holds, the one that is applied first in front.

        Raises:
            SourceError: It cannot be read, or does not fit the image.
        """
        measured(source, "displacement")
        count = len(space_names(source))
        if not is_bare(self.field):
            if self != Displacement(
                self.field, flipped=self.flipped, onto=self.onto, method=self.method, outside=self.outside
            ):
                raise Unsupported(
                    "displacement: the file says itself where its vectors stand and what they count; leave out"
                    " `dataset`, `spacing`, `origin`, `unit`, `order`, `components` and `absolute`."
                )
            return read_steps(self.field, count, self.flipped)
        if self.flipped:
            raise Unsupported("displacement: `flipped` is for files of ITK; leave it out.")
        onto = Onto(self.spacing, None, self.origin)
        grid = grid_onto(source, onto)
        own = source.levels[0].origin[-count:]
        given = self.origin or Positions()
        named: list[float | None] = [getattr(given, name) for name in space_names(source)]
        origin = tuple(o if p is None else p for o, p in zip(own, named, strict=True))
        layout = Layout(
            grid.scale,
            origin,
            MICROMETERS[self.unit],
            self.order == "xyz",
            self.components,
            self.absolute,
            self.dataset,
        )
        return (bare(self.field, count, layout),)


def measured(source: Spec, what: str) -> None:
    """Whether all space axes have a voxel size. Raises Unsupported."""
    names = space_names(source)
    missing = [axis.name for axis in source.axes if axis.name in names and axis.unit is None]
    if missing:
        raise Unsupported(
            f"{what}: the image has no voxel size along {missing[0]}, so lengths say nothing; set `pixel_size`."
        )
