"""Every image of a source as a NIfTI file."""

from __future__ import annotations

from typing import Literal

from s3facade.config.document import Path_
from s3facade.config.models.base import Resolving
from s3facade.config.models.image import ImagesModel
from s3facade.config.views.image import ImageView
from s3facade.core.errors import ConfigError

ENDINGS = (".nii", ".nii.gz")


class NiftiView(ImagesModel):
    """Every image of a source as a NIfTI file, `.nii` or `.nii.gz` as its path ends."""

    type: Literal["nifti"]
    """The layout."""
    edition: Literal["1", "2"] | None = None
    """NIfTI-1 or NIfTI-2; default: 1, and 2 for images of more than 32,767 voxels along an axis."""

    def resolve(self, at: Path_, desk: Resolving) -> ImageView:
        """The view. Raises `ConfigError`."""
        if not self.path.endswith(ENDINGS):
            raise ConfigError(
                f"the path {self.path!r} of NIfTI files must end in .nii or .nii.gz, which says whether they are packed"
            )
        edition = None if self.edition is None else int(self.edition)
        return self.shown(at, desk, self.type, {"gzip": self.path.endswith(".gz"), "edition": edition})
