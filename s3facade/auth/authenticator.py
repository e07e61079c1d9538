"""The door: every request's principal, or a refusal."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Iterable

from s3facade.auth import policy, presigned, sigv4
from s3facade.auth.canonical import Headers
from s3facade.auth.keys import Credential, Keyring
from s3facade.auth.links import Links
from s3facade.auth.policy import ANONYMOUS, Principal
from s3facade.auth.sessions import DIGITS, Sessions
from s3facade.core.errors import AccessDenied, BadRequest, BadToken, UnknownKey


class Authenticator:
    """Verifies signatures and links.

    Args:
        credentials: Who may sign.
        clock: Seconds since 1970.
        bucket_of: The bucket that a Host names, or None: version 2 signs that name.
        links: How links are checked; None: there are none.
    """

    may = staticmethod(policy.may)

    def __init__(
        self,
        credentials: Iterable[Credential] = (),
        clock: Callable[[], float] = time.time,
        bucket_of: Callable[[str], str | None] = lambda _: None,
        links: Links | None = None,
    ) -> None:
        self._ring = Keyring(credentials)
        self._links = links
        self._keys = sigv4.SigningKeys()
        self._sessions = Sessions()
        self._clock = clock
        self._bucket_of = bucket_of

    def replace(self, credentials: Iterable[Credential], links: Links | None) -> None:
        """Know these from now on, and no others."""
        self._ring = Keyring(credentials, self._ring)
        self._keys = sigv4.SigningKeys()
        self._sessions = Sessions()
        self._links = links

    def verify(self, method: str, raw_target: str, headers: Headers, host: str) -> Principal:
        """Who asks: `ANONYMOUS` if the request is not signed at all.

        A signature that is not right is refused, also where nobody would have asked for one.

        Raises:
            AuthError: See `sigv4` and `presigned`.
            BadRequest: Signed twice, or in a way that is not offered.
        """
        authorization, now = headers.get("Authorization"), self._clock()
        if authorization is not None and "?" not in raw_target:
            session = self._sessions.get(authorization)
            if session is not None and session.signed(method, raw_target, headers, host, now, authorization[-DIGITS:]):
                return session.principal
        query = raw_target.partition("?")[2]
        signed = presigned.version(query) if query else 0
        if authorization is not None:
            if signed:
                raise BadRequest("Only one auth mechanism allowed: the header or the query.")
            request = sigv4.read_header(method, raw_target, headers, host, now)
            credential = sigv4.check(request, self._ring, self._keys)
            if credential.token is None:
                key = self._keys.get(credential, request.scope)
                self._sessions.add(authorization, request, key, self._ring.principal(credential))
        elif signed == 4:
            request = presigned.read_v4(method, raw_target, headers, host, now)
            credential = sigv4.check(request, self._ring, self._keys)
        elif signed == 2:
            bucket = self._bucket_of(host)
            credential = presigned.check_v2(method, raw_target, headers, bucket, self._ring, now)
        else:
            return ANONYMOUS
        if credential.token is not None:
            _same_token(credential.token, presigned.token(query) if signed else headers.get("x-amz-security-token"))
        return self._ring.principal(credential)

    def link(self, principal: Principal, bucket: str, token: str, key: str) -> Principal:
        """Who asks, by the link in the address: it opens what it was made for, whoever signed the request.

        Raises:
            AccessDenied: Expired, revoked, changed, or made for something else.
        """
        if self._links is None:
            raise AccessDenied("Access Denied: this server has no links.")
        scope = self._links.check(bucket, token, key, self._clock())
        return Principal(principal.access_key, principal.signed, {bucket: (scope,)}, principal.quota)


def _same_token(expected: str, given: str | None) -> None:
    """Refuse any session token but the one that goes with the key."""
    if given is None:
        raise UnknownKey("The AWS access key Id you provided does not exist in our records.")
    if not hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogateescape")):
        raise BadToken("The provided token is malformed or otherwise invalid.")
