"""What was computed, kept in files: shared by all workers, still there after a restart, checked whenever it is read.

One file for each result, named by a digest of its key. It is written under another name and renamed, so that a killed
writer leaves nothing that is read; nothing is flushed to the disk, so that writing costs a copy. A file that a power
cut left damaged is told by its checksum, deleted, and made again.
"""

from __future__ import annotations

import errno
import logging
import math
import os
import stat
import struct
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from typing import Any

import google_crc32c
import numpy as np
import numpy.typing as npt

from s3facade.core.operators import Block
from s3facade.engine.flight import Work
from s3facade.engine.locks import Locks
from s3facade.engine.shelves import COUNT, Shelves, weight

log = logging.getLogger("s3facade.engine")
AGAIN = 60.0
"""Seconds until a folder that could not be used is tried again."""
FLIGHT = 30.0
"""Seconds to wait for another process that makes the same: it may hang where this one would not.

Half of what a client waits by default: the other half is for making it here.
"""
MOST = 1 << 30
"""Bytes of one result that may be kept: the system writes no more than twice that at once."""
REFRESH = 30 * 10**9
"""Nanoseconds: a file's time of last use is as true as this; telling it at every read would cost a write each."""
_HEADER = struct.Struct("<8s32sQI12x")
_MAGIC = b"s3fdisk\1"


