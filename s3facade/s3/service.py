"""Requests to answers: who may ask, what it is, and the only place where errors become documents."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote

from s3facade.core.errors import (
    AccessDenied,
    AuthError,
    BadRange,
    FacadeError,
    LoadError,
    NoSuchBucket,
    NoSuchKey,
    NotConfigured,
    Overloaded,
    RequestError,
)
from s3facade.s3 import cors, documents
from s3facade.s3.buckets import Buckets
from s3facade.s3.codes import INTERNAL, code
from s3facade.s3.objects import Objects
from s3facade.s3.operations import classify, refuse_write
from s3facade.s3.reply import Reply, Stamp
from s3facade.s3.target import Target, origin, parse, virtual

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s3facade.auth.policy import Action, Principal
    from s3facade.core.operators import Buffer
    from s3facade.s3.ports import BucketInfo, Catalog, Engine, Guard, Headers, Internal
    from s3facade.s3.settings import S3Settings

log = logging.getLogger("s3facade.request")
access = logging.getLogger("s3facade.access")

_XML = b"Content-Type: application/xml\r\n"
_CODES = re.compile(r"(~[0-9a-z]{8}\.[0-9]+\.[0-9]+\.|(?:Signature|[Ss]ecurity-[Tt]oken)=)[^/&\s]+", re.ASCII)
"""The secret part of links, and what presigned queries carry."""
_ANY_TARGET = ("GET", "HEAD", "OPTIONS")


class Message(Protocol):
    """The head of a request, as the HTTP parser gives it."""

    @property
    def method(self) -> str:
        """As sent."""
        ...

    @property
    def path(self) -> str:
        """The raw request target."""
        ...

    @property
    def headers(self) -> Headers:
        """Decoded, names in any case."""
        ...


class Service:
    """One per worker."""

    def __init__(
        self, catalog: Catalog, engine: Engine, guard: Guard, settings: S3Settings, internal: Internal
    ) -> None:
        self._catalog = catalog
        self._guard = guard
        self._settings = settings
        self._internal = internal
        self.stamp = Stamp()
        self._objects = Objects(catalog, engine, guard, self.enter, self.stamp, settings)
        self._buckets = Buckets(catalog, guard, settings.region)

    def quick(self, message: Message) -> list[Buffer] | None:
        """The whole answer, head included, if it can be given at once; None: ask `answer`."""
        return None if self._settings.access_log else self._objects.quick(message)

    async def answer(self, message: Message) -> Reply:
        """The answer to any request; never raises, but for cancellation."""
        request_id = self.stamp.next_id()
        target: Target | None = None
        opened: list[BucketInfo] = []
        try:
            if (reply := self._page(message)) is None:
                if message.method not in _ANY_TARGET:
                    refuse_write(message.method)
                target = parse(message.path, message.headers.get("Host") or "", self._settings.domains)
                if message.method == "OPTIONS":
                    lines = cors.preflight(message.headers, self._origins(target, opened))
                    reply = Reply(200, lines + b"Content-Length: 0\r\n")
                else:
                    reply = await self._dispatch(message, target, opened)
        except FacadeError as error:
            if isinstance(error, AuthError):
                opened.clear()
            reply = self._refuse(message.method, message.path, target, error, request_id)
        except Exception:  # the request boundary: whatever happens is answered
            path = _secretless(message.path)
            log.exception("%s 500 %s %r failed unexpectedly", request_id, message.method, path)
            sentence = "We encountered an internal error. Please try again."
            reply = self._document(message.method, message.path, INTERNAL, sentence, {}, request_id)
        reply.request_id = request_id
        reply.cors = cors.answer(self._origins(target, opened), message.headers.get("Origin"))
        if self._settings.access_log:
            path = _secretless(message.path)
            access.info("%s %s %r %d %d", request_id, message.method, path, reply.status, reply.length)
        return reply

    def busy(self) -> bytes:
        """The whole answer to a connection too many."""
        error = Overloaded("Please reduce your request rate.")
        request_id = self.stamp.next_id()
        reply = self._refuse("GET", "", None, error, request_id)
        reply.request_id, reply.close, reply.cors = request_id, True, cors.ANSWER
        return self.stamp.finish(reply) + b"".join(reply.body)

    def malformed(self, sentence: str) -> Reply:
        """The answer to what is not HTTP."""
        request_id = self.stamp.next_id()
        reply = self._document("GET", "", ("InvalidRequest", 400), sentence, {}, request_id)
        reply.request_id, reply.close = request_id, True
        return reply

    def _page(self, message: Message) -> Reply | None:
        """An internal page; no bucket can be called ``-``."""
        if not message.path.startswith("/-/") or message.method not in ("GET", "HEAD"):
            return None
        if virtual(message.headers.get("Host") or "", self._settings.domains) is not None:
            return None
        page = self._internal.get(message.path.partition("?")[0])
        if page is None:
            raise NoSuchKey("There is no such internal page.")
        status, media_type, body = page()
        return _whole(message.method, status, f"Content-Type: {media_type}\r\nCache-Control: no-store\r\n", body)

    def enter(self, message: Message, target: Target) -> Principal:
        """Who asks.

        Raises:
            AuthError: A signature or a link that is not right.
            BadRequest: Signed in a way that is not offered.
        """
        headers = message.headers
        principal = self._guard.verify(message.method, origin(message.path), headers, headers.get("Host") or "")
        if target.link and target.bucket is not None:
            principal = self._guard.link(principal, target.bucket, target.link, _name(target))
        return principal

    async def _dispatch(self, message: Message, target: Target, opened: list[BucketInfo]) -> Reply:
        principal = self.enter(message, target)
        quota = principal.quota
        if quota is None:
            return await self._operate(message, target, principal, opened)
        quota.enter()
        try:
            reply = await self._operate(message, target, principal, opened)
        except BaseException:
            quota.leave()
            raise
        reply.release = quota.leave
        return reply

    async def _operate(self, message: Message, target: Target, principal: Principal, opened: list[BucketInfo]) -> Reply:
        """The answer to a request of ``principal``; the bucket is put into ``opened`` once it is admitted to it."""
        try:
            operation, what = classify(message.method, target)
        except FacadeError:
            if target.bucket is not None:  # who may not learns nothing of what is offered either
                info = self._admit(principal, target, "know" if target.whole else "read")
                opened.append(info)
                if not (target.whole or self._guard.may(principal, info, "list", target.key)):
                    await self._objects.look(target, info, principal)
            raise
        if target.bucket is None:
            return _whole(message.method, 200, _XML.decode(), self._buckets.all(principal, target))
        listed = operation in ("ListObjects", "ListObjectVersions")
        info = self._admit(principal, target, "list" if listed else "know" if target.whole else "read")
        opened.append(info)
        _expect_owner(message.headers)
        if operation in ("GetObject", "HeadObject"):
            return await self._objects.answer(message, target, info, principal)
        lines = f"{_XML.decode()}x-amz-bucket-region: {self._settings.region}\r\n"
        if target.whole:
            body = await self._buckets.answer(operation, what, target, info, principal)
        elif operation == "Absent":
            await self._objects.look(target, info, principal)
            raise NotConfigured(f"The object has no such configuration: {what}.", what=what)
        else:
            body, lines = await self._objects.about(operation, message, target, info, principal)
            lines = f"{_XML.decode()}{lines}"
        return _whole(message.method, 200, lines, body)

    def _admit(self, principal: Principal, target: Target, action: Action) -> BucketInfo:
        """The bucket, if ``principal`` may do ``action``; who may not learns nothing, not even whether it exists."""
        name = target.bucket or ""
        info = self._catalog.bucket(name)
        if info is not None:
            if self._guard.may(principal, info, action, _name(target)):
                return info
        elif self._guard.may(principal, None) or all(b.access == "public" for b in self._catalog.buckets()):
            raise NoSuchBucket("The specified bucket does not exist", BucketName=name)
        raise AccessDenied("Access Denied")

    def _origins(self, target: Target | None, opened: Sequence[BucketInfo]) -> Sequence[str]:
        """Origins whose pages may read the answer.

        Who is not admitted to a bucket, as nobody is who sends a preflight, is answered as if it did not exist, unless
        it is public: its rules would say that it does. The answer to the request itself keeps them.
        """
        if opened:
            return opened[0].cors
        info = None if target is None or target.bucket is None else self._catalog.bucket(target.bucket)
        return cors.ANY if info is None or info.access != "public" else info.cors

    def _refuse(self, method: str, path: str, target: Target | None, error: FacadeError, request_id: str) -> Reply:
        name, status = code(error)
        if status >= 500 and not isinstance(error, RequestError):
            level = logging.WARNING if isinstance(error, LoadError) or status == 503 else logging.ERROR
            bucket, key = (target.bucket, target.key) if target else (None, path)
            text = _printable(error.explain())
            key = _secretless(key)
            log.log(level, "%s %d %s %s bucket=%r key=%r: %s", request_id, status, name, method, bucket, key, text)
        reply = self._document(method, path, (name, status), error.public, error.fields, request_id)
        if method == "HEAD" and status == 403 and target and target.whole:
            # Clients learn the region from this before they sign anything; it is the same for every name.
            reply.lines += f"x-amz-bucket-region: {self._settings.region}\r\n".encode()
        if isinstance(error, BadRange):
            reply.lines += f"Content-Range: bytes */{error.fields['ActualObjectSize']}\r\n".encode()
        return reply

    def _document(
        self,
        method: str,
        path: str,
        kind: tuple[str, int],
        sentence: str,
        fields: dict[str, str],
        request_id: str,
    ) -> Reply:
        name, status = kind
        more = b"Retry-After: 1\r\n" if status == 503 else b"Allow: GET, HEAD, OPTIONS\r\n" if status == 405 else b""
        if method == "HEAD":
            return Reply(status, _XML + more)
        resource = path.partition("?")[0]
        named = {**fields, **({"Resource": resource} if resource else {})}
        body = documents.error(name, sentence, named, request_id, self.stamp.host_id)
        return Reply(status, b"%bContent-Length: %d\r\n%b" % (_XML, len(body), more), [body], length=len(body))


def _name(target: Target) -> str:
    """What access depends on: the true key, or the true prefix of a listing."""
    return target.query.get("prefix", "").removeprefix(target.lead) if target.whole else target.key


def _expect_owner(headers: Headers) -> None:
    """Refuse who wants another owner's bucket. Raises `AccessDenied`."""
    if headers.get("x-amz-expected-bucket-owner", documents.OWNER_ID) != documents.OWNER_ID:
        raise AccessDenied("Access Denied")


def _whole(method: str, status: int, lines: str, body: bytes) -> Reply:
    head = f"{lines}Content-Length: {len(body)}\r\n".encode()
    return Reply(status, head) if method == "HEAD" else Reply(status, head, [body], length=len(body))


def _secretless(path: str) -> str:
    """A path or target for logs, without what would open something to those who read them."""
    plain = unquote(path)
    return _CODES.sub(lambda found: found[1] + "…", plain) if _CODES.search(plain) else path


def _printable(text: str) -> str:
    """``text`` on one line, for logs."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
