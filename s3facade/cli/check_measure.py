"""Sizes of what buckets show, and of the files that it is made of."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import Any

from s3facade.catalog.catalog import Catalog
from s3facade.catalog.images.mount import Mount
from s3facade.catalog.images.recipe import files
from s3facade.cli.check_sizes import Size, size
from s3facade.core.errors import FacadeError
from s3facade.core.keyspace import Deferred, Opened
from s3facade.engine.needs import told
from s3facade.stores.files import describe


class Measure:
    """Blocking: images are opened where they are not yet."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._known: dict[str, Size] = {}

    def bucket(self, name: str) -> Size:
        """All keys of a bucket."""
        if name not in self._known:
            self._known[name] = size(self._catalog.root(name), _opened)
        return self._known[name]

    def originals(self, name: str) -> tuple[int, int]:
        """Number and bytes of the files that a bucket's images are made of and that it shows as they are."""
        plan = self._catalog.plan(name)
        paths = {path for mount in plan.mounts.values() for path in _behind(mount)}
        paths.update(plan.files.values())
        return len(paths), sum(map(_bytes, paths))


def _opened(node: Deferred) -> Opened:
    token: Any = node.token
    opened: Opened = token.open(time.monotonic()) if isinstance(token, Mount) else token.open()
    return opened


def _behind(mount: Mount) -> Iterable[str]:
    """Files that an image is made of; those that are known before it was opened, if it was not."""
    return [source.path for source in mount.sources] or files(mount.recipe)


def _bytes(path: str) -> int:
    try:
        return describe(path).size if not os.path.isabs(path) else os.stat(path).st_size
    except (FacadeError, OSError):
        return 0


def sentence(found: Size, originals: tuple[int, int]) -> str:
    """Sizes in words."""
    exact = f"{told(found.known)} ({found.known:,} bytes) in {found.keys:,} keys"
    more = f", and {found.unknown:,} keys whose size only computing tells" if found.unknown else ""
    return f"a copy of it has {exact}{more}; the originals: {told(originals[1])} in {originals[0]:,} files"
