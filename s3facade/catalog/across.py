"""What the workers of one server tell each other: which images each of their buckets was last seen to hold.

What lies in a store is believed for a while, and each worker looks by itself. Without this, one would show a new image
while another still calls it absent.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

_BYTES = 8


class Across:
    """One number for each bucket, in memory that is shared with processes forked later.

    Args:
        buckets: Their names.
    """

    def __init__(self, buckets: Sequence[str]) -> None:
        self._places = {name: i * _BYTES for i, name in enumerate(buckets)}
        self._told = mmap.mmap(-1, max(len(buckets), 1) * _BYTES)
        self._own: Mapping[str, bytes] = {}

    def tell(self, bucket: str, images: Iterable[str]) -> None:
        """State what this process sees in a bucket now."""
        digest = blake2b("\n".join(sorted(images)).encode("utf-8", "surrogatepass"), digest_size=_BYTES).digest()
        self._own = {**self._own, bucket: digest}
        at = self._places[bucket]
        self._told[at : at + _BYTES] = digest

    def differs(self, bucket: str) -> bool:
        """Whether another process has seen something else since."""
        at = self._places[bucket]
        own = self._own.get(bucket)
        return own is not None and self._told[at : at + _BYTES] != own
