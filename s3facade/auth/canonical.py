"""What is signed: the spelling of a request that client and server agree on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol
from urllib.parse import quote, unquote_to_bytes

_CANONICAL = re.compile(r"[A-Za-z0-9/._~-]*", re.ASCII)


class Headers(Protocol):
    """Request headers; names in any case."""

    def get(self, key: str, /) -> str | None:
        """The first value, or None."""
        ...

    def getall(self, key: str, /) -> list[str]:
        """Every value; raises KeyError if there is none."""
        ...

    def keys(self) -> Iterable[str]:
        """Names, in the order of `values`; repeated ones may come once."""
        ...

    def values(self) -> Iterable[str]:
        """One for each line."""
        ...

    def __iter__(self) -> Iterator[str]:
        """Names; repeated ones may come once."""
        ...


def path(raw: str) -> str:
    """The raw path decoded once and encoded again: whatever was escaped, one spelling."""
    if _CANONICAL.fullmatch(raw):
        return raw
    return quote(unquote_to_bytes(raw.encode("utf-8", "surrogateescape")), safe="/-_.~")


def fields(query: str) -> list[tuple[str, str]]:
    """The parameters of a raw query in order, each in canonical spelling; a plus is a space."""
    found = []
    for item in query.split("&"):
        if item:
            name, _, value = item.partition("=")
            found.append((_encode(name), _encode(value)))
    return found


def joined(parameters: list[tuple[str, str]], without: str = "") -> str:
    """The canonical query."""
    return "&".join(f"{name}={value}" for name, value in sorted(parameters) if name != without)


def plain(text: str) -> str:
    """A canonical value decoded."""
    return unquote_to_bytes(text).decode("utf-8", "surrogateescape")


def header_lines(headers: Headers, names: Sequence[str], host: str) -> str | None:
    """The canonical headers; None if one of ``names`` is missing."""
    lines = ""
    for name in names:
        try:
            values = [host] if name == "host" else headers.getall(name)
        except KeyError:
            return None
        value = values[0] if len(values) == 1 else ",".join([" ".join(v.split()) for v in values])
        if " " in value or "\t" in value:
            value = " ".join(value.split())
        lines += f"{name}:{value}\n"
    return lines


def _encode(text: str) -> str:
    return quote(unquote_to_bytes(text.replace("+", " ").encode("utf-8", "surrogateescape")), safe="-_.~")
