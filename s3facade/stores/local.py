"""Files of this machine, read with ``pread`` only: a mapping of a truncated file would kill the process."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import BinaryIO

from s3facade.core.errors import BadSource, SourceChanged, SourceDenied, SourceNotFound, SourceUnavailable
from s3facade.core.image import Source


def fingerprint(about: os.stat_result) -> str:
    """Changes whenever the bytes of a file could have: size, mtime_ns and inode."""
    return f"{about.st_size}-{about.st_mtime_ns}-{about.st_ino}"


def describe(path: str) -> Source:
    """The file as it is now.

    Raises:
        SourceUnavailable: It is not there, or cannot be reached.
        SourceDenied: The operating system refuses, or it is no plain file: a pipe would be waited for without end.
    """
    try:
        about = os.stat(path)
    except OSError as error:
        raise translated(path, error) from error
    if stat.S_ISDIR(about.st_mode):
        raise SourceDenied(
            "The source is a folder, and none that is an image or a plate: name a file in it, or many with `files:`.",
            private=path,
        )
    if not stat.S_ISREG(about.st_mode):
        raise SourceDenied("The source is not a plain file.", private=path)
    return _source(path, about)


def unchanged(source: Source) -> bool:
    """Whether the path still leads to the file or folder that was described. One ``stat``, about 2 µs."""
    try:
        about = os.stat(source.path)
    except OSError:
        return False
    if stat.S_ISDIR(about.st_mode):
        return source.etag == f"{about.st_mtime_ns}-{about.st_ino}"
    return about.st_size == source.size and about.st_mtime_ns == source.modified and source.etag == fingerprint(about)


def _source(path: str, about: os.stat_result) -> Source:
    return Source(path, about.st_size, about.st_mtime_ns, fingerprint(about))


YOUNG = 3 * 10**9
"""Nanoseconds. Some file systems tell times of change to two seconds, local ones to some milliseconds."""
AHEAD = 3600 * 10**9
"""Nanoseconds by which the clock of a file server may be ahead; times beyond that were set on purpose."""


def young(modified: int) -> bool:
    """Whether a file was written to so lately that it may be written to again without a new time of modification.

    What is read from it is true now, and must not outlive the process: its fingerprint may come to mean other bytes.
    """
    return -AHEAD < time.time_ns() - modified < YOUNG


_HELD = "/proc/self/fd"
_HANDLES = hasattr(os, "O_PATH") and os.path.isdir(_HELD)
GONE = (FileNotFoundError, NotADirectoryError)
"""What alone means that a path leads to nothing. Anything else means that it cannot be looked at now."""


def translated(path: str, error: OSError) -> SourceDenied | SourceUnavailable:
    """The operating system's refusal in the package's words."""
    if isinstance(error, PermissionError):
        return SourceDenied("The source file may not be read by the server; check its permissions.", private=path)
    reason = error.strerror or type(error).__name__
    return SourceUnavailable("The source file cannot be read now.", private=f"{path}: {reason}")


def _looked(path: str) -> tuple[os.stat_result, str]:
    """What ``path`` leads to, and where that really is. Raises OSError."""
    if not _HANDLES:
        return os.stat(path), os.path.realpath(path, strict=True)
    handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        return os.fstat(handle), os.readlink(f"{_HELD}/{handle}").removesuffix(" (deleted)")
    finally:
        os.close(handle)


def at_once(path: str, flags: int) -> int:
    """A descriptor, as `os.open` gives it, that never waits: a pipe may have taken the place of a file since."""
    return os.open(path, flags | os.O_NONBLOCK)


def _within(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")


class Handle:
    """An open descriptor, closed when its last user lets go of it: a recycled number is never read from."""

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        # Bound as a default: at the end of the process the module may be gone before its handles are.
        close(self.fd)


class Handles:
    """Descriptors of the files read most recently, at most ``limit``. Thread-safe."""

    def __init__(self, limit: int = 256) -> None:
        self._limit = limit
        self._open: OrderedDict[tuple[str, str], Handle] = OrderedDict()
        self._lock = threading.Lock()

    def held(self, source: Source) -> Handle | None:
        """A descriptor that is open already, or None. No I/O."""
        key = (source.path, source.etag)
        with self._lock:
            handle = self._open.get(key)
            if handle is not None:
                self._open.move_to_end(key)
            return handle

    def borrow(self, source: Source) -> Handle:
        """A descriptor of exactly the file that was described.

        Raises:
            SourceUnavailable: The file is gone.
            SourceChanged: Another file has its place.
        """
        held = self.held(source)
        if held is not None:
            return held
        try:
            handle = Handle(at_once(source.path, os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            raise translated(source.path, error) from error
        verify(handle, source)
        with self._lock:
            self._open[(source.path, source.etag)] = handle
            while len(self._open) > self._limit:
                self._open.popitem(last=False)
        return handle


def verify(handle: Handle, source: Source) -> None:
    """Raise `SourceChanged` unless the open file still is what was described."""
    if fingerprint(os.fstat(handle.fd)) != source.etag:
        raise SourceChanged("The source file has changed; ask again.", private=source.path)


HANDLES = Handles()
"""The process's own. Shared by all files, because the limit of open descriptors is the process's too."""


class LocalFile:
    """A `SourceFile` on this machine.

    Args:
        source: What it was when it was described.
        asked: Where it is noted which other files were asked for, by path; None for those that there were not.
    """

    __slots__ = ("_asked", "_root", "_source")

    def __init__(self, source: Source, asked: dict[str, Source | None] | None = None) -> None:
        self._source = source
        self._asked = asked
        self._root = ""

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> LocalFile:
        """Describe the file at ``path``. Raises `SourceUnavailable` or `SourceDenied`."""
        return cls(describe(os.path.abspath(path)))

    @property
    def source(self) -> Source:
        """What the file was when it was described."""
        return self._source

    def pread(self, offset: int, nbytes: int) -> bytes:
        """Exactly ``nbytes`` bytes from ``offset``; checked after reading that they are of the described file."""
        source = self._source
        if offset < 0 or offset + nbytes > source.size:
            raise BadSource(
                "The source file ends before the data it refers to; it is truncated or damaged.",
                private=f"{source.path}: bytes {offset} to {offset + nbytes} of {source.size}",
            )
        handle = HANDLES.borrow(source)
        try:
            data = os.pread(handle.fd, nbytes, offset)
            while len(data) < nbytes:
                more = os.pread(handle.fd, nbytes - len(data), offset + len(data))
                if not more:
                    break
                data += more
        except OSError as error:
            raise translated(source.path, error) from error
        verify(handle, source)
        if len(data) != nbytes:
            raise SourceUnavailable("The source file could not be read whole.", private=source.path)
        return data

    def stream(self) -> BinaryIO:
        """A buffered binary file; the caller closes it."""
        try:
            file = open(self._source.path, "rb", opener=at_once)  # noqa: SIM115 - the caller's to close
        except OSError as error:
            raise translated(self._source.path, error) from error
        if fingerprint(os.fstat(file.fileno())) != self._source.etag:
            file.close()
            raise SourceChanged("The source file has changed; ask again.", private=self._source.path)
        return file

    def sibling(self, name: str) -> LocalFile:
        """A file of the same folder or below it. Raises `SourceNotFound`, `SourceDenied`."""
        root = os.path.realpath(os.path.dirname(self._source.path))
        place, found = self._place(root, name), None
        try:
            found = self._described(root, place, name)
            if found is None:
                raise SourceNotFound(f"The file refers to {name!r}, which is missing.", private=self._source.path)
        finally:
            if self._asked is not None:
                self._asked[self._shown(root, place)] = found
        return LocalFile(found, self._asked)

    def find(self, name: str) -> LocalFile | None:
        """`sibling` for parts that need not be there, of which there may be many: about 15 µs, and not noted.

        None says that there is no such part while the folder is what it was: a file that does not come to light
        because its disk is gone, or because a link leads nowhere, is unavailable.
        """
        if not self._root:
            self._root = os.path.realpath(os.path.dirname(self._source.path))
        place = self._place(self._root, name)
        try:
            found = self._described(self._root, place, name)
        except SourceDenied:
            # The folder may have been moved to another place since, by way of a link.
            root = os.path.realpath(os.path.dirname(self._source.path))
            if root == self._root:
                raise
            self._root = root
            place = self._place(root, name)
            found = self._described(root, place, name)
        if found is None:
            self._surely_absent(place)
            return None
        return LocalFile(found)

    def _place(self, root: str, name: str) -> str:
        if "\0" in name:
            raise SourceDenied("The file refers to a name with a zero byte.", private=self._source.path)
        return os.path.abspath(os.path.join(root, name))

    def _shown(self, root: str, place: str) -> str:
        """``place`` by the name that the file's own folder was given by, as whoever walks through it calls it."""
        return os.path.dirname(self._source.path).rstrip("/") + place[len(root.rstrip("/")) :]

    def _described(self, root: str, place: str, name: str) -> Source | None:
        """The file at ``place``, links followed inside ``root`` only; None if there is none."""
        try:
            if not _within(place, root):
                raise SourceDenied(f"The file refers to {name!r}, outside its own folder.", private=self._source.path)
            about, real = _looked(place)
            # In containers, the system may have another name for the folder itself.
            inside = _within(real, root) or _within(real, _looked(root)[1])
        except GONE:
            if not _within(os.path.realpath(place), root):
                raise SourceDenied(
                    f"The file refers to {name!r}, outside its own folder.", private=self._source.path
                ) from None
            return None
        except UnicodeEncodeError:
            raise SourceDenied(f"The file refers to {name!a}, which is no name.", private=self._source.path) from None
        except OSError as error:
            raise translated(place, error) from error
        if not inside:
            raise SourceDenied(f"The file refers to {name!r}, outside its own folder.", private=self._source.path)
        if not stat.S_ISREG(about.st_mode):
            raise SourceDenied(f"The file refers to {name!r}, which is no plain file.", private=self._source.path)
        return _source(self._shown(root, place), about)

    def _surely_absent(self, place: str) -> None:
        """Raise `SourceUnavailable` or `SourceChanged` where a file may only be out of sight."""
        if not unchanged(self._source):
            raise SourceChanged("The source file has changed; ask again.", private=self._source.path)
        while _within(place, self._root) and not os.path.lexists(place):
            place = os.path.dirname(place)
        if os.path.islink(place) and not os.path.exists(place):
            raise SourceUnavailable("A part of the source is a link that leads nowhere now.", private=place)

    def names(self, below: str = "") -> list[str]:
        """What is in the folder of the file, or ``below`` it. Raises `SourceNotFound`, `SourceDenied`.

        Links that lead back to a folder on the way here are left out: whoever goes through folders would not end.
        """
        folder = self.folder(below)
        try:
            with os.scandir(folder.source.path) as entries:
                return sorted(
                    e.name + "/" * e.is_dir() for e in entries if not e.is_symlink() or not self._returns(e.path)
                )
        except OSError as error:
            raise translated(folder.source.path, error) from error

    def _returns(self, link: str) -> bool:
        """Whether a link leads to a folder that it lies in, by its path or in truth."""
        root = os.path.dirname(self._source.path)
        target, path = os.path.realpath(link), os.path.dirname(link)
        while _within(path, root):
            if _within(os.path.realpath(path), target):
                return True
            if path == root:
                break
            path = os.path.dirname(path)
        return False

    def folder(self, below: str = "") -> LocalFile:
        """The folder of the file, or one below it, as a source without bytes. Raises as `names`."""
        root = os.path.realpath(os.path.dirname(self._source.path))
        place, found = self._place(root, below), None
        outside = SourceDenied(f"The file refers to {below!r}, outside its own folder.", private=self._source.path)
        if not _within(place, root):
            raise outside
        try:
            about, real = _looked(place)
            if not _within(real, root) and not _within(real, _looked(root)[1]):
                raise outside
            if not stat.S_ISDIR(about.st_mode):
                raise SourceNotFound(f"The file refers to the folder {below!r}, which is none.", private=place)
            found = Source(self._shown(root, place), 0, about.st_mtime_ns, f"{about.st_mtime_ns}-{about.st_ino}")
        except GONE as error:
            raise SourceNotFound(
                f"The file refers to the folder {below!r}, which is missing.", private=place
            ) from error
        except UnicodeEncodeError:
            raise SourceDenied(f"The file refers to {below!a}, which is no name.", private=place) from None
        except OSError as error:
            raise translated(place, error) from error
        finally:
            if self._asked is not None:
                self._asked[self._shown(root, place)] = found
        return LocalFile(found, self._asked)

    def path(self) -> str:
        """Where it lies."""
        return self._source.path
