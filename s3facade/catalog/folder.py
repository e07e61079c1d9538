"""Files as they are: a folder as a key space that is always as true as the file system.

Names are listed once and kept while the folder's own modification time stands; size and time of a file are asked
for at each look. Links are followed only to places inside the root.
"""

from __future__ import annotations

import errno
import mimetypes
import os
import stat as modes
from collections.abc import Iterator, Mapping

from s3facade.catalog.sources.watch import stamp
from s3facade.core.errors import SourceUnavailable
from s3facade.core.identity import digest
from s3facade.core.image import Source
from s3facade.core.keyspace import Deferred, Dir, File, Node
from s3facade.core.objects import Object, Passed
from s3facade.stores.files import describe, is_remote
from s3facade.stores.local import GONE, fingerprint, translated

VERSION = 1
ROOM = 1024
"""Bytes of a key; what lies deeper has none, and cannot be shown."""
_HELD = "/proc/self/fd"
_HANDLES = hasattr(os, "O_PATH") and os.path.isdir(_HELD)
_TRIES = 16


def passed(source: Source) -> File:
    """A source file as an object: its own bytes."""
    # guess_type calls x.gz "gzip-encoded"; the object is not encoded for transport, it just is a gzip file.
    kind, encoding = mimetypes.guess_type(source.path)
    media_type = "application/octet-stream" if encoding or kind is None else kind
    parts = (Passed(source, 0, source.size),) if source.size else ()
    return File(
        size=source.size,
        media_type=media_type,
        identity=digest("file", VERSION, source.etag),
        modified=source.modified,
        body=lambda: Object(parts),
    )


