"""Which reader recognises a file, by its first bytes."""

from __future__ import annotations

import os
import stat as modes

from s3facade import registry
from s3facade.catalog.sources import remote
from s3facade.core.errors import SourceDenied, Unsupported
from s3facade.engine.index import Index
from s3facade.stores.files import describe, is_remote
from s3facade.stores.local import GONE, at_once, translated

HEAD = 4096
"""Bytes of a file that a reader may judge it by."""


class Recogniser:
    """Asks readers. What files of stores are is kept: to ask again costs a request each.

    Args:
        index: Where that outlives the process.
        readers: Names and versions of those that are asked.
    """

    def __init__(self, index: Index | None, readers: object) -> None:
        self._index = index
        self._readers = readers
        self._known: dict[tuple[str, str], str] = {}
        self.sniffed = 0
        """Files whose beginning was read so far."""

    def name(self, path: str) -> str:
        """Name of the reader that recognises the file; "" if there is none, or if it may not be read.

        Raises:
            SourceUnavailable: It cannot be looked at now.
        """
        if is_remote(path):
            return remote.guess(path) or self._far(path)
        return self.local(path)

    def local(self, path: str) -> str:
        """`name` of a file of this machine."""
        try:
            if not modes.S_ISREG(os.stat(path).st_mode):
                # To open a pipe would wait for whoever writes into it.
                return ""
            self.sniffed += 1
            with open(path, "rb", buffering=0, opener=at_once) as file:
                head = file.read(HEAD)
        except (*GONE, PermissionError):
            return ""
        except OSError as error:
            raise translated(path, error) from error
        name = os.path.basename(path)
        return next((n for n, r in registry.readers() if r.sniff(head, name)), "")

    def _far(self, path: str) -> str:
        """Of a file of a store whose name does not tell. Raises `SourceUnavailable`."""
        try:
            key = (path, describe(path).etag)
            known = self._known.get(key) or self._remembered(key)
            if known is None:
                known = remote.recognised(path)
                if self._index is not None:
                    self._index.put(("sniffed", *key, self._readers), known.encode())
        except (SourceDenied, Unsupported):
            return ""
        self._known[key] = known
        return known

    def _remembered(self, key: tuple[str, str]) -> str | None:
        """What an earlier run found out about a file."""
        found = None if self._index is None else self._index.get(("sniffed", *key, self._readers))
        return None if found is None else found.decode()
