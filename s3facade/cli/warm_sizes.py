"""The other half of ``s3facade warm``: sizes of compressed chunks, so that no listing has to wait for them."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from s3facade.catalog.catalog import Catalog, Found
from s3facade.cli.progress import duration
from s3facade.config.settings import Settings
from s3facade.config.views.image import ImageView
from s3facade.core.errors import SourceError, TooCostly
from s3facade.core.keyspace import successor
from s3facade.core.objects import Object
from s3facade.engine.flight import Work

PAGE = 1000
SELDOM = 30.0
"""Seconds between two lines that tell how far it is."""


def wanted(settings: Settings, bucket: str) -> bool:
    """Whether the bucket has views of which only computing tells the sizes."""
    views = [view for b in settings.buckets if b.name == bucket for view in b.views]
    return any(isinstance(view, ImageView) and view.options.get("codec") is not None for view in views)


@dataclass(frozen=True, slots=True)
class Sizes:
    """Finds out what is not known of the objects below a prefix."""

    catalog: Catalog
    bucket: str
    prefix: str
    levels: Sequence[int] | None
    """Only of these levels; None: of all."""
    jobs: int
    """Threads."""

    def missing(self) -> Iterator[tuple[str, Object]]:
        """Key and description of each object whose size is not known."""
        bound = ""
        while True:
            page = self.catalog.page_now(self.bucket, self.prefix, bound, "", PAGE)
            for item in page:
                if isinstance(item, Found) and item.file.size is None:
                    obj = item.file.body()
                    if self.levels is None or (obj.unsized is not None and obj.unsized.level in self.levels):
                        yield item.key, obj
            if len(page) < PAGE:
                return
            last = page[-1]
            bound = successor(last) if isinstance(last, str) else last.key + "\0"

    def fill(self, failed: Counter[str]) -> None:
        """Compute each of them once; what cannot be is counted by reason in ``failed``."""
        begun = shown = time.monotonic()
        running: dict[Future[int], tuple[str, int]] = {}
        done = nbytes = 0
        work, threads = Work(), ThreadPoolExecutor(self.jobs, "warm")
        engine = self.catalog.engine

        def collect() -> None:
            nonlocal done, nbytes
            for future in wait(running, timeout=0.2, return_when=FIRST_COMPLETED).done:
                key, _ = running.pop(future)
                try:
                    nbytes += future.result()
                    done += 1
                except (SourceError, TooCostly) as error:
                    failed[f"{key}: {error.explain()}"] += 1

        try:
            for key, obj in self.missing():
                amount = engine.holds(obj)
                if amount > engine.limits.memory:
                    failed[f"{key}: it needs more memory; raise limits.memory"] += 1
                    continue
                while len(running) >= 2 * self.jobs or (
                    running and amount + sum(held for _, held in running.values()) > engine.limits.memory // 2
                ):
                    collect()
                running[threads.submit(engine.measure, obj, work)] = (key, amount)
                if time.monotonic() - shown > SELDOM:
                    shown = time.monotonic()
                    print(f"{done:,} sizes, at {key}", file=sys.stderr)
            while running:
                collect()
        finally:
            work.cancelled = True
            threads.shutdown(cancel_futures=True)
            engine.ledger.flush()
        took = duration(time.monotonic() - begun)
        print(f"Found out {done:,} sizes of compressed chunks ({nbytes:,} bytes) in {took}.")
