"""Documents of plates and wells in OME-Zarr 0.5: what stands in the groups above the images, and nothing of these.

The specification: https://ngff.openmicroscopy.org/0.5/, sections "High-content screening layout", "plate" and "well".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from s3facade.core.spec import Spec
from s3facade.layouts.ome_xml import printable

VERSION = "0.5"
NAMED = 4
"""Fields that a sentence names."""


@dataclass(frozen=True, slots=True)
class Acquisition:
    """One run over a plate."""

    id: int
    """Unique on the plate, >= 0."""
    name: str | None = None
    description: str | None = None
    start: int | None = None
    """Seconds since 1970, UTC."""
    end: int | None = None
    """Seconds since 1970, UTC."""
    fields: int | None = None
    """Most fields that any well has of it."""


@dataclass(frozen=True, slots=True)
class Field:
    """One image of a well."""

    path: str
    """Letters and digits: its group below that of the well."""
    acquisition: int | None = None
    """Id of its `Acquisition`."""


@dataclass(frozen=True, slots=True)
class Well:
    """One well that has images."""

    row: int
    """Position among the plate's rows, from 0."""
    column: int
    fields: tuple[Field, ...]
    """At least one."""


@dataclass(frozen=True, slots=True)
class Plate:
    """A plate; wells without images are not named in it, their rows and columns are."""

    rows: tuple[str, ...]
    """Names of all rows of the physical plate."""
    columns: tuple[str, ...]
    wells: tuple[Well, ...]
    """At least one, by row and column."""
    name: str | None = None
    acquisitions: tuple[Acquisition, ...] = field(default=())

    def path(self, well: Well) -> str:
        """The group of a well below that of the plate, ``A/1``."""
        return f"{self.rows[well.row]}/{self.columns[well.column]}"


def counted(acquisitions: Iterable[Acquisition], wells: Sequence[Well]) -> tuple[Acquisition, ...]:
    """Acquisitions with the most fields that a well has of each, where that is not stated."""
    most: Counter[int] = Counter()
    for well in wells:
        for number, count in Counter(f.acquisition for f in well.fields if f.acquisition is not None).items():
            most[number] = max(most[number], count)
    return tuple(
        a if a.fields is not None else Acquisition(a.id, a.name, a.description, a.start, a.end, most[a.id] or None)
        for a in acquisitions
    )


def plate_document(plate: Plate, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """``zarr.json`` of the plate's group: section "plate". ``more`` are further entries below ``ome``."""
    about: dict[str, Any] = {
        "version": VERSION,
        "rows": [{"name": name} for name in plate.rows],
        "columns": [{"name": name} for name in plate.columns],
        "wells": [{"path": plate.path(w), "rowIndex": w.row, "columnIndex": w.column} for w in plate.wells],
        "field_count": max(len(well.fields) for well in plate.wells),
    }
    if plate.name:
        about["name"] = printable(plate.name)
    if plate.acquisitions:
        about["acquisitions"] = [_acquisition(a) for a in plate.acquisitions]
    return group_document({"plate": about, **(more or {})})


def well_document(well: Well) -> dict[str, Any]:
    """``zarr.json`` of a well's group: section "well"."""
    images = [
        {"path": f.path, **({} if f.acquisition is None else {"acquisition": f.acquisition})} for f in well.fields
    ]
    return group_document({"well": {"version": VERSION, "images": images}})


def group_document(ome: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """``zarr.json`` of a group with this metadata; of a row, which has none of its own, without."""
    attributes = {"ome": {"version": VERSION, **ome}} if ome else {}
    return {"zarr_format": 3, "node_type": "group", "attributes": attributes}


def _acquisition(a: Acquisition) -> dict[str, Any]:
    known = {
        "name": a.name,
        "description": a.description,
        "starttime": a.start,
        "endtime": a.end,
        "maximumfieldcount": a.fields,
    }
    return {"id": a.id, **{key: value for key, value in known.items() if value is not None}}


def mixed(fields: Mapping[str, Spec]) -> str | None:
    """A sentence on what is not the same in all fields, or None: viewers show a plate as if all were like the first.

    Args:
        fields: Descriptions by what the fields are called.
    """
    kinds: dict[str, list[str]] = {}
    for name, spec in fields.items():
        kinds.setdefault(kind_of(spec), []).append(name)
    if len(kinds) < 2:
        return None
    usual = max(kinds, key=lambda kind: len(kinds[kind]))
    said = [f"{_called(names)} ({kind})" for kind, names in sorted(kinds.items()) if kind != usual]
    return f"Not all fields of the plate are alike: most are {usual}, but not {'; '.join(said)}."


def kind_of(spec: Spec) -> str:
    """In words: what viewers take to be the same for all fields of a plate."""
    return f"{''.join(spec.names)} of {spec.dtype}, channels: {spec.length('c')}, levels: {len(spec.levels)}"


def _called(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
