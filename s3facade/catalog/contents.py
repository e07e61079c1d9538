"""What one bucket holds, as far as it is known without opening any image."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from s3facade.catalog.folder import Folder
from s3facade.catalog.mount import Mount
from s3facade.catalog.report import Report
from s3facade.catalog.watch import Watch
from s3facade.core.errors import SourceError
from s3facade.core.keyspace import File
from s3facade.layouts.documents import literal_file


@dataclass(frozen=True, slots=True)
class Broken:
    """A file that is not shown, and why."""

    path: str
    reason: str
    """A sentence that may be shown to anybody."""
    detail: str = ""
    """What only the operator may see."""


class Late:
    """A document that takes a while to make: made when it is first looked at. A token of `Deferred` leaves."""

    __slots__ = ("_file", "_lock", "_make", "_media_type", "_modified", "tag")

    def __init__(self, make: Callable[[], bytes], media_type: str, modified: int, tag: str) -> None:
        self.tag = tag
        """Digest of all that it is made of."""
        self._make = make
        self._media_type = media_type
        self._modified = modified
        self._file: File | None = None
        self._lock = threading.Lock()

    def peek(self) -> File | None:
        """The document, if it was made."""
        return self._file

    def open(self) -> File:
        """The document. Blocking. Raises `SourceError`."""
        with self._lock:
            if self._file is None:
                self._file = literal_file(self._make(), self._media_type, self._modified)
            return self._file


@dataclass
class Plan:
    """What one bucket holds: nodes by prefix, and what was left out."""

    mounts: dict[str, Mount] = field(default_factory=dict)
    folders: dict[str, Folder] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    """Path of a single file by key."""
    documents: dict[str, File] = field(default_factory=dict)
    """Texts that follow from names and tables alone, by key."""
    late: dict[str, Late] = field(default_factory=dict)
    """Documents that take a while to make, by key."""
    broken: list[Broken] = field(default_factory=list)
    watch: Watch = field(default_factory=Watch)
    report: Report = field(default_factory=Report)
    """What became of the files and rows of the sources that it shows."""
    unseen: SourceError | None = None
    """Why nothing is known about what it holds: its keys are not absent then."""
