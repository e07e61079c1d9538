"""Answers about buckets: what is in them, and how they are set up."""

from __future__ import annotations

import re
from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING, TypeAlias

from s3facade.core.errors import BadArgument, NoSuchKey, NotConfigured
from s3facade.core.keyspace import successor
from s3facade.s3 import canned, documents, listing, versions

if TYPE_CHECKING:
    from s3facade.auth.policy import Principal
    from s3facade.catalog.catalog import Found
    from s3facade.s3.listing import Listing
    from s3facade.s3.operations import Operation
    from s3facade.s3.ports import BucketInfo, Catalog, Guard
    from s3facade.s3.target import Target

_MOST = 10_000
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
_STEP = 100
"""Items that are asked for at once, at least, where a page has to be filled up."""
_PATIENCE = 5.0
"""Seconds after which a page with fewer entries than asked for ends, though there is more."""
_BUCKETS = ""
"""Name that tokens of ListBuckets are sealed with; no bucket can have it."""


class Buckets:
    """Documents about buckets, once the caller is admitted."""

    def __init__(self, catalog: Catalog, guard: Guard, region: str) -> None:
        self._catalog = catalog
        self._guard = guard
        self._region = region

    def all(self, principal: Principal, target: Target) -> bytes:
        """ListBuckets: those that ``principal`` may know, a page at a time if it asks for pages.

        Raises:
            BadArgument: max-buckets or continuation-token.
        """
        query = target.query
        prefix, token = query.get("prefix", ""), query.get("continuation-token", "")
        most = query.get("max-buckets", str(_MOST))
        if not (_NUMBER.fullmatch(most) and 1 <= int(most) <= _MOST):
            message = f"Argument max-buckets must be an integer between 1 and {_MOST}"
            raise BadArgument(message, ArgumentName="max-buckets", ArgumentValue=most[:64])
        bound = listing.unseal(_BUCKETS, token) if token else ""
        known = [
            b
            for b in self._catalog.buckets()
            if b.name.startswith(prefix) and b.name >= bound and self._guard.may(principal, b)
        ]
        if query.get("bucket-region", self._region) != self._region:
            known = []
        more = listing.seal(_BUCKETS, known[int(most)].name) if len(known) > int(most) else None
        return documents.buckets(known[: int(most)], self._region, prefix, more)

    async def answer(
        self, operation: Operation, what: str, target: Target, info: BucketInfo, principal: Principal
    ) -> bytes:
        """The body of any other answer about a bucket; ``what`` is the query parameter that made the operation.

        Raises:
            NotConfigured: S3 has it, this bucket does not.
            BadArgument: A parameter that S3 refuses.
        """
        if operation == "ListObjects":
            ask = listing.parse(info.name, target.query, target.lead)
            return listing.page(ask, *await self._items(ask, target, info, principal))
        if operation == "ListObjectVersions":
            ask = versions.parse(info.name, target.query, target.lead)
            return versions.page(ask, *await self._items(ask, target, info, principal))
        if operation == "HeadBucket":
            return b""
        if operation == "GetBucketLocation":
            return documents.location(self._region)
        if operation == "GetBucketAcl":
            return canned.acl(everybody=info.access == "public")
        if operation == "GetBucketPolicyStatus":
            return canned.policy_status(info)
        if operation == "ListMultipartUploads":
            return canned.uploads(info, target.query)
        if operation == "GetBucketCors" and info.cors:
            return canned.rule(info)
        if operation in canned.EMPTY:
            return canned.EMPTY[operation]
        raise NotConfigured(f"The bucket has no such configuration: {what}.", what=what)

    async def _items(self, ask: Listing, target: Target, info: BucketInfo, principal: Principal) -> _Items:
        """What to list, one more than asked for if there is more; and where it goes on, if it ends before."""
        if not ask.limit:
            return (), None
        name = info.name
        if target.pin and await self._catalog.pin(name, ask.prefix) != target.pin:
            return await self._file_of(target.pin, ask, name), None
        if not (target.link and ask.prefix and principal.grants and principal.grants[name] == (ask.prefix,)):
            return await self._page(ask, name, ask.bound, ask.limit + 1)
        # A link to "a" shows "a" and "a/…": what else begins with "a" lies between and around them.
        itself: list[Found | str] = []
        if ask.bound <= ask.prefix:
            first = await self._catalog.page(name, ask.prefix, ask.prefix, "", 1)
            itself = [item for item in first.items if _name(item) == ask.prefix and _carried(item, ask)]
        folder = ask.prefix + "/"
        below, onward = await self._page(ask, name, max(ask.bound, folder), ask.limit + 1 - len(itself))
        if onward is not None and not _name(onward).startswith(folder):
            onward = None
        return [*itself, *(item for item in below if _name(item).startswith(folder))], onward

    async def _file_of(self, pin: str, ask: Listing, name: str) -> Sequence[Found]:
        """The plain file that is the whole prefix, if ``pin`` is its digest; a folder has none."""
        if ask.bound > ask.prefix or not listing.carried(ask.prefix, encoded=ask.encoded):
            return ()
        try:
            found = await self._catalog.find(name, ask.prefix)
        except NoSuchKey:
            return ()
        return (found,) if found.pin == pin else ()

    async def _page(self, ask: Listing, name: str, bound: str, limit: int) -> _Items:
        """Up to ``limit`` items from ``bound`` on, without the keys that no answer can carry.

        They are passed over rather than left out of full pages: the last key of a page is where the next one begins.
        """
        shown: list[Found | str] = []
        least, until = 1, monotonic() + _PATIENCE
        while True:
            want = max(limit - len(shown), least)
            least = _STEP
            page = await self._catalog.page(name, ask.prefix, bound, ask.delimiter, want)
            shown += [item for item in page.items if _carried(item, ask)]
            last = page.last
            if last is None or len(shown) >= limit:
                return shown[:limit], None
            if page.tired or monotonic() > until:
                return shown, last
            bound = successor(last) if isinstance(last, str) else last.key + "\0"


_Items: TypeAlias = "tuple[Sequence[Found | str], Found | str | None]"


def _carried(item: Found | str, ask: Listing) -> bool:
    return listing.carried(_name(item), encoded=ask.encoded)


def _name(item: Found | str) -> str:
    return item if isinstance(item, str) else item.key
