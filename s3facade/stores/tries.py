"""Asking a server again where that may help: a few times, with growing pauses, within the time that a read may take."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from s3facade.core.errors import SourceUnavailable
from s3facade.stores.transport import Address, Passing

T = TypeVar("T")
TRIES = 5
FIRST, LONGEST = 0.1, 2.0
"""Seconds between tries: doubled each time, give or take a half."""


class Tries:
    """Requests to one store: so many at once as its address says. Used on one event loop at a time."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._gate: tuple[asyncio.AbstractEventLoop, asyncio.Semaphore] | None = None

    async def __call__(self, ask: Callable[[], Awaitable[T]], key: str) -> T:
        """What the server gives. Raises `SourceUnavailable`, and whatever ``ask`` does but `Passing`."""
        loop = asyncio.get_running_loop()
        if self._gate is None or self._gate[0] is not loop:
            self._gate = (loop, asyncio.Semaphore(self._address.connections))
        until = loop.time() + self._address.timeout
        reason = ""
        for number in range(TRIES):
            try:
                async with asyncio.timeout_at(until), self._gate[1]:
                    return await ask()
            except Passing as error:
                reason = str(error)
            except TimeoutError:
                reason = reason or "no answer in time"
            wait = min(FIRST * 2**number, LONGEST) * random.uniform(0.5, 1.5)  # noqa: S311 - not a secret
            if loop.time() + wait > until or number + 1 == TRIES:
                break
            await asyncio.sleep(wait)
        raise SourceUnavailable(
            "The source store cannot be reached now; try again.", private=f"{self._address.url}{key}: {reason}"
        )
