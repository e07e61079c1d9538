"""Requests signed like one before them: by the same key, for the same day and region, naming the same headers.

What does not change from one to the next is derived once, so that a signature costs three short hashes and little
else. A session only ever says yes; whatever it does not recognise, `s3facade.auth.sigv4` decides and explains.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from operator import itemgetter
from typing import TYPE_CHECKING

from s3facade.auth import canonical
from s3facade.auth.sigv4 import ALGORITHM, SKEW, Signed, plain_payload, timestamp

if TYPE_CHECKING:
    from s3facade.auth.canonical import Headers
    from s3facade.auth.policy import Principal

DIGITS = 64
"""Of a signature, at the end of the header."""
_SHAPES = 64
_SESSIONS = 256
_DATE, _PAYLOAD = "x-amz-date", "x-amz-content-sha256"
_ALWAYS = {"host", _DATE, _PAYLOAD}
_INNER = bytes(b ^ 0x36 for b in range(256))
_OUTER = bytes(b ^ 0x5C for b in range(256))


_EMPTY = sha256()


@dataclass(frozen=True, slots=True)
class _Shape:
    """Places of values among the headers of a request."""

    pick: Callable[[tuple[str, ...]], tuple[str, ...]]
    """The signed ones, in their order; they are three at least."""
    host: int
    stamp: int
    payload: int


class Session:
    """Checks signatures that differ in target, time and values of the signed headers alone.

    Args:
        signed: A request whose signature was right.
        key: The signing key of its scope.
        principal: Who signs with it.
    """

    __slots__ = (
        "_date", "_form", "_inner", "_moment", "_names", "_outer", "_prefix", "_shapes", "_stamp", "_stamped",
        "_text", "principal",
    )  # fmt: skip

    def __init__(self, signed: Signed, key: bytes, principal: Principal) -> None:
        self.principal = principal
        self._names = signed.names.split(";")
        self._form = "".join(name.replace("%", "%%") + ":%s\n" for name in self._names)
        self._text = f"\n{signed.names}\n"
        self._date, self._prefix = signed.scope.date, signed.scope.text
        # Both halves of an HMAC (RFC 2104) with the key in them: copying these is half the work of starting anew.
        block = key.ljust(64, b"\0")
        self._inner, self._outer = sha256(block.translate(_INNER)), sha256(block.translate(_OUTER))
        self._stamp, self._moment, self._stamped = "", 0, self._inner
        self._shapes: dict[tuple[str, ...], _Shape] = {}

    def signed(self, method: str, raw_target: str, headers: Headers, host: str, now: float, signature: str) -> bool:
        """Whether ``signature`` is right; False also for what is not looked into here.

        ``raw_target`` has no query. ``headers`` hold an Authorization header that began like the one of this session.
        """
        names, values = tuple(headers.keys()), tuple(headers.values())
        known = self._shapes.get(names)
        shape = known or self._shape(names)
        if shape is None or len(values) != len(names):
            return False
        stamp, payload = values[shape.stamp], values[shape.payload]
        if stamp != self._stamp and not self._begin(stamp):
            return False
        if abs(self._moment - now) > SKEW or values[shape.host] != host or not plain_payload(payload):
            return False
        lines: str | None = self._form % shape.pick(values)
        if lines is not None and (" " in lines or "\t" in lines):
            lines = canonical.header_lines(headers, self._names, host)
        request = f"{method}\n{canonical.path(raw_target)}\n\n{lines}{self._text}{payload}"
        if not (request.isascii() and signature.isascii()):
            return False
        # Copies, as a new hash looks up its algorithm anew.
        digest, inner, outer = _EMPTY.copy(), self._stamped.copy(), self._outer.copy()
        digest.update(request.encode())
        inner.update(digest.hexdigest().encode())
        outer.update(inner.digest())
        right = hmac.compare_digest(outer.hexdigest(), signature)
        if right and known is None and len(self._shapes) < _SHAPES:
            self._shapes[names] = shape
        return right

    def _shape(self, names: tuple[str, ...]) -> _Shape | None:
        """Where things stand, if these names leave nothing to decide: all that is signed is there, and once."""
        lower = [name.lower() for name in names]
        if any(lower.count(name) != 1 for name in (*self._names, "authorization")):
            return None
        if any(name.startswith("x-amz-") and name not in self._names for name in lower):
            return None
        places = [lower.index(name) for name in self._names]
        return _Shape(itemgetter(*places), lower.index("host"), lower.index(_DATE), lower.index(_PAYLOAD))

    def _begin(self, stamp: str) -> bool:
        """Take up ``stamp``; nearly all requests of a second have the same one. False if it is none of the day."""
        moment = timestamp(stamp)
        if moment is None or not stamp.startswith(self._date):
            return False
        self._stamped = self._inner.copy()
        self._stamped.update(f"{ALGORITHM}\n{stamp}\n{self._prefix}\n".encode("utf-8", "surrogateescape"))
        self._stamp, self._moment = stamp, moment
        return True


class Sessions:
    """Sessions by what stands before the signature. Bounded, as clients choose it; filled by right signatures only."""

    def __init__(self) -> None:
        self._known: dict[str, Session] = {}

    def get(self, authorization: str) -> Session | None:
        """The session that this header belongs to."""
        return self._known.get(authorization[:-DIGITS])

    def add(self, authorization: str, signed: Signed, key: bytes, principal: Principal) -> None:
        """Remember a header whose signature was right, if it is of the usual form."""
        head = authorization[:-DIGITS]
        if head in self._known or not head.endswith("Signature=") or not _ALWAYS.issubset(signed.names.split(";")):
            return
        if len(self._known) >= _SESSIONS:
            self._known.clear()
        self._known[head] = Session(signed, key, principal)
