"""Sheets of Excel files as text, by openpyxl."""

from __future__ import annotations

import datetime as dt
import io
import warnings
import zipfile
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from s3facade.core.errors import ConfigError


def cells(path: Path, data: bytes, sheet: str | None) -> tuple[list[list[str]], list[int]]:
    """Rows of a sheet with their numbers, all of one length.

    Raises:
        ConfigError: openpyxl is not installed, the file is damaged, there is no such sheet, or a formula has no value.
    """
    try:
        import openpyxl
        from openpyxl.utils.exceptions import InvalidFileException
    except ImportError:
        raise ConfigError(
            f"{path}: reading .xlsx needs openpyxl; pip install 's3facade[tables]', or save it as .csv"
        ) from None
    try:
        with warnings.catch_warnings():
            # openpyxl warns of styles and checks of input, which no value depends on.
            warnings.simplefilter("ignore")
            shown = _values(openpyxl, path, data, sheet, values=True)
            if any(value is None for row in shown for value in row):
                _computed(path, shown, _values(openpyxl, path, data, sheet, values=False))
    except (zipfile.BadZipFile, InvalidFileException, ParseError, KeyError, ValueError, TypeError, OSError) as error:
        raise ConfigError(f"{path}: is not an Excel file that can be read: {error}") from None
    width = max((len(row) for row in shown), default=0)
    rows = [[_text(value) for value in row] + [""] * (width - len(row)) for row in shown]
    return rows, list(range(1, len(rows) + 1))


def _values(openpyxl: Any, path: Path, data: bytes, sheet: str | None, *, values: bool) -> list[tuple[Any, ...]]:
    book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=values)
    try:
        names = [one.title for one in book.worksheets]
        if not names or (sheet is not None and sheet not in names):
            wanted = "a sheet with cells" if sheet is None else f"a sheet {sheet!r}"
            raise ConfigError(f"{path}: there is not {wanted}; known: {', '.join(names)}")
        chosen = book.worksheets[0 if sheet is None else names.index(sheet)]
        chosen.reset_dimensions()  # what writers say about these is often wrong
        return list(chosen.iter_rows(values_only=True))
    finally:
        book.close()


def _computed(path: Path, shown: list[tuple[Any, ...]], written: list[tuple[Any, ...]]) -> None:
    """Refuses formulas that were never computed: an empty value would be taken for none."""
    for number, (row, formulas) in enumerate(zip(shown, written, strict=False), 1):
        for column, (value, formula) in enumerate(zip(row, formulas, strict=False), 1):
            if value is None and isinstance(formula, str) and formula.startswith("="):
                raise ConfigError(
                    f"{path}:{number}: column {column} is a formula without a value; open and save the file in a "
                    "spreadsheet program"
                )


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(value, dt.datetime):
        return (value.date() if value.time() == dt.time() else value).isoformat()
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return str(value).strip()
