"""What is dear to compute, computed in the background: in one worker, while nobody asks for anything."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from s3facade.catalog.catalog import Catalog
from s3facade.catalog.images.mount import Mount
from s3facade.core.errors import FacadeError, LoadError, SourceChanged, SourceError, SourceUnavailable
from s3facade.engine.disk import Disk
from s3facade.engine.flight import Work
from s3facade.engine.keep import held
from s3facade.engine.locks import Locks
from s3facade.engine.needs import told
from s3facade.engine.warm import Step, Tally, Warming

log = logging.getLogger("s3facade.builder")
AGAIN = 3600.0
"""Seconds until what was built is looked at again, and said to be in use: of what is not, room is made."""
OTHER = 30.0
"""Seconds until a worker that builds nothing tries whether it may."""


class Builder:
    """Keeps the images of buckets with ``warm: true``, one block at a time. One of all workers does it.

    Args:
        catalog: Of this worker, after the fork.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._engine = catalog.engine
        self._most = catalog.engine.limits.memory // 16
        self._buckets = [b for b in catalog.settings.buckets if b.warm]
        self._lock: Locks | None = None
        self._built: dict[tuple[str, str], tuple[str, float, int]] = {}
        """Digest, time and bytes of what is through."""
        self._refused: dict[tuple[str, str], tuple[str, float, int]] = {}
        """Digest, time and bytes taken by others, of what there was no room for: to add it up takes long."""
        self._said: set[str] = set()
        self._work = Work()
        self._state = "off"
        self._image = ""
        self._tally = Tally()
        self._done = 0

    @property
    def status(self) -> dict[str, Any]:
        """For the status page: anybody may read it."""
        about: dict[str, Any] = {"state": self._state}
        if self._state == "building":
            about |= {"image": self._image, "blocks": self._tally.missing, "blocks_done": self._done}
        return about

    async def run(self) -> None:
        """Build until it is cancelled."""
        disk = self._engine.disk
        if disk is None or not self._buckets:
            return
        try:
            while True:
                if await self._engine.run(lambda: self._mine(disk)):
                    await self._round(disk)
                    self._engine.settle()
                    await asyncio.sleep(max(1.0, self._catalog.settings.server.rescan or OTHER))
                else:
                    self._state = "in another worker"
                    await asyncio.sleep(OTHER)
        finally:
            self._work.cancelled = True

    def _mine(self, disk: Disk) -> bool:
        """Whether this worker builds. It goes on to do so until it ends, however it ends."""
        if self._lock is None:
            disk.held()  # makes the folder
            try:
                lock = Locks(os.path.join(disk.root, "builder"))
                if not lock.take(0):
                    return False
            except OSError as error:
                self._say(f"nothing is built: {error.strerror or error}")
                return False
            self._lock = lock
        return True

    async def _round(self, disk: Disk) -> None:
        """Every image once."""
        taken = 0
        for bucket in self._buckets:
            for prefix, mount in self._catalog.mounts(bucket.name):
                self._image = f"{bucket.name}/{prefix}" if bucket.access == "public" else ""
                try:
                    nbytes = await self._visit((bucket.name, prefix), mount, taken, disk)
                except (SourceError, LoadError) as error:
                    # The status page and the log of listings name it as broken.
                    log.debug("%s/%s is not kept beforehand: %s", bucket.name, prefix, error.explain())
                    continue
                if nbytes is None:
                    self._state = "full"
                    return
                taken += nbytes
        self._state = "done"

    async def _visit(self, key: tuple[str, str], mount: Mount, taken: int, disk: Disk) -> int | None:
        """Keep one image; its bytes, or None if there is no room for it.

        Raises:
            SourceError: It cannot be opened, or went away.
            TimedOut: Opening it takes too long.
        """
        await self._engine.run(lambda: mount.open(time.monotonic()))
        digest, when, nbytes = self._built.get(key, ("", 0.0, 0))
        if digest == mount.newest and time.monotonic() - when < AGAIN:
            return nbytes
        refused, when, others = self._refused.get(key, ("", 0.0, 0))
        if refused == mount.newest and taken >= others and time.monotonic() - when < AGAIN:
            return None
        digest, all_of_it = mount.newest, [Warming(image) for image in mount.shown]
        tally = Tally()
        for warming in all_of_it:
            tally.add(await self._engine.idle(partial(warming.tally, disk.refresh)))
        if taken + tally.nbytes > disk.quota * 3 // 4 or tally.largest > disk.most:
            name = "/".join(key)
            self._refused[key] = (digest, time.monotonic(), taken)
            self._say(
                f"{name} is not kept beforehand, nor what comes after it: it needs {told(tally.nbytes)}, {told(taken)} "
                f"are taken, and three quarters of limits.disk are {told(disk.quota * 3 // 4)}"
            )
            return None
        self._state, self._tally, self._done = "building", tally, 0
        self._engine.aside()
        whole = True
        for warming in all_of_it:
            rows = warming.rows(disk.has, self._most)
            whole = await self._build("/".join(key), rows, disk) and whole
        if whole:
            self._built[key] = (digest, time.monotonic(), tally.nbytes)
        return tally.nbytes

    async def _build(self, name: str, rows: Iterator[list[Step]], disk: Disk) -> bool:
        """Keep blocks; whether the disk took all of them that can be computed. Raises `SourceError`."""
        taken, most = True, self._most
        while (row := await self._engine.idle(lambda: next(rows, None))) is not None:
            amount = held(row, most)
            try:
                await self._engine.idle(partial(self._engine.keep, row, most, self._work), amount)
            except (SourceChanged, SourceUnavailable):
                raise
            except FacadeError as error:
                self._say(f"a part of {name} is not kept beforehand: {error.explain()}")
            else:
                taken = taken and all(disk.has(step.key) for step in row)
            self._done += len(row)
        return taken

    def _say(self, sentence: str) -> None:
        """Log it, once."""
        if sentence not in self._said:
            self._said.add(sentence)
            log.warning("%s", sentence)
