"""Who may do what: public buckets are open, private ones ask for a credential that has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol


class Bucket(Protocol):
    """The part of a bucket that access depends on."""

    @property
    def name(self) -> str:
        """Unique name."""
        ...

    @property
    def access(self) -> Literal["public", "private"]:
        """Whether anybody may read it."""
        ...


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks."""

    access_key: str = ""
    signed: bool = False
    """Whether the request carried a valid signature."""
    buckets: frozenset[str] | None = frozenset()
    """Private buckets that are open to it; None for all."""


ANONYMOUS = Principal()


def may(principal: Principal, bucket: Bucket | None, op: Literal["read", "list"] = "read") -> bool:
    """Whether ``principal`` may read or list ``bucket``; the two go together.

    ``bucket`` None asks whether it may learn which buckets do not exist: only who may see all of them.
    """
    del op
    if bucket is None:
        return principal.buckets is None
    return bucket.access == "public" or principal.buckets is None or bucket.name in principal.buckets
