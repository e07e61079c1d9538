"""Capability links: a part of the key that opens one prefix of a bucket to whoever has it, until it expires.

``~<id>.<expiry>.<length>.<mac>`` stands before the true key. ``length`` says how much of the key is the prefix that
the link was made for, so the address holds everything that the code is computed from but the secret.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Collection
from dataclasses import dataclass, field

from s3facade.core.errors import AccessDenied, ConfigError

_ID = "abcdefghijklmnopqrstuvwxyz0123456789"
_MAC = 16
LONGEST = 9999
"""Characters of a prefix that a link can name."""


@dataclass(frozen=True, slots=True)
class Links:
    """Makes and checks links."""

    secret: str = field(repr=False)
    revoked: Collection[str] = ()
    """Ids of links that open nothing any more."""

    def make(self, bucket: str, prefix: str, expires: int) -> str:
        """The token for ``prefix`` of ``bucket``, with its tilde.

        Args:
            bucket: Its name.
            prefix: A key, or a folder with or without a final slash; ``""`` is the whole bucket.
            expires: Seconds since 1970.

        Raises:
            ConfigError: The prefix is too long.
        """
        scope = prefix.rstrip("/")
        if len(scope) > LONGEST:
            raise ConfigError("The prefix is too long for a link.")
        name = "".join(secrets.choice(_ID) for _ in range(8))
        return f"~{name}.{expires}.{len(scope)}.{self._mac(bucket, scope, name, expires)}"

    def check(self, bucket: str, token: str, key: str, now: float) -> str:
        """The prefix that ``token`` opens, if ``key`` begins with it.

        Args:
            bucket: Its name.
            token: Without its tilde; of the form that `s3facade.s3.target.LINK` finds.
            key: The true key, or the true prefix of a listing.
            now: Seconds since 1970.

        Raises:
            AccessDenied: Expired, revoked, changed, or made for another prefix.
        """
        name, expires, length, mac = token.split(".")
        scope = key[: int(length)]
        expected = self._mac(bucket, scope, name, int(expires))
        # Other spellings of the same numbers would be other tokens for the same link.
        canonical = f"{int(expires)}.{int(length)}" == f"{expires}.{length}"
        equal = hmac.compare_digest(expected.encode(), mac.encode())
        if not (equal and canonical and _within(key, scope)):
            raise AccessDenied("Access Denied: this link is not for this key, or it is not complete.")
        if name in self.revoked:
            raise AccessDenied("Access Denied: this link has been revoked.")
        if int(expires) < now:
            raise AccessDenied("Request has expired")
        return scope

    def _mac(self, bucket: str, scope: str, name: str, expires: int) -> str:
        text = f"s3facade-link-1\n{bucket}\n{name}\n{expires}\n{scope}"
        digest = hmac.digest(self.secret.encode(), text.encode("utf-8", "surrogatepass"), "sha256")
        return urlsafe_b64encode(digest[:_MAC]).decode().rstrip("=")


def _within(key: str, scope: str) -> bool:
    """Whether ``key`` is ``scope`` itself or lies below it: ``a`` opens ``a`` and ``a/b``, never ``ab``."""
    return not scope or key == scope or key.startswith(scope + "/")