class Disk:
    """Arrays by key. Thread-safe; blocking; nothing that goes wrong with the folder is ever an error to who asks.

    May be made before the fork: files are opened when they are first needed, by each process for itself.

    Args:
        root: An existing folder, or one to be made.
        quota: Bytes that it may hold, over all processes, as the disk counts them.
        epoch: Names all that results depend on but their keys: versions of libraries.
    """

    def __init__(self, root: str, quota: int, epoch: str = "") -> None:
        self.root = os.path.join(root, f"blocks-{sys.byteorder}")
        self.quota = quota
        self.hits = 0
        self.misses = 0
        self.wrong = 0
        """Entries that were damaged."""
        self._seed = blake2b(epoch.encode(), digest_size=32)
        self._lock = threading.Lock()
        self._shelves: Shelves | None = None
        self._pid = 0
        self._rest = 0.0
        """Until then it is not used."""
        self._full = 0.0
        """Until then nothing is written."""
        self._alone = 0.0
        """Until then no other process is waited for."""
        self._ill = False

    @property
    def most(self) -> int:
        """Bytes that one value may take: an eighth, as in memory."""
        return min(self.quota // 8, MOST)

    def array(
        self, key: object, shape: tuple[int, ...], dtype: np.dtype[Any], make: Callable[[], Block], work: Work
    ) -> Block:
        """The array called ``key``, or what ``make`` gives, which is kept then.

        Of several processes that ask for what is not there, one makes it and the others wait for it.

        Args:
            key: Names it, and everything that it depends on; told by its ``repr``.
            shape: Of the array; with ``dtype`` it says how many bytes there must be.
            dtype: Native byte order.
            make: Makes it.
            work: Waiting ends with `Cancelled` when it is called off.
        """
        size = footprint(math.prod(shape) * dtype.itemsize)
        shelves = self._open() if size <= self.most and not dtype.hasobject else None
        if shelves is None:
            return make()
        name = self._name(key)
        found = self._read(shelves, name, shape, dtype)
        if found is not None:
            return found
        if time.monotonic() < self._full:
            return make()
        number = COUNT + int.from_bytes(name[1:8], "big")
        mine = self._claim(shelves.locks, number, work)
        try:
            # It may have been made between looking and taking the lock.
            found = self._read(shelves, name, shape, dtype)
            if found is None:
                self.misses += 1
                found = make()
                if found.shape == shape and found.dtype == dtype:
                    self._write(shelves, name, found, size)
            return found
        finally:
            if mine:
                self._give(shelves.locks, number)

    def has(self, key: object) -> bool:
        """Whether there is something called ``key``; it may turn out to be damaged."""
        shelves = self._open()
        return shelves is not None and os.path.exists(shelves.path(self._name(key)))

    def refresh(self, key: object) -> bool:
        """`has`, and say that it was used now: of what is left unused for longest room is made."""
        shelves = self._open()
        if shelves is None:
            return False
        try:
            os.utime(shelves.path(self._name(key)))
        except OSError:
            return False
        return True

    def held(self) -> int:
        """Bytes in use, over all processes."""
        shelves = self._open()
        try:
            return 0 if shelves is None else shelves.held()
        except OSError as error:
            self._trouble(error)
            return 0

    def close(self) -> None:
        """Close the files; they are opened again when they are needed."""
        with self._lock:
            self._shelves = None

    def _name(self, key: object) -> bytes:
        name = self._seed.copy()
        name.update(repr(key).encode("utf-8", "surrogatepass"))
        return name.digest()

    def _open(self) -> Shelves | None:
        """The folders, if they can be used. A parent's are not: its locks would be shared."""
        shelves = self._shelves
        if shelves is not None and self._pid == os.getpid():
            return shelves
        with self._lock:
            if time.monotonic() < self._rest:
                return None
            if self._shelves is None or self._pid != os.getpid():
                self._pid, self._shelves = os.getpid(), None
                try:
                    private(self.root)
                    for number in range(COUNT):
                        os.makedirs(f"{self.root}/{number:02x}", 0o700, exist_ok=True)
                    self._shelves = Shelves(self.root, self.quota)
                except OSError as error:
                    self._trouble(error)
            return self._shelves

    def _claim(self, locks: Locks, number: int, work: Work) -> bool:
        """Wait until this process may make something; False if it has to do so without leave."""
        now, pause = time.monotonic(), 0.001
        until = now + (FLIGHT if now >= self._alone else 0.0)
        try:
            while not locks.take(number):
                work.check()
                if time.monotonic() >= until:
                    if until > now:
                        # It may have stopped for long, and hold all that a client needs: one such wait is enough.
                        self._alone = until + AGAIN
                    return False
                time.sleep(pause)
                pause = min(2 * pause, 0.01)
        except OSError as error:
            self._trouble(error)
            return False
        return True

    def _give(self, locks: Locks, number: int) -> None:
        try:
            locks.give(number)
        except OSError as error:
            self._trouble(error)

    def _read(self, shelves: Shelves, name: bytes, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Block | None:
        try:
            block = _load(shelves, name, shape, dtype)
        except FileNotFoundError:
            return None
        except BufferError:
            self.wrong += 1
            log.warning("an entry of the disk cache was damaged; it is made again")
            return None
        except OSError as error:
            self._trouble(error)
            return None
        self.hits += 1
        return block

    def _write(self, shelves: Shelves, name: bytes, block: Block, size: int) -> None:
        try:
            if not _save(shelves, name, np.ascontiguousarray(block), size):
                return
        except OSError as error:
            self._full = time.monotonic() + AGAIN
            self._trouble(error, rest=False)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                # The disk holds less than the quota: others need room more than a cache does.
                with suppress(OSError):
                    shelves.evict()
        else:
            self._ill = False

    def _trouble(self, error: OSError, *, rest: bool = True) -> None:
        """Say so once, and leave it alone for a while; what was deleted by hand is made anew then."""
        self._shelves = None
        if rest:
            self._rest = time.monotonic() + AGAIN
        if not self._ill:
            log.warning("the disk cache in %s is not used while this lasts: %s", self.root, error.strerror or error)
        self._ill = True


def footprint(nbytes: int) -> int:
    """Bytes of the quota that an array of ``nbytes`` takes."""
    return weight(_HEADER.size + nbytes)


def private(path: str) -> None:
    """Make a folder that nobody else may look into or write to.

    Raises:
        OSError: It cannot be had, or belongs to somebody else, who could put anything there.
    """
    os.makedirs(path, 0o700, exist_ok=True)
    about = os.lstat(path)
    if about.st_uid != os.geteuid() or not stat.S_ISDIR(about.st_mode):
        raise PermissionError(errno.EPERM, "the folder does not belong to the user that the server runs as", path)
    if about.st_mode & 0o077:
        os.chmod(path, 0o700)


def _bytes(block: Block) -> npt.NDArray[np.uint8]:
    return block.reshape(-1).view(np.uint8)


def _header(name: bytes, block: Block) -> bytes:
    data = _bytes(block)
    return _HEADER.pack(_MAGIC, name, data.nbytes, google_crc32c.extend(google_crc32c.value(name), data))


def _load(shelves: Shelves, name: bytes, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Block:
    """What the file holds. Raises `BufferError` if it is not what was written, and deletes it then."""
    fd = os.open(shelves.path(name), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        about = os.fstat(fd)
        header, block = bytearray(_HEADER.size), np.empty(shape, dtype)
        whole = _HEADER.size + block.nbytes
        if about.st_size != whole or os.preadv(fd, [header, _bytes(block).data], 0) != whole:
            good = False
        else:
            good = header == _header(name, block)
        if good:
            if time.time_ns() - about.st_mtime_ns > REFRESH:
                os.utime(fd)
            return block
    finally:
        os.close(fd)
    with shelves.folder(name[0]) as mine:
        os.unlink(shelves.path(name))
        if mine:
            # The lesser of what it takes and what was counted for it.
            shelves.forget(name[0], weight(min(whole, about.st_size)))
    raise BufferError


def _save(shelves: Shelves, name: bytes, block: Block, size: int) -> bool:
    """Whether it was written: not if no room can be made in time, or if it is there."""
    if not shelves.make_room(size):
        return False
    header, path = _header(name, block), shelves.path(name)
    with shelves.folder(name[0]) as mine:
        if not mine or os.path.exists(path) or not shelves.reserve(name[0], size):
            return False
        new = shelves.new(name[0])
        try:
            fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                done = os.writev(fd, [header, _bytes(block).data]) - _HEADER.size
                while done < block.nbytes:
                    # The disk is full, and now says so.
                    done += os.write(fd, _bytes(block).data[done:])
            finally:
                os.close(fd)
            os.rename(new, path)
        except OSError:
            with suppress(OSError):
                os.unlink(new)
            shelves.forget(name[0], size)
            raise
    return True
