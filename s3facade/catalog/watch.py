"""Folders as they were when they were walked: whether another walk would find other files."""

from __future__ import annotations

import os
import time

RACY = 50_000_000
"""Nanoseconds: a folder looked at this shortly after it changed may change again within the same clock tick."""


def stamp(path: str) -> tuple[int, int]:
    """Changes whenever a name in the folder does; (0, 0) if that cannot be relied on yet. Raises OSError."""
    about = os.stat(path)
    if time.time_ns() - about.st_mtime_ns < RACY:
        return (0, 0)
    return (about.st_mtime_ns, about.st_ino)


class Watch:
    """The folders of one walk."""

    def __init__(self) -> None:
        self._folders: dict[str, tuple[int, int]] = {}
        self._until = float("inf")

    def trust(self, seconds: float) -> None:
        """Something was listed that cannot be watched: after so long, it may hold other files."""
        self._until = min(self._until, time.monotonic() + seconds)

    @property
    def trusting(self) -> bool:
        """Whether there is something that cannot be watched."""
        return self._until < float("inf")

    def note(self, path: str) -> None:
        """Remember a folder; to be called before it is listed."""
        try:
            self._folders[path] = stamp(path)
        except OSError:
            self._folders[path] = (0, 0)

    def moved(self) -> bool:
        """Whether a name was, or may have been, added or taken away in any folder since. One ``stat`` for each."""
        return time.monotonic() > self._until or any(not _same(path, was) for path, was in self._folders.items())


def _same(path: str, was: tuple[int, int]) -> bool:
    try:
        about = os.stat(path)
    except OSError:
        return was == (0, 0)
    return was == (about.st_mtime_ns, about.st_ino)
