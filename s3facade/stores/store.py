"""A remote place that files are read from: what is known about them, tries again, ranges put together.

Everything blocking here is called from worker threads; `RemoteStore.unchanged` alone never waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from hashlib import blake2b
from typing import TypeVar

from s3facade.core.errors import SourceChanged, SourceError, SourceNotFound, SourceUnavailable
from s3facade.core.image import Source
from s3facade.stores.blocks import AHEAD, BLOCK, Blocks, seen
from s3facade.stores.known import Known, Listing
from s3facade.stores.loop import Loop
from s3facade.stores.pieces import Piece, together
from s3facade.stores.readahead import Readahead
from s3facade.stores.transport import Address, Page, Stat, Transport
from s3facade.stores.tries import Tries

T = TypeVar("T")
SINGLE = 3
"""Files of one folder that are asked for one by one before the folder is listed."""
SHORT = 5_000
"""Names of a folder that are listed for the sake of a few of them."""
BULK = 128
"""Files or folders that are asked for at once: what waits for its turn must not run out of time."""
PAGES = 1000
"""Empty parts of a listing."""
FOLDER = 1_000_000
"""Names that a folder may hold."""


class RemoteStore:
    """One store. Thread-safe.

    Args:
        name: In the configuration; paths of its files are ``name:/key``.
        address: Where it is.
        transport: What speaks to it.
        loop: What it speaks on.
        blocks: Where parts of files are kept; may be shared with others.
    """

    def __init__(self, name: str, address: Address, transport: Transport, loop: Loop, blocks: Blocks) -> None:
        self.name = name
        self.address = address
        self.transport = transport
        self.blocks = blocks
        self._loop = loop
        self._known = Known()
        self._tried = Tries(address)
        self._looking: set[str] = set()
        self._looked: dict[str, float] = {}
        """When folders were last looked at in the background."""
        self._lonely: dict[str, int] = {}
        self._live: dict[Piece, asyncio.Task[dict[Piece, bytes]]] = {}
        """Pieces that are on their way."""
        self._doubted = 0.0
        """When folders were last said to hold something else."""
        # Half of the connections: who wants something now must not stand behind what somebody may want.
        self._readahead = Readahead(max(address.connections // 2, 1))
        # Another address under the same name is another file, whatever its tag.
        self._salt = blake2b(f"{address.endpoint} {address.url}".encode(), digest_size=4).hexdigest()

    def renew(self, address: Address, transport: Transport) -> None:
        """Go on with other credentials; what is under way is tried again with them. Never waits."""
        old, self.address, self.transport = self.transport, address, transport
        if self._loop.running:
            self._loop.begin(old.close)

    @property
    def lists(self) -> bool:
        """Whether it tells what is in a folder."""
        return self.transport.lists

    # What files are.

    def describe(self, key: str) -> Source:
        """The file as it is, or was not longer ago than files are believed. Blocking.

        Raises:
            SourceNotFound: It is not there.
            SourceDenied: The store refuses.
            SourceUnavailable: The store cannot be reached.
        """
        return self.source(key, self._run(lambda: self._stat(key)))

    def source(self, key: str, stat: Stat) -> Source:
        """A file of this store, described."""
        dated = "" if stat.tag else stat.modified
        return Source(f"{self.name}:/{key}", stat.size, stat.modified, f"{self._salt}:{stat.size}:{dated}:{stat.tag}")

    def unchanged(self, source: Source) -> bool:
        """Whether a file is what was described, as far as is known; asks again in the background. Never waits."""
        if source.etag.startswith("folder:"):
            return self._folder_unchanged(source, self._key(source))
        entry = self._known.file(self._key(source))
        now = time.monotonic()
        if entry is None or now - entry.when > 2 * self.address.refresh:
            return False
        if now - max(entry.when, entry.asked) > self.address.refresh:
            entry.asked = now
            self._loop.begin(lambda: self._look(self._key(source)))
        return entry.stat is not None and self.source(self._key(source), entry.stat) == source

    def folder(self, key: str) -> Listing:
        """What is in a folder, ``""`` or ending in ``/``; as it was not longer ago than files are believed. Blocking.

        Raises:
            Unsupported: The store lists nothing.
            SourceUnavailable: It cannot be reached.
        """
        listing = self._run(lambda: self.listing(key))
        if listing is None:
            raise SourceUnavailable(
                f"A folder of the source store holds more than {FOLDER} files; name the folders below it.",
                private=self.address.url + key,
            )
        return listing

    def folders(self, keys: Sequence[str]) -> list[Listing]:
        """What is in each of several folders, asked for at once. Blocking; raises as `folder`."""

        async def listed(some: Sequence[str]) -> list[Listing | None]:
            return list(await asyncio.gather(*map(self.listing, some)))

        found: list[Listing | None] = []
        for i in range(0, len(keys), BULK):
            found += self._run(partial(listed, keys[i : i + BULK]))
        return [self.folder(key) if listing is None else listing for key, listing in zip(keys, found, strict=True)]

    def folder_source(self, key: str) -> Source:
        """A folder as a source without bytes; of a store that lists nothing, one that never changes. Blocking.

        Raises:
            SourceNotFound: There is nothing in it.
            SourceUnavailable: It cannot be looked at.
        """
        if not self.lists:
            return Source(f"{self.name}:/{key}", 0, 0, "folder:")
        found = self._folder_source(key, self.folder(key))
        if found is None:
            raise SourceNotFound("The file refers to a folder that is missing.", private=f"{self.name}:/{key}")
        return found

    def _folder_source(self, key: str, listing: Listing) -> Source | None:
        return Source(f"{self.name}:/{key}", 0, 0, f"folder:{listing.tag}") if listing.tag else None

    def _folder_unchanged(self, source: Source, key: str) -> bool:
        if not self.lists:
            return True
        listing = self._known.folder(key)
        age = self.address.refresh + 1 if listing is None else time.monotonic() - listing.when
        now = time.monotonic()
        if age > self.address.refresh and now - self._looked.get(key, -self.address.refresh) >= self.address.refresh:
            self._looked[key] = now
            self._loop.begin(lambda: self._look(key))
        return listing is not None and age < 2 * self.address.refresh and self._folder_source(key, listing) == source

    def doubt(self) -> None:
        """Believe no listing that was made before now."""
        self._doubted = time.monotonic()

    async def listing(self, key: str, most: int = FOLDER) -> Listing | None:
        """`folder`, on the loop; None if it holds more than ``most`` names."""
        known = self._known.folder(key)
        if known is not None and known.when > max(time.monotonic() - self.address.refresh, self._doubted):
            return known
        begun = time.monotonic()
        files: dict[str, Stat] = {}
        folders: list[str] = []
        following: str | None = None
        pages = itertools.count()
        while True:
            page = await self._page(key, following)
            files.update((name, stat) for name, stat in page.files if _plain(name))
            folders.extend(filter(_plain, page.folders))
            following = page.following
            if following is None:
                return self._known.listed(key, files, tuple(folders), begun)
            # A page may be empty, but a server that goes on with such pages says nothing.
            if len(files) + len(folders) >= most or next(pages) > PAGES + len(files) + len(folders):
                return None

    # What is in them.

    def read(self, source: Source, start: int, stop: int) -> bytes:
        """Bytes through the blocks that are kept. Blocking. Raises `SourceError`."""
        if start < BLOCK:
            self._go_ahead(source)
        found = self.blocks.held(source, start, stop)
        return self._run(lambda: self.blocks.read(source, start, stop, self._fetch)) if found is None else found

    def _go_ahead(self, source: Source) -> None:
        """Have the beginnings of files fetched that are likely to be opened after this one. Never waits."""
        folder, slash, name = self._key(source).rpartition("/")
        listing = self._known.folder(folder + slash)
        if listing is None or len(listing.files) > SHORT:
            return
        room = self.blocks.limit // 4
        for following in self._readahead.after(folder, name, listing):
            stat = listing.files[following]
            room -= min(stat.size, AHEAD * BLOCK)
            if room < 0:
                return
            if stat.size:
                self._loop.begin(partial(self._head, self.source(folder + slash + following, stat)))

    async def _head(self, source: Source) -> None:
        with contextlib.suppress(SourceError):
            await self.blocks.read(source, 0, 1, self._fetch)

    def heads(self, keys: Sequence[str], nbytes: int) -> None:
        """Have the first bytes of several files among the blocks; those that cannot be read are left out. Blocking."""

        async def read(key: str) -> None:
            with contextlib.suppress(SourceError):
                source = self.source(key, await self._stat(key))
                if source.size:
                    await self.blocks.read(source, 0, min(source.size, nbytes), self._fetch)

        async def every(some: Sequence[str]) -> None:
            await asyncio.gather(*map(read, some))

        for i in range(0, len(keys), BULK):
            self._run(partial(every, keys[i : i + BULK]))

    def blocking(self, pieces: Sequence[Piece]) -> list[bytes]:
        """`exact`, from a worker thread; no hop to the loop where all is here."""
        held = [self.blocks.held(piece.source, piece.start, piece.stop) for piece in pieces]
        found = [data for data in held if data is not None]
        return found if len(found) == len(pieces) else self._run(lambda: self.exact(pieces))

    async def exact(self, pieces: Sequence[Piece]) -> list[bytes]:
        """Each piece, past the blocks; near ones together, all at once, and what somebody else waits for as well once.

        Chunks of one row of strips are wanted by as many threads as there are, at the same time.
        """
        found: dict[Piece, bytes] = {}
        flights: dict[Piece, asyncio.Task[dict[Piece, bytes]]] = {}
        missing = []
        for piece in dict.fromkeys(pieces):
            held = self.blocks.held(piece.source, piece.start, piece.stop)
            if held is not None:
                found[piece] = held
            elif piece in self._live:
                flights[piece] = self._live[piece]
            else:
                missing.append(piece)
        for span in together(missing):
            flights.update(dict.fromkeys(span, self._fly(span)))
        if flights:
            # Not gathered: who is called off must not call off what others wait for.
            await asyncio.wait(set(flights.values()))
            found.update((piece, flight.result()[piece]) for piece, flight in flights.items())
        return [found[piece] for piece in pieces]

    def _fly(self, span: Sequence[Piece]) -> asyncio.Task[dict[Piece, bytes]]:
        base = span[0].start

        async def fetched() -> dict[Piece, bytes]:
            try:
                data = await self._fetch(span[0].source, base, max(piece.stop for piece in span))
                return {p: data[p.start - base : p.stop - base] if len(span) > 1 else data for p in span}
            finally:
                for piece in span:
                    self._live.pop(piece, None)

        task = asyncio.create_task(fetched())
        task.add_done_callback(seen)
        self._live.update(dict.fromkeys(span, task))
        return task

    async def close(self) -> None:
        """End the connections; others are made when they are needed."""
        self.blocks.clear()
        self._live.clear()
        await self.transport.close()

    async def _fetch(self, source: Source, start: int, stop: int) -> bytes:
        key, stat = self._key(source), Stat(source.size, source.modified, source.etag.split(":", 3)[3])
        try:
            return await self._tried(lambda: self.transport.get(key, start, stop, stat), key)
        except SourceChanged:
            self._known.forget(key)
            raise
        except SourceNotFound as error:
            self._known.note(key, None)
            raise SourceUnavailable(error.public, private=error.private) from None

    async def _stat(self, key: str) -> Stat:
        entry = self._known.file(key)
        if entry is not None and time.monotonic() - entry.when < self.address.refresh:
            stat = entry.stat
        else:
            stat = await self._found(key)
            self._known.note(key, stat)
        if stat is None:
            raise SourceNotFound("The source file is not in its store.", private=self.address.url + key)
        return stat

    async def _found(self, key: str) -> Stat | None:
        """By itself; or with its folder, where many of that are asked for."""
        head, slash, name = key.rpartition("/")
        folder = head + slash
        if self.lists:
            if len(self._lonely) > FOLDER:
                self._lonely.clear()
            count = self._lonely[folder] = self._lonely.get(folder, 0) + 1
            if count > SINGLE:
                listing = await self.listing(folder, SHORT)
                # A folder too long to be listed for this is not tried again.
                self._lonely[folder] = 0 if listing else -FOLDER
                if listing:
                    return listing.files.get(name)
        try:
            return await self._tried(lambda: self.transport.head(key), key)
        except SourceNotFound:
            return None

    async def _look(self, key: str) -> None:
        """Find out in the background what a file is now."""
        if key in self._looking:
            return
        self._looking.add(key)
        try:
            if not key or key.endswith("/"):
                await self.listing(key)
            else:
                self._known.note(key, await self._found(key))
        except SourceError:
            # It is believed for a while longer; then who asks is told.
            pass
        finally:
            self._looking.discard(key)

    async def _page(self, folder: str, following: str | None) -> Page:
        return await self._tried(lambda: self.transport.page(folder, following), folder)

    def _run(self, make: Callable[[], Awaitable[T]]) -> T:
        async def made() -> T:
            return await make()

        return self._loop.run(made, 2 * self.address.timeout + 5.0)

    def _key(self, source: Source) -> str:
        return source.path.partition(":/")[2]


def _plain(name: str) -> bool:
    """Whether a name can be one of a path: some keys of S3 cannot."""
    return name not in ("", ".", "..") and "/" not in name and "\0" not in name
