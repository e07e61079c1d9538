"""A view over single images: each of them at a prefix or key of its own, by one layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from s3facade.config.template import Template

Preview = Literal["off", "strided"]
"""What becomes of levels that would read more than ``limits.read`` for one block: refused, or made of samples."""


@dataclass(frozen=True, slots=True)
class ImageView:
    """A layout over every image of a source or pipeline."""

    type: str
    """Registered name of the layout."""
    source: str
    """Name of a source or pipeline."""
    path: Template
    """Key prefix of one image, or its key; without a final slash. ``""`` is the root of the bucket."""
    options: Mapping[str, object] = field(default_factory=dict)
    """Fields of the layout; those that are not given have its defaults."""
    dtype: str | None = None
    """Cast to this type."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Source or pipeline of label images, by label name; joined to the images by equal captures."""
    recipe: bool = True
    """Whether a document beside the voxels says how they were made."""
    preview: Preview = "off"
    about: Mapping[str, object] = field(default_factory=dict)
    """What the operator says about the images: templates at the leaves of mappings and tuples."""
