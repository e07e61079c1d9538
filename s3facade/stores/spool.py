"""Remote files as a whole on this machine, for libraries that take nothing but paths.

Each lies under a name that tells its version, so it is never another one. The total is bounded: those that were used
longest ago go first, also while another process still may want them, which then fetches them again.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator
from hashlib import blake2b

from s3facade.core.errors import SourceUnavailable, Unsupported
from s3facade.core.image import Source
from s3facade.stores.pieces import Piece
from s3facade.stores.store import RemoteStore

PART = 8 << 20
"""Bytes of one request."""
PARTS = 4
"""Requests at once."""


class Spool:
    """A folder of fetched files, shared by processes. Thread-safe.

    Args:
        root: Made if need be, for this user alone.
        limit: Bytes of all files.
    """

    def __init__(self, root: str, limit: int) -> None:
        self.root = root
        self.limit = limit
        self._lock = threading.Lock()
        self._busy: dict[str, threading.Lock] = {}

    def path(self, store: RemoteStore, source: Source) -> str:
        """Where the file lies now; fetched if it does not yet. Blocking.

        Raises:
            Unsupported: It is larger than the spool.
            SourceError: It cannot be fetched; or there is no room for it on the disk.
        """
        if source.size > self.limit:
            raise Unsupported(
                "Files of this format have to be fetched whole, and this one is larger than `limits: spool` allows.",
                private=f"{source.path}: {source.size} bytes",
            )
        name = blake2b(f"{source.path}\n{source.etag}".encode(), digest_size=16).hexdigest()
        path = os.path.join(self.root, name, os.path.basename(source.path))
        with self._lock:
            busy = self._busy.setdefault(name, threading.Lock())
        with busy:
            try:
                if not _there(path, source.size):
                    self._fetch(store, source, path)
                os.utime(os.path.dirname(path))
            except OSError as error:
                raise SourceUnavailable(
                    "The source file cannot be fetched: the server's disk does not take it.",
                    private=f"{source.path}: {error}",
                ) from error
        return path

    def _fetch(self, store: RemoteStore, source: Source, path: str) -> None:
        folder = os.path.dirname(path)
        os.makedirs(self.root, mode=0o700, exist_ok=True)
        self._make_room(source.size, os.path.basename(folder))
        os.makedirs(folder, mode=0o700, exist_ok=True)
        fd, new = tempfile.mkstemp(dir=folder)
        try:
            with os.fdopen(fd, "wb") as file:
                for lo in range(0, source.size, PARTS * PART):
                    hi = min(lo + PARTS * PART, source.size)
                    pieces = [Piece(source, at, min(at + PART, hi)) for at in range(lo, hi, PART)]
                    for data in store.blocking(pieces):
                        file.write(data)
            os.replace(new, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(new)
            raise

    def _make_room(self, size: int, but: str) -> None:
        held = sorted(self._held())
        total = size + sum(nbytes for _, nbytes, _ in held)
        for _, nbytes, name in held:
            if total <= self.limit:
                return
            if name != but:
                _remove(os.path.join(self.root, name))
                total -= nbytes

    def _held(self) -> Iterator[tuple[float, int, str]]:
        """Time of last use, bytes and name of each file."""
        with os.scandir(self.root) as entries:
            for entry in entries:
                with contextlib.suppress(OSError), os.scandir(entry.path) as files:
                    yield entry.stat().st_mtime, sum(f.stat().st_size for f in files), entry.name


def _there(path: str, size: int) -> bool:
    try:
        return os.stat(path).st_size == size
    except FileNotFoundError:
        return False


def _remove(folder: str) -> None:
    with contextlib.suppress(OSError):
        with os.scandir(folder) as files:
            for file in files:
                os.unlink(file.path)
        os.rmdir(folder)
