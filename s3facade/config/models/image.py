"""What all views over single images have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from s3facade.config.document import Path_
from s3facade.config.models.about import AboutModel
from s3facade.config.models.base import Dtype, Model, Preview, Resolving
from s3facade.config.settings import ALWAYS
from s3facade.config.views.image import ImageView


class ImagesModel(Model):
    """Keys of every view over single images."""

    from_: Annotated[str, Field(alias="from")]
    """Name of a source or image."""
    path: str
    """Key prefix, as in `{name}.ome.zarr`; of layouts of one file, its key."""
    dtype: Dtype | None = None
    """Cast to this type, for viewers that cannot read the original one."""
    recipe: bool = True
    """Whether `s3facade.json` beside the voxels says what files they were made of and how."""
    preview: Preview | None = None
    """As of the bucket, for this view alone."""
    about: AboutModel | None = None
    """What no file says about the images; what is said here comes before what the source and the bucket say."""

    def shown(
        self,
        at: Path_,
        desk: Resolving,
        layout: str,
        options: Mapping[str, object],
        labels: Mapping[str, str] | None = None,
    ) -> ImageView:
        """The view by the layout of that name, with these of its fields. Raises `ConfigError`."""
        path = desk.template((*at, "path"), self.path, self.from_)
        for label, target in (labels or {}).items():
            _label((*at, "labels", label), label, target, self.from_, desk)
        preview = self.preview or desk.preview
        about = desk.about(at, self.about, self.from_)
        of = (layout, self.from_, path, options, self.dtype, dict(labels or {}), self.recipe, preview)
        return ImageView(*of, about)


def _label(at: Path_, label: str, target: str, source: str, desk: Resolving) -> None:
    if not label or "/" in label or label.startswith("."):
        desk.problem(at, f"{label!r} cannot name a label image; use letters, digits, - and _")
    known, theirs = desk.reference((*at[:-2], "from"), source), desk.reference(at, target)
    if known is None or theirs is None:
        return
    mine, theirs = known - {*ALWAYS}, theirs - {*ALWAYS}
    if (mine or theirs) and not mine & theirs:
        desk.problem(at, f"{target!r} shares no capture with the image: give both patterns the same {{name}}")
