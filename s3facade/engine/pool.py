"""Worker threads that serve several tenants in turn."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

IDLE = "idle"
"""The tenant of work that nobody waits for: it is served when no other tenant has any."""

SPARE = 16
"""Threads that may hang before no more are started in their place."""

_Item = tuple[Future[Any], Callable[[], Any]]


class Pool:
    """A fixed number of threads. Each takes the oldest job of the tenant that was served longest ago.

    So who asks for ten thousand chunks delays another tenant by the jobs that are running, not by those that wait. A
    job cannot be stopped once it runs: `Future.cancel` works while it waits. One that runs longer than ``patience`` may
    hang for ever, in a dead network share for instance, whether or not anybody still waits for it. As soon as somebody
    else wants something, another thread is started in its thread's place, which ends when it comes back. After `SPARE`
    of them no more are replaced.

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
        self._tenants: OrderedDict[Hashable, deque[_Item]] = OrderedDict()
        # One token for each job: waiting for it costs less than a condition variable.
        self._tokens: SimpleQueue[bool] = SimpleQueue()
        self._closed = False
        self._running: dict[Future[Any], float] = {}
        """Since when; the oldest first."""
        self._given_up: set[Future[Any]] = set()
        """Jobs that may never end, and whose threads have been replaced."""

    def submit(self, job: Callable[[], T], tenant: Hashable = "") -> Future[T]:
        """Have ``job`` run for ``tenant``. Raises `RuntimeError` after `close`."""
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError("the pool is closed")
            line = self._tenants.get(tenant)
            if line is None:
                line = self._tenants[tenant] = deque()
            line.append((future, job))
            if len(self._threads) < self._limit:
                # Started with the first jobs, since threads do not survive a fork.
                self._start()
            else:
                self._relieve()
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

    def close(self) -> None:
        """Take no more jobs, drop those that wait, and let the threads end."""
        with self._lock:
            self._closed = True
            dropped = [future for line in self._tenants.values() for future, _ in line]
            self._tenants.clear()
            for _ in self._threads:
                self._tokens.put(False)
        for future in dropped:
            future.cancel()

    def _next(self) -> _Item | None:
        with self._lock:
            tenant = next((t for t in self._tenants if t != IDLE), IDLE)
            line = self._tenants.get(tenant)
            if line is None:
                return None
            item = line.popleft()
            self._running[item[0]] = time.monotonic()
            if line:
                self._tenants.move_to_end(tenant)
            else:
                del self._tenants[tenant]
            return item

    def _serve(self) -> None:
        while self._tokens.get():
            item = self._next()
            if item is not None:
                _run(*item)
                with self._lock:
                    del self._running[item[0]]
                    if item[0] in self._given_up:
                        self._given_up.remove(item[0])
                        self._threads.remove(threading.current_thread())
                        return
                # Results are large: the thread must not hold the last one while it waits.
                del item


def _run(future: Future[Any], job: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = job()
    except BaseException as error:  # noqa: BLE001 - handed to who waits
        future.set_exception(error)
    else:
        future.set_result(result)
