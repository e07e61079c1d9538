"""Bytes that work in progress may hold, handed out to tenants in turn."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Hashable

from s3facade.core.errors import Overloaded, TooCostly

_Waiting = tuple[int, asyncio.Future[None]]


class Budget:
    """A weighted semaphore over bytes: within a tenant who came first is first, and tenants take turns.

    Used on the event loop's thread only.

    Args:
        limit: Bytes.
        queue: How many may wait; the next one is refused at once.
        giant: Bytes that a piece of work may need if nothing runs beside it; by default no more than ``limit``.
    """

    def __init__(self, limit: int, queue: int, giant: int = 0) -> None:
        self.limit = limit
        self.giant = max(giant, limit)
        self.held = 0
        self.waiting = 0
        """How many wait now."""
        self._queue = queue
        self._tenants: OrderedDict[Hashable, deque[_Waiting]] = OrderedDict()

    def take(self, amount: int) -> bool:
        """Take ``amount`` bytes if they are free and nobody waits."""
        if self.waiting or not self._fits(amount):
            return False
        self.held += amount
        return True

    def _fits(self, amount: int) -> bool:
        """Whether there is room; a giant needs all of it, and so it runs alone."""
        return self.held + min(amount, self.limit) <= self.limit

    async def hold(self, amount: int, tenant: Hashable = "") -> None:
        """Take ``amount`` bytes, waiting in line for them. Call `release` afterwards.

        Raises:
            TooCostly: More than even a giant may hold.
            Overloaded: The line is full.
        """
        if amount > self.giant:
            raise too_large(amount, self.giant)
        if self.take(amount):
            return
        if self.waiting >= self._queue:
            raise Overloaded("The server is busy; reduce your request rate and try again.")
        turn = asyncio.get_running_loop().create_future()
        item = (amount, turn)
        self._tenants.setdefault(tenant, deque()).append(item)
        self.waiting += 1
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release(amount)
            else:
                self._forget(tenant, item)
            raise

    def release(self, amount: int) -> None:
        """Give ``amount`` bytes back."""
        self.held -= amount
        self._admit()

    def _forget(self, tenant: Hashable, item: _Waiting) -> None:
        """Take a waiter out of line, unless its turn has passed between its end and now."""
        line = self._tenants.get(tenant, deque())
        if item in line:
            line.remove(item)
            self.waiting -= 1
            if not line:
                del self._tenants[tenant]
            self._admit()

    def _admit(self) -> None:
        while self._tenants:
            # Who is next waits until there is room: smaller work that passed it by would keep it waiting for ever.
            tenant, line = next(iter(self._tenants.items()))
            if not self._fits(line[0][0]):
                return
            amount, turn = line.popleft()
            self.waiting -= 1
            if line:
                self._tenants.move_to_end(tenant)
            else:
                del self._tenants[tenant]
            if not turn.done():
                self.held += amount
                turn.set_result(None)


def too_large(amount: int, allowed: int) -> TooCostly:
    """Why work of ``amount`` bytes is refused."""
    return TooCostly(
        "This part of the image needs more memory at once than the server may use; raise limits.memory.",
        private=f"{amount} bytes wanted, {allowed} allowed",
    )
