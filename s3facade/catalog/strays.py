"""Files that match no source: `s3facade check` and the status page tell them, and buckets may show them as they are."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from s3facade.catalog.report import Tally
from s3facade.config.settings import Settings, SourceConfig
from s3facade.config.why import explain

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


def strays(tallies: Iterable[Tally], settings: Settings) -> list[Stray]:
    """Files below the folders of sources that no source matches or skips; sorted by path, each once.

    Hidden files and what systems leave behind are none, nor are tables that sources are joined with and the
    configuration file.

    Args:
        tallies: Of the sources whose folders are meant.
        settings: All sources there are.
    """
    sources = list(settings.sources.values())
    known = {str(join.table) for source in sources for join in source.joins}
    known.update(str(source.file) for source in sources if source.file is not None)
    known.add(str(settings.path))
    found: dict[str, Stray] = {}
    for tally in tallies:
        if tally.source.files is None or all(part.kind in ("text", "slash") for part in tally.source.files.parts):
            # One file that is named says nothing about what lies beside it.
            continue
        root = str(tally.source.files.root).rstrip("/")
        if not os.path.isabs(root or "/"):
            continue
        for names in tally.left:
            for relative in names:
                path = f"{root}/{relative}"
                before = found.get(path)
                if before is not None:
                    outer = min(before.root, root, key=len)
                    found[path] = Stray(path, outer, (*before.near, tally.source))
                elif not _hidden(relative) and path not in known and not _claimed(path, sources):
                    found[path] = Stray(path, root, (tally.source,))
    return [found[path] for path in sorted(found)]


def _hidden(relative: str) -> bool:
    name = relative.rstrip("/").rpartition("/")[2]
    return relative.startswith(".") or "/." in relative or name.lower() in SYSTEM


def _claimed(path: str, sources: Sequence[SourceConfig]) -> bool:
    """Whether a source has it, leaves it out on purpose, or looks into it itself if it is a folder."""
    if path.endswith("/"):
        return any(f"{source.files.root}/".startswith(path) for source in sources if source.files is not None)
    plain = Path(path)
    return any(
        (source.files is not None and source.files.accepts(plain)) or any(skip.accepts(plain) for skip in source.skip)
        for source in sources
    )
