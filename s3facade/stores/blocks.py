"""Parts of remote files that parsers have read: aligned blocks, the latest used, bounded by bytes.

Parsers read a few bytes here and there: over a network each read would cost as much as a block. Pixels do not come this
way, since they would push everything else out.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from s3facade.core.image import Source

BLOCK = 256 << 10
"""Bytes. On lines of 100 ms and 100 Mbit/s a block costs a fifth more than a byte."""
AHEAD = 4
"""Blocks that are read at once where a file is read from the front; smaller files are read whole."""
Key = tuple[str, str, int]
Fetch = Callable[[Source, int, int], Awaitable[bytes]]


class Blocks:
    """A cache of blocks over all stores. `held` from any thread, `read` on one event loop.

    Args:
        limit: Bytes.
    """

    def __init__(self, limit: int = 32 << 20) -> None:
        self.limit = limit
        self.held_bytes = 0
        self._lock = threading.Lock()
        self._blocks: OrderedDict[Key, bytes] = OrderedDict()
        self._live: dict[Key, asyncio.Task[dict[int, bytes]]] = {}

    def held(self, source: Source, start: int, stop: int) -> bytes | None:
        """Bytes ``start <= i < stop`` if all of them are here."""
        found = {}
        with self._lock:
            for number in _numbers(start, stop):
                block = self._blocks.get((source.path, source.etag, number))
                if block is None:
                    return None
                self._blocks.move_to_end((source.path, source.etag, number))
                found[number] = block
        return _joined(found, start, stop)

    async def read(self, source: Source, start: int, stop: int, fetch: Fetch) -> bytes:
        """The same, with what is not here fetched; one fetch for all who want the same block. Raises what it does."""
        found = {}
        flights: set[asyncio.Task[dict[int, bytes]]] = set()
        missing = []
        for number in _numbers(start, stop):
            key = (source.path, source.etag, number)
            with self._lock:
                block = self._blocks.get(key)
            if block is not None:
                found[number] = block
            elif key in self._live:
                flights.add(self._live[key])
            else:
                missing.append(number)
        for first, last in _runs(missing):
            flights.add(self._fly(source, first, self._end(source, first, last), fetch))
        if flights:
            # Not gathered: who is called off must not call off what others wait for.
            await asyncio.wait(flights)
            for flight in flights:
                found.update(flight.result())
        return _joined(found, start, stop)

    def empty(self) -> None:
        """Forget all blocks."""
        with self._lock:
            self._blocks.clear()
            self.held_bytes = 0

    def clear(self) -> None:
        """Forget all flights: their loop is gone."""
        self._live.clear()

    def _end(self, source: Source, first: int, last: int) -> int:
        """The block behind those that are read together with ``first`` to ``last``."""
        count = -(-source.size // BLOCK)
        before = 0
        with self._lock:
            while before < AHEAD and (source.path, source.etag, first - before - 1) in self._blocks:
                before += 1
        more = AHEAD if count <= AHEAD else before
        end = min(max(last + 1, first + more), count)
        for number in range(last + 1, end):
            key = (source.path, source.etag, number)
            if key in self._live or key in self._blocks:
                return number
        return end

    def _fly(self, source: Source, first: int, end: int, fetch: Fetch) -> asyncio.Task[dict[int, bytes]]:
        keys = [(source.path, source.etag, number) for number in range(first, end)]

        async def fetched() -> dict[int, bytes]:
            try:
                data = await fetch(source, first * BLOCK, min(end * BLOCK, source.size))
                parts = {key: data[i * BLOCK : (i + 1) * BLOCK] for i, key in enumerate(keys)}
                self._keep(parts)
                return {key[2]: part for key, part in parts.items()}
            finally:
                for key in keys:
                    self._live.pop(key, None)

        task = asyncio.create_task(fetched())
        task.add_done_callback(seen)
        self._live.update(dict.fromkeys(keys, task))
        return task

    def _keep(self, parts: dict[Key, bytes]) -> None:
        with self._lock:
            for key, part in parts.items():
                old = self._blocks.pop(key, b"")
                self._blocks[key] = part
                self.held_bytes += len(part) - len(old)
            while self.held_bytes > self.limit:
                _, gone = self._blocks.popitem(last=False)
                self.held_bytes -= len(gone)


def seen(task: asyncio.Task[Any]) -> None:
    """Have asyncio believe that somebody looked at the error: all who wanted to know may have gone."""
    if not task.cancelled():
        task.exception()


def _numbers(start: int, stop: int) -> range:
    return range(start // BLOCK, -(-stop // BLOCK))


def _runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """First and last of each row of consecutive numbers."""
    begun = 0
    for i, number in enumerate(numbers):
        if i + 1 == len(numbers) or numbers[i + 1] != number + 1:
            yield numbers[begun], number
            begun = i + 1


def _joined(blocks: dict[int, bytes], start: int, stop: int) -> bytes:
    numbers = _numbers(start, stop)
    if len(numbers) == 1:
        base = numbers[0] * BLOCK
        return blocks[numbers[0]][start - base : stop - base]
    whole = b"".join(blocks[number] for number in numbers)
    base = numbers.start * BLOCK if numbers else 0
    return whole[start - base : stop - base]
