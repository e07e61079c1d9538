"""A view of images as a BIDS data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from s3facade.config.template import Template
from s3facade.config.views.arc import ArcConfig


def derived(path: str) -> bool:
    """Whether a data set with this key prefix lies in the folder ``derivatives`` of another one."""
    return "derivatives" in path.split("/")[:-1]


@dataclass(frozen=True, slots=True)
class BidsColumn:
    """A column of a table."""

    name: str
    value: Template
    description: str = ""
    units: str = ""
    levels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BidsFiles:
    """Images that become files of one kind."""

    source: str
    """Name of a source or pipeline."""
    suffix: Template
    entities: Mapping[str, Template]
    """By short name, in the order of names."""
    extension: str = ".ome.zarr"
    """With its dot; empty: that of the original file, whose bytes are shown."""
    layout: str = "ome-zarr"
    """Registered name; empty: bytes of the original file."""
    options: Mapping[str, object] = field(default_factory=dict)
    """Fields of the layout; those that are not given have its defaults."""
    datatype: str = ""
    """Empty: the one that the schema has for such names."""
    fixed: Mapping[str, object] = field(default_factory=dict)
    """Fields of the sidecar that are the same for all, typed."""
    filled: Mapping[str, object] = field(default_factory=dict)
    """Fields that differ: templates at the leaves of mappings and tuples."""
    intended_for: tuple[str, ...] = ()
    """Names of sources or pipelines of the same view: what these images are for."""
    about: Mapping[str, object] = field(default_factory=dict)
    """What the operator says about them; as of `ImageView`."""
    dtype: str | None = None
    """Cast to this type."""
    recipe: bool = True
    """Whether a document beside the voxels says how they were made."""
    where: str = ""
    """Place in the configuration file."""
    companions: bool = False
    """Whether files beside a NIfTI file belong to it: metadata, gradients, events."""


@dataclass(frozen=True, slots=True)
class BidsView:
    """A data set."""

    path: str
    """Key prefix without a final slash; ``""`` is the root of the bucket."""
    name: str
    files: tuple[BidsFiles, ...]
    license: str = ""
    authors: tuple[str, ...] = ()
    acknowledgements: str = ""
    how_to_acknowledge: str = ""
    funding: tuple[str, ...] = ()
    ethics: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    doi: str = ""
    readme: str | Path = ""
    """Text, or a file; empty: one is made."""
    changes: str | Path = ""
    """Text, or a file; empty: none."""
    dataset_type: Literal["raw", "derivative"] | None = None
    """None: derivative if steps have changed the voxels."""
    participants: tuple[BidsColumn, ...] = ()
    samples: tuple[BidsColumn, ...] = ()
    sessions: tuple[BidsColumn, ...] = ()
    scans: tuple[BidsColumn, ...] = ()
    generated_by: tuple[Mapping[str, object], ...] = ()
    """Who made it, beside this software."""
    source_datasets: tuple[Mapping[str, str], ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    """Where other data sets are, by the name that BIDS URIs call them."""
    bidsignore: tuple[str, ...] = ()
    """Patterns besides those of what is known to lie there."""
    also: tuple[str, ...] = ()
    """What else is made of the mapping: ``ro-crate``."""
    arc: ArcConfig | None = None
    """The ARC of which it is an assay's data, if there is one."""
    preview: Literal["off", "strided"] = "off"
    where: str = ""
    """Place in the configuration file."""

    @property
    def root(self) -> str:
        """Key prefix of the data set, that of its assay included."""
        assay = f"assays/{self.arc.assay}/dataset" if self.arc else ""
        return "/".join(filter(None, (assay, self.path)))
