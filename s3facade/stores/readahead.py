"""Files of a folder that are opened one after the other: slices, planes, or all images while a server starts.

Each costs a wait, and who opens them says nothing of it beforehand. After a few in the order of the listing, the
beginnings of the next ones are asked for together.
"""

from __future__ import annotations

import posixpath
import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from s3facade.stores.known import Listing

STEP = 4
"""Names that may be passed over: other files that lie between."""
SURE = 2
"""Steps forward until it is believed that more follow."""
FOLDERS = 64
"""Folders that are kept in mind."""


@dataclass(slots=True)
class _Walk:
    """Where in a folder one is."""

    tag: str
    names: Sequence[str]
    at: int
    fetched: int
    """Index of the last name that was asked for ahead."""
    steps: int = 0


class Readahead:
    """Which files are likely to be opened next. Thread-safe.

    Args:
        most: Files at once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._walks: OrderedDict[str, _Walk] = OrderedDict()

    def after(self, folder: str, name: str, listing: Listing) -> Sequence[str]:
        """Names to ask for now that ``name`` is opened, of the same kind; none where no order is seen."""
        with self._lock:
            walk = self._walks.pop(folder, None)
            if walk is None or walk.tag != listing.tag:
                walk = _Walk(listing.tag, sorted(listing.files), -1, -1)
                walk.at = walk.fetched = bisect_left(walk.names, name)
            self._walks[folder] = walk
            if len(self._walks) > FOLDERS:
                self._walks.popitem(last=False)
            ahead = self._ahead(walk, bisect_left(walk.names, name))
        kind = posixpath.splitext(name)[1]
        return [other for other in ahead if posixpath.splitext(other)[1] == kind]

    def _ahead(self, walk: _Walk, index: int) -> Sequence[str]:
        step = index - walk.at
        if -STEP <= step <= 0:
            # The same file once more, or threads that overtook each other.
            return ()
        walk.at = index
        if not 0 < step <= STEP:
            walk.steps, walk.fetched = 0, index
            return ()
        walk.steps += 1
        window = min(1 << walk.steps, self._most)
        if walk.steps < SURE or walk.fetched - index > window // 2:
            return ()
        first = max(walk.fetched, index) + 1
        walk.fetched = max(walk.fetched, index + window)
        return walk.names[first : index + 1 + window]
