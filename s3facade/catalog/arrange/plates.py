"""Plates: every image at the well and field that its name says, or a file's images where the file says they belong."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from s3facade.catalog.arrange import crates
from s3facade.catalog.arrange.about import Said
from s3facade.catalog.arrange.alike import Alike, Whole, known
from s3facade.catalog.arrange.desk import Desk
from s3facade.catalog.arrange.images import labels_of
from s3facade.catalog.images.recipe import FaultyRecipe, Pipeline, Recipe
from s3facade.catalog.sources.batch import Candidate
from s3facade.config.template import Template
from s3facade.config.views.plate import PlateView
from s3facade.core.errors import ConfigError
from s3facade.layouts import wells as names
from s3facade.layouts.ome_zarr import OmeZarr
from s3facade.layouts.ome_zarr_plate import OmeZarrField, OmeZarrPlate
from s3facade.layouts.plate import (
    Acquisition,
    Field,
    Plate,
    Well,
    counted,
    group_document,
    plate_document,
    well_document,
)

NAMED = 4
"""Files that a sentence names."""


@dataclass(frozen=True, slots=True)
class _Shot:
    """One image and what its name says."""

    candidate: Candidate
    row: str
    column: str
    field: str
    acquisition: str

    @property
    def path(self) -> str:
        return self.candidate.recipe.path


def arrange(view: PlateView, desk: Desk) -> None:
    """Put the plates of the view into the plan. Raises `ConfigError`."""
    plates: dict[str, list[Candidate]] = {}
    for candidate in desk.of(view.images.source):
        if (filled := desk.filled(candidate, view.path)) is not None:
            plates.setdefault(filled[0], []).append(candidate)
    for path, candidates in plates.items():
        if view.well is None:
            _whole(view, path, candidates, desk)
        else:
            _wells(view, view.well, path, candidates, desk)


def _whole(view: PlateView, path: str, candidates: Sequence[Candidate], desk: Desk) -> None:
    """Files that are plates themselves, or folders."""
    show = _Shown(view, desk).show
    options: dict[str, Any] = dict(view.images.options)
    for candidate in candidates:
        name = _name(view, candidate, desk)
        layout = OmeZarrPlate(view.rows, view.columns, name=name, **options)
        show(path, candidate, layout, Whole())


def _wells(view: PlateView, well: Template, path: str, candidates: Sequence[Candidate], desk: Desk) -> None:
    """One plate of images whose names say where they belong."""
    shots = [shot for candidate in candidates if (shot := _shot(view, well, candidate, desk)) is not None]
    rows = view.rows or names.occurring(shot.row for shot in shots)
    columns = view.columns or names.occurring(shot.column for shot in shots)
    by_well: dict[tuple[int, int], list[_Shot]] = {}
    for shot in shots:
        row, column = names.index(rows, shot.row, numbered=True), names.index(columns, shot.column)
        if row is None or column is None:
            desk.broken(shot.path, _outside(shot, rows, columns))
        else:
            by_well.setdefault((row, column), []).append(shot)
    placed = {well: _once(found, view, desk) for well, found in sorted(by_well.items())}
    runs = _runs(view, [shot for found in placed.values() for shot in found])
    base = f"{path}/" if path else ""
    keys = {(*w, n): f"{base}{rows[w[0]]}/{columns[w[1]]}/{n}" for w, own in placed.items() for n in range(len(own))}
    show, kinds = _Shown(view, desk).show, known(desk.shown, keys)
    options: dict[str, Any] = dict(view.images.options)
    made = []
    for (row, column), found in placed.items():
        place, fields = (rows[row], columns[column]), []
        for number, shot in enumerate(found):
            layout = OmeZarrField(OmeZarr(name=_called(place, shot), **options))
            at = row, column, number
            if show(keys[at], shot.candidate, layout, Alike(path, keys[at], at, kinds)):
                run = runs.get(names.canonical(shot.acquisition))
                fields.append(Field(str(number), None if run is None else run.id))
        if fields:
            made.append(Well(row, column, tuple(fields)))
    if made:
        _uneven([shot for found in placed.values() for shot in found], desk)
        name = _name(view, shots[0].candidate, desk, _stem(path))
        _write(Plate(rows, columns, tuple(made), name, counted(runs.values(), made)), base, desk)
        crates.plate(desk, path, name or "plate", len(made))


def _name(view: PlateView, candidate: Candidate, desk: Desk, other: str | None = None) -> str | None:
    """What a plate is called; ``other``, and told, where the values of its first file make no name."""
    if view.name is None:
        return other
    try:
        return view.name.fill(candidate.captures)
    except ConfigError as error:
        desk.broken(candidate.recipe.path, f"The `name` of its plate is left out: {error}.", error.private)
        return other


def _shot(view: PlateView, well: Template, candidate: Candidate, desk: Desk) -> _Shot | None:
    recipe, captures = candidate.recipe, candidate.captures
    if isinstance(recipe, FaultyRecipe):
        # A well that names it would keep viewers from showing the plate at all.
        desk.broken(recipe.path, recipe.reason, recipe.where)
        return None
    filled = desk.filled(candidate, well, *(t for t in (view.field, view.acquisition) if t))
    if filled is None:
        return None
    label = filled[0]
    place = names.split(label)
    if place is None:
        desk.broken(
            recipe.path,
            f"Its well is {label!r}: not a row and a column, each of letters and digits, as in A/1; correct `well:`, "
            "or leave the file out with `skip:`.",
        )
        return None
    field, acquisition = (t.fill(captures) if t else "" for t in (view.field, view.acquisition))
    return _Shot(candidate, *place, field, acquisition)


def _once(shots: Sequence[_Shot], view: PlateView, desk: Desk) -> list[_Shot]:
    """Images of a well by acquisition and field, each field once."""
    kept: dict[tuple[str, str], _Shot] = {}
    for shot in shots:
        key = names.canonical(shot.acquisition), names.canonical(shot.field)
        taken = kept.setdefault(key, shot)
        if taken is not shot:
            field = f"The field {shot.field!r} of" if view.field else "The only image of"
            advice = "two files say the same" if view.field else "say with `field:` what tells its images apart"
            place = f"{shot.row}/{shot.column}"
            other = os.path.basename(taken.path)
            desk.broken(shot.path, f"{field} the well {place!r} is {other!r} already: {advice}.", taken.path)
    return sorted(kept.values(), key=lambda s: (names.order(s.acquisition), names.order(s.field), s.field))


def _runs(view: PlateView, shots: Sequence[_Shot]) -> dict[str, Acquisition]:
    """Runs over the plate by their labels, with ids from 1: to some viewers an id of 0 is none."""
    if view.acquisition is None:
        return {}
    labels = sorted({names.canonical(shot.acquisition) for shot in shots}, key=lambda text: (names.order(text), text))
    known = view.acquisitions
    return {n: replace(known.get(n, Acquisition(0, n)), id=number) for number, n in enumerate(labels, 1)}


def _outside(shot: _Shot, rows: Sequence[str], columns: Sequence[str]) -> str:
    return (
        f"Its well {f'{shot.row}/{shot.column}'!r} lies outside the plate of {len(rows)} x {len(columns)} wells (rows "
        f"{rows[0]} to {rows[-1]}, columns {columns[0]} to {columns[-1]}); correct `plate:` or `well:`, or leave the "
        "file out with `skip:`."
    )


def _uneven(shots: Sequence[_Shot], desk: Desk) -> None:
    """Fields of fewer files than the others: a channel or a plane is missing, and what is there looks like it."""
    counts = Counter(_files(shot.candidate.recipe) for shot in shots)
    usual = max(counts, key=lambda n: (counts[n], n))
    odd = [shot for shot in shots if _files(shot.candidate.recipe) != usual]
    if odd:
        said = ", ".join(
            f"{s.row}/{s.column}{s.field and f' {s.field}'} ({_files(s.candidate.recipe)}, {os.path.basename(s.path)})"
            for s in odd[:NAMED]
        )
        more = f" and {len(odd) - NAMED} more" if len(odd) > NAMED else ""
        desk.broken(
            odd[0].path,
            f"{len(odd)} of {len(shots)} fields of the plate are not of {usual} file{'s' * (usual != 1)} as the others "
            f"are: viewers show the whole plate as its first field says; see {said}{more}.",
        )


def _files(recipe: Recipe) -> int:
    """Files that an image is put together of."""
    if not isinstance(recipe, Pipeline):
        return 1
    return sum(map(_files, recipe.parents if recipe.together else recipe.parents[:1]))


def _called(place: tuple[str, str], shot: _Shot) -> str:
    """What a field is called: its group is a number, the value of its name stays here."""
    words = ["".join(place)]
    words += [f"field {shot.field}"] if shot.field else []
    return " ".join([*words, *([f"acquisition {shot.acquisition}"] if shot.acquisition else [])])


def _stem(path: str) -> str | None:
    name = path.rpartition("/")[2]
    return name.removesuffix(".zarr").removesuffix(".ome") or None


class _Shown:
    """Images of one view on their way into the plan."""

    def __init__(self, view: PlateView, desk: Desk) -> None:
        self._images = view.images
        self._desk = desk
        self._said = Said(view.images.about)

    def show(self, key: str, candidate: Candidate, layout: OmeZarrField | OmeZarrPlate, judge: Alike | Whole) -> bool:
        """Whether nothing else is shown there."""
        images = self._images
        labels = labels_of(images, candidate, self._desk, alike=True)
        about = self._said.of(candidate, self._desk)
        return self._desk.show(
            key,
            candidate,
            layout,
            labels=labels,
            about=about,
            told=images.recipe,
            sampled=images.preview == "strided",
            dtype=images.dtype,
            judge=judge,
        )


def _write(plate: Plate, base: str, desk: Desk) -> None:
    """The documents of the groups above the images. Nothing is consolidated: that would take opening every image."""
    documents: dict[str, Mapping[str, Any]] = {"": plate_document(plate)}
    for well in plate.wells:
        path = plate.path(well)
        documents.setdefault(path.partition("/")[0] + "/", group_document())
        documents[f"{path}/"] = well_document(well)
    for folder, document in documents.items():
        data = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
        desk.write(f"{base}{folder}zarr.json", data, "application/json")
