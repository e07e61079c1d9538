"""Buckets by name and what is in them: one description, looked at by every request, replaced as a whole.

Blocking work (walking folders, opening files) runs in the engine's ``io`` pool; what is known in memory is answered
on the event loop.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from s3facade.catalog.across import Across
from s3facade.catalog.contents import Broken, Late, Plan
from s3facade.catalog.folder import Copy, Folder
from s3facade.catalog.mount import Mount
from s3facade.catalog.plan import Planner
from s3facade.catalog.recipe import files, single
from s3facade.catalog.shelf import Shelf
from s3facade.config.settings import Access, BucketConfig, ListSizes, Settings, ShelfConfig
from s3facade.core.errors import (
    LoadError,
    NoSuchBucket,
    NoSuchKey,
    SourceChanged,
    SourceDenied,
    SourceError,
    SourceUnavailable,
)
from s3facade.core.identity import etag
from s3facade.core.image import Source
from s3facade.core.keyspace import Deferred, Dir, File, Node, find, is_leaf, scan
from s3facade.core.keyspace import Opened as KeySpace
from s3facade.core.objects import Passed
from s3facade.engine.engine import Engine
from s3facade.stores.files import describe, doubt, is_remote, there, unchanged

log = logging.getLogger("s3facade.catalog")
MEASURE = 5.0
"""Seconds that one page of a listing may spend on computing sizes."""
REST = 20
"""Looking at all folders again may take a twentieth of the time at most."""
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
class Found:
    """One object that exists."""

    key: str
    file: File
    etag: str
    """Unquoted."""
    mount: Mount | None
    """The image it belongs to, or None for a plain file."""
    source: Source | None
    """The plain file, if it has bytes."""
    generation: int
    pin: str = ""
    """Digest of the image that it belongs to, or of the plain file: what addresses that never change are made with."""


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a listing."""

    items: Sequence[Found | str]
    """Objects, all of them with sizes, and common prefixes."""
    last: Found | str | None
    """What the next part begins behind, whether it is listed or not; None: there is no more."""
    tired: bool = False
    """Whether it ended early, because sizes take long: who asks for more at once makes its client wait."""


@dataclass(frozen=True, slots=True)
class Viewable:
    """An image as a viewer opens it."""

    bucket: str
    prefix: str
    """A collection's first image, since most viewers read no collections."""
    scale: Mapping[str, float | None]
    """µm per voxel along x, y and z, those there are, in this order; None where it is not known."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket as it is now."""

    info: BucketInfo
    root: Node
    plan: Plan
    sizes: ListSizes = "compute"


class _Cold(Exception):
    """I/O is needed."""


