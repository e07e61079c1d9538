"""What was found out about files, kept in one SQLite file: bounded, checked on read, shared by all workers.

Nothing in it is needed: what is lost, damaged or of another version is found out again. So no trouble with it is ever
an error to anybody, and a file that is no database any more is replaced.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from hashlib import blake2b
from typing import TypeVar

import google_crc32c

from s3facade.engine.disk import private

log = logging.getLogger("s3facade.engine")
T = TypeVar("T")
PAGE = 4096
BATCH = 64
"""Entries that are written together: a transaction costs as much as several of them."""
ASKED = 500
"""Keys that are looked up together."""
AGAIN = 60.0
"""Seconds until a file that could not be used is tried again."""
WAIT = 1.0
"""Seconds to wait for another process that writes."""
_inherited: list[sqlite3.Connection] = []
"""Connections of a parent process: SQLite forbids even to close them."""
_TABLE = "CREATE TABLE IF NOT EXISTS entries (name BLOB NOT NULL UNIQUE, value BLOB NOT NULL)"


class Index:
    """Bytes by key. Thread-safe; blocking; a look-up takes about 10 µs.

    May be made before the fork; call `close` before it if it was used.

    Args:
        folder: Where the file is; made if need be, for this user alone.
        limit: Bytes that the file may have; beyond them the oldest entries go.
        epoch: Names all that values depend on but their keys: versions of libraries.
        quiet: Whether a folder that cannot be used is no news: nobody asked for it.
    """

    def __init__(self, folder: str, limit: int, epoch: str = "", *, quiet: bool = False) -> None:
        self.path = os.path.join(folder, "index-1.sqlite")
        self.limit = limit
        self.hits = 0
        self.misses = 0
        self._seed = blake2b(epoch.encode(), digest_size=16)
        self._level = logging.INFO if quiet else logging.WARNING
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._pid = 0
        self._rest = 0.0
        """Until then it is not used."""
        self._ill = False
        self._pending: list[tuple[bytes, bytes]] = []

    def get(self, key: object) -> bytes | None:
        """The value called ``key``, told by its ``repr``; None if there is none, or none that is whole."""
        name = self._name(key)
        with self._lock:
            row = self._run(lambda db: db.execute("SELECT value FROM entries WHERE name = ?", (name,)).fetchone())
        value = None if row is None else _unpacked(name, row[0])
        if value is None:
            self.misses += 1
        else:
            self.hits += 1
        return value

    def many(self, keys: Sequence[object]) -> list[bytes | None]:
        """`get` for several keys with few look-ups; in the order of ``keys``."""
        names = [self._name(key) for key in keys]
        found: dict[bytes, object] = {}
        for at in range(0, len(names), ASKED):
            part = names[at : at + ASKED]
            asked = f"SELECT name, value FROM entries WHERE name IN ({','.join('?' * len(part))})"  # noqa: S608
            with self._lock:
                found.update(self._run(partial(_rows, asked, part)) or ())
        values = [None if name not in found else _unpacked(name, found[name]) for name in names]
        self.hits += sum(value is not None for value in values)
        self.misses += sum(value is None for value in values)
        return values

    def put(self, key: object, value: bytes) -> None:
        """Keep ``value``; it may be written only by the next `flush`."""
        name = self._name(key)
        with self._lock:
            self._pending.append((name, _packed(name, value)))
            if len(self._pending) >= BATCH:
                self._flush()

    def flush(self) -> None:
        """Write what was not written yet."""
        with self._lock:
            self._flush()

    def close(self) -> None:
        """Write what was not written yet and close the file; it is opened again when it is needed."""
        with self._lock:
            self._flush()
            if self._db is not None and self._pid == os.getpid():
                with suppress(sqlite3.Error):
                    self._db.close()
                self._db = None

    def _name(self, key: object) -> bytes:
        name = self._seed.copy()
        name.update(repr(key).encode("utf-8", "surrogatepass"))
        return name.digest()

    def _flush(self) -> None:
        if self._pending:
            rows, self._pending = self._pending, []
            self._run(lambda db: self._write(db, rows))

    def _write(self, db: sqlite3.Connection, rows: list[tuple[bytes, bytes]]) -> None:
        for last in (False, True):
            try:
                with db:
                    db.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?)", rows)
            except sqlite3.OperationalError as error:
                if last or error.sqlite_errorcode != sqlite3.SQLITE_FULL:
                    raise
                _drop_oldest(db)
            else:
                return

    def _run(self, action: Callable[[sqlite3.Connection], T]) -> T | None:
        """What ``action`` gives, or None if the file cannot be used."""
        try:
            db = self._opened()
            return None if db is None else action(db)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                self._trouble(str(error))
        except sqlite3.DatabaseError:
            self._replace()
        except OSError as error:
            self._trouble(error.strerror or str(error))
        return None

    def _opened(self) -> sqlite3.Connection | None:
        if self._db is not None and self._pid != os.getpid():
            _inherited.append(self._db)
            self._db = None
        if self._db is None and time.monotonic() >= self._rest:
            self._pid = os.getpid()
            private(os.path.dirname(self.path))
            self._db = _connected(self.path, self.limit)
        return self._db

    def _replace(self) -> None:
        """Begin anew: the file is damaged."""
        log.warning("the index of files was damaged; it is built again")
        try:
            if self._db is not None:
                self._db.close()
        except sqlite3.Error:
            log.debug("a damaged index does not close")
        self._db = None
        for suffix in ("", "-wal", "-shm"):
            with suppress(OSError):
                os.unlink(self.path + suffix)

    def _trouble(self, reason: str) -> None:
        """Do without it for a while."""
        self._rest = time.monotonic() + AGAIN
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
            self._db = None
        if not self._ill:
            log.log(self._level, "the index of files in %s is not used: %s", os.path.dirname(self.path), reason)
        self._ill = True


def _rows(asked: str, names: Sequence[bytes], db: sqlite3.Connection) -> list[tuple[bytes, object]]:
    return db.execute(asked, names).fetchall()


def _connected(path: str, limit: int) -> sqlite3.Connection:
    # Nobody else may read it, not even between its making and a change of its mode.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    db = sqlite3.connect(path, timeout=WAIT, check_same_thread=False)
    try:
        for setting in (
            f"page_size = {PAGE}",
            "journal_mode = WAL",
            # After a power cut the last entries may be missing; the file is whole.
            "synchronous = NORMAL",
            f"max_page_count = {max(64, limit // PAGE)}",
            "journal_size_limit = 4194304",
            "cache_size = -4096",
            "trusted_schema = OFF",
            "cell_size_check = ON",
        ):
            db.execute(f"PRAGMA {setting}")
        with db:
            db.execute(_TABLE)
    except BaseException:
        db.close()
        raise
    return db


def _drop_oldest(db: sqlite3.Connection) -> None:
    """An eighth of the entries, by when they were written."""
    with db:
        (first, last) = db.execute("SELECT min(rowid), max(rowid) FROM entries").fetchone()
        if first is not None:
            db.execute("DELETE FROM entries WHERE rowid <= ?", (first + (last - first) // 8,))


def _packed(name: bytes, value: bytes) -> bytes:
    body = zlib.compress(value, 1)
    crc: int = google_crc32c.value(name + body)
    return crc.to_bytes(4, "little") + body


def _unpacked(name: bytes, data: object) -> bytes | None:
    if not isinstance(data, bytes) or int.from_bytes(data[:4], "little") != google_crc32c.value(name + data[4:]):
        return None
    try:
        return zlib.decompress(data[4:])
    except zlib.error:
        return None
