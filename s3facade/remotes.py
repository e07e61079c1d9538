"""Stores as the configuration names them, made known to whatever opens files."""

from __future__ import annotations

import os

from s3facade import caches
from s3facade.config.settings import Settings
from s3facade.stores import files
from s3facade.stores.spool import Spool
from s3facade.stores.transport import Address


def register(settings: Settings, *, workers: int = 1) -> None:
    """Make the stores of a configuration known; no I/O. Nothing is changed by one without stores."""
    if not settings.stores:
        return
    limits = settings.limits
    spool = Spool(os.path.join(caches.folder(limits), "spool"), limits.spool)
    files.register(_addresses(settings), memory=limits.memory // workers // 16, spool=spool)


def renew(settings: Settings, *, workers: int = 1) -> None:
    """Know the stores, and use the credentials, that the configuration has now; no I/O."""
    if files.known():
        files.renew(_addresses(settings))
    else:
        register(settings, workers=workers)


def _addresses(settings: Settings) -> dict[str, Address]:
    return {
        s.name: Address(
            s.url,
            s.endpoint,
            s.region,
            s.key,
            s.secret,
            s.token,
            s.anonymous,
            s.connections,
            s.timeout,
            s.refresh,
            s.redirects,
        )
        for s in settings.stores
    }
