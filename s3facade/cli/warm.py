"""``s3facade warm``: compute beforehand what would be dear to compute when a viewer asks for it."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from s3facade.app.server import open_catalog
from s3facade.catalog.catalog import Catalog
from s3facade.cli import warm_sizes
from s3facade.cli.browse import split
from s3facade.cli.progress import Progress, duration
from s3facade.cli.what import Commands, add_what, settings
from s3facade.core.errors import ConfigError, NoSuchKey, SourceError, TooCostly
from s3facade.core.image import sources
from s3facade.engine.disk import Disk
from s3facade.engine.engine import Engine
from s3facade.engine.flight import Work
from s3facade.engine.keep import held
from s3facade.engine.needs import told
from s3facade.engine.warm import Step, Tally, Warming
from s3facade.stores.local import YOUNG, young

REASONS = 5
"""Kinds of failures that are told."""
HOPELESS = 32
"""Blocks after which it gives up if the disk cache has kept none of them."""


def add(commands: Commands) -> None:
    """The command's arguments."""
    command = commands.add_parser("warm", help="keep in the disk cache what is dear to compute")
    command.add_argument("address", metavar="BUCKET/PREFIX", help="s3://bucket/prefix: every image below it")
    add_what(command)
    command.add_argument("--levels", type=_levels, metavar="LEVELS", help="only these, as in 3, 2-4 or 3-")
    command.add_argument("--jobs", type=_positive, default=os.cpu_count() or 1, help="threads (default: one per core)")
    command.add_argument("--dry-run", action="store_true", help="only say what it would read and keep")
    command.set_defaults(run=run)


@dataclass(frozen=True, slots=True)
class _Image:
    """One image to be warmed."""

    key: str
    warming: Warming
    tally: Tally
    modified: int
    """When its newest file was, in nanoseconds since 1970."""


@dataclass(slots=True)
class _Result:
    """What became of it."""

    kept: int = 0
    nbytes: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    """Blocks by reason."""


def run(arguments: argparse.Namespace) -> int:
    """Warm every image below a prefix."""
    bucket, prefix = split(arguments.address)
    chosen = settings(arguments.what)
    measured = warm_sizes.wanted(chosen, bucket)
    if not (chosen.limits.disk or (measured and chosen.limits.index)):
        raise ConfigError(
            "the disk cache is off, so nothing can be kept: set its size in the configuration, "
            "as in `limits: {disk: 200 GiB}`"
        )
    catalog = open_catalog(chosen)
    try:
        if catalog.bucket(bucket) is None:
            raise ConfigError(f"there is no bucket {bucket!r}; `s3facade ls /` shows them")
        if not catalog.mounts(bucket, prefix):
            raise NoSuchKey(f"No image of {bucket} starts with {prefix!r}; `s3facade ls {bucket}/` shows them.")
        result = _Result()
        if chosen.limits.disk:
            _keep(catalog, bucket, prefix, arguments, result)
        if measured:
            sizes = warm_sizes.Sizes(catalog, bucket, prefix, arguments.levels, arguments.jobs)
            if arguments.dry_run:
                print(f"{sum(1 for _ in sizes.missing()):,} sizes of compressed chunks are not known yet.")
            else:
                sizes.fill(result.failed)
        return _ended(result)
    finally:
        catalog.engine.close()


def _keep(catalog: Catalog, bucket: str, prefix: str, arguments: argparse.Namespace, result: _Result) -> None:
    """Compute blocks and keep them on disk; what became of it goes into ``result``."""
    disk = catalog.engine.disk
    assert disk is not None  # noqa: S101 - as configured
    images = list(_images(catalog, bucket, prefix, arguments.levels, result))
    total = Tally()
    for image in images:
        total.add(image.tally)
    _check_room(total, disk)
    print(_summary(images, total), flush=True)
    if arguments.dry_run or not total.missing:
        return
    progress = Progress(total.reads)
    try:
        _Warmer(catalog.engine, disk, arguments.jobs, progress, result).warm(images)
    except KeyboardInterrupt:
        progress.clear()
        print(f"Stopped. {result.kept:,} blocks were kept; the same command goes on from there.", file=sys.stderr)
        raise
    finally:
        progress.clear()
    rate = told(int(progress.done / progress.seconds))
    print(
        f"Kept {result.kept:,} blocks ({told(result.nbytes)}) in {duration(progress.seconds)}: "
        f"{told(progress.done)} read, {rate}/s."
    )


def _images(
    catalog: Catalog, bucket: str, prefix: str, levels: Iterable[int] | None, result: _Result
) -> Iterator[_Image]:
    """Images below a prefix; those that do not open are counted as failed."""
    disk = catalog.engine.disk
    assert disk is not None  # noqa: S101 - as configured
    for key, mount in catalog.mounts(bucket, prefix):
        try:
            mount.open(time.monotonic())
        except SourceError as error:
            result.failed[f"{key}: {error.explain()}"] += 1
            continue
        for shown in mount.shown:
            count = len(shown.spec.levels)
            wanted = None if levels is None else [level for level in levels if level < count]
            warming = Warming(shown, wanted)
            modified = max((source.modified for source in sources(shown)), default=0)
            yield _Image(key, warming, warming.tally(disk.refresh), modified)


