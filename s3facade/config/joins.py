"""What tables say about a file, found by what its name says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from unicodedata import normalize

from s3facade.config.tables import Table
from s3facade.core.errors import ConfigError

Missing = Literal["error", "skip", "keep"]
_WHOLE = re.compile(r"0*([0-9]+)(?:\.0*)?")


@dataclass(frozen=True, slots=True)
class JoinConfig:
    """A table and how its rows are found."""

    table: Path
    """Absolute."""
    by: Mapping[str, str]
    """Column by capture."""
    missing: Missing = "error"
    """What becomes of a file without a row: it is not shown and told, left out, or shown with empty values."""
    sheet: str | None = None
    """Of an Excel file; None: the first one."""
    where: str = ""
    """File, line and key, for errors."""
    columns: tuple[str, ...] = ()
    """Those that may be used as captures are, as they were when the configuration was read."""


@dataclass(frozen=True, slots=True)
class Joined:
    """Rows of a table by the values of the columns that they are found by."""

    config: JoinConfig
    table: Table
    keys: tuple[str, ...]
    """Captures, in the order of ``config.by``."""
    exact: Mapping[tuple[str, ...], int]
    """Number of the row, by values as they are written."""
    loose: Mapping[tuple[str, ...], int]
    """The same with ``007``, ``7`` and ``7.0`` as one, and accents however they are written; -1 where several rows
    would be meant."""
    values: tuple[dict[str, object], ...] = field(repr=False)
    """Of each row: value by column."""
    blank: Mapping[str, object] = field(repr=False)
    """Value by column for a file without a row."""

    def find(self, captures: Mapping[str, object]) -> int:
        """Number of the row for these captures; -1 if there is none."""
        key = tuple([str(captures[name]) for name in self.keys])
        row = self.exact.get(key)
        return self.loose.get(tuple([whole(text) for text in key]), -1) if row is None else row

    def lacking(self, captures: Mapping[str, object]) -> str:
        """A sentence on why there is no row for these captures."""
        wanted = " and ".join(f"{self.config.by[name]!r} = {str(captures[name])!r}" for name in self.keys)
        key = tuple(whole(str(captures[name])) for name in self.keys)
        if key in self.loose:
            return f"several rows of {self.table.path.name} may be the one with {wanted}; write them alike"
        near = next((n for other, n in self.exact.items() if bare(other) == bare(key)), None)
        hint = (
            "" if near is None else f"; is it that of row {self.table.lines[near]}? Write them alike, or use `values`"
        )
        return f"no row of {self.table.path.name} has {wanted}{hint}"

    def unused(self, used: set[int]) -> Iterator[tuple[str, str]]:
        """Rows that no file was found for: where they stand, and what they are found by."""
        positions = [self.table.columns.index(self.config.by[name]) for name in self.keys]
        for n, row in enumerate(self.table.rows):
            if n not in used:
                told = ", ".join(f"{self.table.columns[i]} = {row[i]!r}" for i in positions)
                yield self.table.where(n), told


def joined(config: JoinConfig, table: Table) -> Joined:
    """A table, ready to be asked.

    Raises:
        ConfigError: It lacks a column, or two rows have one key.
    """
    for column in (*config.by.values(), *config.columns):
        if column not in table.columns:
            known = ", ".join(table.columns)
            raise ConfigError(f"{table.path}: has no column {column!r}; it has {known}")
    positions = [table.columns.index(column) for column in config.by.values()]
    exact: dict[tuple[str, ...], int] = {}
    loose: dict[tuple[str, ...], int] = {}
    for n, row in enumerate(table.rows):
        key = tuple(row[i] for i in positions)
        before = exact.setdefault(key, n)
        if before != n:
            told = " and ".join(f"{c!r} = {v!r}" for c, v in zip(config.by.values(), key, strict=True))
            lines = f"rows {table.lines[before]} and {table.lines[n]}"
            raise ConfigError(f"{table.path}: {lines} both have {told}; a file could not tell which one is its own")
        loose_key = tuple(map(whole, key))
        loose[loose_key] = -1 if loose_key in loose else n
    chosen = [(i, c) for i, c in enumerate(table.columns) if c in config.columns]
    values: tuple[dict[str, object], ...] = tuple({c: row[i] for i, c in chosen} for row in table.rows)
    return Joined(config, table, tuple(config.by), exact, loose, values, dict.fromkeys(config.columns, ""))


def bare(key: Sequence[str]) -> tuple[str, ...]:
    """Letters and digits alone, in small letters: ``M_12`` and ``m12`` are one."""
    return tuple("".join(filter(str.isalnum, text)).lower() for text in key)


def whole(text: str) -> str:
    """A whole number without zeros around it; other text with its accents written in one way."""
    found = _WHOLE.fullmatch(text)
    return found[1] if found else text.strip() if text.isascii() else normalize("NFC", text.strip())
