"""GetObject and HeadObject, with a shortcut for targets that were asked for before."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from multidict import istr

from s3facade.core.errors import (
    AccessDenied,
    BadArgument,
    BadRequest,
    FacadeError,
    NoSuchKey,
    NoSuchPart,
    SourceChanged,
    Unmodified,
)
from s3facade.core.objects import Object, Passed, cut
from s3facade.s3 import canned, checksums, conditions, cors, heads, ranges
from s3facade.s3.reply import STATUS, Passing, Reply, Stamp

if TYPE_CHECKING:
    from s3facade.auth.policy import Principal
    from s3facade.catalog.catalog import Found
    from s3facade.core.operators import Buffer
    from s3facade.s3.operations import Operation
    from s3facade.s3.ports import BucketInfo, Catalog, Engine, Guard, Headers
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
_ELABORATE = (
    istr("If-Match"), istr("If-None-Match"), istr("If-Modified-Since"), istr("If-Unmodified-Since"),
    istr("x-amz-expected-bucket-owner"),
)  # fmt: skip
"""Headers of requests that are not answered at once."""
_IF_RANGE = istr("If-Range")
_ONCE = frozenset({"partNumber", "X-Amz-Signature", "Signature", *heads.OVERRIDES})
"""Parameters of targets that are not remembered: they ask for less, or are another target each time."""
_PART = re.compile(r"[0-9]{1,5}", re.ASCII)
_PARTS = 10_000


@dataclass(frozen=True, slots=True)
class Hit:
    """A request target, resolved."""

    target: Target
    info: BucketInfo
    open: bool
    """Whether anybody may read it without a signature."""
    found: Found
    lines: bytes
    """Header lines but the length."""
    head: bytes
    """Status line, ``lines`` and length of a whole answer."""
    obj: Object
    size: int
    checked: bool
    """Whether a whole answer may carry a checksum."""


class Objects:
    """Answers about objects."""

    def __init__(
        self,
        catalog: Catalog,
        engine: Engine,
        guard: Guard,
        enter: Callable[[Message, Target], Principal],
        stamp: Stamp,
        settings: S3Settings,
    ) -> None:
        self._catalog = catalog
        self._guard = guard
        self._enter = enter
        self._engine = engine
        self._stamp = stamp
        self._domains = bool(settings.domains)
        self._limit = settings.targets
        self._hits: OrderedDict[str, Hit] = OrderedDict()

    def quick(self, message: Message) -> list[Buffer] | None:
        """The whole answer to an unconditional read of a target that was asked for before."""
        headers = message.headers
        name = self._name(message)
        hit = self._hits.get(name)
        method = message.method
        if hit is None or method not in ("GET", "HEAD"):
            return None
        for name_ in _ELABORATE:
            if name_ in headers:
                return None
        try:
            if (not hit.open or _AUTHORIZATION in headers) and not self._admits(message, hit):
                return None
            if self._catalog.bucket(hit.info.name) is not hit.info or not self._catalog.current(hit.found):
                del self._hits[name]
                return None
            return self._at_once(hit, method, headers)
        except FacadeError:
            return None

    def _admits(self, message: Message, hit: Hit) -> bool:
        """Whether this request may have ``hit`` at once; if not, `answer` says why. Raises `AuthError`."""
        principal = self._enter(message, hit.target)
        return principal.quota is None and self._guard.may(principal, hit.info, "read", hit.target.key)

    def _at_once(self, hit: Hit, method: str, headers: Headers) -> list[Buffer] | None:
        start, stop, head = 0, hit.size, hit.head
        sums = hit.checked and checksums.asked(headers)
        value = headers.get(_RANGE)
        if value is not None:
            if _IF_RANGE in headers:
                return None
            span = ranges.resolve(value, hit.size)
            if span is not None:
                start, stop, sums = *span, False
                head = STATUS[206] + hit.lines + _partial(start, stop, hit.size)
        if sums:
            head += checksums.lines(checksums.whole(self._engine, hit.obj, hit.size))
        head += cors.answer(hit.info.cors, headers.get(_ORIGIN))
        out: list[Buffer] = [head + self._stamp.end()]
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
        try:
            return await self._attempt(message, target, info, principal)
        except SourceChanged:
            # Between the description and the first byte; the catalog has dropped it, so this sees the new one.
            return await self._attempt(message, target, info, principal)

    async def look(self, target: Target, info: BucketInfo, principal: Principal) -> Found:
        """The object; its absence is told only to who may list.

        Raises:
            NoSuchKey: There is none, or it has another digest now than the address says.
            AccessDenied: There is none, and who asks may not know.
            SourceError: The original cannot be read.
        """
        try:
            found = self._catalog.peek(info.name, target.key)
            if found is None or not self._catalog.current(found):
                found = await self._catalog.find(info.name, target.key)
            _pinned(found, target)
        except NoSuchKey:
            if self._guard.may(principal, info, "list", target.key):
                raise
            raise AccessDenied("Access Denied") from None
        return found

    async def about(
        self, operation: Operation, message: Message, target: Target, info: BucketInfo, principal: Principal
    ) -> tuple[bytes, str]:
        """A document about an object, and header lines that go with it.

        Raises:
            NotConfigured: S3 has it, this object does not.
            And all that `look` raises.
        """
        found = await self.look(target, info, principal)
        if operation == "GetObjectAttributes":
            if found.file.size is None:
                found = await self._sized(found, (info.name, principal.access_key))
            size = _size(found)
            checksum = checksums.whole(self._engine, found.file.body(), size)
            document = canned.attributes(found, size, checksum, message.headers)
            return document, heads.validators(found).partition("\r\n")[2]
        if operation == "GetObjectAcl":
            return canned.acl(everybody=info.access != "private"), ""
        return canned.EMPTY[operation], ""

    async def _attempt(self, message: Message, target: Target, info: BucketInfo, principal: Principal) -> Reply:
        found = await self.look(target, info, principal)
        if not principal.signed and heads.OVERRIDES.keys() & target.query.keys():
            raise BadRequest("Request specific response headers cannot be used for anonymous GET requests.")
        lines = heads.lines(found, info, pinned=bool(target.pin))
        headers, tenant = message.headers, (info.name, principal.access_key)
        if found.file.size is None:
            try:
                # What is not sent need not be computed.
                conditions.check(headers, found.etag, found.file.modified // 10**9)
            except Unmodified:
                return Reply(304, heads.unmodified(found, info, pinned=bool(target.pin)))
            found = await self._sized(found, tenant)
        size = _size(found)
        obj = found.file.body()
        checked = checksums.checked(obj, size)
        if not _ONCE & target.query.keys():
            is_open = info.access != "private" and not target.link
            head = STATUS[200] + lines + _length(size)
            self._remember(message, Hit(target, info, is_open, found, lines, head, obj, size, checked))
        try:
            conditions.check(headers, found.etag, found.file.modified // 10**9)
        except Unmodified:
            return Reply(304, heads.unmodified(found, info, pinned=bool(target.pin)))
        span = _span(headers, target, found)
        if principal.signed:
            lines = heads.override(lines, target.query)
        start, stop = span or (0, size)
        tail = _partial(start, stop, size) if span else _length(size)
        if "partNumber" in target.query:
            tail += b"x-amz-mp-parts-count: 1\r\n"
        reply = Reply(206 if span else 200, lines + tail)
        if message.method == "GET" and stop > start:
            reply.length = stop - start
            await self._fill(reply, obj, start, stop, tenant)
        if checked and span is None and checksums.asked(headers):
            # A first piece that is all of the body has been made before its head is sent.
            made = reply.length > 0 and sum(map(len, reply.body)) == size
            checksum = checksums.crc32(reply.body) if made else checksums.whole(self._engine, obj, size)
            reply.lines += checksums.lines(checksum)
        return reply

    async def _sized(self, found: Found, tenant: tuple[str, str]) -> Found:
        """The object with its size, computed if nobody ever did; its bytes are in memory then, unless they are many.

        Raises:
            SourceError: The original cannot be read.
            LoadError: Not now.
        """
        return replace(found, file=found.file.sized(await self._engine.size(found.file.body(), tenant)))

    async def _fill(self, reply: Reply, obj: Object, start: int, stop: int, tenant: tuple[str, str]) -> None:
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
                if source is not None:
                    reply.passing = Passing(source, passed.start + piece.lo, passed.start + piece.hi)
                    return
        flow = self._engine.stream(obj, start, stop, tenant)
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


def _size(found: Found) -> int:
    """Bytes of an object that knows them."""
    assert found.file.size is not None  # noqa: S101 - `_sized` came before
    return found.file.size


def _pinned(found: Found, target: Target) -> None:
    """Refuse what is not of the version that the address names. Raises `NoSuchKey`."""
    if target.pin and found.pin != target.pin:
        raise NoSuchKey("The specified key does not exist.", Key=target.lead + target.key)


def _span(headers: Headers, target: Target, found: Found) -> tuple[int, int] | None:
    """The part of the object that is asked for; None is the whole."""
    size = _size(found)
    part = target.query.get("partNumber")
    value = headers.get(_RANGE)
    if part is not None:
        if value is not None:
            raise BadRequest("Cannot specify both Range header and partNumber query parameter")
        return _part(part, size)
    if value is None:
        return None
    unless = headers.get(_IF_RANGE)
    if unless is not None and not conditions.in_range(unless, found.etag, found.file.modified // 10**9):
        return None
    return ranges.resolve(value, size)


def _part(number: str, size: int) -> tuple[int, int] | None:
    """Every object has one part."""
    if not (_PART.fullmatch(number) and 1 <= int(number) <= _PARTS):
        message = f"Part number must be an integer between 1 and {_PARTS}, inclusive"
        raise BadArgument(message, ArgumentName="partNumber", ArgumentValue=number[:64])
    if int(number) != 1:
        raise NoSuchPart("The requested partnumber is not satisfiable", ActualPartCount="1", PartNumberRequested=number)
    return (0, size) if size else None


def _length(size: int) -> bytes:
    return b"Content-Length: %d\r\n" % size


def _partial(start: int, stop: int, size: int) -> bytes:
    return b"Content-Range: bytes %d-%d/%d\r\nContent-Length: %d\r\n" % (start, stop - 1, size, stop - start)