def _check_room(total: Tally, disk: Disk) -> None:
    """Raises `ConfigError` if not all of it can be kept at once."""
    needed = max(total.nbytes, 8 * total.largest)
    if needed > disk.quota or total.largest > disk.most:
        raise ConfigError(
            f"limits.disk is {told(disk.quota)}, and {told(needed)} are needed to keep all of it: "
            "raise it, or choose a longer prefix or fewer levels with --levels"
        )


def _summary(images: list[_Image], total: Tally) -> str:
    count = f"{len(images)} image{'' if len(images) == 1 else 's'}"
    if not total.blocks:
        return f"{count}: nothing in them is dear to compute, so there is nothing to keep."
    if not total.missing:
        return f"{count}: all {total.blocks:,} blocks ({told(total.nbytes)}) are kept."
    return (
        f"{count}: {total.missing:,} of {total.blocks:,} blocks ({told(total.missing_nbytes)} of "
        f"{told(total.nbytes)}) are not kept yet; they are computed from {told(total.reads)} of original voxels."
    )


def _ended(result: _Result) -> int:
    """Exit status; says what went wrong."""
    for reason, count in result.failed.most_common(REASONS):
        print(f"s3facade: not kept ({count}): {reason}", file=sys.stderr)
    if len(result.failed) > REASONS:
        print(f"s3facade: and {len(result.failed) - REASONS} other reasons", file=sys.stderr)
    return 1 if result.failed else 0


class _Warmer:
    """Computes blocks in threads, a few ahead of the one that is waited for."""

    def __init__(self, engine: Engine, disk: Disk, jobs: int, progress: Progress, result: _Result) -> None:
        self._engine = engine
        self._disk = disk
        self._jobs = jobs
        self._progress = progress
        self._result = result
        self._running: dict[Future[None], tuple[list[Step], int, str]] = {}
        self._most = engine.limits.memory // (8 * jobs)
        self._work = Work()

    def warm(self, images: Iterable[_Image]) -> None:
        """All of them, one after the other. Raises `ConfigError` if the disk cache keeps nothing."""
        threads = ThreadPoolExecutor(self._jobs, "warm")
        try:
            for image in images:
                work = self._work = Work()
                work.only = image.warming.only
                if young(image.modified):
                    time.sleep(YOUNG / 10**9)
                for row in image.warming.rows(self._disk.has, self._most):
                    self._begin(threads, image.key, row, work)
                # Blocks of the next image may go to the disk from other levels.
                while self._running:
                    self._collect(image.key)
        finally:
            self._work.cancelled = True
            threads.shutdown(cancel_futures=True)

    def _begin(self, threads: ThreadPoolExecutor, key: str, row: list[Step], work: Work) -> None:
        first, limit = row[0], self._engine.limits.memory
        amount = held(row, self._most)
        if amount > limit:
            self._result.failed[f"{key}, level {first.level}: one block needs more memory; raise limits.memory"] += 1
            return
        while len(self._running) >= 2 * self._jobs or (
            self._running and amount + sum(taken for _, taken, _ in self._running.values()) > limit // 2
        ):
            self._collect(key)
        future = threads.submit(self._engine.keep, row, self._most, work)
        self._running[future] = (row, amount, key)

    def _collect(self, key: str) -> None:
        """Wait a moment for some of them."""
        done, _ = wait(self._running, timeout=0.2, return_when=FIRST_COMPLETED)
        for future in done:
            row, _, image = self._running.pop(future)
            try:
                future.result()
            except (SourceError, TooCostly) as error:
                self._result.failed[f"{image}: {error.explain()}"] += len(row)
            else:
                for step in row:
                    self._count(step)
            self._progress.done += sum(step.reads for step in row)
        self._progress.show(key)

    def _count(self, step: Step) -> None:
        if self._disk.has(step.key):
            self._result.kept += 1
            self._result.nbytes += step.box.size * step.image.spec.dtype.itemsize
            return
        self._result.failed["the disk cache did not take it; is its disk full, or the folder gone?"] += 1
        if not self._result.kept and sum(self._result.failed.values()) >= HOPELESS:
            raise ConfigError(f"the disk cache in {self._disk.root} keeps nothing; see the log lines above")


def _levels(text: str) -> list[int]:
    """``3``, ``2-4`` or ``3-``, separated by commas."""
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (last and not last.isdecimal()):
            raise argparse.ArgumentTypeError(f"must be levels as in 3, 2-4 or 3-, not {text!r}")
        found += range(int(first), (int(last) if last else 63 if dash else int(first)) + 1)
    return found


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a number of at least 1, not {text!r}")
    return int(text)
