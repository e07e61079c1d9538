"""Tables that say more about files than their names do: CSV, TSV and Excel, every value a string.

A value is what the table shows: dates and ``NO`` stay what they are, numbers of Excel come without a needless ``.0``,
its dates as ISO 8601. White space around values and names is dropped; rows without any value are passed over.
"""

from __future__ import annotations

import csv
import io
import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from s3facade.core.errors import ConfigError

SUFFIXES = (".csv", ".tsv", ".tab", ".xlsx")
LONGEST = 256 << 20
"""Bytes of a table file, and of what an Excel file holds: what is larger is no table that describes files."""
MOST = 10_000_000
"""Values and rows of a table together, blank ones and those that stand in for none included: what bounds its memory."""
_QUOTED = re.compile(r'"[^"]*"')
_LINE = re.compile(r"[^\r\n]+")
_SEPARATOR = re.compile(r"sep=(.)(?=[\r\n])")


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
    data = _contents(path)
    if suffix == ".xlsx":
        from s3facade.config.sheets import cells

        return _checked(path, *cells(path, data, sheet))
    return _checked(path, *_cells(path, data, suffix))


def _contents(path: Path) -> bytes:
    """What a file holds; never waits, as reading from a pipe would. Raises `ConfigError`."""
    try:
        # What is opened is what is asked and read, also where another file takes its place meanwhile.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ConfigError(f"{path}: is no file; name a table, as in animals.csv")
            data = file.read(LONGEST + 1)
    except OSError as error:
        raise ConfigError(f"{path}: the table cannot be read: {error.strerror}") from None
    if len(data) > LONGEST:
        raise too_large(path)
    return data


def too_large(path: Path) -> ConfigError:
    """What is said of a table that no memory should be spent on."""
    return ConfigError(
        f"{path}: is too large for a table that describes files: more than {LONGEST >> 20} MiB, or {MOST:,} values; "
        "leave out what does not describe them"
    )


def _cells(path: Path, data: bytes, suffix: str) -> tuple[list[list[str]], list[int]]:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data:
        raise ConfigError(f"{path}: is not UTF-8 but UTF-16, or no text at all; {_AS_UTF8}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: is not UTF-8 text (byte {data[error.start]:#04x}); {_AS_UTF8}") from None
    separator = _SEPARATOR.match(text)
    delimiter = separator[1] if separator else "\t" if suffix != ".csv" else _delimiter(text)
    rows, lines = [], []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    begun, values = 1, 0
    try:
        for row in reader:
            if any(row) and not (separator and begun == 1):
                rows.append([cell.strip() for cell in row])
                lines.append(begun)
                values += len(row) + 1
                if values > MOST:
                    raise too_large(path)
            begun = reader.line_num + 1
    except csv.Error as error:
        raise ConfigError(f"{path}:{begun}: is not a row of a table: {error}") from None
    return rows, lines


_AS_UTF8 = "save it as UTF-8, which Excel calls CSV UTF-8"


def _delimiter(text: str) -> str:
    """A comma, or what parts both names and values of the first row better.

    Spreadsheets write semicolons where a comma stands in numbers.
    """
    plain = _QUOTED.sub("", text[:65536])
    first, second = (*(found[0] for found, _ in zip(_LINE.finditer(plain), range(2), strict=False)), "", "")[:2]
    return max(",;\t", key=lambda mark: (min(first.count(mark), (second or first).count(mark)), first.count(mark)))


def _checked(path: Path, rows: list[list[str]], lines: list[int]) -> Table:
    filled = [(row, line) for row, line in zip(rows, lines, strict=True) if any(row)]
    if not filled:
        raise ConfigError(f"{path}: is empty; its first row names the columns")
    (head, top), *body = filled
    width = max(i for i, name in enumerate(head) if name) + 1
    names = head[:width]
    places: dict[str, int] = {}
    for i, name in enumerate(names):
        if not name:
            raise ConfigError(f"{path}:{top}: column {i + 1} has no name; every column needs one")
        if "{" in name or "}" in name:
            raise ConfigError(f"{path}:{top}: column {i + 1} has braces in its name {name!r}; rename it")
        if places.setdefault(name, i) != i:
            both = f"columns {places[name] + 1} and {i + 1}"
            raise ConfigError(f"{path}:{top}: {both} are both called {name!r}; rename one")
    for row, line in body:
        if any(row[width:]):
            title = "; remove the title above the names of the columns" if width == 1 else ""
            raise ConfigError(f"{path}:{line}: has {_count(row)} values; the first row names {width} columns{title}")
        if len(row) < width:
            raise ConfigError(f"{path}:{line}: has {len(row)} values for {width} columns")
    return Table(path, tuple(names), tuple(tuple(row[:width]) for row, _ in body), tuple(line for _, line in body))


def _count(row: Iterable[str]) -> int:
    """Values of a row, without the empty ones at its end."""
    return max(i for i, value in enumerate(row, 1) if value)