class Catalog:
    """All buckets. Reads are lock-free; `rescan` and `probe` may be called from any one thread."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self.settings = settings
        self.engine = engine
        self.generation = 0
        self._planner = Planner(settings, engine)
        self._changing = threading.Lock()
        # By bucket: one whose store does not answer must not keep the others from being looked at.
        self._scanning = {config.name: threading.Lock() for config in settings.buckets}
        self._rested: dict[str, float] = {}
        self._across = Across([config.name for config in settings.buckets])
        self._buckets: Mapping[str, Bucket] = {}
        self._shelf = Shelf(settings.shelf) if settings.shelf else None
        self._shelved: dict[tuple[str, str], Bucket] = {}
        self.rescan(thorough=False)

    # What is asked for by requests.

    def buckets(self) -> Sequence[BucketInfo]:
        """All buckets, sorted by name."""
        shelved = self._shelf.folders() if self._shelf else {}
        names = sorted({*self._buckets, *shelved})
        return [bucket.info for name in names if (bucket := self._look(name)) is not None]

    def bucket(self, name: str) -> BucketInfo | None:
        """The bucket called ``name``, or None."""
        bucket = self._look(name)
        return None if bucket is None else bucket.info

    def peek(self, bucket: str, key: str) -> Found | None:
        """The object, if memory alone can tell; None if `find` must be asked."""
        entry = self._look(bucket)
        if entry is None:
            return None
        now = time.monotonic()
        met: list[tuple[Mount, KeySpace]] = []

        def resolve(node: Deferred) -> KeySpace:
            if isinstance(node.token, Mount) and (known := node.token.peek(now)) is not None:
                met.append((node.token, known))
                return known
            if isinstance(node.token, Folder) and (listed := node.token.peek()) is not None:
                return listed
            if isinstance(node.token, Copy):
                return node.token.open()
            if isinstance(node.token, Late) and (made := node.token.peek()) is not None:
                return made
            raise _Cold

        try:
            file = find(entry.root, key, resolve)
        except _Cold:
            return None
        return None if file is None else self._found(key, file, met)

    async def find(self, bucket: str, key: str) -> Found:
        """The object at ``key``.

        Raises:
            NoSuchBucket: No such bucket.
            NoSuchKey: The key is outside the key space.
            SourceError: It is inside, but its source cannot be read.
        """
        return await self.engine.run(lambda: self.find_now(bucket, key), bucket)

    def find_now(self, bucket: str, key: str) -> Found:
        """`find`, blocking."""
        entry = self._entry(bucket)
        now = time.monotonic()
        met: list[tuple[Mount, KeySpace]] = []

        def resolve(node: Deferred) -> KeySpace:
            opened = _opened(node, now)
            if isinstance(node.token, Mount):
                met.append((node.token, opened))
            return opened

        file = find(entry.root, key, resolve)
        if file is None and not met and self._look_again(bucket):
            file = find(self._entry(bucket).root, key, resolve)
        if file is None:
            self._known(bucket)
            raise NoSuchKey("The specified key does not exist.", Key=key)
        return self._found(key, file, met)

    def current(self, found: Found) -> bool:
        """Whether the description still is true. One ``stat`` per source file."""
        if found.generation != self.generation:
            return False
        if found.mount is not None:
            # The mount may have been opened anew for another key since: fresh then, but not what was found.
            return found.mount.fresh(time.monotonic()) and found.pin == found.mount.newest
        return found.source is None or unchanged(found.source)

    async def pin(self, bucket: str, prefix: str) -> str:
        """The digest of the image that ``prefix`` leads to or into; empty where there is none."""
        return await self.engine.run(lambda: self.pin_now(bucket, prefix), bucket)

    def pin_now(self, bucket: str, prefix: str) -> str:
        """`pin`, blocking. Raises `NoSuchBucket`, `SourceError`."""
        mounts = self._entry(bucket).plan.mounts
        parts = prefix.split("/")
        for n in range(len(parts), -1, -1):
            mount = mounts.get("/".join(parts[:n]))
            if mount is not None:
                return mount.pin(mount.open(time.monotonic()))
        return ""

    async def page(self, bucket: str, prefix: str, bound: str, delimiter: str, limit: int) -> Page:
        """Up to ``limit`` objects and common prefixes (as `str`) with keys ``>= bound``, in UTF-8 byte order.

        Sizes that are not known are computed for a while, and the page ends before those that are left then; or such
        objects are left out, as the bucket says. An image that cannot be opened is left out, logged, and named in
        `broken`; so is an object whose size is not known and that cannot be computed from a damaged source.

        Raises:
            NoSuchBucket: No such bucket.
            SourceUnavailable: A folder cannot be looked at, or the first object cannot be computed, now.
            LoadError: The first object needs more than there is.
        """
        found = await self.engine.run(lambda: self.page_now(bucket, prefix, bound, delimiter, limit), bucket)
        last = found[-1] if len(found) == limit else None
        unsized = [item for item in found if not isinstance(item, str) and item.file.size is None]
        if not unsized:
            return Page(found, last)
        if self._entry(bucket).sizes == "omit":
            return Page([item for item in found if isinstance(item, str) or item.file.size is not None], last)
        return await self._measured(bucket, found, unsized, last)

    async def _measured(
        self, bucket: str, found: Sequence[Found | str], unsized: Sequence[Found], last: Found | str | None
    ) -> Page:
        """What was found, with sizes computed, as far as one gets in time."""
        until = time.monotonic() + MEASURE
        sizes = await self.engine.sizes((item.file.body() for item in unsized), until, bucket)
        told = dict(zip((item.key for item in unsized), sizes, strict=False))
        items: list[Found | str] = []
        passed: Found | str | None = None
        for item in found:
            if isinstance(item, str) or item.file.size is not None:
                items.append(item)
            elif isinstance(size := told.get(item.key), int):
                items.append(replace(item, file=item.file.sized(size)))
            elif isinstance(size, SourceError) and not isinstance(size, SourceUnavailable | SourceChanged):
                log.warning("left out of a listing of %s: %r: %s", bucket, item.key, size.explain())
            elif passed is not None:
                return Page(items, passed, tired=True)
            else:
                raise size if size is not None else SourceUnavailable("No size was found out in time.")
            passed = item
        return Page(items, last)

    def page_now(self, bucket: str, prefix: str, bound: str, delimiter: str, limit: int) -> list[Found | str]:
        """`page`, blocking; sizes that were never computed are None."""
        self._look_again(bucket)
        self._known(bucket)
        entry = self._entry(bucket)
        now = time.monotonic()

        def resolve(node: Deferred) -> KeySpace:
            try:
                return _opened(node, now)
            except SourceUnavailable:
                if isinstance(node.token, Folder) or (isinstance(node.token, Mount) and _unreachable(node.token)):
                    # A list without what lies there would make a mirror delete it.
                    raise
                log.warning("an image is left out of a listing of %s: its file is gone", bucket)
            except SourceError as error:
                if isinstance(node.token, Mount) and _withheld(node.token):
                    raise
                log.warning("left out of a listing of %s: %s", bucket, error.explain())
            return Dir({})

        entries = scan(entry.root, prefix=prefix, bound=bound, delimiter=delimiter, resolve=resolve)
        page = islice(entries, limit)
        # Which mount or file it is nobody asks of a listing; finding out would cost more than all the rest.
        rest = (None, None, self.generation)
        return [
            e.key
            if (file := e.file) is None
            else Found(e.key, self._sized(file) if file.size is None else file, etag(file.identity, e.key), *rest)
            for e in page
        ]

    def _sized(self, file: File) -> File:
        """The file, with its size if that was ever found out. Blocking."""
        size = self.engine.recall(file.body())
        return file if size is None else file.sized(size)

    # What is asked for by operators.

    def broken(self, *, public: bool = False) -> Sequence[Broken]:
        """Files that are not shown, and why; sorted by path. One file may be there several times, once per reason.

        Args:
            public: Only those of buckets that anybody may list.
        """
        shelf = self._shelf if self._shelf and not (public and self._shelf.config.access != "public") else None
        found = {Broken(path, reason) for path, reason in (shelf.others() if shelf else ())}
        for bucket in self._buckets.values():
            if public and bucket.info.access != "public":
                continue
            found.update(bucket.plan.broken)
            for prefix, mount in bucket.plan.mounts.items():
                if mount.error is not None and not mount.silent and not mount.beside:
                    found.add(Broken(mount.recipe.path or prefix, mount.error.public, mount.error.private))
                found.update(Broken(mount.recipe.path or prefix, remark) for remark in mount.remarks)
        return sorted(found, key=lambda item: (item.path, item.reason, item.detail))

    def images(self, bucket: str) -> Sequence[str]:
        """Prefixes of the images that a bucket shows, sorted; opened or not."""
        plan = self._entry(bucket).plan
        members = _members(plan)
        return sorted(p for p, m in plan.mounts.items() if m.error is None and not m.beside and p not in members)

    def mounts(self, bucket: str, prefix: str = "") -> Sequence[tuple[str, Mount]]:
        """Images whose keys start with ``prefix``, or that it leads into, sorted; opened or not.

        Raises:
            NoSuchBucket: No such bucket.
        """
        plan = self._entry(bucket).plan
        members = _members(plan)
        return [
            (name, mount)
            for name, mount in sorted(plan.mounts.items())
            if name not in members
            and not mount.beside
            and (name.startswith(prefix) or f"{prefix}/".startswith(f"{name}/" if name else ""))
        ]

    def plan(self, bucket: str) -> Plan:
        """What a bucket holds. Raises `NoSuchBucket`."""
        return self._entry(bucket).plan

    def root(self, bucket: str) -> Node:
        """A bucket's key space; `page_now` opens what it defers. Raises `NoSuchBucket`."""
        return self._entry(bucket).root

    def viewable(self, bucket: str, prefix: str) -> Viewable:
        """What a viewer is given to open the image at ``prefix``."""
        mount = self._entry(bucket).plan.mounts[prefix]
        scale: dict[str, float | None] = {}
        if mount.spec is not None:
            level = mount.spec.levels[0]
            sizes = {a.name: s if a.unit else None for a, s in zip(mount.spec.axes, level.scale, strict=True)}
            scale = {name: sizes[name] for name in ("x", "y", "z") if name in sizes}
        return Viewable(bucket, f"{prefix}/0" if mount.count > 1 else prefix, scale)

    def unopened(self) -> int:
        """Images that nobody has looked into yet; files that are shown as part of another one need not be."""
        count = 0
        for bucket in self._buckets.values():
            shown = _claimed(bucket.plan)
            count += sum(
                m.error is None and not m.opened and bool(m.recipe.path) and not _owned(m, shown)
                for m in bucket.plan.mounts.values()
                if not m.beside
            )
        return count

    def probe(self, until: float) -> None:
        """Open images that were never opened, until a monotonic time; then hide what is broken. Blocking."""
        for bucket in self._buckets.values():
            shown = _claimed(bucket.plan)
            for mount in bucket.plan.mounts.values():
                # Each file of a series would look at all the others: a thousand slices, a million times.
                if not mount.beside and not _owned(mount, shown):
                    self._probe(mount, until)
                    shown.update((source.path, mount.recipe.path) for source in mount.members)
        self._swap()

    @staticmethod
    def _probe(mount: Mount, until: float) -> None:
        now = time.monotonic()
        if now > until:
            return
        if (not mount.opened and mount.error is None) or (mount.error is not None and mount.retry(now)):
            try:
                mount.open(now)
            except (SourceError, LoadError) as error:
                log.debug("does not open: %s", error.explain())

    def _look_again(self, bucket: str) -> bool:
        """Look at the folders once more if one has changed: a file that is there must not be called absent.

        Other workers, asked before, may know it already. Not more often than the time that looking takes allows:
        a microscope that writes all the time must not keep the server walking.
        """
        entry = self._buckets.get(bucket)
        if entry is None or not self.settings.server.rescan:
            return False
        told = entry.plan.watch.trusting and self._across.differs(bucket)
        if not told and (time.monotonic() < self._rested.get(bucket, 0.0) or not entry.plan.watch.moved()):
            return False
        config = next(config for config in self.settings.buckets if config.name == bucket)
        self._rescan(config, doubted=told)
        return True

    def rescan(self, *, thorough: bool = True) -> float:
        """Look at all folders again and show what is there now. Blocking. Raises `ConfigError`.

        Args:
            thorough: Whether each file is compared with what it was, and not the times of folders alone.

        Returns:
            Seconds that looking took, but for what could not be looked at.
        """
        return sum(self._rescan(config, thorough=thorough) for config in self.settings.buckets)

    def _rescan(self, config: BucketConfig, *, doubted: bool = False, thorough: bool = False) -> float:
        """Look at what one bucket shows; ``doubted``: another worker has seen something else in it."""
        with self._scanning[config.name]:
            if doubted:
                if not self._across.differs(config.name):
                    # Somebody else has looked meanwhile.
                    return 0.0
                doubt()
            begun = time.monotonic()
            old = self._buckets.get(config.name)
            plan = self._plan(config, old, thorough=thorough)
            for key, late in plan.late.items():
                made = old.plan.late.get(key) if old else None
                if made is not None and made.tag == late.tag:
                    plan.late[key] = made
            seen = plan.unseen is None and (old is None or plan is not old.plan)
            if seen:
                # Before anybody is shown it.
                self._across.tell(config.name, plan.mounts)
            self._swap({config.name: plan})
            taken = time.monotonic() - begun
            self._rested[config.name] = time.monotonic() + (REST * taken if seen else max(taken, SOON))
            return taken if seen else 0.0

    def _plan(self, config: BucketConfig, old: Bucket | None, *, thorough: bool) -> Plan:
        """What the bucket holds; what it held, where its folders cannot be looked at now."""
        try:
            return self._planner.plan(config, old.plan.mounts if old else None, thorough=thorough)
        except SourceUnavailable as error:
            log.warning("bucket %s stays as it was: %s", config.name, error.explain())
            if old is not None:
                return old.plan
            plan = Plan(broken=[Broken(error.private, error.public)], unseen=error)
            plan.watch.trust(0.0)
            return plan
        except SourceDenied as error:
            return Plan(broken=[Broken(error.private, error.public)])

    def _swap(self, plans: Mapping[str, Plan] | None = None) -> None:
        """Show other plans; None: the same, with what is known to be broken by now hidden."""
        with self._changing:
            buckets = dict(self._buckets)
            changed = False
            for config in self.settings.buckets:
                old = self._buckets.get(config.name)
                plan = (old.plan if old else None) if plans is None else plans.get(config.name)
                if plan is None:
                    continue
                created = self.settings.modified or (old.info.created if old else _created(plan))
                root = _tree(plan)
                changed = changed or old is None or _shape(old.root) != _shape(root)
                info = BucketInfo(config.name, created, config.access, config.cache_control, config.cors)
                buckets[config.name] = Bucket(info, root, plan, config.list_sizes)
            if changed:
                self._buckets = buckets
                self.generation += 1

    def _look(self, name: str) -> Bucket | None:
        """The bucket called ``name``: configured, or a sub-folder of the folder of buckets."""
        bucket = self._buckets.get(name)
        if bucket is None and self._shelf is not None:
            path = self._shelf.folders().get(name)
            if path is None:
                return None
            bucket = self._shelved.get((name, path))
            if bucket is None:
                bucket = self._shelved[name, path] = self._made(self._shelf.config, name, path)
        return bucket

    def _made(self, config: ShelfConfig, name: str, path: str) -> Bucket:
        """The bucket that shows one sub-folder as it is."""
        plan = Plan(folders={"": Folder(path, path)})
        created = self.settings.modified or _created(plan)
        info = BucketInfo(name, created, config.access, config.cache_control, config.cors)
        return Bucket(info, _tree(plan), plan)

    def _entry(self, name: str) -> Bucket:
        bucket = self._look(name)
        if bucket is None:
            raise NoSuchBucket("The specified bucket does not exist.", BucketName=name)
        return bucket

    def _known(self, bucket: str) -> None:
        """Raise `SourceUnavailable` where its sources could not be looked at yet: nothing is known to be absent."""
        unseen = self._entry(bucket).plan.unseen
        if unseen is not None:
            raise unseen.with_traceback(None)

    def _found(self, key: str, file: File, met: Sequence[tuple[Mount, KeySpace]]) -> Found:
        mount, node = met[-1] if met else (None, None)
        pin = file.identity if mount is None or node is None else mount.pin(node)
        source = None
        if mount is None and file.size:
            part = file.body().parts[0]
            source = part.source if isinstance(part, Passed) else None
        return Found(key, file, etag(file.identity, key), mount, source, self.generation, pin)


