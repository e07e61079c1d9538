"""A file of a store as readers see it: blocking, pinned to one version."""

from __future__ import annotations

import io
import posixpath
from typing import Any, BinaryIO, cast

from s3facade.core.errors import BadSource, SourceChanged, SourceDenied, SourceNotFound, SourceUnavailable
from s3facade.core.image import Source
from s3facade.stores.blocks import BLOCK
from s3facade.stores.pieces import Piece
from s3facade.stores.spool import Spool
from s3facade.stores.store import RemoteStore

LONG = 4 * BLOCK
"""Bytes of a read that is pixels, not headers."""


class RemoteFile:
    """A `SourceFile` of a store.

    Args:
        store: Where it lies.
        source: What it was when it was described.
        spool: Where it is put whole for libraries that take paths.
        asked: As of `s3facade.stores.local.LocalFile`.
    """

    __slots__ = ("_asked", "_source", "_spool", "store")
    far = True
    """Each look at a folder costs a wait: readers look at few."""

    def __init__(
        self, store: RemoteStore, source: Source, spool: Spool | None, asked: dict[str, Source | None] | None = None
    ) -> None:
        self.store = store
        self._source = source
        self._spool = spool
        self._asked = asked

    @property
    def source(self) -> Source:
        """What the file was when it was described."""
        return self._source

    def piece(self, offset: int, nbytes: int) -> Piece:
        """A range of this file. Raises `BadSource` if it ends behind its end."""
        if offset < 0 or offset + nbytes > self._source.size:
            raise BadSource(
                "The source file ends before the data it refers to; it is truncated or damaged.",
                private=f"{self._source.path}: bytes {offset} to {offset + nbytes} of {self._source.size}",
            )
        return Piece(self._source, offset, offset + nbytes)

    def pread(self, offset: int, nbytes: int) -> bytes:
        """Exactly ``nbytes`` bytes from ``offset``: through blocks that are kept, unless it is much at once."""
        piece = self.piece(offset, nbytes)
        if not nbytes:
            return b""
        if nbytes >= LONG:
            return self.store.blocking([piece])[0]
        return self.store.read(self._source, piece.start, piece.stop)

    def stream(self) -> BinaryIO:
        """A buffered binary file; the caller closes it."""
        return cast(BinaryIO, io.BufferedReader(_Raw(self), 8192))

    def sibling(self, name: str) -> RemoteFile:
        """A file of the same folder or below it. Raises `SourceNotFound`, `SourceDenied`."""
        key = self._inside(name)
        found = None
        try:
            found = self.store.describe(key)
        except SourceNotFound:
            raise SourceNotFound(f"The file refers to {name!r}, which is missing.", private=self._source.path) from None
        finally:
            # What cannot be looked at now is noted as missing, too: it may appear.
            self._note(f"{self.store.name}:/{key}", found)
        return RemoteFile(self.store, found, self._spool, self._asked)

    def find(self, name: str) -> RemoteFile | None:
        """`sibling`, but None where the store says that there is none; not noted."""
        try:
            return RemoteFile(self.store, self.store.describe(self._inside(name)), self._spool)
        except SourceNotFound:
            if not self.store.unchanged(self._source):
                # The whole folder may be on its way out.
                raise SourceChanged("The source file has changed; ask again.", private=self._source.path) from None
            return None

    def names(self, below: str = "") -> list[str]:
        """What is in the folder of the file, or ``below`` it.

        Raises:
            SourceNotFound: There is no such folder.
            SourceDenied: The name leaves the folder.
        """
        if not self.store.lists:
            raise SourceNotFound("A web server does not tell which files it has.", private=self._source.path)
        listing = self.store.folder(self._folder(below))
        if not listing.files and not listing.folders:
            raise SourceNotFound(f"The file refers to the folder {below!r}, which is missing.", private=below)
        return sorted([*listing.files, *(name + "/" for name in listing.folders)])

    def folder(self, below: str = "") -> RemoteFile:
        """The folder of the file, or one below it, as a source without bytes. Raises as `names`."""
        key = self._folder(below)
        place, found = f"{self.store.name}:/{key}", None
        try:
            found = self.store.folder_source(key)
        finally:
            self._note(place, found)
        return RemoteFile(self.store, found, self._spool, self._asked)

    def path(self) -> str:
        """Where its bytes lie on this machine; fetched whole if they do not yet."""
        if self._spool is None:
            raise SourceUnavailable("There is no place to put whole files at.", private=self._source.path)
        return self._spool.path(self.store, self._source)

    def _note(self, path: str, found: Source | None) -> None:
        if self._asked is not None:
            self._asked[path] = found

    def _folder(self, below: str) -> str:
        key = self._inside(below) if below else self._above()
        return key + "/" if key and not key.endswith("/") else key

    def _above(self) -> str:
        key = self._source.path.partition(":/")[2]
        return key.rpartition("/")[0]

    def _inside(self, name: str) -> str:
        """The key of a file by the relative name that data give; never one outside the folder of this file."""
        above = self._above()
        relative = posixpath.normpath(name)
        if name.startswith("/") or relative.split("/")[0] == ".." or "\0" in name:
            raise SourceDenied(f"The file refers to {name!r}, outside its own folder.", private=self._source.path)
        if relative == ".":
            return above
        return f"{above}/{relative}" if above else relative


class _Raw(io.RawIOBase):
    """What a buffered reader asks."""

    def __init__(self, file: RemoteFile) -> None:
        super().__init__()
        self._file = file
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.source.size}[whence]
        if base + offset < 0:
            raise ValueError("before the beginning of the file")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        nbytes = max(min(len(view), self._file.source.size - self._at), 0)
        if nbytes:
            view[:nbytes] = self._file.pread(self._at, nbytes)
        self._at += nbytes
        return nbytes