class Copy:
    """One file as it is; the token of a `Deferred` leaf."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path

    @property
    def near(self) -> bool:
        """Whether looking at it waits for no network."""
        return not is_remote(self.path)

    def open(self) -> File:
        """The file as it is now: one ``stat``, or a request to its store. Raises `SourceError`."""
        return passed(describe(self.path))


class Folder:
    """A folder below ``root``; the token of a `Deferred`."""

    __slots__ = ("_children", "_given", "_listed", "above", "path", "real", "room", "root")

    def __init__(
        self, root: str, path: str, above: frozenset[str] = frozenset(), room: int = ROOM, real: str = ""
    ) -> None:
        self._given = self.root = root
        """Real path: nothing outside it is ever shown."""
        self.path = path
        self.above = above
        """Real paths of the folders on the way here, none for the first: a link back to one would never end."""
        self.room = room
        """Bytes that are left for the keys below. It bounds how deep folders are followed, too."""
        self.real = real
        """Real path where it is known, since finding it costs a look at every folder above."""
        self._children: Dir | None = None
        self._listed = (0, 0)

    def peek(self) -> Dir | None:
        """The key space, if the folder was listed and has not changed since. One ``stat``."""
        try:
            about = os.stat(self.path)
        except OSError:
            return None
        return self._children if self._listed == (about.st_mtime_ns, about.st_ino) else None

    def open(self) -> Dir:
        """The folder's key space; empty once the folder is gone.

        Raises:
            SourceUnavailable: It cannot be looked at now, or the root itself is missing.
            SourceDenied: The server may not look at it.
        """
        try:
            about = os.stat(self.path)
        except GONE as error:
            if not self.above:
                raise translated(self.path, error) from error
            return Dir({})
        except OSError as error:
            raise translated(self.path, error) from error
        if self._children is None or self._listed != (about.st_mtime_ns, about.st_ino):
            try:
                self._listed = stamp(self.path)
                if not self.above:
                    self._follow()
            except OSError as error:
                raise translated(self.path, error) from error
            children = _Children(self)
            self._children = Dir(children, children.order)
        return self._children

    def _follow(self) -> None:
        """Where the first folder is given as a link, go where it leads now. Raises `SourceUnavailable`, `OSError`."""
        if self.path == self._given != os.path.realpath(self.path):
            raise SourceUnavailable("The folder has been replaced by a link; try again soon.", private=self.path)
        # By the name that the system gives all that lies below: in containers it may be another.
        self.root = look(self.path)[1]


class _Children(Mapping[str, Node]):
    """Names listed once; what a name stands for is looked up when it is wanted."""

    def __init__(self, folder: Folder) -> None:
        self._root, self._path, self._room = folder.root, folder.path, folder.room
        self._real = folder.real or folder.root
        self._above = folder.above | {self._real}
        self._folders: dict[tuple[str, str], Folder] = {}
        order: list[tuple[str, str]] = []
        try:
            with os.scandir(self._path) as entries:
                for entry in entries:
                    token = self._token(entry)
                    if token:
                        order.append((token, entry.name))
        except GONE:
            order = []
        except OSError as error:
            raise translated(self._path, error) from error
        self.order = sorted(order)
        self._names = {name for _, name in self.order}

    def _token(self, entry: os.DirEntry[str]) -> str | None:
        try:
            room = self._room - len(entry.name.encode())
        except UnicodeEncodeError:
            return None
        mode = self._mode(entry)
        if modes.S_ISDIR(mode):
            return entry.name + "/" if room > 1 else None
        return entry.name if modes.S_ISREG(mode) and room >= 0 else None

    def _mode(self, entry: os.DirEntry[str]) -> int:
        """What the entry is, or where it leads if that may be shown; else 0."""
        if entry.is_dir(follow_symlinks=False):
            return modes.S_IFDIR
        if not entry.is_symlink():
            return modes.S_IFREG if entry.is_file(follow_symlinks=False) else 0
        try:
            about, real = look(entry.path)
        except OSError:  # it leads nowhere, in a circle, or where the server may not look
            return 0
        return about.st_mode if self._shows(about, real) else 0

    def _shows(self, about: os.stat_result, real: str) -> bool:
        """Whether ``real`` is inside the root, and no folder on the way here: that would never end."""
        return within(real, self._root) and not (modes.S_ISDIR(about.st_mode) and real in self._above)

    def __getitem__(self, name: str) -> Node:
        if name not in self._names:
            raise KeyError(name)
        path = f"{self._path}/{name}"
        try:
            about, real = look(path)
        except GONE:
            raise KeyError(name) from None
        except OSError as error:
            raise translated(path, error) from error
        if not self._shows(about, real):
            raise KeyError(name)
        if modes.S_ISDIR(about.st_mode):
            if (name, real) not in self._folders:
                room = self._room - len(name.encode()) - 1
                self._folders[name, real] = Folder(self._root, path, self._above, room, real)
            return Deferred(self._folders[name, real])
        if not modes.S_ISREG(about.st_mode):
            raise KeyError(name)
        return passed(Source(path, about.st_size, about.st_mtime_ns, fingerprint(about)))

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def look(path: str) -> tuple[os.stat_result, str]:
    """What ``path`` leads to, and where that really is.

    Both are asked of one open handle: who may write in a folder could swap a file for a link between two looks, and
    have the server read what only the server may.

    Raises:
        OSError: As of `os.stat`, or it was replaced whenever it was looked at.
    """
    if not _HANDLES:
        real = os.path.realpath(path, strict=True)
        return os.stat(real), real
    for _ in range(_TRIES):
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            real = os.readlink(f"{_HELD}/{handle}")
            about = os.fstat(handle)
        finally:
            os.close(handle)
        if about.st_nlink or not real.endswith(" (deleted)"):
            return about, real
    raise OSError(errno.EAGAIN, "it is being replaced all the time", path)


def within(real: str, root: str) -> bool:
    """Whether one real path is the other or lies below it."""
    return real == root or real.startswith(root.rstrip("/") + "/")


def inside(path: str, root: str) -> bool:
    """Whether ``path``, links followed, lies in ``root``, which is a real path."""
    return within(os.path.realpath(path), root)
