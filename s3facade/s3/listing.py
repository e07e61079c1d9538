"""ListObjects, both versions: parameters, tokens, pages."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from hmac import compare_digest
from typing import TYPE_CHECKING
from urllib.parse import quote

from s3facade.core.errors import BadArgument
from s3facade.core.keyspace import successor
from s3facade.s3.documents import DECLARATION, NAMESPACE, OWNER, escape, legal, timestamp, visible

if TYPE_CHECKING:
    from s3facade.catalog.catalog import Found

_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_UNRESERVED = re.compile(r"[A-Za-z0-9_.~/-]*", re.ASCII)
_MAC = 12
_PERSON = b"s3facade-token"
_MAX_TEXT = 1024
_MAX_LIMIT = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Listing:
    """What a page is asked for."""

    bucket: str
    version: int
    prefix: str
    delimiter: str
    limit: int
    """Keys and common prefixes together, 0..1000."""
    bound: str
    """Keys from here on."""
    marker: str
    """V1: marker; V2: start-after. As sent."""
    token: str | None
    """V2: continuation-token, as sent."""
    encoded: bool
    owner: bool
    lead: str = ""
    """Stands before every key and prefix that is shown, and in none of the fields above."""


def parse(bucket: str, query: Mapping[str, str], lead: str = "") -> Listing:
    """Read the parameters of a list request.

    Args:
        bucket: Its name.
        query: Parameters.
        lead: What the prefix begins with and no true key does: a link or a pin.

    Raises:
        BadArgument: A value that S3 refuses.
    """
    version = 2 if query.get("list-type") == "2" else 1
    prefix, delimiter = text(query, "prefix").removeprefix(lead), text(query, "delimiter")
    shown = lead + "/" if lead and not lead.endswith("/") else lead
    marker = _true(text(query, "start-after" if version == 2 else "marker"), shown)
    token = query.get("continuation-token") if version == 2 else None
    if token:
        bound = unseal(bucket, token)
    elif version == 1:
        bound = after_marker(marker, prefix, delimiter)
    else:
        bound = marker + "\0" if marker else ""
    owner = version == 1 or query.get("fetch-owner") == "true"
    return Listing(
        bucket, version, prefix, delimiter, limit(query), bound, marker, token, encoding(query), owner, shown
    )


def encoding(query: Mapping[str, str]) -> bool:
    """Whether names are to be percent-encoded. Raises `BadArgument`."""
    value = query.get("encoding-type", "")
    if value not in ("", "url"):
        raise bad("encoding-type", value, "Invalid Encoding Method specified in Request")
    return value == "url"


def _true(marker: str, lead: str) -> str:
    """A marker as it compares with true keys; one before all keys of the lead is none."""
    if marker.startswith(lead):
        return marker[len(lead) :]
    return "" if marker < lead else chr(0x10FFFF)


def text(query: Mapping[str, str], name: str) -> str:
    """A parameter that is a key or part of one. Raises `BadArgument`."""
    value = query.get(name, "")
    if len(value.encode()) > _MAX_TEXT:
        raise bad(name, value[:64], f"{name} is longer than {_MAX_TEXT} bytes")
    return value


def limit(query: Mapping[str, str]) -> int:
    """``max-keys``, at most 1000. Raises `BadArgument`."""
    text = query.get("max-keys", "")
    if not text:
        return 1000
    if not _INTEGER.fullmatch(text):
        raise bad("max-keys", text[:64], "Provided max-keys not an integer or within integer range")
    if text.startswith("-") and text.strip("-0"):
        raise bad("max-keys", text, "Argument maxKeys must be an integer between 0 and 2147483647")
    digits = text.lstrip("+-0")
    if len(digits) > 10 or int(digits or "0") > _MAX_LIMIT:
        raise bad("max-keys", text[:64], "Provided max-keys not an integer or within integer range")
    return min(int(digits or "0"), 1000)


def bad(name: str, value: str, message: str) -> BadArgument:
    """The refusal of a parameter."""
    return BadArgument(message, ArgumentName=name, ArgumentValue=value)


def after_marker(marker: str, prefix: str, delimiter: str) -> str:
    """The bound behind a V1 marker; a marker that is a common prefix stands for all that it rolls up."""
    if not marker:
        return ""
    if delimiter and marker.startswith(prefix):
        at = marker.find(delimiter, len(prefix))
        if at >= 0 and at + len(delimiter) == len(marker):
            return successor(marker)
    return marker + "\0"


def carried(name: str, *, encoded: bool) -> bool:
    """Whether an answer can carry ``name``: XML knows fewer characters than keys, and keys are of limited length."""
    return (encoded or legal(name)) and (len(name) <= _MAX_TEXT // 4 or len(name.encode()) <= _MAX_TEXT)


def seal(bucket: str, bound: str) -> str:
    """A continuation token: the same in every worker and after a restart."""
    raw = bound.encode()
    return urlsafe_b64encode(_mac(bucket, raw) + raw).decode().rstrip("=")


def unseal(bucket: str, token: str) -> str:
    """The bound in ``token``.

    Raises:
        BadArgument: The token was not made for this bucket.
    """
    try:
        data = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        mac, raw = data[:_MAC], data[_MAC:]
        bound = raw.decode()
    except (Base64Error, ValueError):
        raise bad("continuation-token", token[:64], "The continuation token provided is incorrect") from None
    # The second comparison refuses other spellings of the same bytes.
    if not compare_digest(mac, _mac(bucket, raw)) or seal(bucket, bound) != token:
        raise bad("continuation-token", token[:64], "The continuation token provided is incorrect")
    return bound


def _mac(bucket: str, raw: bytes) -> bytes:
    """Not a secret: it keeps tokens opaque and catches those that are damaged or of another bucket."""
    return blake2b(
        raw, digest_size=_MAC, key=blake2b(bucket.encode(), digest_size=32).digest(), person=_PERSON
    ).digest()


def page(ask: Listing, items: Sequence[Found | str], onward: Found | str | None = None) -> bytes:
    """The document for ``items``, all of them `carried`: one more than ``ask.limit`` when the list goes on.

    A page that ends early goes on behind ``onward``, which it need not show.
    """
    shown = items[: ask.limit]
    last = shown[-1] if len(items) > ask.limit else onward
    keys = [item for item in shown if not isinstance(item, str)]
    prefixes = [item for item in shown if isinstance(item, str)]
    name = encode if ask.encoded else escape
    head = _head(ask, last, len(keys) + len(prefixes), early=len(items) <= ask.limit)
    owner = OWNER if ask.owner else ""
    first = name(ask.lead)
    tail = f"</Size><StorageClass>STANDARD</StorageClass>{owner}</Contents>"
    rows = [
        f"<Contents><Key>{first}{name(item.key)}</Key>"
        f"<LastModified>{timestamp((file := item.file).modified)}</LastModified>"
        f"<ETag>&quot;{item.etag}&quot;</ETag><Size>{file.size}{tail}"
        for item in keys
    ]
    rows += [f"<CommonPrefixes><Prefix>{first}{name(item)}</Prefix></CommonPrefixes>" for item in prefixes]
    return f"{head}{''.join(rows)}</ListBucketResult>".encode()


def encode(text: str) -> str:
    """``text`` as ``encoding-type=url`` wants it: a slash stays, a space is %20, which every decoder takes."""
    return text if _UNRESERVED.fullmatch(text) else quote(text, safe="/")


def _head(ask: Listing, last: Found | str | None, count: int, *, early: bool) -> str:
    """All that stands before the first entry, in S3's order; ``last`` is what the next page follows, if any."""
    name = encode if ask.encoded else visible
    lead = ask.lead
    parts = [f"<Name>{ask.bucket}</Name><Prefix>{name(lead + ask.prefix)}</Prefix>"]
    if ask.version == 1:
        parts.append(f"<Marker>{name(lead + ask.marker if ask.marker else '')}</Marker>")
        # Without a delimiter clients go on behind the last key, of which an early end may show none.
        if last is not None and (ask.delimiter or early):
            parts.append(f"<NextMarker>{name(lead + (last if isinstance(last, str) else last.key))}</NextMarker>")
    else:
        if ask.token is not None:
            parts.append(f"<ContinuationToken>{visible(ask.token)}</ContinuationToken>")
        if ask.marker:
            parts.append(f"<StartAfter>{name(lead + ask.marker)}</StartAfter>")
        if last is not None:
            bound = successor(last) if isinstance(last, str) else last.key + "\0"
            parts.append(f"<NextContinuationToken>{seal(ask.bucket, bound)}</NextContinuationToken>")
        parts.append(f"<KeyCount>{count}</KeyCount>")
    parts.append(f"<MaxKeys>{ask.limit}</MaxKeys>")
    if ask.delimiter:
        parts.append(f"<Delimiter>{name(ask.delimiter)}</Delimiter>")
    if ask.encoded:
        parts.append("<EncodingType>url</EncodingType>")
    parts.append(f"<IsTruncated>{'false' if last is None else 'true'}</IsTruncated>")
    return f'{DECLARATION}<ListBucketResult xmlns="{NAMESPACE}">{"".join(parts)}'
