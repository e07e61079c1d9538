"""What was found out about remote files and folders, and when: so that hardly any request has to ask."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from s3facade.core.identity import digest
from s3facade.stores.transport import Stat

FILES = 200_000
"""Files that are remembered; about 400 bytes each."""
NAMES = 500_000
"""Names in folders that are remembered."""


@dataclass(slots=True)
class Entry:
    """One file."""

    stat: Stat | None
    """None: it is not there."""
    when: float
    """Monotonic."""
    asked: float = 0.0
    """When it was last asked for again, with an answer or without."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What one folder holds."""

    files: dict[str, Stat]
    folders: tuple[str, ...]
    when: float
    tag: str
    """Changes when a name comes or goes; empty if there is none."""


class Known:
    """Files and folders of one store. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: OrderedDict[str, Entry] = OrderedDict()
        self._folders: OrderedDict[str, Listing] = OrderedDict()
        self._names = 0

    def file(self, key: str) -> Entry | None:
        """What is known about a file."""
        return self._files.get(key)

    def note(self, key: str, stat: Stat | None) -> None:
        """Remember what a file is now."""
        now = time.monotonic()
        with self._lock:
            self._files.pop(key, None)
            self._files[key] = Entry(stat, now, now)
            while len(self._files) > FILES:
                self._files.popitem(last=False)

    def forget(self, key: str) -> None:
        """A file is not what it was said to be."""
        with self._lock:
            self._files.pop(key, None)
            listing = self._folders.pop(_above(key), None)
            self._names -= len(listing.files) if listing else 0

    def folder(self, key: str) -> Listing | None:
        """What is known about a folder."""
        return self._folders.get(key)

    def listed(self, key: str, files: dict[str, Stat], folders: tuple[str, ...], when: float) -> Listing:
        """Remember what a folder held at the time ``when``; its files are known with it."""
        tag = digest(sorted(files), sorted(folders)) if files or folders else ""
        listing = Listing(files, folders, when, tag)
        with self._lock:
            old = self._folders.pop(key, None)
            self._folders[key] = listing
            self._names += len(files) - (len(old.files) if old else 0)
            while self._names > NAMES and len(self._folders) > 1:
                _, gone = self._folders.popitem(last=False)
                self._names -= len(gone.files)
        for name in (old.files.keys() - files.keys()) if old else ():
            self.note(key + name, None)
        for name, stat in files.items():
            self.note(key + name, stat)
        return listing


def _above(key: str) -> str:
    head, slash, _ = key.rpartition("/")
    return head + slash
