"""Another configuration while the server runs: noticed and checked by the parent, told to all of its workers."""

from __future__ import annotations

import json
import logging
import os
import tempfile
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from s3facade.config.settings import Server, Settings
from s3facade.core.errors import ConfigError

log = logging.getLogger("s3facade")
LOOK = 1.0
"""Seconds between two looks at the files of the configuration; one that changed must be the same at two of them."""
LIVE = frozenset({"rescan", "public_url"})
"""What can be set about the server while it runs."""
_HEAD = 12


@dataclass(frozen=True, slots=True)
class News:
    """What the parent says about the configuration."""

    text: str = ""
    """Of the file, as it was checked."""
    modified: int = 0
    """Of the file, nanoseconds since 1970, UTC."""
    number: int = 0
    """Counts the configurations that were found good."""
    error: str | None = None
    """Why the file as it is now is not used."""


class Board:
    """What the parent tells workers, in a file without a name that is open in all of them."""

    def __init__(self) -> None:
        self._fd, name = tempfile.mkstemp(prefix="s3facade-")
        os.unlink(name)

    def close(self) -> None:
        """Nothing is said or read any more in this process."""
        os.close(self._fd)

    def write(self, news: News) -> None:
        """Replace what was said before."""
        data = json.dumps([news.text, news.modified, news.number, news.error]).encode()
        head = len(data).to_bytes(8, "little") + zlib.crc32(data).to_bytes(4, "little")
        os.pwrite(self._fd, head + data, 0)

    def read(self) -> News:
        """What is said now; nothing, where the parent has not said anything, or died while it did."""
        for _ in range(100):
            head = os.pread(self._fd, _HEAD, 0)
            data = os.pread(self._fd, int.from_bytes(head[:8], "little"), _HEAD)
            if len(head) == _HEAD and zlib.crc32(data) == int.from_bytes(head[8:], "little"):
                text, modified, number, error = json.loads(data)
                return News(text, modified, number, error)
            if not head:
                break
            # It is being written this moment.
            time.sleep(0.001)
        return News()


class Written:
    """The configuration as its file has it, under what was fixed when the server started.

    Args:
        running: What the server started with: the file, and what the command line said instead.
    """

    def __init__(self, running: Settings) -> None:
        self._running = running
        self.path = running.path
        self._first = self._file(*self.text()) if running.path else running
        self._stamps = self._stamped(self._first)
        self._looked = self._stamps
        self._names: tuple[Path, ...] = self._first.reads

    def text(self) -> tuple[str, int]:
        """The file, and when it was modified. Raises `ConfigError`."""
        from s3facade.config.load import contents  # pydantic is a quarter of the time to start

        return ("", 0) if self.path is None else contents(self.path)

    def settings(self, text: str, modified: int) -> Settings:
        """What a text of the file says, checked, for this server. Raises `ConfigError`."""
        new, running = self._file(text, modified), self._running
        self._names = new.reads
        fixed = {f.name: getattr(running.server, f.name) for f in fields(Server) if f.name not in LIVE}
        shelf = new.shelf if running.shelf == self._first.shelf else running.shelf
        return replace(new, limits=running.limits, server=replace(new.server, **fixed), shelf=shelf)

    def fixed(self, text: str, modified: int) -> list[str]:
        """Names of what a text of the file says otherwise than the one that the server started with, to no effect."""
        new, first = self._file(text, modified), self._first
        known = {
            store.name: replace(store, key=None, secret=None, token=None, anonymous=False) for store in first.stores
        }
        others = (replace(store, key=None, secret=None, token=None, anonymous=False) for store in new.stores)
        stores = [f"stores.{store.name}" for store in others if known.get(store.name, store) != store]
        limits = _differing("limits", first.limits, new.limits)
        return [*limits, *_differing("server", first.server, new.server), *stores]

    def moved(self) -> bool:
        """Whether the file, or one that it names, has changed and is as it was at the last look. Few ``stat``."""
        if self.path is None:
            return False
        now = self._stamped(self._names)
        settled, self._looked = now == self._looked, now
        if now == self._stamps or not settled:
            return False
        self._stamps = now
        return True

    def seen(self) -> None:
        """What there is now is known."""
        self._stamps = self._looked = self._stamped(self._names)

    def _file(self, text: str, modified: int) -> Settings:
        from s3facade.config.load import read

        if self.path is None:
            raise ConfigError("There is no configuration file; it is not read again.")
        return read(text, self.path, modified)

    def _stamped(self, what: Settings | tuple[Path, ...]) -> tuple[object, ...]:
        names = what.reads if isinstance(what, Settings) else what
        return tuple(_stamp(path) for path in (self.path, *names) if path is not None)


def _stamp(path: Path) -> object:
    try:
        about = os.stat(path)
    except OSError as error:
        return error.errno
    # Its time of change, too: who may read a secret is part of the matter.
    return about.st_mtime_ns, about.st_ctime_ns, about.st_size, about.st_ino


def _differing(block: str, before: Any, now: Any) -> Iterator[str]:
    for field in fields(before):
        if (block != "server" or field.name not in LIVE) and getattr(before, field.name) != getattr(now, field.name):
            yield f"{block}.{field.name}"


def told(news: News, since: str, settings: Settings) -> Mapping[str, str | None]:
    """What the status page says: since when, and what is wrong with the file as it is now.

    Anybody may ask for that page, so it names no folder of this machine.
    """
    error = news.error
    if error is not None and settings.path is not None:
        error = error.replace(f"{settings.path.parent}{os.sep}", "")
    return {"loaded": since, "error": error}


def now() -> str:
    """The time, in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
