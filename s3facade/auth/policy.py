"""Who may do what: public buckets are open, private ones ask for a grant, key-only ones for the key or a grant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from s3facade.auth.quota import Quota

Access: TypeAlias = Literal["public", "private", "key-only"]
Action: TypeAlias = Literal["know", "list", "read"]
"""``know``: learn that the bucket exists and how it is set up; ``list`` a prefix; ``read`` a key."""
Grants: TypeAlias = Mapping[str, tuple[str, ...]]
"""What keys may start with, by name of the bucket; ``""`` opens all of it."""


class Bucket(Protocol):
    """The part of a bucket that access depends on."""

    @property
    def name(self) -> str:
        """Unique name."""
        ...

    @property
    def access(self) -> Access:
        """Who may read it without a grant."""
        ...


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks."""

    access_key: str = ""
    signed: bool = False
    """Whether the request carried a valid signature."""
    grants: Grants | None = field(default_factory=dict)
    """None for all buckets."""
    quota: Quota | None = field(default=None, compare=False, repr=False)


ANONYMOUS = Principal()


def may(principal: Principal, bucket: Bucket | None, action: Action = "know", name: str = "") -> bool:
    """Whether ``principal`` may do ``action`` in ``bucket``.

    Args:
        principal: Who asks.
        bucket: None asks whether it may learn which buckets do not exist: only who may see all of them.
        action: What it wants to do.
        name: The key to read, or the prefix to list.
    """
    if principal.grants is None:
        return True
    if bucket is None:
        return False
    if bucket.access == "public" or (bucket.access == "key-only" and action == "read"):
        return True
    prefixes = principal.grants.get(bucket.name)
    if prefixes is None:
        return False
    return action == "know" or name.startswith(prefixes)
