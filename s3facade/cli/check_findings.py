"""What ``s3facade check`` finds: problems, warnings and remarks, in groups with exact counts."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from s3facade.catalog.contents import Broken
from s3facade.catalog.report import Note, Notes, Report, SourceReport

Weight = Literal["problem", "warning", "remark"]
"""A problem fails, a warning fails if that is asked for, a remark never does."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Things of one kind."""

    weight: Weight
    title: str
    """What they are, in the plural."""
    count: int
    shown: tuple[Note, ...]
    """The first ones."""
    advice: str = ""
    """What to do about them."""
    lead: str = ""
    """What stands in front of each."""


TITLES: tuple[tuple[str, Weight, str, str], ...] = (
    ("ambiguous", "problem", "files whose names can be read in two ways", "narrow a capture, as in {stain:[^_]+}"),
    ("rowless", "problem", "files without a row in a table", "add the rows, or say `missing: skip` or `missing: keep`"),
    ("stacks", "problem", "images that lack a plane", "add the files, or take the axis out of `stack:`"),
    (
        "unmatched",
        "warning",
        "files that match no source",
        "correct the pattern, add a source, or name them in `skip:`",
    ),
    ("fileless", "warning", "rows of tables without a file", ""),
    ("kept", "warning", "files without a row in a table, shown without what it says", ""),
    ("values", "warning", "entries of `values` or `channels` that no file has", "correct them as the names spell them"),
    ("uneven", "warning", "images with fewer planes than others of their source", ""),
    ("skipped", "remark", "files left out by `skip` or by a table", ""),
)
"""Lists of a source's report: field, weight, title and advice."""


def of_report(report: Report) -> Iterator[Finding]:
    """What became of files and rows."""
    for field, weight, title, advice in TITLES:
        if field == "unmatched":
            yield from _unmatched(report.sources, title, advice)
            continue
        for name, source in report.sources.items():
            notes: Notes = getattr(source, field)
            if notes.count:
                yield Finding(weight, f"{title}, in source {name!r}", notes.count, notes.shown, advice)


def _unmatched(sources: Mapping[str, SourceReport], title: str, advice: str) -> Iterator[Finding]:
    """Files by the folder that is looked at: several sources may look at the same one."""
    roots: dict[str, list[SourceReport]] = defaultdict(list)
    for source in sources.values():
        if source.unmatched.count:
            roots[source.root].append(source)
    for root, found in roots.items():
        best: dict[str, str] = {}
        for source in found:
            for note in source.unmatched.shown:
                told = f"{source.source}: {note.sentence}" if len(found) > 1 and note.sentence else note.sentence
                before = best.get(note.about)
                # Of several patterns the one that fits furthest is the one that was meant.
                if before is None or _fits(told) > _fits(before):
                    best[note.about] = told
        shown = tuple(Note(about, sentence) for about, sentence in best.items())
        yield Finding("warning", f"{title}, below {root}", max(s.unmatched.count for s in found), shown, advice)


def _fits(sentence: str) -> int:
    found = re.search(r"as far as '(.*?)'", sentence)
    return len(found[1]) if found else 0


def of_broken(broken: Iterable[Broken], report: Report) -> Iterator[Finding]:
    """What is not shown, by why; not what the report counts already."""
    counted = {
        os.path.join(source.root, note.about) for source in report.sources.values() for note in source.rowless.shown
    }
    kinds: dict[str, list[Broken]] = defaultdict(list)
    for item in broken:
        if item.path in counted and item.reason.startswith("It is not shown: "):
            continue
        kinds[re.sub(r"'[^']*'|\"[^\"]*\"|[0-9]+", "…", item.reason)[:60]].append(item)
    for items in kinds.values():
        shown = tuple(
            Note(i.path, i.reason + (f" ({i.detail})" if i.detail and i.detail != i.path else "")) for i in items
        )
        yield Finding("problem", _kind(items[0].reason), len(items), shown, lead="not shown: ")


def _kind(reason: str) -> str:
    """A title for things that are not shown."""
    if reason.startswith("Its keys "):
        return "keys that two files claim"
    return "what is not shown"


def count(findings: Iterable[Finding], weight: Weight) -> int:
    """How many there are of a weight."""
    return sum(f.count for f in findings if f.weight == weight)
