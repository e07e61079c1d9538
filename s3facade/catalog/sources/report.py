"""What became of the files of each source and of the rows of its tables: nothing is left out silently.

The planner fills a `Tally` for each source that it walks; the `Report` that `reported` makes of these is what
`s3facade check` prints and what the status page tells. Counts are exact; of long lists the first entries are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from s3facade.config.pattern import Pattern
from s3facade.config.settings import SourceConfig
from s3facade.config.why import explain

KEPT = 200
"""Entries of a list that are kept."""


@dataclass(frozen=True, slots=True)
class Note:
    """One thing that is told."""

    about: str
    """A path relative to the source's root, a row as ``animals.csv: row 7``, or a name."""
    sentence: str = ""
    """Why, without a full stop."""


@dataclass(frozen=True, slots=True)
class Notes:
    """A list of notes."""

    count: int = 0
    """All of them."""
    shown: tuple[Note, ...] = ()
    """The first ones, at most `KEPT`."""


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What became of one source."""

    source: str
    """Its name."""
    root: str = ""
    """Folder that paths are relative to; absolute."""
    pattern: str = ""
    """As written; empty for a single file."""
    matched: int = 0
    """Files that belong to it."""
    unmatched: Notes = Notes()
    """Files below its root that match its pattern as little as that of any other source, and where they fail. Folders
    that are deeper than the pattern goes end in a slash."""
    skipped: Notes = Notes()
    """Files that are left out on purpose, by `skip` or a table, or because they are no images; and which it was."""
    ambiguous: Notes = Notes()
    """Files whose names can be read in two ways, and both readings. A problem."""
    rowless: Notes = Notes()
    """Files that a table has no row for, where that is an error: they are not shown. A problem."""
    kept: Notes = Notes()
    """Files that a table has no row for and that are shown without, since the configuration says `keep`."""
    fileless: Notes = Notes()
    """Rows of tables that no file belongs to."""
    values: Notes = Notes()
    """Entries of `values` and `channels` that no file has."""
    stacks: Notes = Notes()
    """Images that lack a plane, and which. A problem."""
    uneven: Notes = Notes()
    """Images that have fewer planes than others of the source, without a gap."""

    @property
    def problems(self) -> int:
        """How many of these are mistakes in the configuration, in names or in tables."""
        return sum(notes.count for _, notes in self.wrong())

    def wrong(self) -> Iterator[tuple[str, Notes]]:
        """The lists of problems that are not empty, with what they are in words."""
        for words, notes in (
            ("can be read in two ways", self.ambiguous),
            ("no row in a table", self.rowless),
            ("planes are missing", self.stacks),
        ):
            if notes.count:
                yield words, notes


@dataclass(frozen=True, slots=True)
class Report:
    """What became of every source that a bucket shows."""

    sources: Mapping[str, SourceReport] = field(default_factory=dict)
    """By name, in the order in which they were walked."""

    @property
    def problems(self) -> int:
        """As of each source."""
        return sum(source.problems for source in self.sources.values())


class Pile:
    """A list of notes in the making: counts all, keeps the first."""

    __slots__ = ("count", "kept")

    def __init__(self, begun: Pile | None = None) -> None:
        self.count: int = begun.count if begun else 0
        self.kept: list[Note] = list(begun.kept) if begun else []

    def add(self, about: str, sentence: str = "") -> None:
        """One more. Sentences that are dear to make are worth asking `full` first."""
        self.count += 1
        if len(self.kept) < KEPT:
            self.kept.append(Note(about, sentence))

    def extend(self, other: Pile) -> None:
        """All of another one, behind what is here."""
        self.count += other.count
        self.kept += other.kept[: KEPT - len(self.kept)]

    @property
    def full(self) -> bool:
        """Whether sentences are not kept any more."""
        return len(self.kept) >= KEPT

    def notes(self) -> Notes:
        """As it is now."""
        return Notes(self.count, tuple(self.kept))


@dataclass(slots=True)
class Tally:
    """What became of one source, in the making."""

    source: SourceConfig
    matched: int = 0
    left: list[Sequence[str]] = field(default_factory=list)
    """Relative paths of files below its root that are none of its own, folder by folder."""
    beside: set[str] = field(default_factory=set)
    """Absolute paths of files that came along with its own, though no source matches them."""
    skipped: Pile = field(default_factory=Pile)
    """By its tables; by `skip` are those of ``left``."""
    ambiguous: Pile = field(default_factory=Pile)
    rowless: Pile = field(default_factory=Pile)
    kept: Pile = field(default_factory=Pile)
    fileless: Pile = field(default_factory=Pile)
    values: Pile = field(default_factory=Pile)
    stacks: Pile = field(default_factory=Pile)
    uneven: Pile = field(default_factory=Pile)

    def add(self, other: Tally) -> None:
        """What became of some of its files."""
        self.matched += other.matched
        for name in ("skipped", "ambiguous", "rowless", "kept"):
            pile: Pile = getattr(other, name)
            if pile.count:
                getattr(self, name).extend(pile)


def reported(tallies: Iterable[Tally]) -> Report:
    """What became of several sources; a file that one of them leaves may be another one's."""
    every = list(tallies)
    patterns = {tally.source.name: tally.source for tally in every if tally.source.files is not None}
    beside = frozenset().union(*(tally.beside for tally in every))
    return Report({tally.source.name: _reported(tally, patterns, beside) for tally in every})


def _reported(tally: Tally, sources: Mapping[str, SourceConfig], beside: frozenset[str]) -> SourceReport:
    source = tally.source
    unmatched = Pile()
    skipped = Pile(tally.skipped)
    if source.files is not None:
        others = [one for name, one in sources.items() if name != source.name]
        root = str(source.files.root).rstrip("/")
        for relative in chain.from_iterable(tally.left):
            if beside and f"{root}/{relative}" in beside:
                continue
            _leave(source.files, source, relative, others, unmatched, skipped)
    return SourceReport(
        source.name,
        str(source.files.root) if source.files else str(source.file or ""),
        source.files.text if source.files else "",
        tally.matched,
        unmatched.notes(),
        skipped.notes(),
        tally.ambiguous.notes(),
        tally.rowless.notes(),
        tally.kept.notes(),
        tally.fileless.notes(),
        tally.values.notes(),
        tally.stacks.notes(),
        tally.uneven.notes(),
    )


def _leave(
    pattern: Pattern,
    source: SourceConfig,
    relative: str,
    others: Iterable[SourceConfig],
    unmatched: Pile,
    skipped: Pile,
) -> None:
    """Tell why a file is not one of a source, unless it is one of another."""
    path = f"{str(pattern.root).rstrip('/')}/{relative}"
    if any(one.files is not None and one.files.accepts(path) for one in others):
        return
    skip = next((one for one in source.skip if one.accepts(path)), None)
    if skip is not None:
        skipped.add(relative, f"by `skip`: {skip.text!r}")
        return
    if relative.endswith("/"):
        unmatched.add(relative, "is deeper than the pattern goes; nothing in it was looked at")
    elif pattern.match(relative) is not None:
        skipped.add(relative, "it is no image: no reader recognises it")
    else:
        unmatched.add(relative, "" if unmatched.full else explain(pattern, relative))


def reading(readings: Sequence[Mapping[str, object]]) -> str:
    """Ways to read a name, as text: ``animal=m_13, stain=Nissl or animal=m, stain=13_Nissl``."""
    return " or ".join(", ".join(f"{name}={value}" for name, value in one.items()) for one in readings)
