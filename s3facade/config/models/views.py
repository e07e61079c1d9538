"""All kinds of views, told apart by their ``type``."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from s3facade.config.models.files import FilesViewModel
from s3facade.config.models.ome_zarr import OmeZarrView

AnyView: TypeAlias = Annotated[
    OmeZarrView | FilesViewModel,
    Field(discriminator="type"),
]
