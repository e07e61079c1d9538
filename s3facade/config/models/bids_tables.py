"""Columns of the tables of a BIDS data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BeforeValidator, Field

from s3facade.config.document import Path_
from s3facade.config.models.base import Model, Resolving
from s3facade.config.template import compile_template, unknown_name
from s3facade.config.views.bids import BidsColumn
from s3facade.core.errors import ConfigError
from s3facade.layouts.bids.tables import Column, cell

KEYS: Mapping[str, Sequence[str]] = {
    "participants": ("participant_id",),
    "samples": ("sample_id", "participant_id"),
    "sessions": ("session_id",),
    "scans": ("filename",),
}
"""Columns that are made of entities."""


class ColumnModel(Model):
    """A column of a table."""

    value: Annotated[str, Field(min_length=1)]
    """Its values, as in `{Age (weeks)}`."""
    description: str = ""
    """What it is."""
    units: str = ""
    """Unit of numbers, as in `week`."""
    levels: dict[str, str] = {}
    """What its values mean, by value."""


def _column(value: object) -> object:
    return {"value": value} if isinstance(value, str) else value


Columns = dict[str, Annotated[ColumnModel, BeforeValidator(_column)]]


def columns(
    at: Path_, desk: Resolving, table: str, given: Mapping[str, ColumnModel], known: frozenset[str]
) -> tuple[BidsColumn, ...]:
    """Columns of a table, checked as far as they are the same for all images.

    Args:
        at: Place in the file.
        desk: Is told what is wrong.
        table: Which one.
        given: Columns by name.
        known: Captures and columns that some source of the view has.
    """
    found = []
    for name, column in given.items():
        here = (*at, name)
        if name in KEYS[table]:
            desk.problem(here, "this column is made of the names' entities; remove it")
            continue
        if name != cell(name):
            desk.problem(here, f"the name of a column has no tabs, line ends or spaces around it; not {name!r}")
            continue
        try:
            value = compile_template(column.value, path=True)
        except ConfigError as error:
            desk.problem(here, error)
            continue
        for used in value.names:
            if used not in known:
                desk.problem(here, unknown_name(used, "capture or column", sorted(known)))
        if not value.names:
            shown = Column(name, units=column.units, levels=column.levels)
            told = shown.refusal(shown.spelled(cell(value.text)))
            if told:
                desk.problem(here, told)
        found.append(BidsColumn(name, value, column.description, column.units, dict(column.levels)))
    return tuple(found)
