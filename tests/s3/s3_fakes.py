"""An in-memory catalog, engine and guard for the S3 floor, written without the key-space code they stand for."""

import asyncio
import os
from bisect import bisect_left
from dataclasses import dataclass, field

from s3facade.core.errors import AccessDenied, NoSuchKey, SourceChanged
from s3facade.core.identity import etag
from s3facade.core.image import Source
from s3facade.core.keyspace import File
from s3facade.core.objects import Literal, Object, Passed, cut


@dataclass(frozen=True)
class Bucket:
    name: str
    created: int = 1_700_000_000 * 10**9
    access: str = "public"
    cache_control: str | None = None
    cors: tuple = ("*",)


@dataclass(frozen=True)
class FakeFound:
    key: str
    file: File
    etag: str
    pin: str = "0" * 32


def literal(key, data, modified=1_700_000_000 * 10**9 + 123, media_type="application/octet-stream"):
    file = File(len(data), media_type, str(hash(data)), modified, lambda: Object((Literal(data),)))
    return FakeFound(key, file, etag(file.identity, key))


def passed(key, path, start=0, stop=None):
    s = os.stat(path)
    source = Source(str(path), s.st_size, s.st_mtime_ns, f"{s.st_size}-{s.st_mtime_ns}")
    stop = s.st_size if stop is None else stop
    file = File(stop - start, "image/tiff", source.etag, s.st_mtime_ns, lambda: Object((Passed(source, start, stop),)))
    return FakeFound(key, file, etag(source.etag, key))


@dataclass(frozen=True)
class FakePage:
    items: list
    last: object
    tired: bool = False


@dataclass
class FakeCatalog:
    contents: dict = field(default_factory=dict)  # bucket name -> {key: FakeFound}
    infos: dict = field(default_factory=dict)
    errors: dict = field(default_factory=dict)  # (bucket, key) -> exception
    stale: set = field(default_factory=set)  # etags that are no longer true
    hidden: set = field(default_factory=set)  # keys whose sizes are not known: looked at and left out
    tired: int = 0  # items after which a page ends early; 0: never

    def add(self, name, objects=None, **options):
        self.infos[name] = Bucket(name, **options)
        items = [v if isinstance(v, FakeFound) else literal(k, v) for k, v in (objects or {}).items()]
        self.contents[name] = {found.key: found for found in items}
        return self

    def buckets(self):
        return [self.infos[name] for name in sorted(self.infos)]

    def bucket(self, name):
        return self.infos.get(name)

    def peek(self, bucket, key):
        return None

    async def pin(self, bucket, prefix):
        return "0" * 32

    async def find(self, bucket, key):
        await asyncio.sleep(0)
        if (bucket, key) in self.errors:
            raise self.errors[bucket, key]
        if key not in self.contents[bucket]:
            raise NoSuchKey("The specified key does not exist.", Key=key)
        return self.contents[bucket][key]

    def current(self, found):
        return found.etag not in self.stale

    async def page(self, bucket, prefix, bound, delimiter, limit):
        tired = 0 < self.tired < limit
        limit = self.tired if tired else limit
        keys = sorted(self.contents[bucket], key=lambda k: k.encode())
        items = []
        for key in keys[bisect_left(keys, bound) :]:
            if not key.startswith(prefix):
                continue
            at = key.find(delimiter, len(prefix)) if delimiter else -1
            if at < 0:
                items.append(self.contents[bucket][key])
            elif not items or items[-1] != key[: at + len(delimiter)]:
                items.append(key[: at + len(delimiter)])
            if len(items) == limit:
                break
        last = items[-1] if items and len(items) == limit else None
        items = [item for item in items if isinstance(item, str) or item.key not in self.hidden]
        return FakePage(items, last, tired=tired and last is not None)


class FakeDescriptor:
    def __init__(self, source):
        self.source = source
        self.fd = os.open(source.path, os.O_RDONLY)
        self.closed = False

    def verify(self):
        s = os.fstat(self.fd)
        if (s.st_size, s.st_mtime_ns) != (self.source.size, self.source.modified):
            raise SourceChanged("The original file changed.", private=self.source.path)

    def close(self):
        os.close(self.fd)
        self.closed = True


@dataclass
class FakeEngine:
    memory: bool = True
    piece: int = 1 << 20
    fail_at: int = -1  # the number of the piece that fails
    failure: type[Exception] | None = None  # what it fails with, if not with a source that changed
    delay: float = 0.0
    live: int = 0
    made: int = 0
    passing: bool = True

    def _bytes(self, obj, start, stop):
        out = []
        for c in cut(obj, start, stop):
            if isinstance(c.segment, Passed):
                with open(c.segment.source.path, "rb") as file:
                    file.seek(c.segment.start + c.lo)
                    out.append(file.read(c.hi - c.lo))
            else:
                out.append(memoryview(c.segment.data)[c.lo : c.hi])
        return out

    def ready(self, obj, start, stop):
        if not self.memory or any(isinstance(c.segment, Passed) for c in cut(obj, start, stop)):
            return None
        return self._bytes(obj, start, stop)

    async def stream(self, obj, start, stop, tenant=""):
        self.live += 1
        try:
            for n, at in enumerate(range(start, stop, self.piece)):
                await asyncio.sleep(self.delay)
                if n == self.fail_at and self.failure is not None:
                    raise self.failure("nobody has thought of this")
                if n == self.fail_at:
                    raise SourceChanged("The original file changed.", private="/data/secret.tif")
                self.made += 1
                yield b"".join(self._bytes(obj, at, min(at + self.piece, stop)))
        finally:
            self.live -= 1

    async def descriptor(self, segment):
        return FakeDescriptor(segment.source)


@dataclass(frozen=True)
class Anyone:
    access_key = ""
    signed: bool = False
    grants: dict | None = None
    quota: object = None


class OpenGuard:
    """Everybody may read what is public."""

    def verify(self, method, raw_target, headers, host):
        return Anyone()

    def link(self, principal, bucket, token, key):
        raise AccessDenied("no links")

    def may(self, principal, bucket, action="know", name=""):
        return bucket is not None and bucket.access == "public"
