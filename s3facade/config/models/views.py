"""All kinds of views, told apart by their ``type``."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from s3facade.config.models.bids import BidsViewModel
from s3facade.config.models.collection import CollectionModel, CrateModel
from s3facade.config.models.files import FilesViewModel
from s3facade.config.models.nifti import NiftiView
from s3facade.config.models.ome_tiff import OmeTiffView, TiffView
from s3facade.config.models.ome_zarr import OmeZarrView
from s3facade.config.models.plate import OmeZarrPlateView
from s3facade.config.models.png import PngView
from s3facade.config.models.precomputed import PrecomputedView

AnyView: TypeAlias = Annotated[
    OmeZarrView
    | OmeTiffView
    | TiffView
    | PngView
    | PrecomputedView
    | NiftiView
    | OmeZarrPlateView
    | BidsViewModel
    | CrateModel
    | CollectionModel
    | FilesViewModel,
    Field(discriminator="type"),
]
