"""GetObject and HeadObject, with a shortcut for targets that were asked for before."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from multidict import istr

from s3facade.core.errors import (
    BadRange,
    BadRequest,
    FacadeError,
    SourceChanged,
    Unmodified,
)
from s3facade.core.objects import Object, Passed, cut
from s3facade.s3 import conditions, heads, ranges
from s3facade.s3.reply import STATUS, Passing, Reply, Stamp

if TYPE_CHECKING:
    from s3facade.auth.policy import Principal
    from s3facade.catalog.catalog import Found
    from s3facade.core.objects import Buffer
    from s3facade.s3.ports import BucketInfo, Catalog, Engine, Headers
    from s3facade.s3.service import Message
    from s3facade.s3.settings import S3Settings
    from s3facade.s3.target import Target

WHOLE = 4 << 20
"""Bodies up to this size go out at once when they are in memory; larger ones are streamed."""
SENDFILE = 32 << 10
"""Below this, reading and writing is cheaper than sendfile."""
_LONGEST = 2048
"""Longer targets are not kept."""
_AUTHORIZATION, _ORIGIN, _RANGE = istr("Authorization"), istr("Origin"), istr("Range")
_CONDITIONS = (istr("If-Match"), istr("If-None-Match"), istr("If-Modified-Since"), istr("If-Unmodified-Since"))
_IF_RANGE = istr("If-Range")


@dataclass(frozen=True, slots=True)
class Hit:
    """A request target of a public bucket, resolved."""

    info: BucketInfo
    found: Found
    lines: bytes
    """Header lines but the length."""
    head: bytes
    """Status line, ``lines`` and length of a whole answer."""
    obj: Object
    size: int


class Objects:
    """Answers about objects."""

    def __init__(self, catalog: Catalog, engine: Engine, stamp: Stamp, settings: S3Settings) -> None:
        self._catalog = catalog
        self._engine = engine
        self._stamp = stamp
        self._domains = bool(settings.domains)
        self._limit = settings.targets
        self._hits: OrderedDict[str, Hit] = OrderedDict()

    def quick(self, message: Message) -> list[Buffer] | None:
        """The whole answer to an unsigned, unconditional read of a target that was asked for before."""
        headers = message.headers
        name = self._name(message)
        hit = self._hits.get(name)
        method = message.method
        if hit is None or method not in ("GET", "HEAD") or _AUTHORIZATION in headers:
            return None
        for condition in _CONDITIONS:
            if condition in headers:
                return None
        try:
            if self._catalog.bucket(hit.info.name) is not hit.info or not self._catalog.current(hit.found):
                del self._hits[name]
                return None
            return self._at_once(hit, method, headers)
        except FacadeError:
            return None

    def _at_once(self, hit: Hit, method: str, headers: Headers) -> list[Buffer] | None:
        start, stop, head = 0, hit.size, hit.head
        value = headers.get(_RANGE)
        if value is not None:
            if _IF_RANGE in headers:
                return None
            span = ranges.resolve(value, hit.size)
            if span is not None:
                start, stop = span
                head = STATUS[206] + hit.lines + _partial(start, stop, hit.size)
        out: list[Buffer] = [head + self._stamp.end(cors=_ORIGIN in headers)]
        if method == "GET" and stop > start:
            body = self._engine.ready(hit.obj, start, stop) if stop - start <= WHOLE else None
            if body is None:
                return None
            out += body
        return out

    async def answer(self, message: Message, target: Target, info: BucketInfo, principal: Principal) -> Reply:
        """Any read of an object, once its bucket is admitted.

        Raises:
            NoSuchKey: And the other request errors.
            SourceError: The original cannot be read.
        """
        overrides = heads.OVERRIDES.keys() & target.query.keys()
        if overrides and not principal.signed:
            raise BadRequest("Request specific response headers cannot be used for anonymous GET requests.")
        try:
            return await self._attempt(message, target, info, principal)
        except SourceChanged:
            # Between the description and the first byte; the catalog has dropped it, so this sees the new one.
            return await self._attempt(message, target, info, principal)

    async def _attempt(self, message: Message, target: Target, info: BucketInfo, principal: Principal) -> Reply:
        found = self._catalog.peek(info.name, target.key)
        if found is None or not self._catalog.current(found):
            found = await self._catalog.find(info.name, target.key)
        lines = heads.lines(found, info)
        size, headers = found.file.size, message.headers
        obj = found.file.body()
        if not principal.signed and info.access == "public" and "partNumber" not in target.query:
            self._remember(message, Hit(info, found, lines, STATUS[200] + lines + _length(size), obj, size))
        try:
            conditions.check(headers, found.etag, found.file.modified // 10**9)
        except Unmodified:
            return Reply(304, heads.validators(found).encode())
        span = _span(headers, target, found)
        if principal.signed:
            lines = heads.override(lines, target.query)
        start, stop = span or (0, size)
        tail = _partial(start, stop, size) if span else _length(size)
        reply = Reply(206 if span else 200, lines + tail)
        if message.method == "GET" and stop > start:
            reply.length = stop - start
            await self._fill(reply, obj, start, stop)
        return reply

    async def _fill(self, reply: Reply, obj: Object, start: int, stop: int) -> None:
        """Attach the body; its first bytes are at hand before the status line is sent."""
        if stop - start <= WHOLE:
            body = self._engine.ready(obj, start, stop)
            if body is not None:
                reply.body = body
                return
        if stop - start >= SENDFILE:
            pieces = list(islice(cut(obj, start, stop), 2))
            if len(pieces) == 1 and isinstance(pieces[0].segment, Passed):
                piece, passed = pieces[0], pieces[0].segment
                source = await self._engine.descriptor(passed)
                reply.passing = Passing(source, passed.start + piece.lo, passed.start + piece.hi)
                return
        flow = self._engine.stream(obj, start, stop)
        try:
            reply.body = [await anext(flow)]
        except BaseException:
            await flow.aclose()
            raise
        reply.flow = flow

    def _name(self, message: Message) -> str:
        """What a target is remembered by."""
        return f"{message.headers.get('Host')} {message.path}" if self._domains else message.path

    def _remember(self, message: Message, hit: Hit) -> None:
        name = self._name(message)
        if len(name) > _LONGEST:
            return
        if name not in self._hits and len(self._hits) >= self._limit:
            self._hits.popitem(last=False)
        self._hits[name] = hit


def _span(headers: Headers, target: Target, found: Found) -> tuple[int, int] | None:
    """The part of the object that is asked for; None is the whole."""
    size = found.file.size
    part = target.query.get("partNumber")
    if part is not None:
        return _part(part, size)
    value = headers.get(_RANGE)
    if value is None:
        return None
    unless = headers.get(_IF_RANGE)
    if unless is not None and not conditions.in_range(unless, found.etag, found.file.modified // 10**9):
        return None
    return ranges.resolve(value, size)


def _part(number: str, size: int) -> tuple[int, int] | None:
    """Every object has one part."""
    if number != "1":
        raise BadRange("The requested partnumber is not satisfiable", ActualObjectSize=str(size), PartNumber=number)
    return (0, size) if size else None


def _length(size: int) -> bytes:
    return b"Content-Length: %d\r\n" % size


def _partial(start: int, stop: int, size: int) -> bytes:
    return b"Content-Range: bytes %d-%d/%d\r\nContent-Length: %d\r\n" % (start, stop - 1, size, stop - start)
