"""How much one access key may ask for, in one worker process."""

from __future__ import annotations

import time
from collections.abc import Callable

from s3facade.core.errors import Overloaded


class Quota:
    """Requests at once and requests a second; used by one event loop.

    Args:
        most: Requests in work at once; None: any number.
        rate: Requests per second; None: any number. A second's worth may come at once.
        clock: Monotonic seconds.
    """

    __slots__ = ("_clock", "_left", "_seen", "most", "rate", "running")

    def __init__(
        self, most: int | None = None, rate: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.most = most
        self.rate = rate
        self.running = 0
        self._clock = clock
        self._left = max(rate or 0.0, 1.0)
        self._seen = clock()

    def enter(self) -> None:
        """Count a request that begins; `leave` must follow.

        Raises:
            Overloaded: It is one too many.
        """
        if self.most is not None and self.running >= self.most:
            raise Overloaded("Please reduce your request rate: this access key has too many requests in work.")
        if self.rate is not None:
            now = self._clock()
            self._left = min(self._left + (now - self._seen) * self.rate, max(self.rate, 1.0))
            self._seen = now
            if self._left < 1.0:
                raise Overloaded("Please reduce your request rate: this access key asks too often.")
            self._left -= 1.0
        self.running += 1

    def leave(self) -> None:
        """Count a request that has been answered, body included."""
        self.running -= 1
