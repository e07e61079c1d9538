"""Images as a BIDS data set: names, tables, sidecars, and what the data set says about itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from s3facade import registry
from s3facade.catalog.arrange import companions
from s3facade.catalog.arrange.arc_tables import Made, Part
from s3facade.catalog.arrange.as_is import own_bytes
from s3facade.catalog.arrange.bids_facts import PHOTO, Both, Stating
from s3facade.catalog.arrange.bids_kind import Kind, kind, steps_of
from s3facade.catalog.arrange.bids_names import Named, Namer
from s3facade.catalog.arrange.bids_tables import JSON, Tables
from s3facade.catalog.arrange.bids_told import describe
from s3facade.catalog.arrange.desk import Desk
from s3facade.catalog.images.recipe import FileRecipe, Pipeline, Recipe
from s3facade.config.views.bids import BidsFiles, BidsView
from s3facade.core.errors import ConfigError
from s3facade.core.protocols import Layout
from s3facade.layouts.bids.measured import ALWAYS, MEASURED
from s3facade.layouts.bids.sidecar import Sidecar
from s3facade.layouts.bids.tables import pretty

Whose: TypeAlias = tuple[str | None, ...]
"""Labels of subject, session and sample."""


def arrange(view: BidsView, desk: Desk) -> None:
    """Put the data set into the plan. Raises `ConfigError`."""
    made = kind(view, desk.settings)
    _Work(view, desk, made, Namer(desk, made.derivative), Tables.of(view, desk), _fields(view, made, desk)).go()
    describe(view, made, desk)


def _fields(view: BidsView, made: Kind, desk: Desk) -> list[Mapping[str, Any]]:
    """Fields that are the same for all images of each entry of ``files``."""
    found: list[Mapping[str, Any]] = []
    for files in view.files:
        steps = steps_of(files, desk.settings) if made.derivative else ()
        about = {"Description": f"Computed through: {', '.join(steps)}."} if steps else {}
        found.append({**about, **files.fixed})
    return found


@dataclass
class _Work:
    """One data set in the making."""

    view: BidsView
    desk: Desk
    made: Kind
    namer: Namer
    tables: Tables
    fixed: list[Mapping[str, Any]]
    """By place among the view's files."""
    targets: dict[str, dict[Whose, list[str]]] = field(default_factory=dict)
    """URIs of images that others are for, by source."""
    data: list[Made] = field(default_factory=list)
    """What an ARC is told of."""
    prefix: str = ""
    """Of all keys."""

    def go(self) -> None:
        self.prefix = f"{self.view.root}/" if self.view.root else ""
        self.targets = {source: {} for files in self.view.files for source in files.intended_for}
        above = self._above()
        for suffix, said in sorted(above.items()):
            if said:
                self.desk.write(self._key(f"{suffix}.json"), pretty(dict(sorted(said.items()))), JSON)
        order = sorted(range(len(self.view.files)), key=lambda n: bool(self.view.files[n].intended_for))
        # Images that others are for come first: their names are told by those.
        for place in order:
            files = self.view.files[place]
            self._files(files, self.fixed[place], above)
        self.tables.write()
        if self.view.arc is not None:
            rows = (self.tables.participants, self.tables.samples)
            data = sorted(self.data, key=lambda one: one.key)
            self.desk.assayed.append(Part(self.view.arc, self.view.where, *rows, data, self.view.authors))

    def _above(self) -> Mapping[str, Mapping[str, Any]]:
        """What can be said of all images of a suffix, in a file at the root (inheritance principle)."""
        found: dict[str, dict[str, Any]] = {}
        for files, said in zip(self.view.files, self.fixed, strict=True):
            for suffix in self._suffixes(files) - {PHOTO}:
                before = found.setdefault(suffix, dict(said))
                for name in [name for name, value in before.items() if name not in said or said[name] != value]:
                    del before[name]
        return found

    def _suffixes(self, files: BidsFiles) -> set[str]:
        """Suffixes that images of an entry have; none if there are no images."""
        found = set()
        for candidate in self.desk.of(files.source):
            try:
                found.add(files.suffix.fill(candidate.captures))
            except ConfigError:
                # It gets no name, and that is told where names are made.
                continue
            if not files.suffix.names:
                break
        return found

    def _files(self, files: BidsFiles, fixed: Mapping[str, Any], above: Mapping[str, Mapping[str, Any]]) -> None:
        layout: Layout | None = registry.layout(files.layout)(**files.options) if files.layout else None
        said = Both(self.view, files)
        by_suffix: dict[str, Stating] = {}
        sidecars: dict[tuple[str, str], Sidecar] = {}
        for named in self.namer.names(files):
            candidate, name = named.candidate, named.name
            inherited = above.get(name.suffix, {})
            stating = by_suffix.get(name.suffix)
            if stating is None:
                own = {field: value for field, value in fixed.items() if field not in inherited}
                stating = by_suffix[name.suffix] = Stating(files, own, inherited, self.desk)
            carried = files.companions and companions.stem(candidate.recipe) is not None
            facts = stating.of(named, self._intended(files, named), companions_of=carried)
            for sentence in facts.wrong:
                self.desk.broken(candidate.recipe.path, sentence)
            key = self._key(named.path)
            same = _same(files, named)
            if layout is None or same is not None:
                shown = self.desk.copy(key, same or candidate.recipe.path)
            else:
                shown = self.desk.show(
                    key,
                    candidate,
                    layout,
                    about=said.of(named, self.desk),
                    told=files.recipe,
                    sampled=self.view.preview == "strided",
                    dtype=files.dtype,
                    judge=facts.judge,
                )
            if not shown:
                continue
            self.tables.add(named)
            if carried:
                companions.carry(candidate.recipe, name, self.view.root, self.desk, derivative=self.made.derivative)
            if files.source in self.targets:
                self.targets[files.source].setdefault(_whose(named), []).append(named.uri)
            if self.view.arc is not None:
                self.data.append(_assayed(key, named, {**inherited, **facts.stated}))
            beside = self._key(named.sidecar)
            if name.suffix != PHOTO and (name.datatype in ALWAYS or _scanned(candidate.recipe, name.datatype)):
                sidecar = sidecars.setdefault((name.datatype, name.suffix), Sidecar(name.datatype, inherited))
                self.desk.beside(beside, candidate, sidecar, about=facts.about)
            elif facts.stated:
                self.desk.write(beside, pretty(dict(sorted(facts.stated.items()))), JSON)

    def _intended(self, files: BidsFiles, named: Named) -> Sequence[str]:
        """URIs of what an image is for."""
        if not files.intended_for:
            return ()
        whose = _whose(named)
        uris = [uri for source in files.intended_for for uri in self.targets[source].get(whose, ())]
        if not uris:
            self.desk.broken(named.candidate.recipe.path, "It is for images of its subject and sample, and has none.")
        return uris

    def _key(self, path: str) -> str:
        return self.prefix + path


def _scanned(recipe: Recipe, datatype: str) -> bool:
    """Whether an image is from a scanner's own files, whose headers have what BIDS asks for."""
    while isinstance(recipe, Pipeline):
        recipe = recipe.parents[0]
    return datatype in MEASURED and isinstance(recipe, FileRecipe) and recipe.reader == "dicom"


def _same(files: BidsFiles, named: Named) -> str | None:
    """The original file, where it is what is asked for already."""
    if files.dtype is not None or not files.recipe:
        return None
    return own_bytes(named.candidate.recipe, named.name.extension)


def _whose(named: Named) -> Whose:
    return tuple(named.name.entities.get(name) for name in ("sub", "ses", "sample"))


def _assayed(key: str, named: Named, facts: Mapping[str, Any]) -> Made:
    entities = named.name.entities
    sample = f"sample-{entities['sample']}" if "sample" in entities else ""
    return Made(key, f"sub-{entities['sub']}", sample, {"suffix": named.name.suffix, **facts})
