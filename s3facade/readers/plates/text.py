"""Indexes as text: bounded, and as XML or JSON without surprises."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.protocols import SourceFile

MAX_INDEX = 1 << 30
"""Bytes of an index."""


def content(file: SourceFile) -> bytes:
    """All of an index. Raises `Unsupported`."""
    if file.source.size > MAX_INDEX:
        raise Unsupported(f"The index of the dataset is longer than {MAX_INDEX >> 20} MiB.")
    return bytes(file.pread(0, file.source.size))


def words(data: bytes) -> str:
    """Text of an index: UTF-8, or UTF-16 where its first bytes say so."""
    wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    return data[: len(data) // 2 * 2].decode("utf-16", "replace") if wide else data.decode("utf-8-sig", "replace")


def elements(data: bytes, wanted: frozenset[str]) -> Iterator[ET.Element]:
    """The elements of those names as they end, without namespaces; each is let go of behind.

    Raises:
        BadSource: It is no XML.
    """
    # XML in UTF-8 states that itself, or another encoding of single bytes
    found = words(data) if data[:1] in (b"\xff", b"\xfe") else data
    if _defines(found):
        raise BadSource("The index of the dataset defines entities; such XML is not read.")
    parser: ET.XMLPullParser[Any] = ET.XMLPullParser(["end"])
    try:
        for start in range(0, len(found), 1 << 20):
            parser.feed(found[start : start + (1 << 20)])
            yield from _ended(parser, wanted)
        parser.close()
        yield from _ended(parser, wanted)
    except (ET.ParseError, ValueError, LookupError, RecursionError) as error:
        raise BadSource(
            "The index of the dataset is no whole XML; it is damaged or cut short.", private=f"{error}"
        ) from error


def _defines(found: str | bytes) -> bool:
    if isinstance(found, str):
        return "<!DOCTYPE" in found[:4096] or "<!ENTITY" in found
    return b"<!DOCTYPE" in found[:4096] or b"<!ENTITY" in found


def _ended(parser: ET.XMLPullParser[Any], wanted: frozenset[str]) -> Iterator[ET.Element]:
    ended: Iterator[Any] = parser.read_events()
    for _, element in ended:
        if element.tag.rpartition("}")[2] in wanted:
            yield element
            element.clear()


def children(element: ET.Element) -> dict[str, str]:
    """Texts of the children by name, without namespaces."""
    return {child.tag.rpartition("}")[2]: (child.text or "").strip() for child in element}


def attributes(element: ET.Element) -> dict[str, str]:
    """Attributes by name, without namespaces."""
    return {name.rpartition("}")[2]: value for name, value in element.attrib.items()}


def number(value: str | None) -> float | None:
    """A finite number, or None."""
    try:
        found = float(value or "")
    except ValueError:
        return None
    return found if abs(found) < 1e300 else None


def whole(values: dict[str, str], name: str, default: int | None = None) -> int:
    """A whole number. Raises `BadSource`."""
    try:
        return int(values[name])
    except (KeyError, ValueError):
        if default is not None and name not in values:
            return default
        raise BadSource(f"The index of the dataset states no {name} for one of its planes.") from None


def parsed(data: bytes) -> Any:
    """A JSON document. Raises `BadSource`."""
    try:
        return json.loads(words(data), strict=False)
    except (ValueError, RecursionError) as error:
        raise BadSource(
            "The index of the dataset is no whole JSON; the acquisition was broken off, or the file is damaged.",
            private=f"{error}",
        ) from error
