"""Tables beside images: which column names what a capture names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from s3facade.config.guess.pieces import Hole
from s3facade.config.guess.sources import Found

Columns = Mapping[str, Sequence[str]]
"""Values of a table by column, row by row."""


@dataclass(frozen=True, slots=True)
class Join:
    """A table that says more about what a capture names."""

    table: str
    """Path relative to the folder that was looked at."""
    capture: str
    column: str
    others: tuple[str, ...]
    """The columns that it adds."""
    missing: tuple[str, ...] = ()
    """Captured values without a row."""
    twice: tuple[str, ...] = ()
    """Captured values with several rows."""


def named(found: Found, tables: Mapping[str, Columns]) -> Found:
    """The source with captures of unknown meaning called as the columns that hold their values."""
    taken = {hole.name for hole in found.holes}
    names: dict[str, str] = {}
    for hole in found.holes:
        best = None if hole.sure else _best(hole, tables)
        if best is not None:
            slug = _slug(best[1])
            if slug and slug not in taken:
                names[hole.name] = slug
                taken.add(slug)
    if not names:
        return found

    def called(piece: str | Hole) -> str | Hole:
        return piece.called(names[piece.name]) if isinstance(piece, Hole) and piece.name in names else piece

    parts = tuple((mark, tuple(tuple(called(p) for p in f) for f in fields)) for mark, fields in found.parts)
    return replace(found, parts=parts)


def joins(found: Found, tables: Mapping[str, Columns]) -> list[Join]:
    """Tables with a row for what a source's files name, each by its best column."""
    out = []
    for table, columns in sorted(tables.items()):
        ranked = [
            (score, hole, best[1])
            for hole in found.holes
            if (best := _best(hole, {table: columns})) is not None
            for score in [best[2]]
        ]
        if not ranked:
            continue
        _, hole, column = max(ranked, key=lambda item: (item[0], item[1].sure))
        rows = [_plain(v, hole) for v in columns[column]]
        values = {_plain(v, hole): v for v in hole.values}
        missing = sorted(v for key, v in values.items() if key not in rows)
        twice = sorted(v for key, v in values.items() if rows.count(key) > 1)
        others = tuple(c for c in columns if c != column and c)
        out.append(Join(table, hole.name, column, others, tuple(missing), tuple(twice)))
    return out


def _best(hole: Hole, tables: Mapping[str, Columns]) -> tuple[str, str, float] | None:
    """Table and column that hold at least half of what is captured, and two values, and how much of it."""
    values = {_plain(v, hole) for v in hole.values}
    found = None
    for table, columns in sorted(tables.items()):
        for column, cells in columns.items():
            # A column of the same few numbers, 1 2 3, is met by chance: its name has to say the same.
            common = values & {_plain(c, hole) for c in cells}
            telling = hole.type != "int" or _slug(column).startswith(hole.name[:4])
            share = len(common) / len(values)
            if column and len(common) >= 2 and share >= 0.5 and telling and (found is None or share > found[2]):
                found = table, column, share
    return found


def _plain(value: str, hole: Hole) -> str:
    text = value.strip()
    return str(int(text)) if hole.type == "int" and text.isascii() and text.isdigit() else text


def _slug(column: str) -> str:
    """A column's name as a capture: ``Animal ID`` is animal."""
    text = re.sub(r"[\s_-]*(id|no|nr|number|name|label|code)\.?$", "", column.strip().lower()) or column.strip().lower()
    text = re.sub(r"[^a-z0-9]+", "_", text).strip("_")
    return text if text and not text[0].isdigit() and text not in {"stem", "path"} else ""
