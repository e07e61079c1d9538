"""Objects to bytes: the one place where plans are carried out."""

from __future__ import annotations

import asyncio
import math
import os
import sys
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np

from s3facade.core.errors import (
    BadSource,
    FacadeError,
    SourceChanged,
    SourceNotFound,
    SourceUnavailable,
    TimedOut,
    TooCostly,
    Unsupported,
)
from s3facade.core.image import Image, Opened, Source
from s3facade.core.objects import Cut, Literal, Object, Packed, Passed, Pixels, Segment, cut
from s3facade.core.operators import Block, Buffer
from s3facade.core.protocols import Reader
from s3facade.core.region import Region
from s3facade.engine.budget import Budget, too_large
from s3facade.engine.disk import Disk
from s3facade.engine.evaluate import Evaluator
from s3facade.engine.flight import Cancelled, Flights, Work
from s3facade.engine.index import Index
from s3facade.engine.isolated import Lane
from s3facade.engine.keep import keep
from s3facade.engine.ledger import Ledger
from s3facade.engine.memory import Memory
from s3facade.engine.needs import Key, cost, missing, planned_from_files, reach, told
from s3facade.engine.notes import Notes
from s3facade.engine.pool import IDLE, Pool
from s3facade.engine.rasters import Rasters
from s3facade.engine.warm import Step
from s3facade.stores import files
from s3facade.stores.files import file, is_remote
from s3facade.stores.local import HANDLES, Handle, verify

T = TypeVar("T")
MEASURED = 64 << 20
"""Bytes of original voxels that a part of a document may always be measured on: nobody gets anywhere without those."""
DEAR = 64 << 20
"""Bytes of original voxels from which on a chunk is dear; told by descriptions alone, whether they are kept or not."""
PIECE = 1 << 20
"""Bytes that one hop to a worker makes, and one write to a socket takes: hops are dear, waiting bodies too."""

PLANS = 10_000
"""Images of which it is remembered what planning them takes."""


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """What one process may use.

    ``memory`` bytes are divided evenly between the cache and work in progress. A single piece of work that needs
    more than its half, for a plane of one strip for instance, runs alone, and the cache makes room for it.
    """

    memory: int = 512 << 20
    threads: int = 2
    queue: int = 1024
    deadline: float = 60.0
    """Seconds that a client may wait for its next bytes, or for a file to be opened."""
    isolated: int = 2
    """Processes for readers that may crash."""
    read: int = 16 << 30
    """Bytes of original voxels that one chunk may be computed from, beyond those that are kept already."""


class Descriptor:
    """An open source file, for sending its bytes without reading them."""

    __slots__ = ("_handle", "source")

    def __init__(self, handle: Handle, source: Source) -> None:
        self._handle = handle
        self.source = source

    @property
    def fd(self) -> int:
        """Valid until `close`."""
        return self._handle.fd

    def verify(self) -> None:
        """Raise `SourceChanged` unless the file still is what was described."""
        verify(self._handle, self.source)

    def close(self) -> None:
        """Let go of it; the descriptor is closed when nobody else uses it."""
        del self._handle


class _Job:
    """One batch of cuts on its way."""

    __slots__ = ("amount", "buffers", "future", "tenant", "work")

    def __init__(self, buffers: list[Buffer] | None) -> None:
        self.buffers = buffers
        self.amount = 0
        self.tenant: Hashable = ""
        self.work = Work()
        self.future: Future[list[Buffer]] | None = None


