"""Tables of BIDS: participants, samples and sessions, and the JSON files about their columns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from s3facade.layouts.bids.schema import schema

MISSING = "n/a"
EXAMPLES = {"datetime": ", as in 2023-01-31T09:30:00", "rrid": ", as in RRID:IMSR_JAX:000664"}
"""What formats look like."""
_SPACES = re.compile(r"[\t\r\n]+")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    name: str
    description: str = ""
    units: str = ""
    levels: Mapping[str, str] = field(default_factory=dict)
    """What its values mean."""

    @property
    def document(self) -> dict[str, Any]:
        """What is said about it; empty if nothing is."""
        told = {"Description": self.description, "Units": self.units, "Levels": dict(self.levels)}
        return {key: value for key, value in told.items() if value}

    def refusal(self, value: str) -> str | None:
        """Why a column that the standard knows must not have this value, or None."""
        if value == MISSING:
            return None
        rule = schema().column(self.name)
        about = rule.get("definition", rule)
        levels = self.levels or about.get("Levels", {})
        allowed = tuple(rule.get("enum", ())) or tuple(levels)
        if allowed and value not in allowed:
            return f"{self.name} is one of {', '.join(allowed)}, not {value!r}"
        if about.get("Format") == "number" and not _NUMBER.fullmatch(value):
            return f"{self.name} is a number, not {value!r}"
        most = about.get("Maximum") if not self.units else None
        if most is not None and float(value) > most:
            return f"{self.name} is at most {most} {about.get('Units', '')}s, not {value}; say what its `units` are"
        form = rule.get("format", "")
        if form in schema().formats and not re.fullmatch(schema().formats[form], value):
            return f"{self.name} is a {form} as BIDS writes it{EXAMPLES.get(form, '')}, not {value!r}"
        pattern = rule.get("pattern")
        if pattern and not re.fullmatch(pattern, value):
            return f"{self.name} is as in {pattern.strip('^$')}, not {value!r}"
        return None


def cell(value: object) -> str:
    """One value of a table: without tabs and line ends, ``n/a`` where nothing is known."""
    return _SPACES.sub(" ", str(value)).strip() or MISSING


@dataclass
class Rows:
    """Rows of a table, filled image by image; all images of one subject must say the same about it."""

    keys: Sequence[str]
    """Names of the columns that tell rows apart."""
    columns: Sequence[Column]
    """All others."""
    known: dict[tuple[str, ...], list[tuple[str | None, str]]] = field(default_factory=dict)
    """By key: each value, None where nobody has said one, and the file that it is from."""
    judged: dict[tuple[int, str], str | None] = field(default_factory=dict)
    """Why values must not stand there, by place of the column and value."""

    def add(self, key: tuple[str, ...], values: Sequence[str | None], file: str) -> Sequence[str]:
        """One row, as one image gives it.

        Args:
            key: Values of ``keys``.
            values: Of the other columns, as `cell` gives them; None where the image does not know the column.
            file: What gave them.

        Returns:
            Sentences on what is wrong with it; what the first image said stays.
        """
        row = self.known.get(key)
        if row is None:
            row = self.known[key] = [(None, file)] * len(self.columns)
        wrong = []
        for place, value in enumerate(values):
            before, by = row[place]
            if value == before or value is None:
                continue
            column = self.columns[place]
            if before is None:
                refusal = self._refusal(place, column, value)
                row[place] = (MISSING if refusal else value, file)
                wrong += [f"{' of '.join(key)}: {refusal}; the table says {MISSING} there."] if refusal else []
            elif before != MISSING:
                wrong.append(
                    f"{' of '.join(key)} has two values of {column.name}: {before!r} by {by} and {value!r} by {file}; "
                    "all its images must say the same."
                )
        return wrong

    def _refusal(self, place: int, column: Column, value: str) -> str | None:
        """`Column.refusal`, once for each value."""
        if (place, value) not in self.judged:
            self.judged[place, value] = column.refusal(value)
        return self.judged[place, value]

    def tsv(self) -> bytes:
        """The table, sorted by its keys."""
        header = (*self.keys, *(column.name for column in self.columns))
        return tsv(header, ((*key, *(value or MISSING for value, _ in row)) for key, row in sorted(self.known.items())))

    def document(self) -> bytes:
        """The JSON file about its columns; empty if there is nothing to say."""
        told = {column.name: column.document for column in self.columns if column.document}
        return pretty(told) if told else b""


def tsv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """Tab-separated values, UTF-8, lines ending in a line feed."""
    lines = ["\t".join(header), *("\t".join(row) for row in rows)]
    return ("\n".join(lines) + "\n").encode()


def pretty(document: Mapping[str, Any]) -> bytes:
    """JSON as people read it: indented, in the order of ``document``."""
    return (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
