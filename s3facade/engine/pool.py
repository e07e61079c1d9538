"""Worker threads that serve several tenants in turn."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

IDLE = "idle"
"""The tenant of work that nobody waits for: it is served when no other tenant has any."""

GUESTS = 4
"""Threads beside the fixed number, for tenants that have nothing running."""

SPARE = 16
"""Threads that may hang before no more are started in their place."""

_Job = tuple[Future[Any], Callable[[], Any]]
_Item = tuple[Future[Any], Callable[[], Any], Hashable]


class Pool:
    """A fixed number of threads. Each takes the oldest job of the tenant that was served longest ago.

    So who asks for ten thousand chunks delays another tenant by the jobs that are running, not by those that wait. Nor
    by these, if the other one has nothing running: beside the fixed number there are `GUESTS` threads for the first job
    of a tenant that finds all of them at work, unless it is called ``dear``.

    A job cannot be stopped once it runs: `Future.cancel` works while it waits. One that runs longer than ``patience``
    may hang for ever, in a dead network share for instance, whether or not anybody still waits for it. As soon as
    somebody else wants something, another thread is started in its thread's place, which ends when it comes back. After
    `SPARE` of them no more are replaced.

    Args:
        threads: How many.
        name: Prefix of the threads' names.
        patience: Seconds.
    """

    def __init__(self, threads: int, name: str, patience: float = math.inf) -> None:
        self._limit = threads
        self._patience = patience
        self._name = name
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._tenants: OrderedDict[Hashable, deque[_Job]] = OrderedDict()
        # One token for each job: waiting for it costs less than a condition variable.
        self._tokens: SimpleQueue[bool] = SimpleQueue()
        self._closed = False
        self._waiting = 0
        """Jobs."""
        self._dear: set[Hashable] = set()
        """Of the tenants that wait."""
        self._working: Counter[Hashable] = Counter()
        """Jobs that run, by tenant."""
        self._invitations: SimpleQueue[bool] = SimpleQueue()
        self._guests: set[threading.Thread] = set()
        self._invited = 0
        """Invitations that no guest has followed yet."""
        self._hosted = 0
        """Guests at work."""
        self._running: dict[Future[Any], float] = {}
        """Since when; the oldest first."""
        self._given_up: set[Future[Any]] = set()
        """Jobs that may never end, and whose threads have been replaced."""

    def submit(self, job: Callable[[], T], tenant: Hashable = "", *, dear: bool = False) -> Future[T]:
        """Have ``job`` run for ``tenant``; whether it is ``dear`` must be the same for all jobs of one.

        Raises:
            RuntimeError: After `close`.
        """
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError("the pool is closed")
            line = self._tenants.get(tenant)
            if line is None:
                line = self._tenants[tenant] = deque()
            line.append((future, job))
            if dear:
                self._dear.add(tenant)
            if len(self._threads) < self._limit:
                # Started with the first jobs, since threads do not survive a fork.
                self._start()
            else:
                self._relieve()
                if self._waiting + len(self._running) >= self._limit and self._alone(tenant):
                    self._invite()
            self._waiting += 1
        self._tokens.put(True)
        return future

    def relieve(self) -> None:
        """Start other threads in place of those that have been at one job for too long."""
        with self._lock:
            self._relieve()

    def _relieve(self) -> None:
        before = time.monotonic() - self._patience
        for future, since in self._running.items():
            if since > before or len(self._given_up) >= SPARE:
                return
            if future not in self._given_up:
                self._given_up.add(future)
                self._start()

    def _start(self) -> None:
        thread = threading.Thread(target=self._serve, name=f"{self._name}-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _alone(self, tenant: Hashable) -> bool:
        """Whether a guest may serve it."""
        return tenant not in self._working and tenant not in self._dear and tenant != IDLE

    def _invite(self) -> None:
        if self._invited >= len(self._guests) - self._hosted and len(self._guests) < GUESTS:
            thread = threading.Thread(target=self._visit, name=f"{self._name}-guest", daemon=True)
            self._guests.add(thread)
            thread.start()
        self._invited += 1
        self._invitations.put(True)

    def close(self) -> None:
        """Take no more jobs, drop those that wait, and let the threads end."""
        with self._lock:
            self._closed = True
            dropped = [future for line in self._tenants.values() for future, _ in line]
            self._tenants.clear()
            self._waiting = 0
            for _ in self._threads:
                self._tokens.put(False)
            for _ in self._guests:
                self._invitations.put(False)
        for future in dropped:
            future.cancel()

    def _next(self) -> _Item | None:
        with self._lock:
            return self._taken(next((t for t in self._tenants if t != IDLE), IDLE))

    def _taken(self, tenant: Hashable) -> _Item | None:
        """The oldest job of a tenant, if it has one that waits."""
        line = self._tenants.get(tenant)
        if line is None:
            return None
        item = line.popleft()
        self._waiting -= 1
        self._running[item[0]] = time.monotonic()
        self._working[tenant] += 1
        if line:
            self._tenants.move_to_end(tenant)
        else:
            del self._tenants[tenant]
            self._dear.discard(tenant)
        return (*item, tenant)

    def _serve(self) -> None:
        while self._tokens.get():
            item = self._next()
            if item is not None and not self._done(item):
                with self._lock:
                    self._threads.remove(threading.current_thread())
                return
            # Results are large: the thread must not hold the last one while it waits.
            del item

    def _visit(self) -> None:
        while self._invitations.get():
            with self._lock:
                self._invited -= 1
                tenant = next(filter(self._alone, self._tenants), None)
                item = None if tenant is None else self._taken(tenant)
                self._hosted += item is not None
            if item is not None:
                stays = self._done(item)
                with self._lock:
                    self._hosted -= 1
                    if not stays:
                        self._guests.discard(threading.current_thread())
                        return
            del item

    def _done(self, item: _Item) -> bool:
        """Do it; whether the thread may go on, or another one has its place."""
        future, job, tenant = item
        _run(future, job)
        with self._lock:
            del self._running[future]
            self._working[tenant] -= 1
            if not self._working[tenant]:
                del self._working[tenant]
            if future in self._given_up:
                self._given_up.remove(future)
                return False
            return True


def _run(future: Future[Any], job: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = job()
    except BaseException as error:  # noqa: BLE001 - handed to who waits
        future.set_exception(error)
    else:
        future.set_result(result)
