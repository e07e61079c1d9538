"""What the names of files and the rows of tables say about them, put together: captures with labels and columns."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar
from unicodedata import normalize

from s3facade.catalog.sources.report import Tally, reading
from s3facade.catalog.sources.watch import Watch
from s3facade.config.joins import JoinConfig, Joined, joined
from s3facade.config.settings import SourceConfig
from s3facade.config.tables import Table, read_table
from s3facade.config.why import readings
from s3facade.core.errors import ConfigError, SourceUnavailable
from s3facade.stores.local import fingerprint

Captures = Mapping[str, object]
Broken = Callable[[str, str, str], None]
"""Tells that a file, by its path, is not shown, and why: what anybody may know, and what tables say."""


class Named(Protocol):
    """A file of a source, as it is found by walking folders."""

    @property
    def path(self) -> str:
        """Absolute."""
        ...

    @property
    def captures(self) -> Captures:
        """What its path says."""
        ...

    @property
    def twice(self) -> bool:
        """Whether its path can be read in two ways."""
        ...


AnyNamed = TypeVar("AnyNamed", bound=Named)


class Layers(Mapping[str, object]):
    """Captures of one file over the columns of its row, which it shares with other files."""

    __slots__ = ("own", "row")

    def __init__(self, own: Captures, row: Captures) -> None:
        self.own = own
        self.row = row

    def __getitem__(self, name: str) -> object:
        return self.own[name] if name in self.own else self.row[name]

    def get(self, name: str, default: object = None) -> object:
        """As of any mapping, but quick."""
        return self.own[name] if name in self.own else self.row.get(name, default)

    def __contains__(self, name: object) -> bool:
        return name in self.own or name in self.row

    def __iter__(self) -> Iterator[str]:
        yield from self.own
        yield from (name for name in self.row if name not in self.own)

    def __len__(self) -> int:
        return len(self.own.keys() | self.row.keys())


class Tables:
    """Tables of sources, read again when their files change."""

    def __init__(self) -> None:
        self._read: dict[tuple[Path, str | None], tuple[str, Table]] = {}
        self._joined: dict[tuple[str, int], tuple[SourceConfig, Table, Joined]] = {}

    def of(self, source: SourceConfig, watch: Watch) -> list[Joined]:
        """The tables of a source, as they are now. Blocking.

        Args:
            source: The source.
            watch: Is told to look at them.

        Raises:
            SourceUnavailable: One of them cannot be read or used now; says which and why.
        """
        out = []
        for n, config in enumerate(source.joins):
            table = self._table(config, watch)
            known = self._joined.get((source.name, n))
            if known is None or known[0] is not source or known[1] is not table:
                known = self._joined[source.name, n] = (source, table, _prepared(source, config, table))
            out.append(known[2])
        return out

    def _table(self, config: JoinConfig, watch: Watch) -> Table:
        key = (config.table, config.sheet)
        try:
            mark = fingerprint(os.stat(config.table))
        except OSError as error:
            watch.doubt(str(config.table), "")
            sentence = f"{config.where}: {config.table}: the table cannot be read: {error.strerror}"
            raise SourceUnavailable("A table of a source cannot be read.", private=sentence) from error
        watch.doubt(str(config.table), mark)
        known = self._read.get(key)
        if known is None or known[0] != mark:
            try:
                known = self._read[key] = (mark, read_table(*key))
            except ConfigError as error:
                raise _unusable(config, error) from error
        return known[1]


def _prepared(source: SourceConfig, config: JoinConfig, table: Table) -> Joined:
    """The table with labels for its values. Raises `SourceUnavailable`."""
    try:
        found = joined(config, table)
    except ConfigError as error:
        raise _unusable(config, error) from error
    for name, labels in source.values.items():
        if name in config.columns:
            for row in found.values:
                value = str(row[name])
                row[name] = labels.get(value, value)
    return found


def _unusable(config: JoinConfig, error: ConfigError) -> SourceUnavailable:
    return SourceUnavailable("A table of a source cannot be used.", private=f"{config.where}: {error}")


class Marks:
    """Which entries of `values` and which rows of tables some files of a source have used."""

    __slots__ = ("labels", "used")

    def __init__(self, source: SourceConfig, tables: Sequence[Joined]) -> None:
        types = source.files.captures if source.files else {}
        self.labels: list[tuple[str, dict[object, str], set[object]]] = [
            (name, {int(raw) if types[name] is int else raw: label for raw, label in given.items()}, set())
            for name, given in source.values.items()
            if name in types
        ]
        """Name, label by value, and values that files have."""
        self.used: list[set[int]] = [set() for _ in tables]
        """Numbers of rows, by table."""

    def add(self, other: Marks) -> None:
        """Those of other files of the source."""
        for (_, _, seen), (_, _, more) in zip(self.labels, other.labels, strict=True):
            seen.update(more)
        for rows, found in zip(self.used, other.used, strict=True):
            rows.update(found)

    def tell(self, tables: Sequence[Joined], tally: Tally) -> None:
        """Tell what no file has used."""
        for name, given, seen in self.labels:
            shown = {normalize("NFC", value) if isinstance(value, str) else value for value in seen}
            for raw in given:
                if raw not in seen and raw not in shown:
                    tally.values.add(name, f"no file has {raw!r}")
        for table, rows_used in zip(tables, self.used, strict=True):
            for where, told in table.unused(rows_used):
                tally.fileless.add(where, told)


def mapped(
    source: SourceConfig,
    items: Iterable[AnyNamed],
    tables: Sequence[Joined],
    marks: Marks,
    tally: Tally,
    broken: Broken,
) -> Iterator[tuple[AnyNamed, Captures]]:
    """Files of a source with labels for values and the columns of their rows; those left out are told.

    Args:
        source: The source.
        items: Some of its files.
        tables: Those of the source, in order.
        marks: Is told what they use.
        tally: Is told what becomes of them.
        broken: Is told about files that a table should have a row for.
    """
    labels, used = marks.labels, marks.used
    rows: dict[tuple[int, ...], Captures] = {}
    for item in items:
        if item.twice and source.files is not None:
            told = "" if tally.ambiguous.full else reading(readings(source.files, str(item.captures["path"])))
            tally.ambiguous.add(str(item.captures["path"]), told)
        captures = item.captures
        if labels:
            captures = own = dict(captures)
            for name, given, seen in labels:
                value = own[name]
                seen.add(value)
                if value in given:
                    own[name] = given[value]
                elif isinstance(value, str) and not value.isascii():
                    # Some systems write accents of names as letters and marks; who types a label does not.
                    own[name] = given.get(normalize("NFC", value), value)
        if tables:
            found = _found(item, captures, tables, used, tally, broken)
            if found is None:
                continue
            row = rows.get(found)
            if row is None:
                row = rows[found] = _merged(tables, found)
            captures = Layers(captures, row)
        tally.matched += 1
        yield item, captures


def _found(
    item: Named, captures: Captures, tables: Sequence[Joined], used: list[set[int]], tally: Tally, broken: Broken
) -> tuple[int, ...] | None:
    """Numbers of the rows of a file, -1 for none that need not be; None if it is left out."""
    found = []
    for table, rows in zip(tables, used, strict=True):
        row = table.find(captures)
        if row >= 0:
            rows.add(row)
        else:
            about = str(item.captures["path"])
            pile = {"skip": tally.skipped, "error": tally.rowless, "keep": tally.kept}[table.config.missing]
            sentence = "" if pile.full else table.lacking(captures)
            if table.config.missing == "error" and not pile.full:
                broken(item.path, "It is not shown: a table has no row for it.", sentence)
            pile.add(about, sentence)
            if table.config.missing != "keep":
                return None
        found.append(row)
    return tuple(found)


def _merged(tables: Sequence[Joined], rows: tuple[int, ...]) -> Captures:
    if len(tables) == 1:
        return tables[0].values[rows[0]] if rows[0] >= 0 else tables[0].blank
    out: dict[str, object] = {}
    for table, row in zip(tables, rows, strict=True):
        out |= table.values[row] if row >= 0 else table.blank
    return out
