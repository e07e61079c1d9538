"""Tables and JSON files of a data set some of whose images are shown under other names: what names them, named anew.

Pure: text in, text out. What names no such image stays as it is, byte for byte; where something is replaced, only that
is, and everything around it keeps its spelling.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from posixpath import dirname, join, normpath
from typing import TypeAlias

Renamed: TypeAlias = Callable[[str], "str | None"]
"""From a path below the root of the files that are shown to the new one; None: it is not called otherwise."""

_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_URI = re.compile(r"bids:([A-Za-z0-9_.-]*):(.*)", re.DOTALL)
_SUBJECT = re.compile(r"sub-[0-9A-Za-z+]+")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file lies, all paths relative to the root of what is shown."""

    path: str
    """Of the file."""
    root: str = ""
    """Of the data set that it belongs to: a derivative has one of its own."""
    links: tuple[tuple[str, str], ...] = ()
    """Other data sets by the name that BIDS URIs call them, and where they are below the root of what is shown."""

    @property
    def folder(self) -> str:
        """Of the file."""
        return dirname(self.path)

    @property
    def subject(self) -> str:
        """Folder of the subject that the file belongs to; that of the data set if there is none."""
        below = self.path[len(self.root) :].lstrip("/").partition("/")[0]
        return join(self.root, below) if _SUBJECT.fullmatch(below) else self.root


def rewritten(text: str, place: Place, renamed: Renamed) -> str:
    """A table (``.tsv``) or JSON file with the new names of images.

    In JSON, every text that leads to such an image: as a BIDS URI (BIDS, common principles), or as a path seen from
    the subject (``IntendedFor`` of old), the data set, or the file's own folder. In ``scans.tsv``, the column
    ``filename``.
    """
    if place.path.endswith(".json"):
        return _STRING.sub(lambda found: _told(found[0], place, renamed), text)
    return _scans(text, place, renamed)


def _told(literal: str, place: Place, renamed: Renamed) -> str:
    try:
        value = json.loads(literal)
    except ValueError:
        return literal
    other = reference(value, place, renamed)
    return literal if other is None else json.dumps(other, ensure_ascii=False)


def reference(value: str, place: Place, renamed: Renamed) -> str | None:
    """What leads to an image, as ``value`` spells it, with its new name; None if it leads to no such image."""
    uri = _URI.fullmatch(value)
    if uri is not None:
        name, path = uri[1], uri[2]
        base = place.root if not name else dict(place.links).get(name)
        new = None if base is None else _moved(path, base, renamed)
        return None if new is None else f"bids:{name}:{new}"
    for base in dict.fromkeys((place.subject, place.root, place.folder)):
        new = _moved(value, base, renamed)
        if new is not None:
            return new
    return None


def _moved(path: str, base: str, renamed: Renamed) -> str | None:
    """The path, seen from ``base``, to an image that is called otherwise now, in the same words up to its name."""
    if not path or path.startswith("/") or "\n" in path:
        return None
    new = renamed(normpath(join(base, path)))
    if new is None:
        return None
    head, slash, _ = path.rpartition("/")
    return f"{head}{slash}{new.rpartition('/')[2]}"


def _scans(text: str, place: Place, renamed: Renamed) -> str:
    """A table of scans: its files are named as seen from its own folder (BIDS, scans file)."""
    lines = text.split("\n")
    header = lines[0].lstrip("\ufeff").rstrip("\r").split("\t")
    if "filename" not in header:
        return text
    column = header.index("filename")
    for number, line in enumerate(lines[1:], 1):
        end = "\r" if line.endswith("\r") else ""
        cells = line.removesuffix("\r").split("\t")
        if column < len(cells):
            new = _moved(cells[column], place.folder, renamed)
            if new is not None:
                cells[column] = new
                lines[number] = "\t".join(cells) + end
    return "\n".join(lines)


def links(description: str, root: str) -> tuple[tuple[str, str], ...]:
    """``DatasetLinks`` that lead to other data sets among the files that are shown.

    Args:
        description: A ``dataset_description.json``.
        root: Where it lies.
    """
    try:
        told = json.loads(description)
    except ValueError:
        return ()
    given = told.get("DatasetLinks") if isinstance(told, Mapping) else None
    if not isinstance(given, Mapping):
        return ()
    found = []
    for name, target in sorted(given.items()):
        if not isinstance(target, str) or ":" in target or target.startswith("/"):
            continue
        path = normpath(join(root, target))
        if path.partition("/")[0] != "..":
            found.append((str(name), "" if path == "." else path))
    return tuple(found)
