"""What was measured on segments when they were made: little of each, so that it is remembered of many."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from hashlib import blake2b

MOST = 65_536
"""Segments: of files of 64 GiB, about."""


class Notes:
    """Oldest first out. Thread-safe. Keys must look different where they differ; of each a digest is kept."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._known: OrderedDict[bytes, object] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, key: Hashable, value: object) -> None:
        """Remember ``value``."""
        with self._lock:
            self._known[_short(key)] = value
            if len(self._known) > self._most:
                self._known.popitem(last=False)

    def get(self, key: Hashable) -> object | None:
        """The value, or None."""
        with self._lock:
            return self._known.get(_short(key))


def _short(key: Hashable) -> bytes:
    return blake2b(repr(key).encode(), digest_size=16).digest()
