"""The composition root: puts catalog, engine and S3 floor together, and runs them in worker processes.

The parent binds the port, looks at the sources once, and forks; workers share what it learned. They need nothing
from each other: identities, sizes and tokens are arithmetic, so every worker gives the same answers.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import logging
import os
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import uvloop

from s3facade import __version__, caches, registry, remotes
from s3facade.auth import configured
from s3facade.auth.authenticator import Authenticator
from s3facade.catalog.buckets import REST
from s3facade.catalog.builder import Builder
from s3facade.catalog.catalog import Catalog, Viewable
from s3facade.catalog.contents import Broken
from s3facade.catalog.sources import strays
from s3facade.config.settings import Settings
from s3facade.config.views.files import FilesView
from s3facade.core.errors import ConfigError, FacadeError
from s3facade.engine.engine import Engine, EngineLimits
from s3facade.reload import LOOK, Board, News, Written, now, told
from s3facade.s3.server import create_server
from s3facade.s3.settings import S3Settings
from s3facade.s3.target import virtual

log = logging.getLogger("s3facade")
T = TypeVar("T")
START = 1.0
"""Seconds until images are no longer opened before serving begins; what is left is opened while serving."""
QUICK = 2.0
"""Seconds between two looks at the folders' own times."""
MANY = 2000
"""Images that are opened in the background so slowly that requests hardly notice; fewer are over in no time."""
EARLY = 5.0
"""Seconds: a worker that ends sooner than this after its start will do so again."""
WORKER_MEMORY = 256 << 20
"""Bytes that a worker gets at least, unless the number of workers is given."""
BACKLOG = 1024
"""Connections that may wait to be accepted: a viewer opens dozens at once."""
FAR = 8
"""Threads of a worker whose images come from a network."""
SPARE_FILES = 512
"""Open files that connections leave over: sources, folders, libraries."""
_TOLD = frozenset({signal.SIGHUP, signal.SIGTERM, signal.SIGINT})
"""Signals that the parent passes on to its workers."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a server that has just started shows."""

    url: str
    buckets: tuple[tuple[str, int], ...]
    """Name and number of images."""
    images: tuple[Viewable, ...]
    """The first few."""
    broken: tuple[Broken, ...]
    unopened: int
    """Images not looked into yet."""


def open_catalog(settings: Settings, *, workers: int = 1) -> Catalog:
    """The catalog and its engine, for tools that need no server. Blocking. Raises `ConfigError`."""
    limits = settings.limits
    remotes.register(settings, workers=workers)
    # Threads that wait for a network decode nothing meanwhile.
    threads = FAR if settings.stores else 2
    share = EngineLimits(
        limits.memory // workers, threads=threads, queue=limits.queue, deadline=limits.deadline, read=limits.read
    )
    return Catalog(settings, Engine(registry.reader, share, caches.disk(limits), caches.index(limits)))


