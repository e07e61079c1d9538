"""A view of a whole BIDS data set that exists already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class BidsExistingView:
    """A data set as it is, but for the form of its images."""

    root: Path
    """Absolute: the folder with ``dataset_description.json``."""
    path: str = ""
    """Key prefix without a final slash; ``""`` is the root of the bucket."""
    convert: tuple[str, ...] = ()
    """Endings of images that are shown in another form, each with its dot; the longest that fits counts."""
    extension: str = ".ome.zarr"
    """What they end in then."""
    layout: str = "ome-zarr"
    """Registered name."""
    options: Mapping[str, object] = field(default_factory=dict)
    """Fields of the layout; those that are not given have its defaults."""
    recipe: bool = True
    """Whether a document beside the voxels says how they were made."""
    preview: Literal["off", "strided"] = "off"
    about: Mapping[str, Any] = field(default_factory=dict)
    """What the bucket says about all of its images, settled."""
