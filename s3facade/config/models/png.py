"""Every image of a source as a PNG file."""

from __future__ import annotations

from typing import Literal

from s3facade.config.document import Path_
from s3facade.config.models.base import Resolving
from s3facade.config.models.image import ImagesModel
from s3facade.config.views.image import ImageView
from s3facade.core.errors import ConfigError


class PngView(ImagesModel):
    """Every image of a source as a PNG file: one plane of `uint8` or `uint16`, grey or in colour."""

    type: Literal["png"]
    """The layout."""

    def resolve(self, at: Path_, desk: Resolving) -> ImageView:
        """The view. Raises `ConfigError`."""
        if not self.path.lower().endswith(".png"):
            raise ConfigError(f"the path {self.path!r} of PNG files must end in .png")
        return self.shown(at, desk, self.type, {})
