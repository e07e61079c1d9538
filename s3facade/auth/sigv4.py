"""AWS Signature Version 4: requests signed in the Authorization header. Pure but for the cache of signing keys."""

from __future__ import annotations

import hmac
import re
from calendar import timegm
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import lru_cache
from hashlib import sha256
from time import gmtime, strftime

from s3facade.auth import canonical
from s3facade.auth.canonical import Headers
from s3facade.auth.keys import NOBODY, Credential, Keyring
from s3facade.core.errors import (
    AccessDenied,
    BadAuthorization,
    BadRequest,
    BadSignature,
    ClockSkew,
    UnknownKey,
)

ALGORITHM = "AWS4-HMAC-SHA256"
SKEW = 15 * 60
"""Seconds by which clocks may differ."""
_STAMP = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z", re.ASCII)
_PAYLOAD = re.compile(r"[0-9a-fA-F]{64}")
_NO_PAYLOAD = sha256(b"").hexdigest()
_USUAL = re.compile(r"Credential=([^, ]+), ?SignedHeaders=([^, ]+), ?Signature=([^, ]+)")
_HEX = re.compile(r"[0-9a-f]{64}")
_KEYS = 1024


@dataclass(frozen=True, slots=True)
class Scope:
    """What a credential string names."""

    access_key: str
    date: str
    region: str
    text: str
    """The credential scope, as it is signed."""


