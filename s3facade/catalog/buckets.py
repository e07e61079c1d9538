"""Buckets as they are now: planned beside what is shown, looked at again when folders change, replaced as a whole."""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from s3facade.catalog.across import Across
from s3facade.catalog.contents import Broken, Plan
from s3facade.catalog.plan import Planner
from s3facade.catalog.probing import Probing
from s3facade.catalog.shelf import Shelf
from s3facade.catalog.tree import Shape, hidden, shape, tree
from s3facade.config.settings import Access, BucketConfig, ListSizes, Settings
from s3facade.core.errors import FacadeError, SourceDenied, SourceError, SourceUnavailable
from s3facade.core.keyspace import Node
from s3facade.engine.engine import Engine
from s3facade.stores.files import describe, doubt

log = logging.getLogger("s3facade.catalog")
REST = 20
"""Looking at all files again may take a twentieth of the time at most; so may asking whether folders have changed."""
SHORT = 1
"""Making a new plan of what has changed may take half of the time: a microscope that writes all the time must not keep
the server planning."""
MANY = 20_000
"""Images of a bucket beyond which nobody waits for a new plan of it."""
SOON = 3.0
"""Seconds until what could not be looked at is looked at again, if it is asked for."""


@dataclass(frozen=True, slots=True)
class BucketInfo:
    """What S3 tells about a bucket."""

    name: str
    created: int
    """Nanoseconds since 1970, UTC."""
    access: Access
    cache_control: str | None = None
    cors: tuple[str, ...] = ("*",)
    """Origins whose pages may read it."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket as it is now."""

    info: BucketInfo
    root: Node
    plan: Plan
    sizes: ListSizes = "compute"
    hidden: frozenset[str] = frozenset()
    """Prefixes of files that are shown as part of another file's images."""
    shape: Shape | None = None
    images: int = 0
    """How many it shows."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Another configuration, planned completely, not shown yet."""

    settings: Settings
    planner: Planner
    buckets: Mapping[str, Bucket]
    shelf: Shelf | None


