"""Tables that say more about files than their names do: CSV, TSV and Excel, every value a string.

A value is what the table shows: dates and ``NO`` stay what they are, numbers of Excel come without a needless ``.0``,
its dates as ISO 8601. White space around values and names is dropped; rows without any value are passed over.
"""

from __future__ import annotations

import csv
import io
import os
from dataclasses import dataclass
from pathlib import Path

from s3facade.core.errors import ConfigError

SUFFIXES = (".csv", ".tsv", ".tab", ".xlsx")
LONGEST = 256 << 20
"""Bytes of a table file: what is larger is no table that describes files."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table, checked: columns have names of their own, and rows have a value for each."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    """A value per column; empty where there is none."""
    lines: tuple[int, ...]
    """Where each row stands: the line of the file, or the row of the sheet, counted from 1."""

    def where(self, row: int) -> str:
        """A row by its number in ``rows``: ``animals.csv: row 7``."""
        return f"{self.path.name}: row {self.lines[row]}"


def read_table(path: Path, sheet: str | None = None) -> Table:
    """The table in a file.

    Args:
        path: Absolute; the end of its name says what it is.
        sheet: Of an Excel file; default: the first one.

    Raises:
        ConfigError: It cannot be read or is not a table, with file, and row or column.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ConfigError(f"{path}: is no table that can be read; save it as {', '.join(SUFFIXES)}")
    if sheet is not None and suffix != ".xlsx":
        raise ConfigError(f"{path}: has no sheets; remove `sheet`")
    try:
        if os.path.getsize(path) > LONGEST:
            raise ConfigError(f"{path}: is larger than {LONGEST >> 20} MiB; leave out what does not describe files")
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: the table cannot be read: {error.strerror}") from None
    if suffix == ".xlsx":
        from s3facade.config.sheets import cells

        return _checked(path, *cells(path, data, sheet))
    return _checked(path, *_cells(path, data, suffix))


def _cells(path: Path, data: bytes, suffix: str) -> tuple[list[list[str]], list[int]]:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:1000]:
        raise ConfigError(f"{path}: is not UTF-8 but UTF-16, or no text at all; save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{path}:{line}: is not UTF-8 text (byte {data[error.start]:#04x}); save it as UTF-8"
        ) from None
    delimiter = "\t" if suffix != ".csv" else ","
    head = text.lstrip("\r\n").partition("\n")[0]
    if delimiter == "," and "," not in head and ";" in head:
        delimiter = ";"  # what spreadsheets write where a comma stands in numbers
    rows, lines = [], []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    begun = 1
    try:
        for row in reader:
            rows.append([cell.strip() for cell in row])
            lines.append(begun)
            begun = reader.line_num + 1
    except csv.Error as error:
        raise ConfigError(f"{path}:{begun}: is not a row of a table: {error}") from None
    return rows, lines


def _checked(path: Path, rows: list[list[str]], lines: list[int]) -> Table:
    filled = [(row, line) for row, line in zip(rows, lines, strict=True) if any(row)]
    if not filled:
        raise ConfigError(f"{path}: is empty; its first row names the columns")
    (head, top), *body = filled
    width = max(i for i, name in enumerate(head) if name) + 1
    names = head[:width]
    for i, name in enumerate(names):
        if not name:
            raise ConfigError(f"{path}:{top}: column {i + 1} has no name; every column needs one")
        if "{" in name or "}" in name:
            raise ConfigError(f"{path}:{top}: column {i + 1} has braces in its name {name!r}; rename it")
        if name in names[:i]:
            first = names.index(name) + 1
            raise ConfigError(f"{path}:{top}: columns {first} and {i + 1} are both called {name!r}; rename one")
    for row, line in body:
        if any(row[width:]):
            raise ConfigError(f"{path}:{line}: has {len(row)} values; the first row names {width} columns")
        if len(row) < width:
            raise ConfigError(f"{path}:{line}: has {len(row)} values for {width} columns")
    return Table(path, tuple(names), tuple(tuple(row[:width]) for row, _ in body), tuple(line for _, line in body))
