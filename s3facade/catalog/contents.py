"""What one bucket holds, as far as it is known without opening any image."""

from __future__ import annotations

from dataclasses import dataclass, field

from s3facade.catalog.folder import Folder
from s3facade.catalog.mount import Mount
from s3facade.catalog.watch import Watch
from s3facade.core.errors import SourceError
from s3facade.core.keyspace import File


@dataclass(frozen=True, slots=True)
class Broken:
    """A file that is not shown, and why."""

    path: str
    reason: str
    """A sentence that may be shown to anybody."""
    detail: str = ""
    """What only the operator may see."""


@dataclass
class Plan:
    """What one bucket holds: nodes by prefix, and what was left out."""

    mounts: dict[str, Mount] = field(default_factory=dict)
    folders: dict[str, Folder] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    """Path of a single file by key."""
    documents: dict[str, File] = field(default_factory=dict)
    """Texts that follow from names and tables alone, by key."""
    broken: list[Broken] = field(default_factory=list)
    watch: Watch = field(default_factory=Watch)
    unseen: SourceError | None = None
    """Why nothing is known about what it holds: its keys are not absent then."""