class Buckets:
    """All buckets that are configured. Reads of `now` are lock-free; the rest may be called from any thread."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self.settings = settings
        self.shelf = Shelf(settings.shelf) if settings.shelf else None
        self.now: Mapping[str, Bucket] = {}
        """By name."""
        self.generation = 0
        """Another one whenever other things are shown."""
        self.across = Across()
        self._engine = engine
        self._planner = Planner(settings, engine)
        self._changing = threading.Lock()
        # By bucket: one whose store does not answer must not keep the others from being looked at.
        self._scanning: dict[str, threading.Lock] = {}
        self._rested: dict[str, float] = {}
        self._probing: dict[str, Probing] = {}
        self._told: dict[str, str] = {}
        """Why a bucket stays as it was, by its name, while it does."""
        self.rescan(thorough=False)

    # Looking again.

    def look(self, name: str) -> bool:
        """Look at a bucket's folders if one has changed, or if another worker has seen something else in it. Blocking.

        A file that is there must not be called absent. Not more often than the time that looking takes allows.
        """
        entry, settings = self.now.get(name), self.settings
        config = next((config for config in settings.buckets if config.name == name), None)
        if entry is None or config is None or not settings.server.rescan:
            return False
        told = entry.plan.watch.trusting and self.across.differs(name)
        if not told:
            begun = time.monotonic()
            if begun < self._rested.get(name, 0.0):
                return False
            moved = entry.plan.watch.moved()
            now = time.monotonic()
            if not moved:
                self._rested[name] = now + REST * (now - begun)
                return False
        if len(entry.plan.mounts) > MANY and not entry.plan.watch.trusting:
            # What takes seconds is not waited for: until it is done, what was true a moment ago is told.
            if not self._scanning.setdefault(name, threading.Lock()).locked():
                threading.Thread(target=self._aside, args=(config, entry), daemon=True).start()
            return False
        self._look(config, entry, doubted=told)
        return True

    def _aside(self, config: BucketConfig, seen: Bucket) -> None:
        """Look at a bucket whose folders have changed, in a thread of its own."""
        try:
            self._look(config, seen)
        except FacadeError as error:
            log.warning("bucket %s stays as it was: %s", config.name, error.explain())

    def looks(self) -> None:
        """`look` at every bucket."""
        for name in self.now:
            self.look(name)

    def rescan(self, *, thorough: bool = True) -> float:
        """Look at all folders again and show what is there now. Blocking. Raises `ConfigError`.

        Args:
            thorough: Whether each file is compared with what it was, and not the times of folders alone.

        Returns:
            Seconds that looking took, but for what could not be looked at.
        """
        return sum(self._look(c, self.now.get(c.name), thorough=thorough) for c in self.settings.buckets)

    def _look(
        self, config: BucketConfig, seen: Bucket | None, *, doubted: bool = False, thorough: bool = False
    ) -> float:
        """Look at what one bucket shows; ``doubted``: another worker has seen something else than ``seen``."""
        with self._scanning.setdefault(config.name, threading.Lock()), _undisturbed():
            planner, old = self._planner, self.now.get(config.name)
            if doubted:
                if not self.across.differs(config.name):
                    # Somebody else has looked meanwhile.
                    return 0.0
                doubt()
            elif old is not seen and not thorough:
                return 0.0
            begun = time.monotonic()
            if thorough and old is not None and old.plan.unseen is None and planner.settled(config, old.plan):
                return time.monotonic() - begun
            plan = self._plan(planner, config, old, thorough=thorough)
            known = plan.unseen is None and (old is None or plan is not old.plan)
            if known and plan.watch.trusting:
                # Before anybody is shown it.
                self.across.tell(config.name, plan.mounts)
            self._show(planner, config, plan)
            taken = time.monotonic() - begun
            if not known:
                self._rested[config.name] = time.monotonic() + max(taken, SOON)
            elif old is not None and not thorough:
                self._rested[config.name] = time.monotonic() + SHORT * taken
            return taken if known else 0.0

    def _plan(self, planner: Planner, config: BucketConfig, old: Bucket | None, *, thorough: bool) -> Plan:
        """What the bucket holds; what it held, where its folders cannot be looked at now."""
        try:
            plan = planner.plan(config, old.plan.mounts if old else None, thorough=thorough)
        except SourceUnavailable as error:
            if old is not None and planner is self._planner:
                # Once, not at each look until somebody has mended it.
                if self._told.get(config.name) != error.explain():
                    log.warning("bucket %s stays as it was: %s", config.name, error.explain())
                self._told[config.name] = error.explain()
                return old.plan
            log.warning("bucket %s: %s", config.name, error.explain())
            plan = Plan(broken=[Broken(error.private, error.public)], unseen=error)
            plan.watch.trust(0.0)
            return plan
        except SourceDenied as error:
            return Plan(broken=[Broken(error.private, error.public)])
        self._told.pop(config.name, None)
        for key, late in plan.late.items():
            made = old.plan.late.get(key) if old else None
            if made is not None and made.tag == late.tag:
                plan.late[key] = made
            elif made is not None:
                late.follow(made)
        return plan

    def _show(self, planner: Planner, config: BucketConfig, plan: Plan) -> None:
        """Show another plan of one bucket, unless another configuration is shown meanwhile."""
        with self._changing:
            if planner is not self._planner:
                return
            old = self.now.get(config.name)
            made = _made(self.settings, config, plan, old)
            self.now = {**self.now, config.name: made}
            if old is None or made.root is not old.root:
                self.generation += 1

    # Opening what nobody has looked into.

    def probe(self, until: float) -> None:
        """Open images that were never opened, until a monotonic time; then hide what is broken. Blocking."""
        configs = {config.name: config for config in self.settings.buckets}
        for name, probing in self._probed():
            if probing.run(until) and name in configs and self.now[name].plan is probing.plan:
                self._show(self._planner, configs[name], probing.plan)

    def unopened(self) -> int:
        """Images that nobody has looked into yet."""
        return sum(probing.unopened() for _, probing in self._probed())

    def unprobed(self) -> int:
        """About as many, at once."""
        count = 0
        for name, bucket in self.now.items():
            probing = self._probing.get(name)
            count += bucket.images if probing is None or probing.plan is not bucket.plan else probing.left
        return count

    def _probed(self) -> list[tuple[str, Probing]]:
        found = []
        for name, bucket in list(self.now.items()):
            probing = self._probing.get(name)
            if probing is None or probing.plan is not bucket.plan:
                probing = self._probing[name] = Probing(bucket.plan)
            found.append((name, probing))
        return found

    # Other configurations.

    def plan(self, settings: Settings) -> Prepared:
        """Plan another configuration beside the one that is shown. Blocking. Raises `ConfigError`.

        What it has in common with the one that is shown is taken over, open as it is.
        """
        with _undisturbed():
            planner = Planner(settings, self._engine, before=self._planner)
            same = (settings.sources, settings.images) == (self.settings.sources, self.settings.images)
            before = {config.name: config for config in self.settings.buckets}
            buckets: dict[str, Bucket] = {}
            for config in settings.buckets:
                old = self.now.get(config.name)
                kept = same and config == before.get(config.name)
                plan = self._plan(self._planner if kept and old else planner, config, old, thorough=False)
                buckets[config.name] = _made(settings, config, plan, old)
            shelf = self.shelf
            if settings.shelf != self.settings.shelf:
                shelf = Shelf(settings.shelf) if settings.shelf else None
            return Prepared(settings, planner, buckets, shelf)

    def adopt(self, prepared: Prepared) -> None:
        """Show it from now on. No I/O; who asked before goes on with what he was shown."""
        with self._changing:
            self.settings, self._planner, self.shelf = prepared.settings, prepared.planner, prepared.shelf
            self.now = prepared.buckets
            self.generation += 1
            self._rested.clear()
        for name, bucket in prepared.buckets.items():
            if bucket.plan.watch.trusting and bucket.plan.unseen is None:
                self.across.tell(name, bucket.plan.mounts)


def _made(settings: Settings, config: BucketConfig, plan: Plan, old: Bucket | None) -> Bucket:
    """The bucket that shows a plan, with the key space of the old one if that is the same."""
    without = hidden(plan)
    shown = shape(plan, without)
    created = old.info.created if old else settings.modified or made_when(plan)
    info = BucketInfo(config.name, created, config.access, config.cache_control, config.cors)
    root = old.root if old is not None and old.shape == shown else tree(plan, shown)
    images = sum(m.error is None and not m.beside for m in plan.mounts.values())
    images -= sum(plan.mounts[p].error is None and not plan.mounts[p].beside for p in without)
    return Bucket(info, root, plan, config.list_sizes, without, shown, images)


def made_when(plan: Plan) -> int:
    """Some time that stays the same: of the first folder or file, in nanoseconds since 1970."""
    for path in _paths(plan):
        try:
            return describe(path).modified
        except SourceError:
            continue
    return 0


def _paths(plan: Plan) -> Iterator[str]:
    yield from (f.path for f in plan.folders.values())
    yield from (m.recipe.path for m in plan.mounts.values() if m.recipe.path)
    yield from plan.files.values()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Without the collector: a plan is many objects that stay; to look through them costs as much as making them."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()
