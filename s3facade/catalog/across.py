"""What the workers of one server tell each other: which images each of their buckets was last seen to hold.

What lies in a store is believed for a while, and each worker looks by itself. Without this, one would show a new image
while another still calls it absent.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Mapping
from hashlib import blake2b

_BYTES = 8
_PLACES = 1 << 16
"""Far more than buckets, which come and go while the server runs: two of them hardly ever share a place."""


class Across:
    """One number for each bucket, in memory that is shared with processes forked later."""

    def __init__(self) -> None:
        self._told = mmap.mmap(-1, _PLACES * _BYTES)
        self._own: Mapping[str, bytes] = {}

    def tell(self, bucket: str, images: Iterable[str]) -> None:
        """State what this process sees in a bucket now."""
        digest = blake2b("\n".join(sorted(images)).encode("utf-8", "surrogatepass"), digest_size=_BYTES).digest()
        self._own = {**self._own, bucket: digest}
        at = self.place(bucket)
        self._told[at : at + _BYTES] = digest

    def differs(self, bucket: str) -> bool:
        """Whether another process has seen something else since."""
        at = self.place(bucket)
        own = self._own.get(bucket)
        return own is not None and self._told[at : at + _BYTES] != own

    @staticmethod
    def place(bucket: str) -> int:
        """Where a bucket's number lies: the same in every process."""
        return int.from_bytes(blake2b(bucket.encode(), digest_size=4).digest()) % _PLACES * _BYTES
