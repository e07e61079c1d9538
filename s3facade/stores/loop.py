"""One event loop of the process for all that waits for networks, in a thread of its own.

It begins when it is first needed, which must be after a fork: neither threads nor connections live on in a child. Who
has used it before forking closes it; a child that inherits one all the same begins its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from s3facade.core.errors import SourceUnavailable

T = TypeVar("T")
_inherited: list[asyncio.AbstractEventLoop] = []
"""Loops of a parent process: to close one would disturb what it shares with the parent."""


class Loop:
    """Coroutines for threads that block. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pid = 0
        self._background: set[Future[Any]] = set()

    def run(self, make: Callable[[], Coroutine[Any, Any, T]], seconds: float) -> T:
        """What the coroutine gives; it is called off after ``seconds``. Raises what it raises, `SourceUnavailable`."""
        future = asyncio.run_coroutine_threadsafe(make(), self._begun())
        try:
            return future.result(seconds)
        except (TimeoutError, CancelledError):
            raise SourceUnavailable("The source store does not answer in time; try again.") from None
        finally:
            future.cancel()

    def begin(self, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Have the coroutine run, without waiting for it."""
        future = asyncio.run_coroutine_threadsafe(make(), self._begun())
        self._background.add(future)
        future.add_done_callback(self._background.discard)

    @property
    def running(self) -> bool:
        """Whether it has begun in this process."""
        return self._loop is not None and self._pid == os.getpid()

    def close(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run ``last`` and end the thread, if there is one; another begins when it is needed."""
        with self._lock:
            loop, thread = self._loop, self._thread
            if loop is None or thread is None or self._pid != os.getpid():
                return
            self._loop = self._thread = None
        future = asyncio.run_coroutine_threadsafe(_ended(last), loop)
        with contextlib.suppress(TimeoutError):
            future.result(5.0)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5.0)
        if not thread.is_alive():
            loop.close()

    def _begun(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is not None and self._pid != os.getpid():
                _inherited.append(self._loop)
                self._loop, self._background = None, set()
            if self._loop is None:
                self._pid = os.getpid()
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="remote", daemon=True)
                self._thread.start()
            return self._loop


async def _ended(last: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Call off what runs, then ``last``."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await last()
