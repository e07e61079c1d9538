"""Indexes of shards that were read lately: one is needed for every chunk."""

from __future__ import annotations

import threading
from collections import OrderedDict

import numpy as np
import numpy.typing as npt

Index = npt.NDArray[np.uint64]
"""Rows of offset and size."""


class Indexes:
    """Indexes read lately, by path, etag and range of their file. Thread-safe.

    Args:
        room: Bytes of all of them.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._taken = 0
        self._known: OrderedDict[tuple[str, str, int, int], Index] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[str, str, int, int]) -> Index | None:
        """An index that is known, or None."""
        with self._lock:
            found = self._known.get(key)
            if found is not None:
                self._known.move_to_end(key)
            return found

    def put(self, key: tuple[str, str, int, int], index: Index) -> None:
        """Remember an index."""
        with self._lock:
            old = self._known.pop(key, None)
            self._taken += index.nbytes - (0 if old is None else old.nbytes)
            self._known[key] = index
            while self._taken > self._room:
                self._taken -= self._known.popitem(last=False)[1].nbytes


INDEXES = Indexes(64 << 20)
"""The process's own, as the memory is."""
