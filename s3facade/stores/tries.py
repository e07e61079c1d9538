"""Asking a server again where that may help: a few times, with growing pauses, within the time that a read may take."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from s3facade.core.errors import SourceError, SourceUnavailable
from s3facade.stores.transport import Address, Passing

T = TypeVar("T")
TRIES = 5
FIRST, LONGEST = 0.1, 2.0
"""Seconds between tries: doubled each time, give or take a half."""
SHORT = 3.0
"""Seconds for the one try that a store gets which has just failed: threads that wait for it are missed elsewhere."""
LONG = 1.0
"""Seconds of such a try after which the store is left alone for as long as the try took."""


class Tries:
    """Requests to one store: so many at once as its address says. Used on one event loop at a time."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._gate: tuple[asyncio.AbstractEventLoop, asyncio.Semaphore] | None = None
        self._answered = 0.0
        """When it last gave what was asked for, by the clock of the loop."""
        self._down = False
        self._trying: asyncio.Future[None] | None = None
        """Done when the try of a store that is down has come to its end."""
        self._rested = 0.0
        """When such a store is tried again, by the clock of the loop."""

    async def __call__(self, ask: Callable[[], Awaitable[T]], key: str) -> T:
        """What the server gives. Raises `SourceUnavailable`, and whatever ``ask`` does but `Passing`."""
        loop = asyncio.get_running_loop()
        if self._gate is None or self._gate[0] is not loop:
            self._gate = (loop, asyncio.Semaphore(self._address.connections))
            self._trying, self._rested = None, 0.0
        if not self._down:
            return await self._several(ask, key, self._gate[1], TRIES, self._address.timeout)
        return await self._one(ask, key, self._gate[1], loop)

    async def _one(
        self, ask: Callable[[], Awaitable[T]], key: str, gate: asyncio.Semaphore, loop: asyncio.AbstractEventLoop
    ) -> T:
        """A short try of a store that was down; whoever else asks meanwhile waits for what comes of it."""
        if self._trying is not None:
            await asyncio.wait([self._trying])
            if self._down:
                raise self._unavailable(key, "it has just been tried")
            return await self._several(ask, key, gate, TRIES, self._address.timeout)
        begun = loop.time()
        if begun < self._rested:
            raise self._unavailable(key, "it has just been tried")
        self._trying = loop.create_future()
        try:
            return await self._several(ask, key, gate, 1, min(SHORT, self._address.timeout))
        finally:
            taken = loop.time() - begun
            self._rested = loop.time() + (taken if taken > LONG else 0.0)
            self._trying.set_result(None)
            self._trying = None

    async def _several(
        self, ask: Callable[[], Awaitable[T]], key: str, gate: asyncio.Semaphore, tries: int, seconds: float
    ) -> T:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        until = begun + seconds
        reason = ""
        for number in range(tries):
            try:
                async with asyncio.timeout_at(until), gate:
                    found = await ask()
                    self._answered, self._down = loop.time(), False
                    return found
            except SourceError:
                # An answer, too.
                self._answered, self._down = loop.time(), False
                raise
            except Passing as error:
                reason = str(error)
            except TimeoutError:
                reason = reason or "no answer in time"
            wait = min(FIRST * 2**number, LONGEST) * random.uniform(0.5, 1.5)  # noqa: S311 - not a secret
            if loop.time() + wait > until or number + 1 == tries:
                break
            await asyncio.sleep(wait)
        # One file that cannot be read says nothing about the others, where these can.
        self._down = self._answered < begun
        raise self._unavailable(key, reason)

    def _unavailable(self, key: str, reason: str) -> SourceUnavailable:
        return SourceUnavailable(
            "The source store cannot be reached now; try again.", private=f"{self._address.url}{key}: {reason}"
        )
