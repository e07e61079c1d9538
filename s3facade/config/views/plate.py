"""A view of plates: images arranged by wells and fields."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from s3facade.config.template import Template
from s3facade.config.views.image import ImageView
from s3facade.layouts.plate import Acquisition


@dataclass(frozen=True, slots=True)
class PlateView:
    """Plates of the images of a source or pipeline: those whose paths are equal are one plate."""

    images: ImageView
    """How each field is shown; its ``path`` is that of the plate."""
    well: Template | None = None
    """``row/column`` of an image; None: the images of a file say themselves which wells they belong to."""
    field: Template | None = None
    """What tells the images of a well apart; None: a well has one image."""
    acquisition: Template | None = None
    """Which run over the plate an image belongs to; None: there was one."""
    rows: tuple[str, ...] | None = None
    """Names of all rows of the plate; None: those that occur."""
    columns: tuple[str, ...] | None = None
    """Names of all columns of the plate; None: those that occur."""
    name: Template | None = None
    """What the plate is called; None: the end of its path, or what the file says."""
    acquisitions: Mapping[str, Acquisition] = dataclasses.field(default_factory=dict)
    """What is said about runs, by what ``acquisition`` gives for them."""

    @property
    def path(self) -> Template:
        """Key prefix of a plate, without a final slash."""
        return self.images.path