def _opened(node: Deferred, now: float) -> KeySpace:
    token = node.token
    if isinstance(token, Mount):
        return token.open(now)
    assert isinstance(token, Folder | Copy | Late)  # noqa: S101 - trees are made below, of these
    return token.open()


def _unreachable(mount: Mount) -> bool:
    """Whether a file of an image lies in a store that does not say that it is gone."""
    return any(is_remote(path) and there(path) for path in files(mount.recipe))


def _withheld(mount: Mount) -> bool:
    """Whether the store of an image refuses it now, though it has been open: most likely it refuses everything."""
    refused = mount.count > 0 and isinstance(mount.error, SourceDenied)
    return refused and any(map(is_remote, files(mount.recipe)))


def _created(plan: Plan) -> int:
    """Some time that stays the same: of the first folder or file."""
    paths = [f.path for f in plan.folders.values()] + [m.recipe.path for m in plan.mounts.values() if m.recipe.path]
    for path in (*paths, *plan.files.values()):
        try:
            return describe(path).modified
        except SourceError:
            continue
    return 0


def _claimed(plan: Plan) -> dict[str, str]:
    """Files that belong to images that have been opened, with the file of the image."""
    mounts = [m for m in plan.mounts.values() if m.members]
    return {source.path: mount.recipe.path for mount in mounts for source in mount.members}


