"""What ``s3facade check`` finds: problems, warnings and remarks, in groups with exact counts."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from s3facade.catalog.contents import Broken
from s3facade.catalog.sources.report import Note, Notes, Report
from s3facade.catalog.sources.strays import Stray

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


TITLES: tuple[tuple[str, Weight, str, str], ...] = (
    ("ambiguous", "problem", "files whose names can be read in two ways", "narrow a capture, as in {stain:[^_]+}"),
    ("rowless", "problem", "files without a row in a table", "add the rows, or say `missing: skip` or `missing: keep`"),
    ("stacks", "problem", "images that lack a plane, or have one twice", "correct the files, or what `stack:` names"),
    ("fileless", "warning", "rows of tables without a file", ""),
    ("kept", "warning", "files without a row in a table, shown without what it says", ""),
    ("values", "warning", "entries of `values` or `channels` that no file has", "correct them as the names spell them"),
    ("uneven", "warning", "images with fewer planes than others of their source", ""),
    ("skipped", "remark", "files left out by `skip` or a table, or that are no images", ""),
)
"""Lists of a source's report: field, weight, title and advice."""


def of_report(report: Report) -> Iterator[Finding]:
    """What became of files and rows, source by source; what matches none of them is told by `of_strays`."""
    for field, weight, title, advice in TITLES:
        for name, source in report.sources.items():
            notes: Notes = getattr(source, field)
            if notes.count:
                yield Finding(weight, f"{title}, in source {name!r}", notes.count, notes.shown, advice)


def of_strays(found: Sequence[Stray], limit: int, base: str) -> Iterator[Finding]:
    """Files that match no source, by the folder that is looked at; of each, ``limit`` with a reason."""
    roots: dict[str, list[Stray]] = defaultdict(list)
    for stray in found:
        roots[stray.root].append(stray)
    for root, those in roots.items():
        shown = tuple(Note(stray.relative, stray.why()) for stray in those[:limit])
        title = f"files that match no source, below {short(root, base)}"
        yield Finding("warning", title, len(those), shown, "correct a pattern, add a source, or `skip:` them")


def of_broken(broken: Iterable[Broken], report: Report, base: str) -> Iterator[Finding]:
    """What is not shown, by why; not what the report counts already.

    Args:
        broken: What catalogs say.
        report: What is told of files and rows.
        base: Folder of the configuration: what lies in it is called from there.
    """
    wrong = [notes for source in report.sources.values() for _, notes in source.wrong()]
    counted = {note.sentence for notes in wrong for note in notes.shown}
    kinds: dict[str, list[Broken]] = defaultdict(list)
    for item in broken:
        if not {item.reason.removeprefix("It is not shown: ").rstrip("."), item.detail} & counted:
            kinds[re.sub(r"'[^']*'|\"[^\"]*\"|[0-9]+", "…", item.reason)[:60]].append(item)
    for items in kinds.values():
        shown = tuple(Note(short(i.path, base), _told(i, base)) for i in items)
        yield Finding("problem", _kind(items[0].reason), len(items), shown)


def _told(item: Broken, base: str) -> str:
    """Why something is not shown, with what only the operator may know, paths shortened."""
    detail = item.detail.removeprefix(item.path).lstrip(": ")
    told = item.reason + (f" ({detail})" if detail else "")
    return told.replace(f"{base}/", "") if base != "/" else told


def short(path: str, base: str) -> str:
    """A path as seen from the configuration's folder, if it lies in it."""
    return path.removeprefix(f"{base}/") if base != "/" else path


def _kind(reason: str) -> str:
    """A title for things that are not shown."""
    if reason.startswith("Its keys "):
        return "keys that two files claim"
    return "files that are not shown, or not as they should be"


def count(findings: Iterable[Finding], weight: Weight) -> int:
    """How many there are of a weight."""
    return sum(f.count for f in findings if f.weight == weight)
