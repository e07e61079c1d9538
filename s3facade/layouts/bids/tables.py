"""Tables of BIDS: participants, samples and sessions, and the JSON files about their columns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from s3facade.layouts.bids.schema import schema

MISSING = "n/a"
UNKNOWN = frozenset({"na", "nan", "n.a.", "none", "null"})
"""How programs write that a number or one of a few words is missing, in small letters."""
OLD = re.compile(r"(?:89|>\s*89|>=\s*89)\s*\+?")
"""Ages of people who are older than BIDS tells; it has 89 for all of them."""
EXAMPLES = {"datetime": ", as in 2023-01-31T09:30:00", "rrid": ", as in RRID:IMSR_JAX:000664"}
"""What formats look like."""
_SPACES = re.compile(r"[\t\r\n]+")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


_UNTIL = f"{MISSING} stands there until the value is corrected where it is from, or given another label in `values`."


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

    def spelled(self, value: str) -> str:
        """``value`` as BIDS writes it: what is missing is ``n/a``, also as other programs write that."""
        if value in self._allowed:
            return value
        if value.lower() in UNKNOWN and (self._allowed or self._about.get("Format") == "number"):
            return MISSING
        # "89+" is how older versions of BIDS wrote it.
        return "89" if self.name == "age" and not self.units and OLD.fullmatch(value) else value

    def refusal(self, value: str) -> str | None:
        """Why a column that the standard knows must not have this value, or None."""
        if value == MISSING:
            return None
        rule, about, allowed = schema().column(self.name), self._about, self._allowed
        if allowed and value not in allowed:
            return f"{self.name} is one of {', '.join(allowed)}, not {value!r}"
        if about.get("Format") == "number" and not _NUMBER.fullmatch(value):
            return f"{self.name} is a number, not {value!r}"
        most = about.get("Maximum") if not self.units else None
        if most is not None and float(value) > most:
            unit = about.get("Units", "")
            return f"{self.name} is at most {most} {unit}s, not {value}: write {most} for more, or say its `units`"
        form = rule.get("format", "")
        if form in schema().formats and not re.fullmatch(schema().formats[form], value):
            return f"{self.name} is a {form} as BIDS writes it{EXAMPLES.get(form, '')}, not {value!r}"
        pattern = rule.get("pattern")
        if pattern and not re.fullmatch(pattern, value):
            return f"{self.name} is as in {pattern.strip('^$')}, not {value!r}"
        return None

    @property
    def _about(self) -> Mapping[str, Any]:
        """What the standard says of the column's values."""
        rule = schema().column(self.name)
        about: Mapping[str, Any] = rule.get("definition", rule)
        return about

    @property
    def _allowed(self) -> tuple[str, ...]:
        """The only values there are; empty: any."""
        return tuple(schema().column(self.name).get("enum", ())) or tuple(self.levels or self._about.get("Levels", {}))


def cell(value: object) -> str:
    """One value of a table: without tabs and line ends, ``n/a`` where nothing is known."""
    found = _SPACES.sub(" ", str(value)).strip()
    return MISSING if found.lower() in ("", MISSING) else found


@dataclass
class Rows:
    """Rows of a table, filled image by image; all images of one subject must say the same about it."""

    keys: Sequence[str]
    """Names of the columns that tell rows apart."""
    columns: Sequence[Column]
    """All others."""
    known: dict[tuple[str, ...], list[tuple[str | None, str]]] = field(default_factory=dict)
    """By key: each value, None where nobody has said one, and the file that it is from."""
    judged: dict[tuple[int, str], tuple[str, str | None]] = field(default_factory=dict)
    """Values as BIDS writes them, and why they must not stand there, by place of the column and value."""

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
        for place, given in enumerate(values):
            if given is None:
                continue
            before, by = row[place]
            column = self.columns[place]
            value, refusal = self._judged(place, column, given)
            if value in (before, MISSING):
                continue
            if before is None:
                row[place] = (MISSING if refusal else value, file)
                wrong += [f"{' of '.join(key)}: {refusal}; {_UNTIL}"] if refusal else []
            elif before != MISSING:
                wrong.append(
                    f"{' of '.join(key)} has two values of {column.name}: {before!r} by {by} and {value!r} by {file}; "
                    "all its images must say the same."
                )
        return wrong

    def _judged(self, place: int, column: Column, given: str) -> tuple[str, str | None]:
        """`Column.spelled` and `Column.refusal`, once for each value."""
        found = self.judged.get((place, given))
        if found is None:
            value = column.spelled(given)
            found = self.judged[place, given] = (value, column.refusal(value))
        return found

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
