"""Every image of a source as a precomputed volume of Neuroglancer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, WithJsonSchema

from s3facade.config.document import Path_
from s3facade.config.models.base import Chunks, Resolving
from s3facade.config.models.image import ImagesModel
from s3facade.config.views.image import ImageView
from s3facade.core import units

Thickness = Annotated[Any, BeforeValidator(units.length), WithJsonSchema({"type": "string", "examples": ["20 um"]})]


class PrecomputedView(ImagesModel):
    """Every image of a source as a precomputed volume of Neuroglancer."""

    type: Literal["precomputed"]
    """The layout."""
    chunks: Chunks | None = None
    """Voxels per chunk: one number for every space axis, or by axis; default: chosen per image."""
    sharded: bool = False
    """Whether chunks are put together to objects of up to 256 MiB, so that listings of large volumes stay short."""
    encoding: Literal["raw"] = "raw"
    """How chunks are stored: `raw`, whose sizes are known without computing."""
    segmentation: bool | None = None
    """Whether values are names of segments; default: where the file says so."""
    thickness: Thickness | None = None
    """What the one plane of a flat image measures along z, as in `20 um`."""

    def resolve(self, at: Path_, desk: Resolving) -> ImageView:
        """The view. Raises `ConfigError`."""
        names = ("chunks", "sharded", "segmentation", "thickness")
        return self.shown(at, desk, self.type, {name: getattr(self, name) for name in names})