def _owned(mount: Mount, shown: Mapping[str, str]) -> bool:
    """Whether the file of an image that was never opened is part of another image."""
    own = mount.recipe.path
    return not mount.opened and single(mount.recipe) and shown.get(own, own) != own


def _members(plan: Plan) -> set[str]:
    """Prefixes of files that are shown as part of another file's images already."""
    hidden: set[str] = set()
    owner: dict[str, str] = {}
    for prefix, mount in sorted(plan.mounts.items(), key=lambda item: (-len(item[1].members), item[1].recipe.path)):
        if not single(mount.recipe):
            continue
        own = mount.recipe.path
        if owner.get(own, own) != own:
            hidden.add(prefix)
            continue
        for source in mount.members:
            owner.setdefault(source.path, own)
    return hidden


def _tree(plan: Plan) -> Node:
    """The bucket's key space. Broken images can be found, so that their keys say why, but are not listed."""
    members = _members(plan)
    leaves: dict[str, tuple[Node, bool]] = {}
    for prefix, folder in plan.folders.items():
        leaves[prefix] = (Deferred(folder), True)
    for key, path in plan.files.items():
        leaves[key] = (Deferred(Copy(path), leaf=True), True)
    for key, file in plan.documents.items():
        leaves[key] = (file, True)
    for key, late in plan.late.items():
        leaves[key] = (Deferred(late, leaf=True), True)
    for prefix, mount in plan.mounts.items():
        if prefix not in members:
            leaves[prefix] = (Deferred(mount, leaf=mount.leaf), mount.error is None or _withheld(mount))
    if set(leaves) == {""}:
        return leaves[""][0]
    return _nested(leaves)


def _nested(leaves: Mapping[str, tuple[Node, bool]]) -> Dir:
    here: dict[str, tuple[Node, bool]] = {}
    below: dict[str, dict[str, tuple[Node, bool]]] = {}
    for path, leaf in leaves.items():
        head, slash, rest = path.partition("/")
        if slash:
            below.setdefault(head, {})[rest] = leaf
        else:
            here[head] = leaf
    for head, inner in below.items():
        folder = _nested(inner)
        here[head] = (folder, bool(folder.order))
    children = {name: node for name, (node, _) in here.items()}
    order = sorted((n if is_leaf(c) else n + "/", n) for n, (c, shown) in here.items() if shown)
    return Dir(children, tuple(order))


def _shape(node: Node) -> object:
    """What makes two trees alike: names, and which mounts stand where."""
    if isinstance(node, Deferred):
        return node.token if isinstance(node.token, Mount | Late) else getattr(node.token, "path", None)
    if isinstance(node, Dir):
        return (tuple(node.order), {name: _shape(child) for name, child in node.children.items()})
    return node.identity if isinstance(node, File) else id(node)
