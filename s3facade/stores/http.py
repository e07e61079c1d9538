"""Files of a web server, read by ranges; it lists nothing."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from s3facade.core.errors import SourceUnavailable, Unsupported
from s3facade.stores.transport import (
    SECOND,
    SMALL,
    Address,
    Page,
    Passing,
    Stat,
    changed,
    insecure,
    placed,
    refused,
    whole,
)

if TYPE_CHECKING:
    import aiohttp
    import yarl

_CONNECT = 5.0
"""Seconds."""
_HOPS = 3


class Http:
    """A `Transport` over HTTP and HTTPS."""

    lists = False

    def __init__(self, address: Address) -> None:
        self._address = address
        self._session: aiohttp.ClientSession | None = None

    async def head(self, key: str) -> Stat:
        """By HEAD; by a range of one byte, where HEAD is not allowed or tells no size."""
        async with self._asked("HEAD", key, {}) as response:
            if response.status == 200 and "Content-Length" in response.headers:
                return _stat(response, int(response.headers["Content-Length"]), key)
            if response.status not in (200, 405, 501):
                raise refused(response.status, "", self._told(key))
        async with self._asked("GET", key, {"Range": "bytes=0-0"}) as response:
            if response.status == 206:
                size = (response.headers.get("Content-Range") or "").rpartition("/")[2]
                if size.isascii() and size.isdigit():
                    return _stat(response, int(size), key)
            elif response.status == 416:
                return _stat(response, 0, key)
            elif response.status != 200:
                raise refused(response.status, "", self._told(key))
        raise Unsupported("The source server does not tell how long its files are.", private=self._told(key))

    async def get(self, key: str, start: int, stop: int, stat: Stat) -> bytes:
        """One range, of the version that ``stat`` describes."""
        told = self._told(key)
        async with self._asked("GET", key, {"Range": f"bytes={start}-{stop - 1}", **_pinned(stat)}) as response:
            if response.status not in (200, 206):
                raise refused(response.status, "", told)
            now = _stat(response, stat.size, key)
            if now.tag != stat.tag or (not stat.tag and now.modified != stat.modified):
                raise changed(told)
            if response.status == 206:
                placed(response.headers.get("Content-Range"), start, stop, stat, told)
                return await _exactly(response, stop - start, told)
            size = int(response.headers.get("Content-Length", SMALL + 1))
            whole(size, told)
            if size != stat.size:
                raise changed(told)
            return (await _exactly(response, size, told))[start:stop]

    async def page(self, folder: str, following: str | None) -> Page:  # noqa: ARG002 - the seam
        """Raises `Unsupported`: there is no listing."""
        raise Unsupported("A web server does not tell which files it has.", private=self._told(folder))

    async def close(self) -> None:
        """End the connections."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    def _told(self, key: str) -> str:
        return self._address.url + key

    @asynccontextmanager
    async def _asked(self, method: str, key: str, headers: Mapping[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer, redirects followed where they lead to places that are allowed."""
        import aiohttp
        import yarl

        url = yarl.URL(self._address.url + quote(key), encoded=True)
        origin = url.origin()
        try:
            for _ in range(_HOPS):
                own = self._authorization() if url.origin() == origin else {}
                asked = {**headers, **own, "Accept-Encoding": "identity"}
                async with self._begun().request(method, url, headers=asked, allow_redirects=False) as response:
                    if response.status not in (301, 302, 303, 307, 308):
                        yield response
                        return
                    url = self._followed(url, origin, response, key)
        except aiohttp.ClientSSLError as error:
            raise insecure(self._told(key), str(error)) from error
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError, OSError) as error:
            raise Passing(f"{self._told(key)}: {type(error).__name__}") from error
        except aiohttp.ClientError as error:
            raise SourceUnavailable(
                "The source server gives answers that cannot be read.", private=f"{self._told(key)}: {error!r}"
            ) from error
        raise refused(310, "too many redirects", self._told(key))

    def _followed(self, url: yarl.URL, origin: yarl.URL, response: aiohttp.ClientResponse, key: str) -> yarl.URL:
        """Where a redirect leads. Raises `SourceDenied` unless that is the same server, or one that is named."""
        import yarl

        try:
            target = url.join(yarl.URL(response.headers["Location"], encoded=True))
            allowed = target.origin() == origin or (
                target.host in self._address.redirects and target.scheme in (origin.scheme, "https")
            )
        except (KeyError, ValueError):
            allowed = False
        if not allowed:
            raise refused(response.status, "", self._told(key))
        return target

    def _authorization(self) -> dict[str, str]:
        address = self._address
        if address.secret is None:
            return {}
        if address.key is None:
            return {"Authorization": f"Bearer {address.secret}"}
        return {"Authorization": "Basic " + base64.b64encode(f"{address.key}:{address.secret}".encode()).decode()}

    def _begun(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._address.connections),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=_CONNECT, sock_read=max(self._address.timeout / 3, 1.0)
                ),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


def _pinned(stat: Stat) -> dict[str, str]:
    """Conditions under which the range is wanted. A weak tag cannot be one; it is compared in the answer alone."""
    if not stat.tag:
        return {"If-Unmodified-Since": stat.date} if stat.modified else {}
    return {} if stat.tag.startswith("W/") else {"If-Match": stat.tag}


def _stat(response: aiohttp.ClientResponse, size: int, key: str) -> Stat:
    headers = response.headers
    if headers.get("Content-Encoding", "identity") != "identity":
        raise Unsupported("The source server compresses files on the way, so that ranges mean nothing.", private=key)
    try:
        modified = int(parsedate_to_datetime(headers["Last-Modified"]).timestamp())
    except (KeyError, ValueError, TypeError, OverflowError):
        modified = 0
    tag = headers.get("ETag", "")
    if not tag and not modified:
        raise Unsupported(
            "The source server tells neither ETag nor Last-Modified of its files: a change would go unnoticed.",
            private=key,
        )
    return Stat(size, modified * SECOND, tag)


async def _exactly(response: aiohttp.ClientResponse, nbytes: int, told: str) -> bytes:
    try:
        return await response.content.readexactly(nbytes)
    except asyncio.IncompleteReadError as error:
        raise Passing(f"{told}: {len(error.partial)} of {nbytes} bytes") from error
