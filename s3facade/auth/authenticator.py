"""The door: every request's principal, or a refusal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from s3facade.auth import policy, presigned, sigv4
from s3facade.auth.canonical import Headers
from s3facade.auth.keys import Credential, Keyring
from s3facade.auth.policy import ANONYMOUS, Bucket, Principal
from s3facade.core.errors import BadRequest


class Authenticator:
    """Verifies signatures.

    Args:
        credentials: Who may sign.
        clock: Seconds since 1970.
        domains: Hosts below which the first label names the bucket: version 2 signs that name.
    """

    def __init__(
        self,
        credentials: Iterable[Credential] = (),
        clock: Callable[[], float] = time.time,
        domains: tuple[str, ...] = (),
    ) -> None:
        self._ring = Keyring(credentials)
        self._keys = sigv4.SigningKeys()
        self._clock = clock
        self._domains = domains

    def verify(self, method: str, raw_target: str, headers: Headers, host: str) -> Principal:
        """Who asks: `ANONYMOUS` if the request is not signed at all.

        A signature that is not right is refused, also where nobody would have asked for one.

        Raises:
            AuthError: See `sigv4` and `presigned`.
            BadRequest: Signed twice, or in a way that is not offered.
        """
        query = raw_target.partition("?")[2]
        signed = presigned.version(query) if query else 0
        if headers.get("Authorization") is not None:
            if signed:
                raise BadRequest("Only one auth mechanism allowed: the header or the query.")
            request = sigv4.read_header(method, raw_target, headers, host, self._clock())
            return _principal(sigv4.check(request, self._ring, self._keys))
        if signed == 4:
            request = presigned.read_v4(method, raw_target, headers, host, self._clock())
            return _principal(sigv4.check(request, self._ring, self._keys))
        if signed == 2:
            bucket = self._bucket(host)
            return _principal(presigned.check_v2(method, raw_target, headers, bucket, self._ring, self._clock()))
        return ANONYMOUS

    def may(self, principal: Principal, bucket: Bucket | None) -> bool:
        """Whether ``principal`` may read ``bucket``; see `policy.may`."""
        return policy.may(principal, bucket)

    def _bucket(self, host: str) -> str | None:
        name = host.partition(":")[0].lower()
        for domain in self._domains:
            if name.endswith("." + domain):
                return name[: -len(domain) - 1]
        return None


def _principal(credential: Credential) -> Principal:
    return Principal(credential.access_key, signed=True, buckets=credential.buckets)
