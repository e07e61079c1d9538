"""One worker: answers requests until it is told to end."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import socket
import sys
import time

import uvloop

from s3facade.app.background import probe, watch
from s3facade.app.process import BACKLOG, PASSED_ON, end_with_the_parent
from s3facade.app.renewal import Renewal
from s3facade.app.status import status_page
from s3facade.auth import configured
from s3facade.catalog.builder import Builder
from s3facade.catalog.catalog import Catalog
from s3facade.reload import Board, Written
from s3facade.s3.server import create_server
from s3facade.s3.settings import S3Settings
from s3facade.s3.target import virtual

log = logging.getLogger("s3facade")

SPARE_FILES = 512
"""Open files that connections leave over: sources, folders, libraries."""


def work(catalog: Catalog, listener: socket.socket, written: Written, board: Board) -> int:
    """Be a worker until told to end; the exit status. In a process of its own."""
    # A terminal's Ctrl-C reaches the whole group; the parent passes it on as SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON - {signal.SIGHUP})
    end_with_the_parent()
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
            "/-/status": lambda: (200, "application/json", status_page(catalog, builder, renewal, begun)),
        },
    )
    listening = await loop.create_server(server, sock=listener, backlog=BACKLOG)
    tasks = [asyncio.create_task(job) for job in (watch(catalog), probe(catalog), builder.run(), renewal.run())]
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
