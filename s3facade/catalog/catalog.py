"""Buckets by name and what is in them: one description, looked at by every request, replaced as a whole.

Blocking work (walking folders, opening files) runs in the engine's ``io`` pool; what is known in memory is answered
on the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

from s3facade.catalog.buckets import Bucket, BucketInfo, Buckets, Prepared, made_when
from s3facade.catalog.contents import Broken, Late, Plan
from s3facade.catalog.folder import Copy, Folder
from s3facade.catalog.images.mount import Mount
from s3facade.catalog.images.recipe import files
from s3facade.catalog.tree import folder, withheld
from s3facade.config.settings import Settings, ShelfConfig
from s3facade.core.errors import (
    BeingMade,
    LoadError,
    NoSuchBucket,
    NoSuchKey,
    SourceChanged,
    SourceError,
    SourceUnavailable,
)
from s3facade.core.identity import etag
from s3facade.core.image import Source
from s3facade.core.keyspace import Deferred, Dir, File, Node, find, scan
from s3facade.core.keyspace import Opened as KeySpace
from s3facade.core.objects import Passed
from s3facade.engine.engine import Engine
from s3facade.stores.files import is_remote, there, unchanged

log = logging.getLogger("s3facade.catalog")
AGAIN = 0.25
"""Seconds after which it is asked again for a document that is being made."""
MEASURE = 5.0
"""Seconds that one page of a listing may spend on computing sizes."""


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
    late: Late | None = None
    """The document that it is, if that takes a while to make and may change."""


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
    format: Literal["zarr", "precomputed", "file"] = "zarr"
    """What it is to a client."""


class _Cold(Exception):
    """I/O is needed."""


class Catalog:
    """All buckets. Reads are lock-free; `rescan` and `probe` may be called from any one thread."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self.engine = engine
        self._state = Buckets(settings, engine)
        self._shelved: dict[tuple[str, str], Bucket] = {}

    @property
    def settings(self) -> Settings:
        """What is shown now."""
        return self._state.settings

    @property
    def generation(self) -> int:
        """Another one whenever other things are shown."""
        return self._state.generation

    # What changes.

    def rescan(self, *, thorough: bool = True) -> float:
        """Look at all folders again and show what is there now. Blocking. Raises `ConfigError`.

        Args:
            thorough: Whether each file is compared with what it was, and not the times of folders alone.

        Returns:
            Seconds that looking took, but for what could not be looked at.
        """
        return self._state.rescan(thorough=thorough)

    def look(self) -> None:
        """Look at folders again whose times have changed. Blocking."""
        self._state.looks()

    def planned(self, settings: Settings) -> Prepared:
        """Plan another configuration beside the one that is shown. Blocking. Raises `ConfigError`."""
        return self._state.plan(settings)

    def adopt(self, prepared: Prepared) -> None:
        """Show another configuration from now on, all of it at once. No I/O."""
        self._state.adopt(prepared)
        self._shelved.clear()

    def probe(self, until: float) -> None:
        """Open images that were never opened, until a monotonic time; then hide what is broken. Blocking."""
        self._state.probe(until)

    def prepare(self) -> None:
        """Make the documents that listings leave out until they were made. Blocking."""
        for bucket in list(self._state.now.values()):
            for key, late in bucket.plan.late.items():
                if late.waits:
                    try:
                        late.prepare()
                    except BeingMade:
                        continue  # since somebody asked for it
                    except (SourceError, LoadError) as error:
                        log.warning("not made: %r in %s: %s", key, bucket.info.name, error.explain())

    def unopened(self) -> int:
        """Images that nobody has looked into yet; files that are shown as part of another one need not be."""
        return self._state.unopened()

    def unprobed(self) -> int:
        """About as many, at once."""
        return self._state.unprobed()

    # What is asked for by requests.

    def buckets(self) -> Sequence[BucketInfo]:
        """All buckets, sorted by name."""
        shelf, now = self._state.shelf, self._state.now
        names = sorted({*now, *(shelf.folders() if shelf else ())})
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
        late: list[Late] = []

        def resolve(node: Deferred) -> KeySpace:
            if isinstance(node.token, Mount) and (known := node.token.peek(now)) is not None:
                met.append((node.token, known))
                return known
            if isinstance(node.token, Folder) and (listed := node.token.peek()) is not None:
                return listed
            if isinstance(node.token, Copy) and node.token.near:
                return node.token.open()
            if isinstance(node.token, Late) and (made := node.token.peek()) is not None:
                late.append(node.token)
                return made
            raise _Cold

        try:
            file = find(entry.root, key, resolve)
        except _Cold:
            return None
        return None if file is None else self._found(key, file, met, late)

    async def find(self, bucket: str, key: str) -> Found:
        """The object at ``key``; waits for a document that is being made, up to the deadline.

        Raises:
            NoSuchBucket: No such bucket.
            NoSuchKey: The key is outside the key space.
            SourceError: It is inside, but its source cannot be read.
            LoadError: Not now.
        """
        until = time.monotonic() + self.engine.limits.deadline
        while True:
            try:
                return await self.engine.run(lambda: self.find_now(bucket, key), bucket)
            except BeingMade:
                if time.monotonic() + AGAIN > until:
                    raise
            # Not in a thread: whoever wants an image needs them.
            await asyncio.sleep(AGAIN)

    def find_now(self, bucket: str, key: str) -> Found:
        """`find`, blocking."""
        entry = self._entry(bucket)
        now = time.monotonic()
        met: list[tuple[Mount, KeySpace]] = []
        late: list[Late] = []

        def resolve(node: Deferred) -> KeySpace:
            opened = _opened(node, now)
            if isinstance(node.token, Mount):
                met.append((node.token, opened))
            elif isinstance(node.token, Late):
                late.append(node.token)
            return opened

        file = find(entry.root, key, resolve)
        if file is None and not met and self._state.look(bucket):
            file = find(self._entry(bucket).root, key, resolve)
        if file is None:
            self._known(bucket)
            raise NoSuchKey("The specified key does not exist.", Key=key)
        return self._found(key, file, met, late)

    def current(self, found: Found) -> bool:
        """Whether the description still is true. One ``stat`` per source file."""
        if found.generation != self.generation:
            return False
        if found.mount is not None:
            # The mount may have been opened anew for another key since: fresh then, but not what was found.
            return found.mount.fresh(time.monotonic()) and found.pin == found.mount.newest
        if found.late is not None:
            return found.late.peek() is found.file
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
        self._state.look(bucket)
        self._known(bucket)
        entry = self._entry(bucket)
        now = time.monotonic()

        def resolve(node: Deferred) -> KeySpace:
            if isinstance(node.token, Late) and node.token.waits and not node.token.made:
                return Dir({})
            try:
                return _opened(node, now)
            except SourceUnavailable:
                if isinstance(node.token, Folder) or (isinstance(node.token, Mount) and _unreachable(node.token)):
                    # A list without what lies there would make a mirror delete it.
                    raise
                log.warning("an image is left out of a listing of %s: its file is gone", bucket)
            except SourceError as error:
                if isinstance(node.token, Mount) and withheld(node.token):
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
        shelf = self._state.shelf
        if shelf and public and shelf.config.access != "public":
            shelf = None
        found = {Broken(path, reason) for path, reason in (shelf.others() if shelf else ())}
        for bucket in self._state.now.values():
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
        entry = self._entry(bucket)
        found = ((p, m) for p, m in entry.plan.mounts.items() if p not in entry.hidden)
        return sorted(p for p, m in found if m.error is None and not m.beside)

    def count(self, bucket: str) -> int:
        """How many images a bucket shows, as far as is known; at once."""
        return self._entry(bucket).images

    def mounts(self, bucket: str, prefix: str = "") -> Sequence[tuple[str, Mount]]:
        """Images whose keys start with ``prefix``, or that it leads into, sorted; opened or not.

        Raises:
            NoSuchBucket: No such bucket.
        """
        entry = self._entry(bucket)
        return [
            (name, mount)
            for name, mount in sorted(entry.plan.mounts.items())
            if name not in entry.hidden
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
        first = getattr(mount.layout, "first", None)
        below = first(mount.shown) if first and mount.shown else "0" if mount.count > 1 else ""
        if mount.leaf:
            return Viewable(bucket, prefix, scale, "file")
        return Viewable(bucket, f"{prefix}/{below}".rstrip("/"), scale, getattr(mount.layout, "format", "zarr"))

    def _look(self, name: str) -> Bucket | None:
        """The bucket called ``name``: configured, or a sub-folder of the folder of buckets."""
        bucket, shelf = self._state.now.get(name), self._state.shelf
        if bucket is None and shelf is not None:
            path = shelf.folders().get(name)
            if path is None:
                return None
            bucket = self._shelved.get((name, path))
            if bucket is None:
                bucket = self._shelved[name, path] = self._made(shelf.config, name, path)
        return bucket

    def _made(self, config: ShelfConfig, name: str, path: str) -> Bucket:
        """The bucket that shows one sub-folder as it is."""
        plan, root = folder(path)
        created = self.settings.modified or made_when(plan)
        return Bucket(BucketInfo(name, created, config.access, config.cache_control, config.cors), root, plan)

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

    def _found(self, key: str, file: File, met: Sequence[tuple[Mount, KeySpace]], late: Sequence[Late]) -> Found:
        mount, node = met[-1] if met else (None, None)
        pin = file.identity if mount is None or node is None else mount.pin(node)
        source = None
        if mount is None and file.size:
            part = file.body().parts[0]
            source = part.source if isinstance(part, Passed) else None
        made = late[-1] if late else None
        return Found(key, file, etag(file.identity, key), mount, source, self.generation, pin, made)


def _opened(node: Deferred, now: float) -> KeySpace:
    token = node.token
    if isinstance(token, Mount):
        return token.open(now)
    assert isinstance(token, Folder | Copy | Late)  # noqa: S101 - trees are made below, of these
    return token.open()


def _unreachable(mount: Mount) -> bool:
    """Whether a file of an image lies in a store that does not say that it is gone."""
    return any(is_remote(path) and there(path) for path in files(mount.recipe))
