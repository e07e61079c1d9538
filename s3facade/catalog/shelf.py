"""A folder whose sub-folders are buckets; looked at anew whenever it changes, so that new ones are seen at once."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping, Sequence

from s3facade.catalog.folder import inside
from s3facade.catalog.sources.watch import RACY
from s3facade.config.names import bucket_name
from s3facade.config.settings import ShelfConfig

log = logging.getLogger("s3facade.catalog")


class Shelf:
    """Sub-folders of one folder by the names of their buckets."""

    def __init__(self, config: ShelfConfig) -> None:
        self.config = config
        self._root = os.path.realpath(config.root)
        self._folders: Mapping[str, str] = {}
        self._others: Sequence[tuple[str, str]] = ()
        self._listed = (0, 0)

    def folders(self) -> Mapping[str, str]:
        """Real paths by bucket. Costs one ``stat`` while nothing changed.

        While the folder cannot be looked at, its buckets stay: their keys say that they are unavailable, where no
        bucket would say that they do not exist.
        """
        try:
            about = os.stat(self._root)
            stamp = (about.st_mtime_ns, about.st_ino)
            if self._listed != stamp:
                self._look()
                racy = time.time_ns() - about.st_mtime_ns < RACY
                self._listed = (0, 0) if racy else stamp
        except OSError as error:
            log.warning("the folder of buckets cannot be looked at: %s", error)
        return self._folders

    def others(self) -> Sequence[tuple[str, str]]:
        """Paths of sub-folders that are no buckets, each with a sentence that says why."""
        self.folders()
        return self._others

    def _look(self) -> None:
        found: dict[str, str] = {}
        others: list[tuple[str, str]] = []
        with os.scandir(self._root) as entries:
            folders = sorted((e.name, e.path) for e in entries if not e.name.startswith(".") and _is_folder(e))
        for folder, path in folders:
            reason = self._reason(folder, path, found)
            if reason:
                others.append((path, reason))
            else:
                found[self.config.names.get(folder, folder)] = os.path.realpath(path)
        self._folders, self._others = found, others

    def _reason(self, folder: str, path: str, found: Mapping[str, str]) -> str:
        """Why a folder is no bucket, or ""."""
        name = self.config.names.get(folder, folder)
        if not inside(path, self._root):
            return "It is a link that leads out of the folder of buckets."
        if os.path.realpath(path) == self._root:
            return "It is a link to the folder of buckets itself."
        if name in found:
            return f"Another folder is the bucket {name!r}; give this one another name under `names:`."
        try:
            bucket_name(name)
        except ValueError as error:
            return f"{str(error)[0].upper()}{str(error)[1:]}; give it one under `names:` of `buckets_from:`."
        return ""


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False
