"""What became of the files of each source and of the rows of its tables: nothing is left out silently.

The planner fills a `Tally` for each source that it walks; `Report` is what `s3facade check` prints and what the status
page tells. Counts are exact; of long lists the first entries are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

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
    """Files below its root that match its pattern as little as that of any other source, and where they fail."""
    skipped: Notes = Notes()
    """Files that match and are left out, and by which `skip` or table."""
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

    def __init__(self) -> None:
        self.count = 0
        self.kept: list[Note] = []

    def add(self, about: str, sentence: str = "") -> None:
        """One more. Sentences that are dear to make are worth asking `full` first."""
        self.count += 1
        if len(self.kept) < KEPT:
            self.kept.append(Note(about, sentence))

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

    source: str
    root: str = ""
    pattern: str = ""
    matched: int = 0
    unmatched: list[str] = field(default_factory=list)
    """Relative paths: other sources may match them yet."""
    skipped: Pile = field(default_factory=Pile)
    ambiguous: Pile = field(default_factory=Pile)
    rowless: Pile = field(default_factory=Pile)
    kept: Pile = field(default_factory=Pile)
    fileless: Pile = field(default_factory=Pile)
    values: Pile = field(default_factory=Pile)
    stacks: Pile = field(default_factory=Pile)
    uneven: Pile = field(default_factory=Pile)

    def report(self, unmatched: Notes) -> SourceReport:
        """As it is now."""
        return SourceReport(
            self.source,
            self.root,
            self.pattern,
            self.matched,
            unmatched,
            self.skipped.notes(),
            self.ambiguous.notes(),
            self.rowless.notes(),
            self.kept.notes(),
            self.fileless.notes(),
            self.values.notes(),
            self.stacks.notes(),
            self.uneven.notes(),
        )


def reading(readings: Sequence[Mapping[str, object]]) -> str:
    """Ways to read a name, as text: ``animal=m_13, stain=Nissl or animal=m, stain=13_Nissl``."""
    return " or ".join(", ".join(f"{name}={value}" for name, value in one.items()) for one in readings)
