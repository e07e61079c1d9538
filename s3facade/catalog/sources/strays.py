"""Files that match no source: `s3facade check` and the status page tell them, and buckets may show them as they are."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from s3facade.catalog.contents import Plan
from s3facade.catalog.sources.report import Tally
from s3facade.config.settings import Settings, SourceConfig
from s3facade.config.why import explain

LOOKED = 2_000
"""Files of each source that a status page looks at."""
NAMED = 50
"""Files that it names."""
SYSTEM = frozenset({"thumbs.db", "desktop.ini", "ehthumbs.db"})
"""Names of files that systems leave behind, in small letters."""


@dataclass(frozen=True, slots=True)
class Stray:
    """A file that belongs to no source."""

    path: str
    """Absolute; that of a folder which no pattern reaches into ends in a slash."""
    root: str
    """The folder above it that a source looks at; absolute. The outermost one of several."""
    near: tuple[SourceConfig, ...]
    """Sources that look at a folder above it."""

    @property
    def relative(self) -> str:
        """Its path below the root."""
        return self.path[len(self.root.rstrip("/")) + 1 :]

    def why(self) -> str:
        """At which part of the pattern that fits it furthest it fails, without a full stop."""
        if self.path.endswith("/"):
            return "is deeper than any pattern goes; nothing in it was looked at"
        told = []
        for source in self.near:
            if source.files is not None:
                sentence = explain(source.files, self.path[len(str(source.files.root).rstrip("/")) + 1 :])
                told.append((_fits(sentence), source.name, sentence))
        if not told:
            return ""
        _, name, sentence = max(told, key=lambda item: item[0])
        return f"{name}: {sentence}" if len(told) > 1 else sentence


def _fits(sentence: str) -> int:
    """How much of a name fits, as a sentence of `explain` says."""
    _, found, rest = sentence.partition("as far as ")
    return len(rest.partition(", then ")[0]) if found else 0


def strays(tallies: Iterable[Tally], settings: Settings, most: int | None = None) -> list[Stray]:
    """Files below the folders of sources that no source matches or skips; sorted by path, each once.

    Hidden files and what systems leave behind are none, nor are tables that sources are joined with and the
    configuration file, and what comes along with files of sources.

    Args:
        tallies: Of the sources whose folders are meant.
        settings: All sources there are.
        most: Files that are looked at, at most; None: all.
    """
    sources = list(settings.sources.values())
    known = {str(join.table) for source in sources for join in source.joins}
    known.update(str(source.file) for source in sources if source.file is not None)
    known.add(str(settings.path))
    tallies = list(tallies)
    known.update(*(tally.beside for tally in tallies))
    found: dict[str, Stray] = {}
    for tally in tallies:
        if tally.source.files is None or all(part.kind in ("text", "slash") for part in tally.source.files.parts):
            # One file that is named says nothing about what lies beside it.
            continue
        root = str(tally.source.files.root).rstrip("/")
        if not os.path.isabs(root or "/"):
            continue
        for relative in islice(chain.from_iterable(tally.left), most):
            path = f"{root}/{relative}"
            before = found.get(path)
            if before is not None:
                outer = min(before.root, root, key=len)
                found[path] = Stray(path, outer, (*before.near, tally.source))
            elif not _hidden(relative) and path not in known and not _claimed(path, sources):
                found[path] = Stray(path, root, (tally.source,))
    return [found[path] for path in sorted(found)]


def told(plans: Iterable[Plan], settings: Settings) -> dict[str, object]:
    """Strays of some buckets as a status page has them, without what lies above their folders: quick, so bounded."""
    tallies = {name: tally for plan in plans for name, tally in plan.tallies.items()}
    found = strays(tallies.values(), settings, LOOKED)
    more = any(sum(map(len, tally.left)) > LOOKED for tally in tallies.values())
    return {"files": len(found), "and_more": more, "first": [stray.relative for stray in found[:NAMED]]}


def _hidden(relative: str) -> bool:
    name = relative.rstrip("/").rpartition("/")[2]
    return relative.startswith(".") or "/." in relative or name.lower() in SYSTEM


def _claimed(path: str, sources: Sequence[SourceConfig]) -> bool:
    """Whether a source has it, leaves it out on purpose, or looks into it itself if it is a folder."""
    if path.endswith("/"):
        inside = any(f"{source.files.root}/".startswith(path) for source in sources if source.files is not None)
        below = Path(f"{path}any/name")
        return inside or any(skip.accepts(below) for source in sources for skip in source.skip)
    plain = Path(path)
    return any(
        (source.files is not None and source.files.accepts(plain)) or any(skip.accepts(plain) for skip in source.skip)
        for source in sources
    )
