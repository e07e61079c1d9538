"""The small XML documents, and what every document needs: escaping and times."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from s3facade.s3.ports import BucketInfo

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
OWNER_ID = "s3facade"
"""Who owns every bucket and object: requests that expect another owner are refused."""
OWNER = f"<Owner><ID>{OWNER_ID}</ID><DisplayName>{OWNER_ID}</DisplayName></Owner>"
_SPECIAL = re.compile('[&<>"\r\n\t]')
_HARMLESS = re.compile("[ !#-%'-;=?-~]*")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}
_FIRST, _LAST = -11_644_473_600, 253_402_300_799
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def escape(text: str) -> str:
    """``text`` as character data."""
    return text if _HARMLESS.fullmatch(text) else _SPECIAL.sub(lambda m: _ENTITIES[m[0]], text)


def legal(text: str) -> bool:
    """Whether XML 1.0 can carry ``text`` at all."""
    return (text.isascii() and text.isprintable()) or _ILLEGAL.search(text) is None


def visible(text: str) -> str:
    """``text`` with what XML cannot carry replaced, for messages only."""
    return escape(_ILLEGAL.sub("\ufffd", text))


def writable(seconds: int) -> int:
    """The nearest time that dates with four digits of a year can say, from 1601 to 9999; file systems know others."""
    return min(max(seconds, _FIRST), _LAST)


@lru_cache(maxsize=4096)
def timestamp(nanoseconds: int) -> str:
    """ISO 8601 in UTC, whole seconds written with milliseconds: equal to Last-Modified to the second."""
    moment = datetime.fromtimestamp(writable(nanoseconds // 10**9), UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def error(code: str, message: str, fields: Mapping[str, str], request_id: str, host_id: str) -> bytes:
    """An error document."""
    extra = "".join(f"<{name}>{visible(value)}</{name}>" for name, value in fields.items())
    return (
        f"{DECLARATION}<Error><Code>{code}</Code><Message>{visible(message)}</Message>{extra}"
        f"<RequestId>{request_id}</RequestId><HostId>{host_id}</HostId></Error>"
    ).encode()


def location(region: str) -> bytes:
    """GetBucketLocation: us-east-1 is written as nothing."""
    text = "" if region == "us-east-1" else escape(region)
    return f'{DECLARATION}<LocationConstraint xmlns="{NAMESPACE}">{text}</LocationConstraint>'.encode()


def buckets(infos: Sequence[BucketInfo], region: str, prefix: str, token: str | None = None) -> bytes:
    """ListBuckets; ``token`` asks for the next page."""
    rows = "".join(
        f"<Bucket><Name>{escape(b.name)}</Name><CreationDate>{timestamp(b.created)}</CreationDate>"
        f"<BucketRegion>{escape(region)}</BucketRegion></Bucket>"
        for b in infos
    )
    tail = f"<ContinuationToken>{token}</ContinuationToken>" if token else ""
    tail += f"<Prefix>{visible(prefix)}</Prefix>" if prefix else ""
    return (
        f'{DECLARATION}<ListAllMyBucketsResult xmlns="{NAMESPACE}">{OWNER}<Buckets>{rows}</Buckets>{tail}'
        "</ListAllMyBucketsResult>"
    ).encode()