class SigningKeys:
    """Derived keys: four HMACs saved per request. Bounded, as clients choose region and date."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str, str, str], bytes] = {}

    def get(self, credential: Credential, scope: Scope) -> bytes:
        """The key that ``credential`` signs with in ``scope``."""
        name = (credential.access_key, scope.date, scope.region)
        key = self._keys.get(name)
        if key is None:
            key = f"AWS4{credential.secret}".encode()
            for part in (scope.date, scope.region, "s3", "aws4_request"):
                key = hmac.digest(key, part.encode("utf-8", "surrogateescape"), "sha256")
            if len(self._keys) >= _KEYS:
                self._keys.clear()
            self._keys[name] = key
        return key


@dataclass(frozen=True, slots=True)
class Signed:
    """All that goes into one signature."""

    method: str
    path: str
    """Canonical."""
    query: str
    """Canonical, without the signature."""
    headers: str
    """Canonical lines."""
    names: str
    """SignedHeaders, as sent."""
    payload: str
    stamp: str
    scope: Scope
    signature: str


def check(signed: Signed, ring: Keyring, keys: SigningKeys) -> Credential:
    """The credential that made ``signed``.

    Raises:
        UnknownKey: The access key is not configured.
        BadSignature: The signature is another one.
    """
    credential = ring.get(signed.scope.access_key)
    request = f"{signed.method}\n{signed.path}\n{signed.query}\n{signed.headers}\n{signed.names}\n{signed.payload}"
    hashed = sha256(request.encode("utf-8", "surrogateescape")).hexdigest()
    text = f"{ALGORITHM}\n{signed.stamp}\n{signed.scope.text}\n{hashed}".encode("utf-8", "surrogateescape")
    expected = hmac.digest(keys.get(credential, signed.scope), text, "sha256").hex()
    equal = bool(_HEX.fullmatch(signed.signature)) and hmac.compare_digest(expected, signed.signature)
    if credential is NOBODY:
        raise UnknownKey("The AWS access key Id you provided does not exist in our records.")
    if not equal:
        raise mismatch()
    return credential


def mismatch() -> BadSignature:
    """The refusal of a wrong signature; it does not tell what would have been right."""
    return BadSignature(
        "The request signature we calculated does not match the signature you provided. "
        "Check your key and signing method."
    )


def read_header(method: str, raw_target: str, headers: Headers, host: str, now: float) -> Signed:
    """Take the Authorization header of a request apart.

    Raises:
        BadAuthorization: It cannot be read.
        BadRequest: A header that it needs is missing.
        ClockSkew: The request was signed more than 15 minutes away from ``now``.
        AccessDenied: A signed upload stream, or a header that should be signed and is not.
    """
    values = headers.getall("Authorization")
    if len(values) != 1:
        raise BadAuthorization("There is more than one Authorization header.")
    algorithm, _, rest = values[0].strip().partition(" ")
    if algorithm != ALGORITHM:
        raise BadRequest(f"The authorization mechanism you have provided is not supported. Please use {ALGORITHM}.")
    who, signed_names, signature = _parts(rest)
    scope = read_scope(who)
    if scope is None:
        raise BadAuthorization("The authorization header is malformed: the Credential is mal-formed.")
    stamp, moment = _signed_at(headers)
    if abs(moment - now) > SKEW:
        raise ClockSkew("The difference between the request time and the current time is too large.")
    if not stamp.startswith(scope.date):
        raise BadAuthorization("The authorization header is malformed: the date in the Credential is another day.")
    sha = payload(headers.get("x-amz-content-sha256"))
    names = signed_names.split(";")
    lines = canonical.header_lines(headers, names, host)
    if "host" not in names or lines is None:
        raise mismatch()
    for name in headers:
        if name[:1] in "xX" and name.lower().startswith("x-amz-") and name.lower() not in names:
            raise AccessDenied(
                "There were headers present in the request which were not signed.", HeadersNotSigned=name
            )
    path, _, query = raw_target.partition("?")
    return Signed(
        method, canonical.path(path), canonical.joined(canonical.fields(query)) if query else "", lines, signed_names,
        sha, stamp, scope, signature,
    )  # fmt: skip


def _parts(text: str) -> tuple[str, str, str]:
    """Credential, SignedHeaders and Signature, in whatever order they stand. Raises `BadAuthorization`."""
    if usual := _USUAL.fullmatch(text):
        return usual[1], usual[2], usual[3]
    parts = [part.strip().partition("=") for part in text.split(",")]
    found = {name: value for name, _, value in parts}
    if len(found) != len(parts) or found.keys() != {"Credential", "SignedHeaders", "Signature"}:
        raise BadAuthorization("The authorization header is malformed: it needs Credential, SignedHeaders, Signature.")
    return found["Credential"], found["SignedHeaders"], found["Signature"]


@lru_cache(maxsize=256)
def read_scope(text: str) -> Scope | None:
    """The parts of a credential string, or None if it is not one for S3."""
    parts = text.rsplit("/", 4)
    if len(parts) != 5 or parts[3:] != ["s3", "aws4_request"] or not all(parts):
        return None
    return Scope(parts[0], parts[1], parts[2], "/".join(parts[1:]))


def plain_payload(value: str | None) -> bool:
    """Whether ``value`` is what a request without a body is signed with."""
    return value in (_NO_PAYLOAD, "UNSIGNED-PAYLOAD")


def payload(value: str | None) -> str:
    """The payload hash that is signed; nothing here has a payload, so any hash is taken as it is.

    Raises:
        BadRequest: There is none.
        AccessDenied: A signed stream: those belong to uploads.
    """
    if value is None:
        raise BadRequest("Missing required header for this request: x-amz-content-sha256")
    if plain_payload(value) or _PAYLOAD.fullmatch(value):
        return value
    raise AccessDenied("Access Denied: this server is read-only and takes no signed payload streams.")


@lru_cache(maxsize=256)
def timestamp(stamp: str) -> int | None:
    """Seconds since 1970 of ``20261121T120000Z``; None for anything else."""
    match = _STAMP.fullmatch(stamp)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(n) for n in match.groups())
    if not (year >= 1970 and 1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 61):
        return None
    return timegm((year, month, day, hour, minute, second))


def _signed_at(headers: Headers) -> tuple[str, int]:
    """When the request was signed: as text and as seconds since 1970."""
    stamp = headers.get("x-amz-date") or headers.get("Date") or ""
    moment = timestamp(stamp)
    if moment is None:
        try:
            # By its fields: dates that end in "-0000" name no zone, and are UTC, not the time of wherever this runs.
            moment = timegm(parsedate_to_datetime(stamp).utctimetuple())
        except (ValueError, TypeError, OverflowError):
            raise AccessDenied("AWS authentication requires a valid Date or x-amz-date header") from None
        stamp = strftime("%Y%m%dT%H%M%SZ", gmtime(moment))
    return stamp, moment
