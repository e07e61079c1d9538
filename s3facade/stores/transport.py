"""What a kind of server has to offer to be a store, and how its refusals are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Protocol

from s3facade.core.errors import (
    SourceChanged,
    SourceDenied,
    SourceError,
    SourceNotFound,
    SourceUnavailable,
    Unsupported,
)

SMALL = 4 << 20
"""Bytes of a file that is read from a server that knows no ranges: the whole of it, for each range."""
SECOND = 10**9
KEYS = (
    "ExpiredToken",
    "InvalidToken",
    "TokenRefreshRequired",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "RequestTimeTooSkewed",
)
"""Refusals of S3 that are about who asks, not about what is asked for."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a store is, and how it is spoken to; see `s3facade.config.settings.StoreConfig`."""

    url: str
    """``s3://bucket/prefix`` or ``http(s)://host/path/``, without a query; ends in ``/``."""
    endpoint: str | None = None
    region: str | None = None
    key: str | None = None
    secret: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    anonymous: bool = False
    connections: int = 16
    timeout: float = 30.0
    """Seconds that one read may take, tries again included."""
    refresh: float = 60.0
    """Seconds for which what was found out about a file is believed."""
    redirects: tuple[str, ...] = ()
    """Other hosts that a web server may send the reader to."""


@dataclass(frozen=True, slots=True)
class Stat:
    """What a server tells about a file."""

    size: int
    modified: int
    """Nanoseconds since 1970, UTC; whole seconds."""
    tag: str
    """Its ETag as it is sent in headers; empty if there is none."""

    @property
    def date(self) -> str:
        """The time of modification as it is sent in headers."""
        return formatdate(self.modified // SECOND, usegmt=True)


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a listing of one folder."""

    files: Sequence[tuple[str, Stat]]
    """Names relative to the folder."""
    folders: Sequence[str]
    """Names without a slash."""
    following: str | None
    """What the next page is asked for with; None: this is the last one."""


class Transport(Protocol):
    """A server that gives ranges of files. Lives on one event loop; begins its connections when first used."""

    lists: bool
    """Whether it tells what is in a folder."""

    async def head(self, key: str) -> Stat:
        """Raises `Passing`, `SourceNotFound`, and other `SourceError`."""
        ...

    async def get(self, key: str, start: int, stop: int, stat: Stat) -> bytes:
        """Exactly these bytes of the file that ``stat`` describes. Raises `Passing`, `SourceChanged`, as `head`."""
        ...

    async def page(self, folder: str, following: str | None) -> Page:
        """Part of what is in a folder, whose name ends in ``/`` or is empty. Raises as `head`."""
        ...

    async def close(self) -> None:
        """End the connections; the next use begins new ones."""
        ...


class Passing(Exception):
    """It did not work this time; another try may."""


def refused(status: int, code: str, address: str) -> SourceError | Passing:
    """Why a server answers with ``status``, as an error to raise.

    Args:
        status: Of HTTP, 300 or above.
        code: The server's own word for it, if there is one.
        address: Of the file, without secrets.
    """
    private = f"{address}: {status}" + (f" {code}" if code else "")
    if status in (404, 410):
        return SourceNotFound("The source file is not in its store.", private=private)
    if status in (412, 416):
        return changed(address)
    if status < 400:
        return SourceDenied(
            "The store sends the server to another place, which it does not follow; have the operator state that place "
            "in `stores:`.",
            private=private,
        )
    if status in (401, 407) or code in KEYS:
        # Of all files alike, and until the operator has changed it: none of them is broken.
        return SourceUnavailable(
            "The store does not accept the key that the server shows; renew it in `stores:` and send SIGHUP.",
            private=private,
        )
    if status == 403:
        return SourceDenied("The store refuses to let the server read; check its key and permissions.", private=private)
    if status in (408, 425, 429) or status >= 500:
        return Passing(private)
    return SourceUnavailable("The source store does not understand what it is asked for.", private=private)


def changed(address: str) -> SourceChanged:
    """The file is not the one that was described."""
    return SourceChanged("The source file has changed; ask again.", private=address)


def insecure(address: str, reason: str) -> SourceUnavailable:
    """Why nothing is sent to a server that does not prove to be the one that is meant."""
    return SourceUnavailable(
        "No secure connection to the source store can be made; check its certificate, and AWS_CA_BUNDLE (S3) or "
        "SSL_CERT_FILE (web servers) where the server runs.",
        private=f"{address}: {reason}",
    )


def whole(size: int, address: str) -> None:
    """Refuse a server that answers with all bytes of a file of ``size``, however few were asked for."""
    if size > SMALL:
        raise Unsupported(
            "The source server ignores byte ranges, so that each chunk would cost the whole file; use one that knows "
            "them.",
            private=f"{address}: {size} bytes",
        )


def placed(told: str | None, start: int, stop: int, stat: Stat, address: str) -> None:
    """Check a Content-Range: ``bytes start-last/size``. Raises `Passing`, `SourceChanged`."""
    unit, _, rest = (told or "").strip().partition(" ")
    span, _, size = rest.partition("/")
    if unit != "bytes" or span != f"{start}-{stop - 1}":
        raise Passing(f"{address}: another range than asked for: {told!r}")
    if size not in ("*", str(stat.size)):
        raise changed(address)
