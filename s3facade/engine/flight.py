"""Work in worker threads: cancellable, and done once however many ask.

A thread that waits for another's result waits for one that is running, and what is waited for (segment, block,
source cell) never leads back up: so waiting cannot become a deadlock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from s3facade.core.operators import Buffer

T = TypeVar("T")


class Cancelled(Exception):
    """The last one who waited for this work has gone."""


class Work:
    """A token that goes down with a piece of work; its owner may call it off."""

    __slots__ = ("cancelled", "fetched", "only")

    def __init__(self) -> None:
        self.cancelled = False
        self.only: frozenset[tuple[str, int]] | None = None
        """Levels, by identity and number, whose blocks may be put on disk for it; None: all."""
        self.fetched: dict[tuple[str, int, tuple[int, ...]], Buffer] = {}
        """Source chunks that came over a network with others, before their turn; by identity, level and index."""

    def check(self) -> None:
        """Raise `Cancelled` if the work was called off. Called between source chunks."""
        if self.cancelled:
            raise Cancelled


class _Flight:
    __slots__ = ("done", "error", "value")

    def __init__(self) -> None:
        # A lock held by who works: an Event would cost ten times as much, for each chunk.
        self.done = threading.Lock()
        self.done.acquire()
        self.value: Any = None
        self.error: BaseException | None = None


class Flights:
    """Single flight by key, between threads."""

    def __init__(self) -> None:
        self._live: dict[Hashable, _Flight] = {}
        self._lock = threading.Lock()

    def run(self, key: Hashable, make: Callable[[], T], work: Work) -> T:
        """``make()``, or the result of the thread that is making it already.

        If that thread's owner calls the work off, one of those who wait takes it over.
        """
        while True:
            with self._lock:
                flight = self._live.get(key)
                mine = flight is None
                if flight is None:
                    flight = self._live[key] = _Flight()
            if mine:
                return self._fly(key, flight, make)
            while not flight.done.acquire(timeout=0.2):
                work.check()
            flight.done.release()
            if flight.error is None:
                result: T = flight.value
                return result
            if not isinstance(flight.error, Cancelled):
                raise flight.error

    def _fly(self, key: Hashable, flight: _Flight, make: Callable[[], T]) -> T:
        try:
            flight.value = value = make()
        except BaseException as error:
            flight.error = error
            raise
        else:
            return value
        finally:
            with self._lock:
                del self._live[key]
            flight.done.release()
