"""From the raw request target to bucket, key and query: decoded once, never normalised."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from s3facade.core.errors import BadRequest, KeyTooLong

MAX_KEY = 1024
"""Bytes of UTF-8."""
LINK = re.compile(r"~[0-9a-z]{8}\.[0-9]{1,12}\.[0-9]{1,4}\.[A-Za-z0-9_-]{22}(?:/|\Z)")
"""A first part of keys that opens what lies behind it; see `s3facade.auth.links`."""
PIN = re.compile(r"@[0-9a-f]{32}(?:/|\Z)")
"""A first part of keys, or the one behind a link: the version that is meant."""
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Target:
    """What a request is about."""

    bucket: str | None
    """None is the service itself."""
    key: str
    """The true key, without ``lead``."""
    query: Mapping[str, str]
    """The first value of each parameter."""
    path: str
    """The raw path, still encoded."""
    whole: bool = False
    """Whether it is about the bucket itself, or the service."""
    lead: str = ""
    """What stands before the true key, or before the prefix of a listing: link, pin or both, each with its slash."""
    link: str = ""
    """The link in ``lead``, without tilde and slash."""
    pin: str = ""
    """The digest in ``lead``."""


def parse(raw: str, host: str, domains: tuple[str, ...]) -> Target:
    """Take ``raw``, as it stands in the request line, apart.

    Raises:
        BadRequest: An escape or its UTF-8 is broken.
        KeyTooLong: The key has more than 1,024 bytes.
    """
    path, _, query = origin(raw).partition("?")
    bucket = virtual(host, domains)
    if bucket is None:
        head, _, tail = path[1:].partition("/")
        bucket = None if path == "/" else decode(head)
    else:
        tail = path[1:]
    key = decode(tail)
    named = parameters(query)
    whole = not key
    lead, link, pin = leading(named.get("prefix", "") if whole else key) if bucket else ("", "", "")
    if not whole:
        key = key[len(lead) :]
    if len(key) > MAX_KEY or len(key.encode()) > MAX_KEY:
        raise KeyTooLong("Your key is too long: at most 1024 bytes.", MaxSizeAllowed=str(MAX_KEY))
    return Target(bucket, key, named, path, whole, lead, link, pin)


def leading(key: str) -> tuple[str, str, str]:
    """What stands before the true key: the text to take away, its link and its pin."""
    if key[:1] not in ("~", "@"):
        return "", "", ""
    lead = link = pin = ""
    if found := LINK.match(key):
        lead, link = found[0], found[0][1:].rstrip("/")
    if found := PIN.match(key, len(lead)):
        lead, pin = lead + found[0], found[0][1:].rstrip("/")
    return lead, link, pin


def origin(raw: str) -> str:
    """The origin form of a target, which begins with ``/``; accepts the absolute form.

    Raises:
        BadRequest: Neither form.
    """
    if raw.startswith("/"):
        return raw
    scheme, found, rest = raw.partition("://")
    if not found or scheme.lower() not in ("http", "https"):
        raise BadRequest("The request target must begin with a slash.")
    cuts = [at for at in (rest.find("/"), rest.find("?")) if at >= 0]
    tail = rest[min(cuts) :] if cuts else "/"
    return tail if tail.startswith("/") else "/" + tail


def virtual(host: str, domains: tuple[str, ...]) -> str | None:
    """The bucket that ``host`` names below one of ``domains``, or None for path style."""
    if not domains:
        return None
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    match = _hosts(domains).fullmatch(name.lower().rstrip("."))
    return match["bucket"] if match else None


@lru_cache(maxsize=16)
def _hosts(domains: tuple[str, ...]) -> re.Pattern[str]:
    """Hosts that name a bucket; ``s3``, ``dualstack`` and a region may stand between it and the domain, as on AWS.

    These three alone are no bucket, but other names that begin with them are.
    """
    names = "|".join(re.escape(d).replace(r"\*", "[^.]+") for d in sorted(domains, key=len, reverse=True))
    between = r"s3(?:[.-]dualstack)?(?:[.-][a-z0-9-]+-[0-9])?"
    return re.compile(rf"(?!{between}\.(?:{names})\Z)(?P<bucket>[^:]+?)(?:\.{between})?\.(?:{names})")


def decode(text: str) -> str:
    """Percent-decode ``text`` once; a plus stays a plus.

    Raises:
        BadRequest: The result is not UTF-8 or an escape is broken.
    """
    if "%" not in text and text.isascii():
        return text
    if _BROKEN_ESCAPE.search(text):
        raise BadRequest("The request target holds a percent sign that is not followed by two hex digits.")
    try:
        return unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest("The request target is not UTF-8 after decoding.") from None


def pairs(query: str) -> list[tuple[str, str]]:
    """The parameters of a raw query in order, decoded; a plus is a space."""
    found = []
    for item in query.split("&"):
        if item:
            name, _, value = item.partition("=")
            found.append((decode(name.replace("+", " ")), decode(value.replace("+", " "))))
    return found


def parameters(query: str) -> dict[str, str]:
    """The first value of each parameter of a raw query."""
    return dict(reversed(pairs(query))) if query else {}
