"""Locks between processes that the kernel takes back when their owner dies, however it dies.

Open-file-description locks on single bytes of an empty file: one descriptor carries any number of them, no file has
to be made or removed for each, and a file system that has none says so. They hold between descriptors: threads of one
process share theirs, and have to keep each other out by themselves.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct

from s3facade.stores.local import Handle

_FLOCK = struct.Struct("@hhqqi0q")


class Locks:
    """Locks by number, 0 to 2**62. Open it after the fork: a child would share its parent's locks.

    All of them go when the last user lets go of the object.

    Args:
        path: The file; made if need be, for its owner alone.
    """

    __slots__ = ("_file",)

    def __init__(self, path: str) -> None:
        self._file = Handle(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def take(self, number: int) -> bool:
        """Whether the lock was free, and is this process's now. Never waits. Raises `OSError`."""
        try:
            self._set(fcntl.F_WRLCK, number)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                return False
            raise
        return True

    def give(self, number: int) -> None:
        """Let the lock go. Raises `OSError`."""
        self._set(fcntl.F_UNLCK, number)

    def _set(self, kind: int, number: int) -> None:
        fcntl.fcntl(self._file.fd, fcntl.F_OFD_SETLK, _FLOCK.pack(kind, os.SEEK_SET, number, 1, 0))
