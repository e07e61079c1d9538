"""Folders as they were when they were walked: whether another walk would find other files."""

from __future__ import annotations

import os
import time

from s3facade.stores.local import fingerprint

RACY = 50_000_000
"""Nanoseconds: a folder looked at this shortly after it changed may change again within the same clock tick."""


Stamp = tuple[int, int]
UNSURE: Stamp = (0, 0)
"""The stamp of a folder that cannot be relied on: equal to none."""


def stamp(path: str) -> Stamp:
    """Changes whenever a name in the folder does; `UNSURE` if that cannot be relied on yet. Raises OSError."""
    return stamped(os.stat(path))


def stamped(about: os.stat_result) -> Stamp:
    """`stamp` of a folder that was looked at already."""
    if time.time_ns() - about.st_mtime_ns < RACY:
        return UNSURE
    return (about.st_mtime_ns, about.st_ino)


class Watch:
    """The folders of one walk."""

    __slots__ = ("_files", "_folders", "_until")

    def __init__(self) -> None:
        self._folders: dict[str, Stamp] = {}
        self._files: dict[str, str] = {}
        self._until = float("inf")

    def trust(self, seconds: float) -> None:
        """Something was listed that cannot be watched: after so long, it may hold other files."""
        self._until = min(self._until, time.monotonic() + seconds)

    @property
    def trusting(self) -> bool:
        """Whether there is something that cannot be watched."""
        return self._until < float("inf")

    def note(self, path: str, was: Stamp) -> None:
        """Remember a folder with its stamp from before it was listed; `UNSURE` if it could not be looked at."""
        self._folders[path] = was

    def doubt(self, path: str, was: str) -> None:
        """Remember a file that may become another one without a change of its folder, with its fingerprint."""
        self._files[path] = was

    def moved(self) -> bool:
        """Whether another walk may find something else: a name came or went, or a doubtful file was written to.

        One ``stat`` for each folder and doubtful file.
        """
        if time.monotonic() > self._until:
            return True
        return any(not _same(path, was) for path, was in self._folders.items()) or any(
            _print(path) != was for path, was in self._files.items()
        )


def _same(path: str, was: tuple[int, int]) -> bool:
    try:
        about = os.stat(path)
    except OSError:
        return was == UNSURE
    return was == (about.st_mtime_ns, about.st_ino)


def _print(path: str) -> str:
    try:
        return fingerprint(os.stat(path))
    except OSError:
        return ""
