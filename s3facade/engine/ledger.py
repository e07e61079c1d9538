"""Sizes that only computing tells: each is found out once and remembered, in memory and in the index of files.

What is lost is computed again, so nothing here needs to be safe; what is there is checked, and never a guess.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable

from s3facade.engine.index import Index

MOST = 1 << 14
"""Sizes in memory, of about 700 bytes each with their keys."""
_BYTES = 8


class Ledger:
    """Bytes of encoded segments, by all that they depend on. Thread-safe.

    Args:
        index: Where sizes outlive the process and are shared between workers; None: nowhere.
    """

    def __init__(self, index: Index | None = None) -> None:
        self._index = index
        self._sizes: OrderedDict[Hashable, int] = OrderedDict()
        self._lock = threading.Lock()

    def known(self, key: Hashable) -> int | None:
        """The size, if memory can tell."""
        with self._lock:
            return self._sizes.get(key)

    def recall(self, key: Hashable) -> int | None:
        """The size, if it was ever found out. Blocking."""
        size = self.known(key)
        if size is None and self._index is not None:
            data = self._index.get(("size", key))
            if data is not None and len(data) == _BYTES:
                size = int.from_bytes(data, "little")
                self._keep(key, size)
        return size

    def remember(self, key: Hashable, size: int) -> None:
        """Keep what was found out, unless it is known. Blocking."""
        if self.known(key) != size:
            self._keep(key, size)
            if self._index is not None:
                self._index.put(("size", key), size.to_bytes(_BYTES, "little"))

    def flush(self) -> None:
        """Let other workers know. Blocking."""
        if self._index is not None:
            self._index.flush()

    def _keep(self, key: Hashable, size: int) -> None:
        with self._lock:
            self._sizes[key] = size
            while len(self._sizes) > MOST:
                self._sizes.popitem(last=False)
