"""Bytes that work in progress may hold, handed out in order."""

from __future__ import annotations

import asyncio
from collections import deque

from s3facade.core.errors import Overloaded, TooCostly


class Budget:
    """A weighted, first-come-first-served semaphore over bytes. Used on the event loop's thread only.

    Args:
        limit: Bytes.
        queue: How many may wait; the next one is refused at once.
        giant: Bytes that a piece of work may need if nothing runs beside it; by default no more than ``limit``.
    """

    def __init__(self, limit: int, queue: int, giant: int = 0) -> None:
        self.limit = limit
        self.giant = max(giant, limit)
        self.held = 0
        self._queue = queue
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return len(self._waiting)

    def take(self, amount: int) -> bool:
        """Take ``amount`` bytes if they are free and nobody waits."""
        if self._waiting or not self._fits(amount):
            return False
        self.held += amount
        return True

    def _fits(self, amount: int) -> bool:
        """Whether there is room; a giant needs all of it, and so it runs alone."""
        return self.held + min(amount, self.limit) <= self.limit

    async def hold(self, amount: int) -> None:
        """Take ``amount`` bytes, waiting in line for them. Call `release` afterwards.

        Raises:
            TooCostly: More than even a giant may hold.
            Overloaded: The line is full.
        """
        if amount > self.giant:
            raise TooCostly(
                "This part of the image needs more memory at once than the server may use; raise limits.memory.",
                private=f"{amount} bytes wanted, {self.giant} allowed",
            )
        if self.take(amount):
            return
        if len(self._waiting) >= self._queue:
            raise Overloaded("The server is busy; reduce your request rate and try again.")
        turn = asyncio.get_running_loop().create_future()
        item = (amount, turn)
        self._waiting.append(item)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release(amount)
            else:
                self._waiting.remove(item)
                self._admit()
            raise

    def release(self, amount: int) -> None:
        """Give ``amount`` bytes back."""
        self.held -= amount
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._fits(self._waiting[0][0]):
            amount, turn = self._waiting.popleft()
            if not turn.done():
                self.held += amount
                turn.set_result(None)
