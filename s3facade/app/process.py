"""What the operating system and C's library are told about this process."""

from __future__ import annotations

import ctypes
import logging
import resource
import signal

log = logging.getLogger("s3facade")

BACKLOG = 1024
"""Connections that may wait to be accepted: a viewer opens dozens at once."""
PASSED_ON = frozenset({signal.SIGHUP, signal.SIGTERM, signal.SIGINT})
"""Signals that the parent passes on to its workers."""


def end_with_the_parent() -> None:
    """Have the kernel end this worker if the parent is killed: orphans would keep the port, deaf to Ctrl-C."""
    pr_set_pdeathsig = 1
    try:
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
    except (OSError, AttributeError):
        log.debug("prctl is not to be had here")


def raise_file_limit() -> None:
    """Allow as many open files as the system lets us: a connection is one, too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def tune_malloc() -> None:
    """Give memory back: glibc keeps an arena per thread, and freed blocks of up to 32 MiB, for ever otherwise."""
    try:
        libc = ctypes.CDLL(None)
        m_arena_max, m_mmap_threshold, m_trim_threshold = -8, -3, -1
        libc.mallopt(m_arena_max, 2)
        libc.mallopt(m_mmap_threshold, 4 << 20)
        libc.mallopt(m_trim_threshold, 16 << 20)
    except (OSError, AttributeError):
        log.debug("mallopt is not to be had here")
