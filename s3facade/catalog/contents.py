"""What one bucket holds, as far as it is known without opening any image."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from s3facade.catalog.folder import Folder
from s3facade.catalog.images.mount import Mount
from s3facade.catalog.sources.report import Report, Tally, reported
from s3facade.catalog.sources.watch import Watch
from s3facade.config.settings import SourceConfig
from s3facade.core.errors import BeingMade, SourceError
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


PATIENCE = 0.05
"""Seconds for which a thread waits for who makes a dear document already: those who wait longer hold none."""
PAUSE = 60.0
"""Seconds after which what could not be made is tried again in the background."""
REST = 20
"""Looking whether a document is still true may take a twentieth of the time at most."""


class Late:
    """A document that takes a while to make: made when it is first looked at. A token of `Deferred` leaves."""

    __slots__ = (
        "_again",
        "_before",
        "_checked",
        "_file",
        "_lock",
        "_make",
        "_media_type",
        "_modified",
        "_seen",
        "_state",
        "tag",
        "waits",
    )

    def __init__(
        self,
        make: Callable[[], bytes],
        media_type: str,
        modified: int,
        tag: str,
        state: Callable[[], tuple[str, int]] | None = None,
        *,
        waits: bool = False,
    ) -> None:
        self.tag = tag
        """Digest of all that it is made of, but for what ``state`` tells."""
        self.waits = waits
        """Whether listings leave it out until it was made: it is dear."""
        self._state = state
        self._seen = ""
        self._checked = 0.0
        self._make = make
        self._media_type = media_type
        self._modified = modified
        self._file: File | None = None
        self._before: File | None = None
        self._again = 0.0
        self._lock = threading.Lock()

    def follow(self, before: Late) -> None:
        """Show a dear document of an earlier plan until `prepare` has made this one: listings would lose its key."""
        if self.waits:
            self._before = before._file or before._before

    def prepare(self) -> None:
        """Make it, if it was not: at most once a minute. Blocking. Raises `SourceError`, `BeingMade`."""
        if self._file is None and time.monotonic() >= self._again:
            self._again = time.monotonic() + PAUSE
            self._make_or_wait()
            self._before = None

    def peek(self) -> File | None:
        """The document, if it was made and need not be looked at again."""
        if self._file is None:
            return self._before
        return self._file if self._state is None or time.monotonic() < self._checked else None

    @property
    def made(self) -> bool:
        """Whether there is anything to show without making it."""
        return self._file is not None or self._before is not None

    def open(self) -> File:
        """The document; while a dear one is made anew, the one before. Blocking. Raises `SourceError`, `BeingMade`."""
        if self._file is None and (before := self._before) is not None:
            return before
        return self._make_or_wait()

    def _make_or_wait(self) -> File:
        if not self._lock.acquire(timeout=PATIENCE if self.waits else -1):
            # All who wait would hold a thread each, and nobody could open an image.
            if self._file is not None:
                return self._file
            raise BeingMade("The document is being made from all images of the bucket; try again in a while.")
        try:
            return self._opened()
        finally:
            self._lock.release()

    def _opened(self) -> File:
        begun = time.monotonic()
        if self._file is not None and (self._state is None or begun < self._checked):
            return self._file
        seen, modified = ("", 0) if self._state is None else self._state()
        if self._file is None or seen != self._seen:
            self._file = literal_file(self._make(), self._media_type, max(self._modified, modified))
            self._seen = seen
            begun = time.monotonic()
        self._checked = time.monotonic() + max(1.0, REST * (time.monotonic() - begun))
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
    tallies: dict[str, Tally] = field(default_factory=dict)
    """What became of the files of each source that was walked, by name."""
    unseen: SourceError | None = None
    """Why nothing is known about what it holds: its keys are not absent then."""

    def tally(self, source: SourceConfig) -> Tally:
        """What became of the files of a source, in the making."""
        if source.name not in self.tallies:
            self.tallies[source.name] = Tally(source)
        return self.tallies[source.name]

    @cached_property
    def report(self) -> Report:
        """What became of all files of its sources and of all rows of their tables. Takes a second for a million."""
        return reported(self.tallies.values())