def run(settings: Settings, *, on_ready: Callable[[Announcement], None]) -> int:
    """Serve until SIGTERM or SIGINT; the exit status. Blocking; may be called once in a process.

    Raises:
        ConfigError: The port is taken, or the configuration contradicts itself.
    """
    _tune_malloc()
    _raise_file_limit()
    # Each worker needs room for a plane of one strip; with less, more workers would serve less.
    room = max(1, settings.limits.memory // WORKER_MEMORY)
    workers = settings.limits.workers or min(os.cpu_count() or 1, 8, room)
    listener, board = _listen(settings), Board()
    try:
        until = time.monotonic() + START
        catalog = open_catalog(settings, workers=workers)
        written = Written(settings)
        catalog.probe(until)
        announcement = _announcement(catalog, listener)

        def ready() -> None:
            on_ready(announcement)
            catalog.engine.rest()
            sys.stdout.flush()
            # What is there now stays: keep it out of every later collection, and its pages shared between workers.
            gc.collect()
            gc.freeze()
            gc.set_threshold(20_000, 20, 20)
            # A worker thread that runs Python must not keep the event loop waiting for 5 ms at a time.
            sys.setswitchinterval(0.001)

        return _supervise(catalog, listener, workers, written, board, ready)
    finally:
        listener.close()
        board.close()


def _listen(settings: Settings) -> socket.socket:
    where = (settings.server.host, settings.server.port)
    try:
        family, _, _, _, address = socket.getaddrinfo(*where, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(
            f"Cannot listen on {where[0]}:{where[1]}: {reason}. Choose another --host or --port."
        ) from None
    return listener


def _announcement(catalog: Catalog, listener: socket.socket) -> Announcement:
    host, port = listener.getsockname()[:2]
    shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound
    url = f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
    names = [b.name for b in catalog.buckets()]
    images = {name: catalog.images(name) for name in names}
    first = [catalog.viewable(name, prefix) for name in names for prefix in images[name][:5]][:5]
    buckets = tuple((name, len(images[name])) for name in names)
    return Announcement(url, buckets, tuple(first), tuple(catalog.broken()), catalog.unopened())


def _supervise(
    catalog: Catalog, listener: socket.socket, workers: int, written: Written, board: Board, ready: Callable[[], None]
) -> int:
    """Fork the workers, start those again that die, tell them of another configuration, end all of them on a signal.

    ``ready`` is called as soon as signals are listened to: who reads the address may stop the server at once.
    """
    running: dict[int, float] = {}
    stopping = failed = again = False
    early = 0
    board.write(News())

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True
        # Nobody accepts any more: a client must be refused, not left waiting in the queue.
        listener.close()
        for pid in running:
            os.kill(pid, signal.SIGTERM)

    def reload(*_: object) -> None:
        nonlocal again
        again = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGHUP, reload)
    # Signals and ends of workers are woken up by, without being waited for: there are files to look at as well.
    signal.signal(signal.SIGCHLD, lambda *_: None)
    woken, wake = socket.socketpair()
    for end in (woken, wake):
        end.setblocking(False)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    ready()
    while True:
        while not stopping and len(running) < workers:
            # A worker is told from its first moment on: until it listens to the signal, the signal waits. One that
            # came before the interpreter has tidied up after the fork would be forgotten, and the worker never end.
            signal.pthread_sigmask(signal.SIG_BLOCK, _TOLD)
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                woken.close()
                wake.close()
                os._exit(_worker(catalog, listener, written, board))
            running[pid] = time.monotonic()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _TOLD)
        if not running:
            return 1 if failed else 0
        select.select([woken], [], [], None if written.path is None else LOOK)
        with suppress(BlockingIOError):
            while woken.recv(4096):
                pass
        if not stopping and (again or (catalog.settings.server.rescan and written.moved())):
            again = False
            if renew(catalog, written, board):
                for pid in running:
                    os.kill(pid, signal.SIGHUP)
        for pid, status in _ended_workers(running):
            born = running.pop(pid)
            if stopping:
                continue
            log.error("worker %d ended with status %d; starting another", pid, os.waitstatus_to_exitcode(status))
            early = early + 1 if time.monotonic() - born < EARLY else 0
            if early > 10 * workers:
                log.error("workers end as soon as they start; giving up")
                failed = True
                stop()
            elif early:
                time.sleep(1.0)


def _ended_workers(running: Mapping[int, float]) -> Iterator[tuple[int, int]]:
    """Those that have ended, with their status."""
    for pid in list(running):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            yield ended, status


def renew(catalog: Catalog, written: Written, board: Board) -> bool:
    """Read the configuration file again; what is wrong with it is logged and told, and changes nothing. Blocking."""
    news = board.read()
    if written.path is None:
        return False
    try:
        written.seen()
        text, modified = written.text()
        settings = written.settings(text, modified)
        remotes.renew(settings)
        # Here as well: workers that are forked later begin with it.
        catalog.adopt(catalog.planned(settings))
        catalog.engine.rest()
    except ConfigError as error:
        log.error("the configuration stays as it was: %s", error.explain())  # noqa: TRY400 - the user's mistake
        board.write(replace(news, error=error.explain()))
        return False
    board.write(News(text, modified, news.number + 1))
    if fixed := written.fixed(text, modified):
        log.warning("what changed in the configuration is in use; not so until a restart: %s", ", ".join(fixed))
    return True


