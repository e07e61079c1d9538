"""A view of files as they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class FilesView:
    """Files as they are."""

    root: Path
    """Absolute. A folder, shown below ``path``; or one file, whose key ``path`` is."""
    path: str
    """Key prefix without a final slash; ``""`` is the root of the bucket."""
