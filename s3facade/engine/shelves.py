"""The folders of the disk cache: how full they are, and what leaves them when room is needed.

What every process must know is one number for each of 256 folders: the bytes in it, in a file of 2 KiB. A number is
changed under its folder's lock, before a file is written, so that a killed writer leaves it too high and never too
low; scanning the folder corrects it. The sum is the whole use: nobody writes without having added to it first, and
whoever finds it over the quota then takes back what was added. So the quota holds at every moment.
"""

from __future__ import annotations

import os
import random
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from s3facade.engine.locks import Locks
from s3facade.stores.local import Handle

COUNT = 256
"""Folders: named by the first byte of a digest."""
SAMPLE = 512
"""Files looked at to find the oldest. Below that many the order is exact, above it nearly so."""
SHARE = 8
"""What leaves at once is this part of the files looked at, by bytes."""
PATIENCE = 0.2
"""Seconds that a writer waits for a folder: what cannot be kept now is computed again."""
WRITING = "new"
"""Name of the file that is being written; one for each folder, since its lock is held meanwhile."""
_ALL = struct.Struct(f"<{COUNT}Q")
_ONE = struct.Struct("<Q")


def weight(nbytes: int) -> int:
    """Bytes that a file of ``nbytes`` takes on a disk."""
    return -(-nbytes // 4096) * 4096


class Shelves:
    """256 folders below ``root`` that hold ``quota`` bytes at most, over all processes that use them.

    Thread-safe. Everything raises `OSError` if the folder cannot be used.
    """

    def __init__(self, root: str, quota: int) -> None:
        self.root = root
        self.quota = quota
        self.locks = Locks(os.path.join(root, "locks"))
        self._threads = [threading.Lock() for _ in range(COUNT)]
        self._sizes = Handle(os.open(os.path.join(root, "sizes"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        if os.fstat(self._sizes.fd).st_size != _ALL.size:
            self._recount()

    def held(self) -> int:
        """Bytes in use, over all processes."""
        return sum(self._all())

    def path(self, name: bytes) -> str:
        """The path of the file of a digest."""
        return f"{self.root}/{name[0]:02x}/{name[1:].hex()}"

    def new(self, folder: int) -> str:
        """The path of the file that is being written in a folder; its lock must be held."""
        return f"{self.root}/{folder:02x}/{WRITING}"

    @contextmanager
    def folder(self, number: int) -> Iterator[bool]:
        """Hold the lock of one folder; whether it was to be had in time."""
        until = time.monotonic() + PATIENCE
        if not self._threads[number].acquire(timeout=PATIENCE):
            yield False
            return
        try:
            while not (mine := self.locks.take(number)) and time.monotonic() < until:
                time.sleep(0.001)
            try:
                yield mine
            finally:
                if mine:
                    self.locks.give(number)
        finally:
            self._threads[number].release()

    def reserve(self, folder: int, size: int) -> bool:
        """Add a file of ``size`` to what is in use, unless that is too much. The folder's lock must be held."""
        before = self._all()[folder]
        self._put(folder, before + size)
        if self.held() <= self.quota:
            return True
        self._put(folder, before)
        return False

    def forget(self, folder: int, size: int) -> None:
        """Take a file of ``size`` out of what is in use. The folder's lock must be held."""
        self._put(folder, max(0, self._all()[folder] - size))

    def make_room(self, size: int) -> bool:
        """Remove what was used longest ago until ``size`` fits. No folder's lock may be held."""
        while self.held() + size > self.quota:
            if not self.evict():
                return False
        return True

    def evict(self) -> int:
        """Remove some of the oldest of a sample; the bytes that this made free."""
        full = [number for number, held in enumerate(self._all()) if held]
        random.shuffle(full)
        files: list[tuple[int, int, int, str]] = []
        freed = 0
        for number in full:
            found, corrected = self._scan(number)
            files += found
            freed += corrected
            if len(files) >= SAMPLE:
                break
        files.sort()
        enough = sum(size for _, size, _, _ in files) // SHARE
        gone: dict[int, list[tuple[str, int]]] = {}
        for _, size, number, name in files:
            gone.setdefault(number, []).append((name, size))
            enough -= size
            if enough <= 0:
                break
        return freed + sum(self._remove(number, names) for number, names in gone.items())

    def _scan(self, number: int) -> tuple[list[tuple[int, int, int, str]], int]:
        """Files of a folder as (time of last use, bytes, folder, name), and by how much its number was too high."""
        with self.folder(number) as mine:
            if not mine:
                return [], 0
            files = []
            try:
                with os.scandir(f"{self.root}/{number:02x}") as entries:
                    for entry in entries:
                        if entry.name == WRITING:
                            # Its writer would hold the lock.
                            os.unlink(entry.path)
                            continue
                        about = entry.stat(follow_symlinks=False)
                        files.append((about.st_mtime_ns, weight(about.st_size), number, entry.name))
            except FileNotFoundError:
                files = []
            before, after = self._all()[number], sum(size for _, size, _, _ in files)
            self._put(number, after)
            return files, max(0, before - after)

    def _remove(self, number: int, files: list[tuple[str, int]]) -> int:
        with self.folder(number) as mine:
            if not mine:
                return 0
            freed = 0
            for name, size in files:
                try:
                    os.unlink(f"{self.root}/{number:02x}/{name}")
                except FileNotFoundError:
                    continue
                freed += size
            self.forget(number, freed)
            return freed

    def _recount(self) -> None:
        os.ftruncate(self._sizes.fd, _ALL.size)
        for number in range(COUNT):
            self._scan(number)

    def _all(self) -> tuple[int, ...]:
        data = os.pread(self._sizes.fd, _ALL.size, 0)
        return _ALL.unpack(data) if len(data) == _ALL.size else (0,) * COUNT

    def _put(self, folder: int, size: int) -> None:
        os.pwrite(self._sizes.fd, _ONE.pack(size), folder * _ONE.size)
