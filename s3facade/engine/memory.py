"""What was computed lately: decoded blocks and encoded segments, bounded by bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Protocol


class Sized(Protocol):
    """Anything that knows its size; arrays and memoryviews do."""

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        ...


class Memory:
    """Least recently used first out. Thread-safe; a hit costs a lock and two dictionary steps.

    Args:
        limit: Bytes at most. One value may take an eighth of it: a single giant must not empty the cache.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0
        self.hits = 0
        self.misses = 0
        self._values: OrderedDict[Hashable, Sized] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Sized | None:
        """The value, or None."""
        with self._lock:
            value = self._values.get(key)
            if value is None:
                self.misses += 1
                return None
            self._values.move_to_end(key)
            self.hits += 1
            return value

    def __contains__(self, key: Hashable) -> bool:
        return key in self._values

    def put(self, key: Hashable, value: Sized) -> None:
        """Keep ``value``, at the cost of older ones."""
        size = value.nbytes
        if size > self.limit // 8:
            return
        with self._lock:
            old = self._values.pop(key, None)
            self.held += size - (0 if old is None else old.nbytes)
            self._values[key] = value
            while self.held > self.limit:
                _, gone = self._values.popitem(last=False)
                self.held -= gone.nbytes

    def shrink(self, size: int) -> None:
        """Forget the oldest until ``size`` bytes are held at most."""
        with self._lock:
            while self._values and self.held > size:
                _, gone = self._values.popitem(last=False)
                self.held -= gone.nbytes
