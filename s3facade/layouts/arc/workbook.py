"""Sheets of cells as a workbook of Excel, whose bytes follow from its cells and from nothing else."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from datetime import datetime
from importlib.util import find_spec
from typing import Any
from xml.etree import ElementTree as ET

from s3facade.core.errors import Unsupported
from s3facade.layouts.arc.isa import Sheet

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ROWS = 1_048_576
"""Rows that a sheet of Excel has."""
CELL = 32_767
"""Characters that a cell holds."""
_NOT_XML = frozenset(map(chr, (*range(0xD800, 0xE000), 0xFFFE, 0xFFFF)))
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest date that a zip archive knows."""


def missing() -> str:
    """What to install before there can be workbooks; empty if nothing is missing."""
    return "" if find_spec("openpyxl") else "workbooks are written by openpyxl: pip install 's3facade[tables]'"


def workbook(sheets: Sequence[Sheet]) -> bytes:
    """The bytes of an ``.xlsx`` file.

    Raises:
        Unsupported: A sheet has more rows than Excel has.
    """
    from openpyxl import Workbook

    made = Workbook(write_only=True)
    # The library would put in the time of now.
    made.properties.created = made.properties.modified = datetime(*_EPOCH)  # noqa: DTZ001 - it takes no zone
    for number, sheet in enumerate(sheets):
        if len(sheet.rows) > ROWS:
            raise Unsupported(f"The sheet {sheet.name!r} has {len(sheet.rows)} rows; one of Excel has {ROWS}.")
        written = made.create_sheet(sheet.name[:31])
        for row in sheet.rows:
            written.append([_cell(written, value) for value in row])
        if sheet.table and len(sheet.rows) > 1:
            written.tables.add(_table(sheet, number))
    buffer = io.BytesIO()
    made.save(buffer)
    return _steady(buffer.getvalue())


def _cell(sheet: Any, value: str) -> Any:
    """What stands in a cell: without control characters, and text even where it begins like a formula."""
    from openpyxl.cell import WriteOnlyCell

    text = "".join(c for c in value if (c >= " " and c not in _NOT_XML) or c in "\t\n")[:CELL]
    if not text.startswith("="):
        return text or None
    cell = WriteOnlyCell(sheet, text)
    cell.data_type = "s"
    return cell


def _table(sheet: Sheet, number: int) -> Any:
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.table import Table, TableStyleInfo

    header = sheet.rows[0]
    name = f"annotationTable{number}"
    made = Table(displayName=name, name=name, ref=f"A1:{get_column_letter(len(header))}{len(sheet.rows)}")
    made._initialise_columns()  # noqa: SLF001 - sheets that are written row by row want it done
    for column, text in zip(made.tableColumns, header, strict=True):
        column.name = text
    made.tableStyleInfo = TableStyleInfo(name="TableStyleMedium9", showRowStripes=True)
    return made


def _steady(data: bytes) -> bytes:
    """The same archive without the time at which it was written."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as given, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name in sorted(given.namelist(), key=lambda n: (n != "[Content_Types].xml", n)):
            member = given.read(name)
            if name == "docProps/core.xml":
                member = _undated(member)
            about = zipfile.ZipInfo(name, _EPOCH)
            about.compress_type = zipfile.ZIP_DEFLATED
            about.external_attr = 0o600 << 16
            made.writestr(about, member)
    return out.getvalue()


def _undated(core: bytes) -> bytes:
    """Properties of the document without who wrote it, and when."""
    root = ET.fromstring(core)  # noqa: S314 - written a moment ago
    for element in list(root):
        if element.tag.rpartition("}")[2] in {"created", "modified", "creator", "lastModifiedBy"}:
            root.remove(element)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))
