"""Views that describe the other views of their bucket: crates of datasets, and tables of images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class CrateView:
    """``ro-crate-metadata.json`` about all that the bucket shows below a prefix."""

    path: str
    """Prefix that it describes, and lies in, without a final slash; ``""`` is the whole bucket."""
    about: Mapping[str, Any]
    """What is said about the whole: settled, with name and licence."""


@dataclass(frozen=True, slots=True)
class CollectionView:
    """A table of images."""

    path: str
    """Its key, without extension."""
    url: str
    """Address of the bucket, without a final slash."""
    formats: tuple[str, ...] = ("csv", "parquet")
    under: str = ""
    """Prefix of the images that are in it, without a final slash; ``""``: all."""