class Engine:
    """Bytes of objects, voxels of plans, and the workers, caches and budget that they take."""

    def __init__(
        self,
        reader: Callable[[str], Reader],
        limits: EngineLimits | None = None,
        disk: Disk | None = None,
        index: Index | None = None,
    ) -> None:
        self.limits = limits or EngineLimits()
        self.memory = Memory(self.limits.memory // 2)
        # Small, asked for first by every client, and dear: measured on a plane of pixels. Pixels must not evict them.
        self._documents = Memory(min(self.limits.memory // 16, 32 << 20))
        self.budget = Budget(self.limits.memory // 2, self.limits.queue, giant=self.limits.memory)
        self._lane = Lane(self.limits.isolated, self.limits.deadline, self.limits.memory)
        self.rasters = Rasters(reader, self._lane, index, max(16 << 20, self.limits.memory // 8))
        self._evaluator = Evaluator(self.rasters, self.memory, disk)
        self._aside: Evaluator | None = None
        self.disk = disk
        self.index = index
        self.ledger = Ledger(index)
        self._notes = Notes()
        self._flights = Flights()
        self._from_files: dict[str, bool] = {}
        """Whether planning reads files, by identity of the image."""
        # Named `cpu`: decode, apply, encode. One thread per core keeps both cores busy; more would only hold memory.
        self._cpu = Pool(self.limits.threads, "cpu", self.limits.deadline)
        # Named `io`: opening files and walking folders, which wait for disks; must not stand behind decoding.
        self._io = Pool(4, "io", self.limits.deadline)

    def close(self) -> None:
        """End the worker threads."""
        self._cpu.close()
        self._io.close()
        self._lane.close()
        self.rest()

    def rest(self) -> None:
        """End what was started for opening files, before this process forks; it is started again when needed."""
        self._lane.rest()
        files.rest()
        if self.disk is not None:
            self.disk.close()
        if self.index is not None:
            self.index.close()

    async def run(self, function: Callable[[], T], tenant: Hashable = "") -> T:
        """Run a blocking function that waits for files, in the ``io`` pool. Raises `TimedOut`."""
        return await self._await(self._io, self._io.submit(function, tenant))

    async def _await(self, pool: Pool, future: Future[T]) -> T:
        """The result of a job. Raises `TimedOut`; threads are made up for then: they may hang for ever."""
        try:
            async with asyncio.timeout(self.limits.deadline) as timer:
                return await asyncio.wrap_future(future)
        except TimeoutError as error:
            if not timer.expired():
                raise
            pool.relieve()
            raise _late(self.limits.deadline) from error

    def read(self, image: Image, level: int, region: Region, work: Work | None = None) -> Block:
        """Voxels of a region, blocking: for tools and tests."""
        return self._evaluator.read(image, level, region, work or Work())

    def keep(self, steps: Sequence[Step], most: int, work: Work) -> None:
        """Compute blocks and put them on disk, blocking: see `s3facade.engine.keep.keep`."""
        if self.disk is not None:
            keep(self._evaluator if self._aside is None else self._aside, self.disk, steps, most, work)

    def aside(self) -> None:
        """Have `keep` use a small memory of its own, so that what viewers look at stays where it is."""
        if self._aside is None:
            self.memory.limit -= self.limits.memory // 16
            self.memory.shrink(self.memory.limit)
            self._aside = Evaluator(self.rasters, Memory(self.limits.memory // 16), self.disk)

    def settle(self) -> None:
        """Give back the memory that `aside` took."""
        if self._aside is not None:
            self._aside = None
            self.memory.limit += self.limits.memory // 16

    async def idle(self, job: Callable[[], T], amount: int = 0) -> T:
        """Run what nobody waits for, one at a time, when there is nothing else to do.

        Args:
            job: A blocking function.
            amount: Bytes that it holds. It begins when they are free, and nobody waits for memory.

        Raises:
            TooCostly: It needs more than the server may use.
        """
        if amount > self.budget.giant:
            raise too_large(amount, self.budget.giant)
        while not self.budget.take(amount, IDLE):  # noqa: ASYNC110 - whoever waits in line would be served in turn
            await asyncio.sleep(0.1)
        future = self._cpu.submit(job, IDLE)
        try:
            return await asyncio.wrap_future(future)
        finally:
            self._returned(future, amount, IDLE)

    def kept(self, key: Key) -> bool:
        """Whether a block of a computed level is kept."""
        return self._evaluator.has(key)

    def ready(self, obj: Object, start: int, stop: int) -> list[Buffer] | None:
        """Bytes ``start <= i < stop`` if all of them are in memory and not more than 8 pieces, else None."""
        if stop - start > 8 * PIECE:
            return None
        return self._at_hand(cut(obj, start, stop))

    async def descriptor(self, segment: Passed) -> Descriptor | None:
        """The source of a passed segment, opened; None where it is no file of this machine, and has to be streamed.

        Raises:
            SourceUnavailable: It cannot be opened now.
            SourceChanged: It is not the file that was described.
        """
        source = segment.source
        if is_remote(source.path):
            return None
        # Opening may wait for a disk; what is open already costs no hop to a worker.
        handle = HANDLES.held(source)
        if handle is None:
            handle = await self.run(lambda: HANDLES.borrow(source))
        return Descriptor(handle, source)

    async def stream(self, obj: Object, start: int, stop: int, tenant: Hashable = "") -> AsyncGenerator[Buffer, None]:
        """Bytes ``start <= i < stop``, in order.

        Each item is held against the budget until the next one is asked for: write it out first. Closing the
        iterator calls off what is under way. Tenants take turns when there is more work than workers.

        Raises:
            SourceError: A source cannot be read; before the first item if it concerns that.
            LoadError: There is no room for the work, or it takes too long.
        """
        cache = stop - start <= self.memory.limit // 4
        batches = _batches(cut(obj, start, stop))
        batch = next(batches, None)
        ahead: deque[_Job] = deque()
        try:
            while True:
                while batch is not None and len(ahead) < 1 + self.limits.threads:
                    job = await self._begin(batch, tenant, wait=not ahead, cache=cache)
                    if job is None:
                        break
                    ahead.append(job)
                    batch = next(batches, None)
                if not ahead:
                    return
                job = ahead[0]
                if job.buffers is None:
                    job.buffers = await self._await(self._cpu, cast("Future[list[Buffer]]", job.future))
                for buffer in job.buffers:
                    yield buffer
                self._finish(ahead.popleft())
        finally:
            for job in ahead:
                self._finish(job)

    def recall(self, obj: Object) -> int | None:
        """Bytes of an object; None if only computing tells and it was never computed. Blocking."""
        segment = obj.unsized
        return obj.size if segment is None else self.ledger.recall(_key(segment))

    async def size(self, obj: Object, tenant: Hashable = "", *, cache: bool = True) -> int:
        """Bytes of an object, computed where nothing else tells.

        Args:
            obj: The object.
            tenant: Tenants take turns.
            cache: Whether to keep in memory what had to be computed: somebody may want it next.

        Raises:
            SourceError: It cannot be computed.
            LoadError: There is no room for the work, or it takes too long.
        """
        segment = obj.unsized
        if segment is None:
            return obj.size
        key = _key(segment)
        size = self.ledger.known(key)
        if size is None:
            size = await self.run(lambda: self.ledger.recall(key), tenant)
        return await self._measure(segment, tenant, cache=cache) if size is None else size

    async def _measure(self, segment: Pixels, tenant: Hashable, *, cache: bool) -> int:
        job = await self._begin([Cut(segment, 0, sys.maxsize)], tenant, wait=True, cache=cache)
        assert job is not None  # noqa: S101 - who waits for room gets it, or an error
        try:
            if job.buffers is None:
                job.buffers = await self._await(self._cpu, cast("Future[list[Buffer]]", job.future))
            return len(job.buffers[0])
        finally:
            self._finish(job)

    def holds(self, obj: Object) -> int:
        """Bytes that computing an `unsized` object may hold at once, its own included."""
        segment = obj.unsized
        return 0 if segment is None else _held(segment) + self._cost(segment)

    def measure(self, obj: Object, work: Work) -> int:
        """`size` of an `unsized` object, computed anew; blocking, without a budget: for tools."""
        segment = obj.unsized
        return obj.size if segment is None else len(self._bytes(segment, work, cache=False))

    async def sizes(self, objects: Iterable[Object], until: float, tenant: Hashable = "") -> list[int | FacadeError]:
        """Sizes of objects, or why there is none, in order: of the first, and of those that follow in time.

        Args:
            objects: In the order in which they are wanted.
            until: A monotonic time. What is under way then is called off.
            tenant: Tenants take turns.
        """
        found: list[int | FacadeError] = []
        rest = iter(objects)
        ahead: deque[asyncio.Task[int]] = deque()
        try:
            while True:
                while len(ahead) <= self.limits.threads and (not (found or ahead) or time.monotonic() < until):
                    obj = next(rest, None)
                    if obj is None:
                        break
                    ahead.append(asyncio.create_task(self.size(obj, tenant, cache=False)))
                if not ahead:
                    return found
                done, _ = await asyncio.wait({ahead[0]}, timeout=max(0.0, until - time.monotonic()) if found else None)
                if not done:
                    return found
                try:
                    found.append(ahead.popleft().result())
                except FacadeError as error:
                    found.append(error)
        finally:
            for task in ahead:
                task.cancel()
            await asyncio.gather(*ahead, return_exceptions=True)

    async def _begin(self, batch: Sequence[Cut], tenant: Hashable, *, wait: bool, cache: bool) -> _Job | None:
        """Start a batch. None if there is no room now and ``wait`` is false: only who holds nothing may wait."""
        at_hand = self._at_hand(batch)
        job = _Job(at_hand)
        if at_hand is not None:
            return job
        if any(self._planned_from_files(image) for c in batch for image in _images(c.segment)):
            job.amount = await self.run(lambda: self._amount(batch), tenant)
        else:
            job.amount = self._amount(batch)
        # In lines of their own: who looks at details must not stand behind overviews, his own or those of others.
        dear = self._dear(batch[0].segment)
        job.tenant = (tenant, dear)
        if wait:
            try:
                async with asyncio.timeout(self.limits.deadline):
                    await self.budget.hold(job.amount, job.tenant)
            except TimeoutError as error:
                raise _late(self.limits.deadline) from error
        elif not self.budget.take(job.amount, job.tenant):
            return None
        if job.amount > self.budget.limit:
            self.memory.shrink(self.limits.memory - job.amount)
        work = job.work
        job.future = self._cpu.submit(lambda: self._cuts(batch, work, cache=cache), job.tenant, dear=dear)
        return job

    def _finish(self, job: _Job) -> None:
        """Give the budget back, at once or when the worker lets go of the memory."""
        if job.future is None:
            return
        if not job.future.done():
            job.work.cancelled = True
        self._returned(job.future, job.amount, job.tenant)

    def _returned(self, future: Future[Any], amount: int, tenant: Hashable) -> None:
        budget = self.budget
        if future.done() or future.cancel():
            budget.release(amount, tenant)
            return
        loop = asyncio.get_running_loop()

        def ended(_: Future[Any]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(budget.release, amount, tenant)

        future.add_done_callback(ended)

    def _at_hand(self, cuts: Iterable[Cut]) -> list[Buffer] | None:
        buffers: list[Buffer] = []
        for c in cuts:
            segment = c.segment
            data: Buffer | None
            if isinstance(segment, Literal):
                data = segment.data
            elif isinstance(segment, Passed):
                return None
            else:
                data = cast("Buffer | None", self._home(segment).get(_key(segment)))
                if data is None or _mistold(segment, data):
                    return None
            buffers.append(_sliced(data, c))
        return buffers

    def _planned_from_files(self, image: Image) -> bool:
        known = self._from_files.get(image.spec.identity)
        if known is None:
            if len(self._from_files) > PLANS:
                self._from_files.clear()
            known = self._from_files[image.spec.identity] = planned_from_files(image)
        return known

    @staticmethod
    def _amount(batch: Sequence[Cut]) -> int:
        # One after the other: all results are held at the end, but only one segment's work at a time.
        return sum(_held(c.segment) for c in batch) + max(Engine._cost(c.segment) for c in batch)

    def _dear(self, segment: Segment) -> bool:
        if isinstance(segment, Packed):
            return any(map(self._dear, (part for part, _ in segment.parts)))
        if not isinstance(segment, Pixels) or isinstance(segment.image, Opened):
            return False
        return self._planned_from_files(segment.image) or reach(segment.image, segment.level, segment.region) > DEAR

    @staticmethod
    def _cost(segment: Segment) -> int:
        if isinstance(segment, Pixels):
            # What is compressed is padded to whole chunks before.
            return cost(segment.image, segment.level, segment.region) + _voxels(segment)
        if isinstance(segment, Packed):
            return segment.nbytes + max((Engine._cost(p) for p, _ in segment.parts), default=0)
        return segment.nbytes

    def _cuts(self, batch: Sequence[Cut], work: Work, *, cache: bool) -> list[Buffer]:
        if len(batch) > 1:
            new = (c.segment for c in batch if isinstance(c.segment, Pixels) and _key(c.segment) not in self.memory)
            self._evaluator.ahead(((s.image, s.level, s.region) for s in new), work)
        return [self._cut(c, work, cache=cache) for c in batch]

    def _cut(self, c: Cut, work: Work, *, cache: bool) -> Buffer:
        work.check()
        segment = c.segment
        if isinstance(segment, Passed):
            return _passed(segment, c.lo, c.hi)
        data = self._bytes(segment, work, cache=cache)
        if _mistold(segment, data):
            raise SourceChanged("The object is not of the size that was told before; try again.")
        return _sliced(data, c)

    def _bytes(self, segment: Segment, work: Work, *, cache: bool, least: int = 0) -> Buffer:
        if isinstance(segment, Literal):
            return segment.data
        if isinstance(segment, Passed):
            return _passed(segment, 0, segment.nbytes)
        key, home = _key(segment), self._home(segment)
        found = home.get(key)
        if found is not None:
            return cast(Buffer, found)

        def make() -> Buffer:
            data = self._encode(segment, work, least) if isinstance(segment, Pixels) else self._packed(segment, work)
            if cache:
                home.put(key, data)
            return data

        return self._flights.run(key, make, work)

    def _home(self, segment: Pixels | Packed) -> Memory:
        return self._documents if isinstance(segment, Packed) else self.memory

    def _affordable(self, segment: Pixels, least: int) -> None:
        """Refuse what would read too much at once, and more than ``least`` bytes. Raises `TooCostly`."""
        where, limit = (segment.image, segment.level, segment.region), max(self.limits.read, least)
        behind = reach(*where)
        if behind > limit and missing(*where, self._evaluator.has, limit) > limit:
            raise TooCostly(
                f"This would read more than {told(limit)} of the original image at once; have the operator run "
                "`s3facade warm` on it, or raise limits.read.",
                private=f"{told(behind)} for level {segment.level}, {segment.region}",
            )

    def _encode(self, segment: Pixels, work: Work, least: int) -> memoryview:
        self._affordable(segment, least)
        block = self._evaluator.read(segment.image, segment.level, segment.region, work)
        if block.shape != segment.shape:
            padded = np.zeros(segment.shape, block.dtype)
            padded[tuple(slice(0, n) for n in block.shape)] = block
            block = padded
        data = memoryview(segment.codec.encode(block))
        self._told(segment, data.nbytes)
        if segment.noted is not None:
            self._notes.put(_key(segment), segment.noted(data))
        return data

    def _told(self, segment: Pixels, size: int) -> None:
        """Remember a size that only computing tells."""
        if segment.codec.nbytes(segment.shape, segment.image.spec.dtype) is not None:
            return
        self.ledger.remember(_key(segment), size)
        self.ledger.flush()

    def _packed(self, segment: Packed, work: Work) -> memoryview:
        """Made from pixels, or kept on disk if all of them could be read: damage may be mended without a trace."""
        if self.disk is None or any(self._evaluator.young(part.image) for part, _ in segment.parts):
            return memoryview(self._pack(segment, work)[0])
        damaged: list[bytes] = []

        def make() -> Block:
            data, whole = self._pack(segment, work)
            if not whole:
                damaged.append(data)
            return np.frombuffer(data if whole else b"", np.uint8)

        kept = self.disk.array(("packed", segment.identity), (segment.nbytes,), np.dtype(np.uint8), make, work)
        return memoryview(damaged[0] if damaged else kept.data)

    def _pack(self, segment: Packed, work: Work) -> tuple[bytes, bool]:
        """The document, and whether every part of it could be measured."""
        measured = []
        whole = True
        for part, measure in segment.parts:
            noted = None if part.noted is None else self._notes.get(_key(part))
            if noted is not None:
                measured.append(noted)
                continue
            try:
                data: Buffer | None = self._bytes(part, work, cache=False, least=MEASURED)
            except (BadSource, Unsupported, SourceNotFound):
                data, whole = None, False
            measured.append(measure(data))
        return segment.pack(measured), whole


def _late(seconds: float) -> TimedOut:
    return TimedOut(f"This took longer than {seconds:g} s; try again, or have the operator warm it or raise the limit.")


def _images(segment: Segment) -> list[Image]:
    if isinstance(segment, Packed):
        return [part.image for part, _ in segment.parts]
    return [segment.image] if isinstance(segment, Pixels) else []


def _key(segment: Pixels | Packed) -> Hashable:
    if isinstance(segment, Packed):
        return segment.identity
    return (segment.image.spec.identity, segment.level, segment.region, segment.shape, segment.codec)


def _voxels(segment: Pixels) -> int:
    """Bytes of the padded box."""
    return math.prod(segment.shape) * segment.image.spec.dtype.itemsize


def _held(segment: Segment) -> int:
    """Bytes of the result, at most: what cannot be compressed becomes a little longer."""
    if isinstance(segment, Pixels) and segment.nbytes is None:
        return _voxels(segment) * 129 // 128 + 4096
    return segment.nbytes or 0


def _mistold(segment: Segment, data: Buffer) -> bool:
    """Whether another size than that of ``data`` was told before."""
    return isinstance(segment, Pixels) and segment.told is not None and segment.told != len(data)


def _sliced(data: Buffer, c: Cut) -> Buffer:
    return data if c.lo == 0 and c.hi == len(data) else memoryview(data)[c.lo : c.hi]


def _batches(cuts: Iterator[Cut]) -> Iterator[list[Cut]]:
    """Cuts grouped so that one hop makes about a piece; long passed segments are divided."""
    batch: list[Cut] = []
    size = 0
    for c in _divided(cuts):
        weight = c.hi - c.lo if isinstance(c.segment, Passed) else (c.segment.nbytes or 0)
        if batch and size + weight > PIECE:
            yield batch
            batch, size = [], 0
        batch.append(c)
        size += weight
    if batch:
        yield batch


def _divided(cuts: Iterator[Cut]) -> Iterator[Cut]:
    for c in cuts:
        if isinstance(c.segment, Passed):
            for lo in range(c.lo, c.hi, PIECE):
                yield Cut(c.segment, lo, min(lo + PIECE, c.hi))
        else:
            yield c


def _passed(segment: Passed, lo: int, hi: int) -> bytes:
    """Source bytes, verified after reading; those of a store are of the version that was described."""
    if is_remote(segment.source.path):
        return bytes(file(segment.source).pread(segment.start + lo, hi - lo))
    handle = HANDLES.borrow(segment.source)
    data = os.pread(handle.fd, hi - lo, segment.start + lo)
    verify(handle, segment.source)
    if len(data) != hi - lo:
        raise SourceUnavailable("The source file could not be read whole.", private=segment.source.path)
    return data


__all__ = ["Cancelled", "Descriptor", "Engine", "EngineLimits"]
