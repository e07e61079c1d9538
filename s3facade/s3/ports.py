"""What the S3 floor asks of the catalog, the engine and the door keeper; structural, nothing inherits from these."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, overload

if TYPE_CHECKING:
    from s3facade.auth.policy import Action, Principal
    from s3facade.catalog.catalog import Found
    from s3facade.catalog.catalog import Page as Listed
    from s3facade.core.objects import Object, Passed
    from s3facade.core.operators import Buffer

Access: TypeAlias = Literal["public", "private", "key-only"]
Page: TypeAlias = Callable[[], tuple[int, str, bytes]]
"""An internal page: status, content type, body."""


class Headers(Protocol):
    """Request headers; names in any case."""

    @overload
    def get(self, key: str, /) -> str | None: ...

    @overload
    def get(self, key: str, default: str, /) -> str: ...

    def get(self, key: str, default: str | None = None, /) -> str | None:
        """The first value, or ``default``."""
        ...

    def getall(self, key: str, /) -> list[str]:
        """Every value; raises KeyError if there is none."""
        ...

    def keys(self) -> Iterable[str]:
        """Names, in the order of `values`; repeated ones may come once."""
        ...

    def values(self) -> Iterable[str]:
        """One for each line."""
        ...

    def __iter__(self) -> Iterator[str]:
        """Names; repeated ones may come once."""
        ...

    def __contains__(self, key: object, /) -> bool: ...


class BucketInfo(Protocol):
    """A configured bucket."""

    @property
    def name(self) -> str:
        """Unique, DNS-like."""
        ...

    @property
    def created(self) -> int:
        """Nanoseconds since 1970, UTC."""
        ...

    @property
    def access(self) -> Access:
        """Whether anybody may read it."""
        ...

    @property
    def cache_control(self) -> str | None:
        """Value of the Cache-Control header of its objects."""
        ...

    @property
    def cors(self) -> tuple[str, ...]:
        """Origins whose pages may read it; a star stands for any text. Empty: none."""
        ...


class Catalog(Protocol):
    """Which keys exist."""

    def buckets(self) -> Sequence[BucketInfo]:
        """Every bucket, by name."""
        ...

    def bucket(self, name: str, /) -> BucketInfo | None:
        """The bucket called ``name``."""
        ...

    def peek(self, bucket: str, key: str, /) -> Found | None:
        """The object if it is known in memory; None means: ask `find`."""
        ...

    async def pin(self, bucket: str, prefix: str, /) -> str:
        """The digest that is current at ``prefix``; empty where nothing has one."""
        ...

    async def find(self, bucket: str, key: str, /) -> Found:
        """The object. Raises NoSuchKey, SourceError."""
        ...

    def current(self, found: Found, /) -> bool:
        """Whether the description is still true; costs a stat at most."""
        ...

    async def page(self, bucket: str, prefix: str, bound: str, delimiter: str, limit: int, /) -> Listed:
        """Up to ``limit`` items with key >= ``bound``, in order; a str is a common prefix."""
        ...


class Descriptor(Protocol):
    """A borrowed file descriptor of a source."""

    @property
    def fd(self) -> int:
        """For `os.sendfile` and `os.pread`."""
        ...

    def verify(self) -> None:
        """Raises SourceChanged if the file is not the one that was described."""
        ...

    def close(self) -> None:
        """Give it back."""
        ...


class Engine(Protocol):
    """Bytes of objects."""

    def ready(self, obj: Object, start: int, stop: int, /) -> Sequence[Buffer] | None:
        """The bytes if all of them are at hand in memory."""
        ...

    def stream(self, obj: Object, start: int, stop: int, tenant: Hashable, /) -> AsyncGenerator[Buffer, None]:
        """The bytes in order; closing the generator cancels the work. Tenants take turns."""
        ...

    async def size(self, obj: Object, tenant: Hashable, /) -> int:
        """How many bytes an object has, computed if nothing else tells."""
        ...

    async def descriptor(self, segment: Passed, /) -> Descriptor | None:
        """The file behind source bytes; None where they have to be streamed."""
        ...


class Guard(Protocol):
    """The door keeper."""

    def verify(self, method: str, raw_target: str, headers: Headers, host: str, /) -> Principal:
        """Who asks; raises AuthError or BadRequest on any signature that is not right."""
        ...

    def link(self, principal: Principal, bucket: str, token: str, key: str, /) -> Principal:
        """Who asks, by the link in the address; raises AccessDenied on any that does not open ``key``."""
        ...

    def may(self, principal: Principal, bucket: BucketInfo | None, action: Action = "know", name: str = "", /) -> bool:
        """Whether ``principal`` may do ``action``; no bucket asks whether it may know which ones do not exist."""
        ...


Internal: TypeAlias = Mapping[str, Page]