def _worker(catalog: Catalog, listener: socket.socket, written: Written, board: Board) -> int:
    # A terminal's Ctrl-C reaches the whole group; the parent passes it on as SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _TOLD - {signal.SIGHUP})
    _end_with_the_parent()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(catalog, listener, written, board))
    except Exception:  # the process is about to end: say why
        log.exception("worker %d failed", os.getpid())
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


async def serve(catalog: Catalog, listener: socket.socket, written: Written, board: Board) -> None:
    """Answer requests on ``listener`` until SIGTERM, on the running loop."""
    settings, loop, begun = catalog.settings, asyncio.get_running_loop(), time.time()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    builder = Builder(catalog)
    door = configured.authenticator(settings, lambda host: virtual(host, settings.server.domains))

    renewal = Renewal(catalog, door, written, board)
    loop.add_signal_handler(signal.SIGHUP, renewal.due.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    server = create_server(
        catalog,
        catalog.engine,
        door,
        S3Settings(
            region=settings.server.region,
            domains=settings.server.domains,
            max_connections=min(2000, max(64, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FILES)),
            access_log=settings.server.access_log,
        ),
        internal={
            "/-/healthz": lambda: (200, "text/plain", b"ok\n"),
            "/-/status": lambda: (200, "application/json", _status(catalog, builder, renewal, begun)),
        },
    )
    listening = await loop.create_server(server, sock=listener, backlog=BACKLOG)
    tasks = [asyncio.create_task(job) for job in (_watch(catalog), _probe(catalog), builder.run(), renewal.run())]
    for task in tasks:
        task.add_done_callback(_ended)
    try:
        await stop.wait()
    finally:
        for task in tasks:
            task.cancel()
        listening.close()
        await server.shutdown(settings.server.drain)
        catalog.engine.close()


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("what runs in the background has ended", exc_info=error)


class Renewal:
    """Takes on what the parent has found good, in one worker: planned aside, shown all at once."""

    def __init__(self, catalog: Catalog, door: Authenticator, written: Written, board: Board) -> None:
        self.due = asyncio.Event()
        self.since = now()
        """When what is shown was taken on."""
        self.board = board
        self._catalog = catalog
        self._door = door
        self._written = written
        self._number = board.read().number
        """Of what the parent was showing when it forked."""

    async def run(self) -> None:
        """For ever."""
        while True:
            await self.due.wait()
            self.due.clear()
            news = self.board.read()
            if news.number == self._number:
                continue
            try:
                settings = self._written.settings(news.text, news.modified)
                remotes.renew(settings)
                planned = await aside(partial(self._catalog.planned, settings))
            except FacadeError as error:
                # The parent could do it: something has changed in between, and the parent will notice.
                log.warning("worker %d goes on with the configuration as it was: %s", os.getpid(), error.explain())
                continue
            # Nothing is waited for in between: no request sees the buckets of one and the keys of the other.
            self._catalog.adopt(planned)
            configured.renew(self._door, settings)
            self._number, self.since = news.number, now()

    def status(self) -> Mapping[str, str | None]:
        """For the status page."""
        return told(self.board.read(), self.since, self._catalog.settings)


async def aside(work: Callable[[], T]) -> T:
    """What may take minutes, in a thread of its own: none that requests wait for."""
    threads = ThreadPoolExecutor(1)
    try:
        return await asyncio.wrap_future(threads.submit(work))
    finally:
        threads.shutdown(wait=False)


async def _watch(catalog: Catalog) -> None:
    """Look at the folders again now and then."""
    looked = 0.0
    while True:
        every = catalog.settings.server.rescan
        try:
            if not every:
                await asyncio.sleep(LOOK)
                continue
            await asyncio.sleep(min(every, QUICK))
            if time.monotonic() < looked:
                await aside(catalog.look)
            else:
                taken = await aside(catalog.rescan)
                looked = time.monotonic() + every + min(REST * taken, 3600.0)
        except (FacadeError, OSError) as error:
            reason = error.explain() if isinstance(error, FacadeError) else str(error)
            log.warning("looking at the sources failed: %s", reason)
            await asyncio.sleep(max(every, 1.0))


async def _probe(catalog: Catalog) -> None:
    """Open what was not opened yet: little at a time where it would take long."""
    while True:
        left = catalog.unprobed()
        many = left > MANY
        try:
            until = time.monotonic() + (0.05 if many else 0.2)
            await catalog.engine.run(partial(catalog.probe, until))
            await catalog.engine.run(catalog.prepare)
        except (FacadeError, OSError) as error:
            reason = error.explain() if isinstance(error, FacadeError) else str(error)
            log.warning("opening images failed: %s", reason)
            await asyncio.sleep(QUICK)
        idle = catalog.unprobed() in (0, left)
        await asyncio.sleep(QUICK if idle else 0.5 if many else 0.05)


def _status(catalog: Catalog, builder: Builder, renewal: Renewal, begun: float) -> bytes:
    engine = catalog.engine
    disk, index = engine.disk, engine.index
    roots = [str(v.root) for b in catalog.settings.buckets for v in b.views if isinstance(v, FilesView)]
    if catalog.settings.shelf:
        roots.append(str(catalog.settings.shelf.root))
    # Anybody may ask for this page: it tells of buckets that anybody may list.
    shown = [b for b in catalog.buckets() if b.access == "public"]
    document = {
        "version": __version__,
        "worker": os.getpid(),
        "uptime_seconds": round(time.time() - begun, 1),
        "configuration": renewal.status(),
        "buckets": {b.name: {"images": catalog.count(b.name), "access": b.access} for b in shown},
        "buckets_not_public": len(catalog.buckets()) - len(shown),
        "not_opened_yet": catalog.unopened() if catalog.unprobed() < MANY else catalog.unprobed(),
        "broken": [{"file": _shown(b.path, roots), "reason": b.reason} for b in catalog.broken(public=True)],
        "unmatched": strays.told((catalog.plan(b.name) for b in shown), catalog.settings),
        "warm": builder.status,
        "memory": {
            "cache_bytes": engine.memory.held,
            "cache_limit": engine.memory.limit,
            "cache_hits": engine.memory.hits,
            "cache_misses": engine.memory.misses,
            "work_bytes": engine.budget.held,
            "work_limit": engine.budget.limit,
            "waiting": engine.budget.waiting,
        },
        "disk": {}
        if disk is None
        else {
            "limit_bytes": disk.quota,
            "hits": disk.hits,
            "misses": disk.misses,
            "damaged": disk.wrong,
        },
        "index": {} if index is None else {"hits": index.hits, "misses": index.misses},
    }
    return json.dumps(document, indent=2).encode() + b"\n"


def _shown(path: str, roots: Sequence[str]) -> str:
    """A path without what lies above the served folders: that is nobody's business."""
    root = next((r for r in roots if path.startswith(r.rstrip("/") + "/")), os.path.dirname(path))
    return os.path.relpath(path, root)


def _end_with_the_parent() -> None:
    """Have the kernel end this worker if the parent is killed: orphans would keep the port, deaf to Ctrl-C."""
    pr_set_pdeathsig = 1
    try:
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
    except (OSError, AttributeError):
        log.debug("prctl is not to be had here")


def _raise_file_limit() -> None:
    """Allow as many open files as the system lets us: a connection is one, too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _tune_malloc() -> None:
    """Give memory back: glibc keeps an arena per thread, and freed blocks of up to 32 MiB, for ever otherwise."""
    try:
        libc = ctypes.CDLL(None)
        m_arena_max, m_mmap_threshold, m_trim_threshold = -8, -3, -1
        libc.mallopt(m_arena_max, 2)
        libc.mallopt(m_mmap_threshold, 4 << 20)
        libc.mallopt(m_trim_threshold, 16 << 20)
    except (OSError, AttributeError):
        log.debug("mallopt is not to be had here")
