"""Bytes that work in progress may hold, handed out to tenants in turn."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Hashable

from s3facade.core.errors import Overloaded, TooCostly

_Waiting = tuple[int, asyncio.Future[None]]


class Budget:
    """A weighted semaphore over bytes: within a tenant who came first is first, and tenants take turns.

    A quarter is kept for tenants that hold nothing: whoever holds much already makes nobody else wait for its end.

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
        self._holders: Counter[Hashable] = Counter()
        """Pieces of work by tenant."""

    def take(self, amount: int, tenant: Hashable = "") -> bool:
        """Take ``amount`` bytes if they are free and nobody waits."""
        if self.waiting or not self._fits(amount, tenant):
            return False
        self._give(amount, tenant)
        return True

    def _give(self, amount: int, tenant: Hashable) -> None:
        self.held += amount
        self._holders[tenant] += 1

    def _fits(self, amount: int, tenant: Hashable) -> bool:
        """Whether there is room; a giant needs all of it, and so it runs alone."""
        room = self.limit - self.limit // 4 if tenant in self._holders else self.limit
        return self.held + min(amount, self.limit) <= room

    async def hold(self, amount: int, tenant: Hashable = "") -> None:
        """Take ``amount`` bytes, waiting in line for them. Call `release` afterwards.

        Raises:
            TooCostly: More than even a giant may hold.
            Overloaded: The line is full.
        """
        if amount > self.giant:
            raise too_large(amount, self.giant)
        if self.take(amount, tenant):
            return
        # One of each tenant may wait beyond that: whoever fills the line must not shut out the others.
        if self.waiting >= self._queue and (tenant in self._tenants or tenant in self._holders):
            raise Overloaded("The server is busy; reduce your request rate and try again.")
        turn = asyncio.get_running_loop().create_future()
        item = (amount, turn)
        self._tenants.setdefault(tenant, deque()).append(item)
        self.waiting += 1
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release(amount, tenant)
            else:
                self._forget(tenant, item)
            raise

    def release(self, amount: int, tenant: Hashable = "") -> None:
        """Give ``amount`` bytes back."""
        self.held -= amount
        self._holders[tenant] -= 1
        if not self._holders[tenant]:
            del self._holders[tenant]
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
        while (tenant := self._next()) is not None:
            line = self._tenants[tenant]
            amount, turn = line.popleft()
            self.waiting -= 1
            if line:
                self._tenants.move_to_end(tenant)
            else:
                del self._tenants[tenant]
            if not turn.done():
                self._give(amount, tenant)
                turn.set_result(None)

    def _next(self) -> Hashable | None:
        """Whose turn it is, if there is room for it.

        Who is next waits until there is room: smaller work that passed it by would keep it waiting for ever. Only those
        that hold nothing pass by one that holds something, and is not kept from its end by them.
        """
        passing = False
        for tenant, line in self._tenants.items():
            if not (passing and tenant in self._holders) and self._fits(line[0][0], tenant):
                return tenant
            if tenant not in self._holders:
                return None
            passing = True
        return None


def too_large(amount: int, allowed: int) -> TooCostly:
    """Why work of ``amount`` bytes is refused."""
    return TooCostly(
        "This part of the image needs more memory at once than the server may use; raise limits.memory.",
        private=f"{amount} bytes wanted, {allowed} allowed",
    )
