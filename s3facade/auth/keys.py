"""Who may sign requests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Credential:
    """An access key with its secret and what it opens."""

    access_key: str
    secret: str = field(repr=False)
    buckets: frozenset[str] | None = None
    """Names of the private buckets it may read; None for all."""


# Signed with when the access key is unknown, so that both refusals take the same work.
NOBODY = Credential("", "no such access key", frozenset())


class Keyring:
    """Credentials by access key."""

    def __init__(self, credentials: Iterable[Credential]) -> None:
        self._known = {c.access_key: c for c in credentials}

    def get(self, access_key: str) -> Credential:
        """The credential, or `NOBODY`."""
        return self._known.get(access_key, NOBODY)
