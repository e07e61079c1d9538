"""Files that belong to a NIfTI file and lie beside it under its name: metadata, gradients, events.

As converters from DICOM write them: ``scan.nii.gz``, ``scan.json``, ``scan.bval``, ``scan.bvec``; and
``scan_events.tsv``, or ``task_events.tsv`` beside ``task_bold.nii.gz``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from s3facade.catalog.arrange.desk import Desk
from s3facade.catalog.recipe import FileRecipe, Pipeline, Recipe
from s3facade.layouts.bids.names import Name
from s3facade.layouts.bids.rules import Shape, ordered, refusal
from s3facade.layouts.bids.schema import schema
from s3facade.stores.files import is_remote

ENDINGS = (".nii.gz", ".nii")
GRADIENTS = (".bval", ".bvec")
EVENTS = ("_events.tsv", "_events.json")
MOST = 4 << 20
"""Bytes of a sidecar; a longer one is none."""


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
    if base is None or not os.path.isfile(path):
        return {}
    try:
        about = os.stat(path)
        found = _read(path, about.st_mtime_ns, about.st_size)
    except (OSError, ValueError) as error:
        reason = "The JSON file beside the image cannot be read; correct it, or say `companions: false`."
        desk.broken(path, reason, str(error))
        return {}
    return found


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
    """Show gradients and events under the image's new name, where BIDS has such files for it.

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
        if os.path.isfile(base + ending) and refusal(shape, derivative=derivative) is None:
            desk.copy(f"{prefix}{name.stem}{ending}", base + ending)
    events = _events(name)
    if events is not None:
        for path, ending in _beside(base):
            desk.copy(f"{prefix}{events}{ending}", path)


def _beside(base: str) -> Iterator[tuple[str, str]]:
    """Tables of events of an image, and what is said about their columns."""
    head, _, tail = base.rpartition("_")
    bases = [base, head] if tail == "bold" else [base]
    for ending in EVENTS:
        path = next((p for b in bases if os.path.isfile(p := b + ending)), None)
        if path is not None:
            yield path, ending


def _events(name: Name) -> str | None:
    """The name of the table of events of an image, without ``_events.tsv``; None where BIDS has none for it.

    It lacks entities that tables of events have not: the echoes of a run share one.
    """
    rules = [r for r in schema().rules if "events" in r.suffixes and name.datatype in r.datatypes]
    allowed = {entity for rule in rules for entity in rule.entities}
    entities = {entity: label for entity, label in name.entities.items() if entity in allowed}
    shape = Shape(ordered(entities), "events", ".tsv", name.datatype)
    if not rules or refusal(shape) is not None:
        return None
    return "_".join(f"{entity}-{entities[entity]}" for entity in shape.entities)
