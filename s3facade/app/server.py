"""The composition root: puts catalog, engine and S3 floor together, and runs them in worker processes.

The parent binds the port, looks at the sources once, and forks; workers share what it learned. They need nothing
from each other: identities, sizes and tokens are arithmetic, so every worker gives the same answers.
"""

from __future__ import annotations

import gc
import os
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from s3facade import caches, registry, remotes
from s3facade.app.parent import supervise
from s3facade.app.process import BACKLOG, raise_file_limit, tune_malloc
from s3facade.catalog.catalog import Catalog, Viewable
from s3facade.catalog.contents import Broken
from s3facade.config.settings import Settings
from s3facade.core.errors import ConfigError
from s3facade.engine.engine import Engine, EngineLimits
from s3facade.reload import Board, Written

START = 1.0
"""Seconds until images are no longer opened before serving begins; what is left is opened while serving."""
WORKER_MEMORY = 256 << 20
"""Bytes that a worker gets at least, unless the number of workers is given."""
FAR = 8
"""Threads of a worker whose images come from a network."""


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
    tune_malloc()
    raise_file_limit()
    # Each worker needs room for a plane of one strip; with less, more workers would serve less.
    room = max(1, settings.limits.memory // WORKER_MEMORY)
    workers = settings.limits.workers or min(os.cpu_count() or 1, 8, room)
    listener, board = _listen(settings), Board()
    # A plan is many objects that stay: to look for garbage among them costs as much as making them.
    gc.collect()
    gc.disable()
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
            gc.freeze()
            gc.enable()
            gc.set_threshold(20_000, 20, 20)
            # A worker thread that runs Python must not keep the event loop waiting for 5 ms at a time.
            sys.setswitchinterval(0.001)

        return supervise(catalog, listener, workers, written, board, ready)
    finally:
        gc.enable()
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
