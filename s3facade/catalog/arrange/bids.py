"""Images as a BIDS data set: names, tables, sidecars, and what the data set says about itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

from s3facade import registry
from s3facade.catalog.arrange import companions
from s3facade.catalog.arrange.arc_tables import Made, Part
from s3facade.catalog.arrange.as_is import own_bytes
from s3facade.catalog.arrange.bids_facts import PHOTO, Both, Stating
from s3facade.catalog.arrange.bids_kind import Kind, kind, steps_of
from s3facade.catalog.arrange.bids_names import Named, Namer
from s3facade.catalog.arrange.bids_tables import JSON, Row, Tables, Told
from s3facade.catalog.arrange.bids_told import describe
from s3facade.catalog.arrange.desk import Desk
from s3facade.catalog.contents import Plan
from s3facade.catalog.images.recipe import FileRecipe, Pipeline, Recipe
from s3facade.catalog.sources.batch import Candidate
from s3facade.config.views.bids import BidsFiles, BidsView
from s3facade.core.errors import ConfigError
from s3facade.core.protocols import Layout
from s3facade.layouts.bids.measured import ALWAYS, MEASURED
from s3facade.layouts.bids.sidecar import Sidecar
from s3facade.layouts.bids.tables import pretty

Above: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Fields that stand at the root, by suffix."""
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
                self.desk.write(self.key(f"{suffix}.json"), pretty(dict(sorted(said.items()))), JSON)
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

    def _above(self) -> Above:
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
        found: set[str] = set()
        for batch in self.desk.batches(files.source):
            found |= batch.part(self.view, ("suffixes", files.suffix.text), None, partial(_suffixes, files))
            if found and not files.suffix.names:
                break
        return found

    def _files(self, files: BidsFiles, fixed: Mapping[str, Any], above: Above) -> None:
        one = _One(self, files, fixed, above)
        place = self.view.files.index(files)
        for batch in self.desk.batches(files.source):
            part = batch.part(self.view, place, above, one.apart) if self.separate(files) else None
            if part is None or not (self.desk.fits(part.plan) and self.namer.fits(part.namer)):
                told = Told(self.view)
                one.arrange(batch.candidates, self.desk, self.namer, told)
                self.tables.add(told.rows)
                continue
            self.desk.take(part.plan)
            self.namer.take(part.namer)
            self.tables.add(part.rows)

    def separate(self, files: BidsFiles) -> bool:
        """Whether what is shown of an image depends on no other image, but for the names that others have taken."""
        return not (files.intended_for or files.source in self.targets or self.view.arc is not None)

    def intended(self, files: BidsFiles, named: Named) -> Sequence[str]:
        """URIs of what an image is for."""
        if not files.intended_for:
            return ()
        whose = _whose(named)
        uris = [uri for source in files.intended_for for uri in self.targets[source].get(whose, ())]
        if not uris:
            self.desk.broken(named.candidate.recipe.path, "It is for images of its subject and sample, and has none.")
        return uris

    def key(self, path: str) -> str:
        """Of what lies at a path of the data set."""
        return self.prefix + path

    def told(self, key: str, files: BidsFiles, named: Named, facts: Mapping[str, Any]) -> None:
        """Note an image for those that refer to it."""
        if files.source in self.targets:
            self.targets[files.source].setdefault(_whose(named), []).append(named.uri)
        if self.view.arc is not None:
            self.data.append(_assayed(key, named, facts))


@dataclass(frozen=True, slots=True)
class _Part:
    """Some images as if there were no others."""

    plan: Plan
    namer: Namer
    rows: Sequence[Row]


class _One:
    """Images of one entry of the view's ``files`` in the making."""

    def __init__(self, work: _Work, files: BidsFiles, fixed: Mapping[str, Any], above: Above) -> None:
        self._work = work
        self._files = files
        self._fixed = fixed
        self._above = above
        self._layout: Layout | None = registry.layout(files.layout)(**files.options) if files.layout else None
        self._said = Both(work.view, files)
        self._stating: dict[str, Stating] = {}
        self._sidecars: dict[tuple[str, str], Sidecar] = {}

    def apart(self, images: Sequence[Candidate]) -> _Part | None:
        """Some images as if there were no others; None if files beside them, which may change, belong to them."""
        if any(map(self._carried, images)):
            return None
        desk, told = self._work.desk.apart(), Told(self._work.view)
        namer = self._work.namer.apart(desk)
        self.arrange(images, desk, namer, told)
        return _Part(desk.plan, namer, told.rows)

    def arrange(self, images: Sequence[Candidate], desk: Desk, namer: Namer, told: Told) -> None:
        """Show some images.

        Args:
            images: Some of those of the entry.
            desk: Where they are shown.
            namer: What gives them names.
            told: Is told what they say.
        """
        work, files = self._work, self._files
        for named in namer.names(files, images):
            candidate, name = named.candidate, named.name
            inherited = self._above.get(name.suffix, {})
            stating = self._stating.get(name.suffix)
            if stating is None:
                own = {field: value for field, value in self._fixed.items() if field not in inherited}
                stating = self._stating[name.suffix] = Stating(files, own, inherited, work.desk)
            carried = self._carried(candidate)
            facts = stating.of(named, work.intended(files, named), companions_of=carried)
            for sentence in facts.wrong:
                desk.broken(candidate.recipe.path, sentence)
            key = work.key(named.path)
            same = _same(files, named)
            if self._layout is None or same is not None:
                shown = desk.copy(key, same or candidate.recipe.path)
            else:
                shown = desk.show(
                    key,
                    candidate,
                    self._layout,
                    about=self._said.of(named, desk),
                    told=files.recipe,
                    sampled=work.view.preview == "strided",
                    dtype=files.dtype,
                    judge=facts.judge,
                )
            if not shown:
                continue
            told.add(named)
            if carried:
                companions.carry(candidate.recipe, name, work.view.root, desk, derivative=work.made.derivative)
            work.told(key, files, named, {**inherited, **facts.stated})
            beside = work.key(named.sidecar)
            if name.suffix != PHOTO and (name.datatype in ALWAYS or _scanned(candidate.recipe, name.datatype)):
                sidecar = self._sidecars.setdefault((name.datatype, name.suffix), Sidecar(name.datatype, inherited))
                desk.beside(beside, candidate, sidecar, about=facts.about)
            elif facts.stated:
                desk.write(beside, pretty(dict(sorted(facts.stated.items()))), JSON)

    def _carried(self, candidate: Candidate) -> bool:
        """Whether files that lie beside the original one belong to it."""
        return self._files.companions and companions.stem(candidate.recipe) is not None


def _suffixes(files: BidsFiles, images: Sequence[Candidate]) -> set[str]:
    """Those of some images."""
    found = set()
    for candidate in images:
        try:
            found.add(files.suffix.fill(candidate.captures))
        except ConfigError:
            # It gets no name, and that is told where names are made.
            continue
        if not files.suffix.names:
            break
    return found


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
