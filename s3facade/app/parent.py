"""The parent of the workers: starts them, tells them of another configuration, ends them."""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

from s3facade.app.process import PASSED_ON
from s3facade.app.renewal import renew
from s3facade.app.worker import work
from s3facade.catalog.catalog import Catalog
from s3facade.reload import LOOK, Board, News, Written

log = logging.getLogger("s3facade")

EARLY = 5.0
"""Seconds: a worker that ends sooner than this after its start will do so again."""


def supervise(
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
            signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                woken.close()
                wake.close()
                os._exit(work(catalog, listener, written, board))
            running[pid] = time.monotonic()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
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
