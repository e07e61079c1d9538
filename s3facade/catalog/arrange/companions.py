"""Files that belong to a NIfTI file and lie beside it under its name: metadata, gradients, events and other tables.

As converters from DICOM write them: ``scan.nii.gz``, ``scan.json``, ``scan.bval``, ``scan.bvec``; and tables as
``scan_events.tsv``, or ``task_events.tsv`` beside ``task_bold.nii.gz``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from s3facade.catalog.arrange.desk import Desk
from s3facade.catalog.arrange.moved import outdated, timed, turned
from s3facade.catalog.images.recipe import FileRecipe, Pipeline, Recipe
from s3facade.catalog.sources.watch import UNSURE, Stamp, stamp
from s3facade.layouts.bids.names import Name
from s3facade.layouts.bids.rules import Shape, ordered, refusal
from s3facade.layouts.bids.schema import schema
from s3facade.stores.files import is_remote

ENDINGS = (".nii.gz", ".nii")
GRADIENTS = (".bval", ".bvec")
TABLES = (
    *(("events", ".tsv"), ("events", ".json")),
    *(("physio", ".tsv.gz"), ("physio", ".json"), ("stim", ".tsv.gz"), ("stim", ".json")),
    *(("aslcontext", ".tsv"), ("blood", ".tsv"), ("blood", ".json")),
)
"""Suffix and extension of tables that belong to a run: events, recordings, the order of volumes, samples of blood."""
MOST = 4 << 20
"""Bytes of a sidecar; a longer one is none."""


def _came(path: str, recipe: Recipe, desk: Desk) -> str:
    """The path of a file that comes along: it is not left over."""
    while isinstance(recipe, Pipeline):
        recipe = recipe.parents[0]
    tally = desk.plan.tallies.get(recipe.source) if isinstance(recipe, FileRecipe) else None
    if tally is not None:
        tally.beside.add(path)
    return path


def stem(recipe: Recipe) -> str | None:
    """Path of the one NIfTI file that an image is made of, without its ending; None for all others."""
    while isinstance(recipe, Pipeline) and not recipe.together:
        recipe = recipe.parents[0]
    if not isinstance(recipe, FileRecipe):
        return None
    path = recipe.path
    if not path[-7:].lower().endswith(ENDINGS) or is_remote(path):
        return None
    return next((path[: -len(e)] for e in ENDINGS if path.lower().endswith(e)), None)


def said(recipe: Recipe, desk: Desk) -> Mapping[str, Any]:
    """The fields of the JSON file beside the image; what is no such file is told among what is broken."""
    base = stem(recipe)
    path = f"{base}.json"
    if base is None or not _there(path):
        return {}
    try:
        about = os.stat(_came(path, recipe, desk))
        found = _read(path, about.st_mtime_ns, about.st_size)
    except (OSError, ValueError) as error:
        reason = "The JSON file beside the image cannot be read; correct it, or say `companions: false`."
        desk.broken(path, reason, str(error))
        return {}
    gone = outdated(recipe)
    return {name: value for name, value in found.items() if name not in gone} if gone else found


def _there(path: str) -> bool:
    """Whether there is such a file: asked of the names in its folder, which are listed once for all of its images."""
    folder, name = os.path.split(path)
    try:
        was = stamp(folder)
        names = frozenset(os.listdir(folder)) if was == UNSURE else _names(folder, was)
    except OSError:
        return False
    return name in names and os.path.isfile(path)


@lru_cache(maxsize=1024)
def _names(folder: str, _was: Stamp) -> frozenset[str]:
    return frozenset(os.listdir(folder))


@lru_cache(maxsize=4096)
def _read(path: str, _modified: int, size: int) -> Mapping[str, Any]:
    """Raises `ValueError`, `OSError`."""
    if size > MOST:
        raise ValueError(f"it has {size} bytes")
    with open(path, encoding="utf-8-sig") as file:
        found = json.load(file, parse_constant=_refused)
    if not isinstance(found, dict):
        raise ValueError("it holds no fields, which stand between braces")  # noqa: TRY004 - as of json
    return found


def _refused(word: str) -> Any:
    raise ValueError(f"{word} is no number in JSON")


def carry(recipe: Recipe, name: Name, root: str, desk: Desk, *, derivative: bool) -> None:
    """Show gradients and tables under the image's new name, where BIDS has such files for it.

    Args:
        recipe: Of the image.
        name: Of the image.
        root: Key prefix of the data set, without a final slash.
        desk: Where they are shown.
        derivative: Whether it is a derivative data set.
    """
    base = stem(recipe)
    if base is None:
        return
    prefix = f"{root}/{name.folder}/" if root else f"{name.folder}/"
    for ending in GRADIENTS:
        shape = Shape(tuple(name.entities), name.suffix, ending, name.datatype)
        if _there(base + ending) and refusal(shape, derivative=derivative) is None:
            _carried(f"{prefix}{name.stem}{ending}", base + ending, recipe, desk, turned(recipe))
    for path, suffix, ending in _beside(base, name.suffix):
        table = _table(name, suffix, ending)
        if table is not None:
            _carried(f"{prefix}{table}{ending}", path, recipe, desk, timed(recipe))


def _carried(key: str, path: str, recipe: Recipe, desk: Desk, step: str | None) -> None:
    """Show a file, unless a step has made another image of the one that it is about; that is told."""
    _came(path, recipe, desk)
    if step is None:
        desk.copy(key, path)
    else:
        desk.broken(
            path,
            f"It is not shown: the step `{step}` may turn axes or leave out volumes, and it is about the original. "
            "Show that as well, without the step, or say `companions: false`.",
        )


def _beside(base: str, suffix: str) -> Iterator[tuple[str, str, str]]:
    """Path, suffix and extension of the tables of an image, and of what is said about their columns."""
    head, _, tail = base.rpartition("_")
    bases = [f"{base}_", f"{head}_"] if tail == suffix else [f"{base}_"]
    for kind, ending in TABLES:
        path = next((p for b in bases if _there(p := b + kind + ending)), None)
        if path is not None:
            yield path, kind, ending


def _table(name: Name, suffix: str, ending: str) -> str | None:
    """The name of such a table, without its extension; None where BIDS has none for the image.

    It lacks entities that these tables have not: the echoes of a run share one table of events.
    """
    rules = [r for r in schema().rules if suffix in r.suffixes and name.datatype in r.datatypes]
    allowed = {entity for rule in rules for entity in rule.entities}
    entities = {entity: label for entity, label in name.entities.items() if entity in allowed}
    shape = Shape(ordered(entities), suffix, ending, name.datatype)
    if not rules or refusal(shape) is not None:
        return None
    return "_".join((*(f"{entity}-{entities[entity]}" for entity in shape.entities), suffix))
