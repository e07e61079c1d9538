"""Who may sign requests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from s3facade.auth.policy import Grants, Principal
from s3facade.auth.quota import Quota


@dataclass(frozen=True, slots=True)
class Credential:
    """An access key with its secret and what it opens."""

    access_key: str
    secret: str = field(repr=False)
    grants: Grants | None = None
    """What keys may start with, by name of the bucket; None for all buckets."""
    token: str | None = field(default=None, repr=False)
    """The session token that has to be sent with it."""
    most: int | None = None
    """Requests in work at once, per worker."""
    rate: float | None = None
    """Requests per second, per worker."""


# Signed with when the access key is unknown, so that both refusals take the same work.
NOBODY = Credential("", "no such access key", {})


class Keyring:
    """Credentials by access key, each with the principal that it makes."""

    def __init__(self, credentials: Iterable[Credential], before: Keyring | None = None) -> None:
        self._known = {c.access_key: c for c in credentials}
        self._principals = {key: self._principal(c, before) for key, c in self._known.items()}

    def get(self, access_key: str) -> Credential:
        """The credential, or `NOBODY`."""
        return self._known.get(access_key, NOBODY)

    def principal(self, credential: Credential) -> Principal:
        """Who signs with ``credential``, which is one of this ring."""
        return self._principals[credential.access_key]

    def quota(self, access_key: str) -> Quota | None:
        """What counts the requests of ``access_key``, if it has limits."""
        known = self._principals.get(access_key)
        return known.quota if known else None

    def _principal(self, c: Credential, before: Keyring | None) -> Principal:
        """Counts of requests in work go on over a reload where the limits stay."""
        quota = None
        if c.most is not None or c.rate is not None:
            quota = before.quota(c.access_key) if before else None
            if quota is None or (quota.most, quota.rate) != (c.most, c.rate):
                quota = Quota(c.most, c.rate)
        return Principal(c.access_key, signed=True, grants=c.grants, quota=quota)
