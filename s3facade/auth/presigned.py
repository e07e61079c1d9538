"""Requests signed in the query: version 4, and version 2, which boto3 still makes by default in us-east-1."""

from __future__ import annotations

import hmac
from base64 import b64encode
from time import gmtime, strftime

from s3facade.auth import canonical, sigv4
from s3facade.auth.canonical import Headers
from s3facade.auth.keys import NOBODY, Credential, Keyring
from s3facade.core.errors import AccessDenied, BadQueryAuthorization, UnknownKey

LONGEST = 7 * 24 * 3600
_V4 = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature")
_V2 = ("AWSAccessKeyId", "Signature", "Expires")
# Parameters that version 2 counts to the resource; all others may be changed by anyone who has the link.
_V2_RESOURCE = frozenset({
    "accelerate", "acl", "analytics", "cors", "defaultObjectAcl", "delete", "inventory", "lifecycle", "location",
    "logging", "metrics", "notification", "object-lock", "partNumber", "policy", "replication", "requestPayment",
    "response-cache-control", "response-content-disposition", "response-content-encoding",
    "response-content-language", "response-content-type", "response-expires", "restore", "select", "select-type",
    "storageClass", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website",
})  # fmt: skip


def version(query: str) -> int:
    """2 or 4 if the raw ``query`` is signed, however badly; else 0."""
    if not ("X-Amz-" in query or "AWSAccessKeyId" in query or "Signature" in query):
        return 0
    names = {item.partition("=")[0] for item in query.split("&")}
    if names & {"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature"}:
        return 4
    return 2 if names & {"AWSAccessKeyId", "Signature"} else 0


def read_v4(method: str, raw_target: str, headers: Headers, host: str, now: float) -> sigv4.Signed:
    """Take a presigned request apart.

    Raises:
        BadQueryAuthorization: A parameter is missing, repeated or out of bounds.
        AccessDenied: Expired, or not valid yet.
    """
    path, _, query = raw_target.partition("?")
    parameters = canonical.fields(query)
    found = _once(parameters, _V4)
    if found is None:
        raise BadQueryAuthorization(f"Query-string authentication version 4 requires {', '.join(_V4)}, each once.")
    if found["X-Amz-Algorithm"] != sigv4.ALGORITHM:
        raise BadQueryAuthorization(f'X-Amz-Algorithm only supports "{sigv4.ALGORITHM}"')
    scope = sigv4.read_scope(found["X-Amz-Credential"])
    start = sigv4.timestamp(found["X-Amz-Date"])
    if scope is None or start is None or not found["X-Amz-Date"].startswith(scope.date):
        raise BadQueryAuthorization("Error parsing the X-Amz-Credential or X-Amz-Date parameter.")
    expires = found["X-Amz-Expires"]
    if not (expires.isascii() and expires.isdigit() and len(expires) < 10 and 1 <= int(expires) <= LONGEST):
        raise BadQueryAuthorization("X-Amz-Expires must be between 1 and 604800 seconds.")
    if start > now + sigv4.SKEW:
        raise AccessDenied("Request is not yet valid")
    if start + int(expires) < now:
        raise _expired(start + int(expires), now)
    names = found["X-Amz-SignedHeaders"].split(";")
    lines = canonical.header_lines(headers, names, host)
    if "host" not in names or lines is None:
        raise sigv4.mismatch()
    given = [canonical.plain(value) for name, value in parameters if name.lower() == "x-amz-content-sha256"]
    sha = given[0] if given else headers.get("x-amz-content-sha256") or "UNSIGNED-PAYLOAD"
    return sigv4.Signed(
        method, canonical.path(path), canonical.joined(parameters, without="X-Amz-Signature"), lines,
        found["X-Amz-SignedHeaders"], sigv4.payload(sha), found["X-Amz-Date"], scope, found["X-Amz-Signature"],
    )  # fmt: skip


def check_v2(
    method: str, raw_target: str, headers: Headers, bucket: str | None, ring: Keyring, now: float
) -> Credential:
    """The credential that signed a version 2 link.

    Args:
        method: GET or HEAD.
        raw_target: As in the request line.
        headers: Of the request.
        bucket: Named by the host, or None for path style.
        ring: Whom to know.
        now: Seconds since 1970.

    Raises:
        AccessDenied: A parameter is missing or repeated, or it is expired.
        UnknownKey: The access key is not configured.
        BadSignature: The signature is another one.
    """
    path, _, query = raw_target.partition("?")
    parameters = canonical.fields(query)
    found = _once(parameters, _V2)
    if found is None:
        raise AccessDenied(f"Query-string authentication requires {', '.join(_V2)}, each once.")
    expires = found["Expires"]
    if not (expires.isascii() and expires.isdigit() and len(expires) < 12):
        raise AccessDenied("Invalid date (should be seconds since epoch): " + expires[:32])
    if int(expires) < now:
        raise _expired(int(expires), now)
    credential = ring.get(found["AWSAccessKeyId"])
    plain = [(name, canonical.plain(value)) for name, value in parameters]
    resource = (f"/{bucket}" if bucket else "") + path + _v2_resource(query)
    text = f"{method}\n{_v2_headers(plain, headers, expires)}{resource}"
    digest = hmac.digest(credential.secret.encode(), text.encode("utf-8", "surrogateescape"), "sha1")
    equal = hmac.compare_digest(b64encode(digest), found["Signature"].encode("utf-8", "surrogateescape"))
    if credential is NOBODY:
        raise UnknownKey("The AWS access key Id you provided does not exist in our records.")
    if not equal:
        raise sigv4.mismatch()
    return credential


def _v2_headers(parameters: list[tuple[str, str]], headers: Headers, expires: str) -> str:
    """The signed headers, from query or head; the expiry stands in the place of the date."""
    given = {name.lower(): value.strip() for name, value in parameters}
    for name in headers:
        if name.lower().startswith("x-amz-"):
            given[name.lower()] = ",".join(value.strip() for value in headers.getall(name))
    md5 = given.get("content-md5") or headers.get("Content-MD5") or ""
    kind = given.get("content-type") or headers.get("Content-Type") or ""
    amz = "".join(f"{name}:{given[name]}\n" for name in sorted(given) if name.startswith("x-amz-"))
    return f"{md5}\n{kind}\n{expires}\n{amz}"


def _v2_resource(query: str) -> str:
    """The signed parameters: names as sent, values decoded."""
    kept = []
    for item in query.split("&"):
        name, equals, value = item.partition("=")
        if name in _V2_RESOURCE:
            kept.append(f"{name}={canonical.plain(value)}" if equals else name)
    return "?" + "&".join(sorted(kept, key=lambda item: item.partition("=")[0])) if kept else ""


def _once(parameters: list[tuple[str, str]], names: tuple[str, ...]) -> dict[str, str] | None:
    """The decoded values of ``names``, or None unless each of them stands once."""
    found = [(name, canonical.plain(value)) for name, value in parameters if name in names]
    return dict(found) if len(found) == len(names) == len(dict(found)) else None


def _expired(at: int, now: float) -> AccessDenied:
    form = "%Y-%m-%dT%H:%M:%SZ"
    return AccessDenied(
        "Request has expired", Expires=strftime(form, gmtime(at)), ServerTime=strftime(form, gmtime(now))
    )


def token(query: str) -> str | None:
    """The session token in a signed query: of version 4, or of version 2, which writes it in lower case."""
    found = [canonical.plain(v) for n, v in canonical.fields(query) if n.lower() == "x-amz-security-token"]
    return found[0] if len(found) == 1 else None
