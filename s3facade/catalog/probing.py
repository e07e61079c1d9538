"""Images that nobody has looked into yet, opened one after the other: those that are broken need not be listed."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Mapping

from s3facade.catalog.contents import Plan
from s3facade.catalog.images.mount import Mount
from s3facade.catalog.images.recipe import single
from s3facade.core.errors import LoadError, SourceError

log = logging.getLogger("s3facade.catalog")


class Probing:
    """The images of one plan that were never opened, or did not open the last time."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._shown = {
            source.path: mount.recipe.path
            for mount in plan.mounts.values()
            if mount.members
            for source in mount.members
        }
        """Files that belong to images that have been opened, with the file of the image."""
        self._ahead = deque(m for m in plan.mounts.values() if not m.beside and (not m.opened or m.error is not None))
        self._again: list[Mount] = []
        """Those that may open another time."""

    def unopened(self) -> int:
        """Images that nobody has looked into yet; files that are shown as part of another one need not be."""
        return sum(
            m.error is None and not m.opened and bool(m.recipe.path) and not _owned(m, self._shown)
            for m in (*self._ahead, *self._again)
        )

    @property
    def left(self) -> int:
        """About the same, at once."""
        return len(self._ahead) + len(self._again)

    def run(self, until: float) -> bool:
        """Open some until a monotonic time; whether that tells of anything to be hidden, or shown again. Blocking."""
        changed = False
        if not self._ahead:
            self._ahead, self._again = deque(self._again), []
        while self._ahead and (now := time.monotonic()) <= until:
            mount = self._ahead.popleft()
            # Each file of a series would look at all the others: a thousand slices, a million times.
            if _owned(mount, self._shown) or (mount.error is None and mount.opened):
                continue
            if mount.error is None or mount.retry(now):
                before = mount.error
                _open(mount, now)
                if mount.error is None and not mount.opened:
                    self._again.append(mount)
                changed = changed or mount.error is not before or bool(mount.members)
                self._shown.update((source.path, mount.recipe.path) for source in mount.members)
        return changed


def _open(mount: Mount, now: float) -> None:
    try:
        mount.open(now)
    except (SourceError, LoadError) as error:
        log.debug("does not open: %s", error.explain())
    else:
        # Nobody has asked for it: those that somebody asks for stay open longer.
        mount.used()


def _owned(mount: Mount, shown: Mapping[str, str]) -> bool:
    """Whether the file of an image that was never opened is part of another image."""
    own = mount.recipe.path
    return bool(shown) and not mount.opened and single(mount.recipe) and shown.get(own, own) != own
