"""Names of rows, columns and fields of plates: standard sizes, and which name a label from a file's name means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TypeAlias

Order: TypeAlias = tuple[int, int, tuple[tuple[int, str], ...]]

NAME = re.compile(r"[A-Za-z0-9]+")
"""What rows, columns and fields may be called: OME-Zarr 0.5, section 2.7 (plate) and 2.8 (well)."""
LETTERS = re.compile(r"[A-Za-z]{1,2}")
DIGITS = re.compile(r"[0-9]{1,9}")
STANDARD = {
    6: (2, 3),
    12: (3, 4),
    24: (4, 6),
    48: (6, 8),
    96: (8, 12),
    384: (16, 24),
    1536: (32, 48),
    3456: (48, 72),
}
"""Rows and columns of plates by their number of wells."""
MOST = 26 * 27
"""Rows that one or two letters name: A to ZZ."""


def letters(row: int) -> str:
    """The usual name of a row counted from 0: ``A`` for 0, ``AA`` for 26, ``AF`` for 31."""
    return chr(65 + row) if row < 26 else chr(64 + row // 26) + chr(65 + row % 26)


def place(name: str) -> int | None:
    """A row counted from 0 by its letters, 0 for ``a`` and ``A``; None for what is no row's usual name."""
    if not LETTERS.fullmatch(name):
        return None
    number = 0
    for letter in name.upper():
        number = number * 26 + ord(letter) - 64
    return number - 1


def rows(count: int) -> tuple[str, ...]:
    """The usual names of ``count`` rows: A to Z, AA, AB and so on."""
    return tuple(map(letters, range(count)))


def columns(count: int) -> tuple[str, ...]:
    """The usual names of ``count`` columns: 1, 2 and so on."""
    return tuple(map(str, range(1, count + 1)))


def canonical(label: str) -> str:
    """One spelling for what files spell in several ways: no leading zeros, letters of rows in upper case."""
    if DIGITS.fullmatch(label):
        return str(int(label))
    return label.upper() if LETTERS.fullmatch(label) else label


def order(label: str) -> Order:
    """Key of the natural order: numbers by value, then letters of rows as plates count them, then other texts."""
    if DIGITS.fullmatch(label):
        return 0, int(label), ()
    row = place(label)
    if row is not None:
        return 1, row, ()
    pieces = re.split(r"([0-9]+)", label)
    return 2, 0, tuple((int(p), "") if i % 2 else (-1, p) for i, p in enumerate(pieces))


def occurring(labels: Iterable[str]) -> tuple[str, ...]:
    """Names of the rows or columns that labels mean, each once, in natural order."""
    return tuple(sorted({canonical(label) for label in labels}, key=lambda name: (order(name), name)))


def index(names: Sequence[str], label: str, *, numbered: bool = False) -> int | None:
    """Which of the ``names`` a label from a file's name means: ``01`` means 1, ``a`` means A.

    Args:
        names: Of all rows, or of all columns.
        label: What the file says.
        numbered: Whether a number may mean a row that letters name: 1 is A.

    Returns:
        Position in ``names``, None if there is none.
    """
    if label in names:
        return names.index(label)
    plain = canonical(label)
    for number, name in enumerate(names):
        if canonical(name) == plain:
            return number
        if numbered and DIGITS.fullmatch(label) and place(name) is not None and place(name) == int(label) - 1:
            return number
    return None


def split(well: str) -> tuple[str, str] | None:
    """Row and column of a well: of ``A/01``, and of ``A01`` where nothing but letters stand before digits."""
    row, slash, column = well.partition("/")
    if not slash:
        found = re.fullmatch(r"([A-Za-z]{1,2})([0-9]{1,4})", well)
        return (found[1], found[2]) if found else None
    return (row, column) if NAME.fullmatch(row) and NAME.fullmatch(column) else None
