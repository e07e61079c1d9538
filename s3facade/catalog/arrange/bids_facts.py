"""What is said about each image of a BIDS view beside the image: made once for all images that share it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from s3facade.catalog.arrange import companions
from s3facade.catalog.arrange.about import Said, of_bids
from s3facade.catalog.arrange.bids_names import Named
from s3facade.catalog.arrange.desk import Desk
from s3facade.config.template import Template
from s3facade.config.views.about import constant, filled
from s3facade.config.views.bids import BidsFiles, BidsView
from s3facade.core.errors import ConfigError
from s3facade.layouts.bids.sidecar import SIDECAR, PixelsStated, pixels_stated
from s3facade.layouts.bids.values import PIXELS, UNITS, fields

PHOTO = "photo"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an image without opening it."""

    stated: Mapping[str, Any]
    """Fields of its own sidecar."""
    about: Mapping[str, object] | None
    """The same, as the sidecar's layout takes it."""
    judge: PixelsStated | None
    """Compares with what the image says; None for kinds of images where nothing is compared."""
    wrong: Sequence[str] = ()
    """Sentences on fields that are left out, since their values are none that BIDS has."""


class Stating:
    """Facts of the images of one entry of ``files``.

    Args:
        files: The entry.
        own: Fields that are the same for all, and do not stand at the root.
        inherited: Fields that do.
        desk: Is told what cannot be read.
    """

    def __init__(self, files: BidsFiles, own: Mapping[str, Any], inherited: Mapping[str, Any], desk: Desk) -> None:
        self._files = files
        self._own = own
        self._inherited = inherited
        self._desk = desk
        self._names = tuple(sorted(set(_names(files.filled))))
        self._known: dict[tuple[object, ...], Facts] = {}

    def of(self, named: Named, uris: Sequence[str], *, companions_of: bool) -> Facts:
        """What is known of one image.

        Args:
            named: The image.
            uris: What it is for.
            companions_of: Whether files that lie beside the original one are looked for.
        """
        name, captures = named.name, named.candidate.captures
        task = name.entities.get("task") if name.datatype == "func" else None
        recipe = named.candidate.recipe
        if uris or companions_of:
            beside = companions.said(recipe, self._desk) if companions_of else {}
            return self._made(named, task, beside, uris)
        # Most images share what is said with thousands of others.
        key = (name.datatype, name.suffix, task, *[captures.get(each) for each in self._names])
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._made(named, task, {}, ())
        return found

    def _made(self, named: Named, task: str | None, beside: Mapping[str, Any], uris: Sequence[str]) -> Facts:
        """Facts: what is stated wins over what the file beside the image or its name says."""
        told = {**({} if task is None else {"TaskName": task}), **beside}
        stated = {name: value for name, value in told.items() if name not in self._inherited}
        found, wrong = _fields(self._files.filled, named.candidate.captures)
        stated |= {**self._own, **found}
        if uris:
            stated["IntendedFor"] = list(uris)
        judged = named.name.datatype == "micr" and named.name.suffix != PHOTO
        judge = pixels_stated({**self._inherited, **stated}) if judged else None
        return Facts(stated, {SIDECAR: stated} if stated else None, judge, wrong)


class Both:
    """What a BIDS view says about the images of one entry of ``files``: in BIDS's words, and in those of crates.

    The latter win.
    """

    def __init__(self, view: BidsView, files: BidsFiles) -> None:
        self._view = view
        self._said = Said(files.about)
        species = [name for column in view.participants if column.name == "species" for name in column.value.names]
        self._constant = not species and constant(files.about) is not None
        self._known: dict[str, Mapping[str, Any]] = {}
        """By suffix, where the same is said of all images of one."""

    def of(self, named: Named, desk: Desk) -> Mapping[str, Any]:
        """What is said of one image; the same mapping for images of which the same is said, as far as is known."""
        suffix = named.name.suffix
        found = self._known.get(suffix)
        if found is None:
            own, said = of_bids(self._view, named.candidate, suffix), self._said.of(named.candidate, desk)
            found = {**own, **said} if said else own
            if self._constant:
                self._known[suffix] = found
        return found


def _fields(templates: Mapping[str, object], captures: Mapping[str, object]) -> tuple[dict[str, Any], list[str]]:
    """Fields whose templates can be filled in, and sentences on those whose values BIDS does not have.

    Where a table says nothing, nothing is said.
    """
    known = {
        name: template
        for name, template in templates.items()
        if all(captures.get(used) not in (None, "") for used in _names(template))
    }
    values: dict[str, Any] = {}
    made: dict[str, Any] = {}
    wrong = []
    for name, template in known.items():
        try:
            values[name] = filled(template, captures)
        except ConfigError as error:
            wrong.append(f"{name}: {error}")
    unit = {UNITS: values[UNITS]} if UNITS in values else {}
    for name, value in values.items():
        if name == UNITS and PIXELS in values:
            continue
        try:
            made |= fields({name: value, **(unit if name == PIXELS else {})})
        except ValueError as error:
            wrong.append(str(error))
    return made, [f"Its sidecar leaves out {sentence}." for sentence in wrong]


def _names(value: object) -> Iterator[str]:
    """Captures that templates use."""
    if isinstance(value, Template):
        yield from value.names
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _names(each)
    elif isinstance(value, tuple):
        for each in value:
            yield from _names(each)
