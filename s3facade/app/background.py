"""What a worker does while nobody asks for anything: looks at folders again, opens what was never opened."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from s3facade.catalog.buckets import REST
from s3facade.catalog.catalog import Catalog
from s3facade.core.errors import FacadeError
from s3facade.reload import LOOK

log = logging.getLogger("s3facade")
T = TypeVar("T")

QUICK = 2.0
"""Seconds between two looks at the folders' own times."""
MANY = 2000
"""Images that are opened in the background so slowly that requests hardly notice; fewer are over in no time."""


async def aside(work: Callable[[], T]) -> T:
    """What may take minutes, in a thread of its own: none that requests wait for."""
    threads = ThreadPoolExecutor(1)
    try:
        return await asyncio.wrap_future(threads.submit(work))
    finally:
        threads.shutdown(wait=False)


async def watch(catalog: Catalog) -> None:
    """Look at the folders again now and then."""
    looked = 0.0
    while True:
        every = catalog.settings.server.rescan
        try:
            if not every:
                await asyncio.sleep(LOOK)
                continue
            await asyncio.sleep(min(every, QUICK))
            if time.monotonic() < looked:
                await aside(catalog.look)
            else:
                taken = await aside(catalog.rescan)
                looked = time.monotonic() + every + min(REST * taken, 3600.0)
        except (FacadeError, OSError) as error:
            reason = error.explain() if isinstance(error, FacadeError) else str(error)
            log.warning("looking at the sources failed: %s", reason)
            await asyncio.sleep(max(every, 1.0))


async def probe(catalog: Catalog) -> None:
    """Open what was not opened yet: little at a time where it would take long."""
    while True:
        left = catalog.unprobed()
        many = left > MANY
        try:
            until = time.monotonic() + (0.05 if many else 0.2)
            await catalog.engine.run(partial(catalog.probe, until))
            await catalog.engine.run(catalog.prepare)
        except (FacadeError, OSError) as error:
            reason = error.explain() if isinstance(error, FacadeError) else str(error)
            log.warning("opening images failed: %s", reason)
            await asyncio.sleep(QUICK)
        idle = catalog.unprobed() in (0, left)
        await asyncio.sleep(QUICK if idle else 0.5 if many else 0.05)
