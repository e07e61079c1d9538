"""CPU time of work in this process, rivals in turn: on a shared machine the only clock that tells of the work."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def alternating(rivals: Mapping[str, Callable[[], int]], rounds: int) -> dict[str, float]:
    """Seconds of CPU time per item, all threads of this process counted; medians.

    Args:
        rivals: By name, what does one turn of work and says how many items that was.
        rounds: Turns of each; one more goes before and is not counted.
    """
    found: dict[str, list[float]] = {name: [] for name in rivals}
    for turn in range(rounds + 1):
        for name, work in rivals.items():
            start = time.process_time()
            count = work()
            if turn:
                found[name].append((time.process_time() - start) / count)
    return {name: statistics.median(each) for name, each in found.items()}
