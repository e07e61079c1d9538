"""Sheets of Excel files as text, by openpyxl."""

from __future__ import annotations

import datetime as dt
import io
import re
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

from s3facade.config.tables import LONGEST, MOST, too_large
from s3facade.core.errors import ConfigError

_FAULTS = (zipfile.BadZipFile, zlib.error, EOFError, SyntaxError, LookupError, AttributeError, ArithmeticError)
"""What openpyxl and what it is made of raise for damaged files; errors of XML are syntax errors."""
_ZEROS = re.compile("0{2,20}")


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
    except (*_FAULTS, InvalidFileException, ValueError, TypeError, OSError, RuntimeError) as error:
        raise ConfigError(f"{path}: is not an Excel file that can be read: {error}") from None
    width = max((len(row) for row in shown), default=0)
    if width * len(shown) > MOST:
        raise too_large(path)
    rows = [[_text(value) for value in row] + [""] * (width - len(row)) for row in shown]
    return rows, list(range(1, len(rows) + 1))


def _values(openpyxl: Any, path: Path, data: bytes, sheet: str | None, *, values: bool) -> list[tuple[Any, ...]]:
    with zipfile.ZipFile(io.BytesIO(data)) as parts:
        # A small file may unpack to any size; what is stated here is not exceeded when parts are read.
        if sum(part.file_size for part in parts.infolist()) > LONGEST:
            raise too_large(path)
    book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=values)
    try:
        names = [one.title for one in book.worksheets]
        if not names or (sheet is not None and sheet not in names):
            wanted = "a sheet with cells" if sheet is None else f"a sheet {sheet!r}"
            raise ConfigError(f"{path}: there is not {wanted}; known: {', '.join(names)}")
        chosen = book.worksheets[0 if sheet is None else names.index(sheet)]
        chosen.reset_dimensions()  # what writers say about these is often wrong
        rows: list[tuple[Any, ...]] = []
        count = 0
        for row in chosen.iter_rows():
            rows.append(tuple([_shown(cell) for cell in row]))
            count += len(row) + 1
            if count > MOST:  # one cell far away stands for all that lie before it
                raise too_large(path)
        return rows
    finally:
        book.close()


def _shown(cell: Any) -> Any:
    """A value; a whole number that its format gives zeros in front as the text that is shown: 0007."""
    value = cell.value
    if type(value) is int and value >= 0 and _ZEROS.fullmatch(cell.number_format or ""):
        return str(value).zfill(len(cell.number_format))
    return value


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
        # Spreadsheets show 15 digits at most: 0.1+0.2 is 0.3 there.
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(float(f"{value:.15g}"))
    if isinstance(value, dt.datetime):
        return (value.date() if value.time() == dt.time() else value).isoformat()
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return str(value).strip()
