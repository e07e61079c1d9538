"""Which images each source and pipeline has: a recipe for each, with the captures that name it."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, pairwise
from typing import Any, Protocol

from s3facade.catalog.contents import Broken, Plan
from s3facade.catalog.images.recipe import FaultyRecipe, FileRecipe, Pipeline, Recipe, Step
from s3facade.catalog.sources.batch import Batch, Candidate
from s3facade.catalog.sources.mapping import Marks, Tables, mapped
from s3facade.catalog.sources.report import Tally
from s3facade.catalog.sources.stacks import Plane, named, stacked
from s3facade.config.joins import Joined
from s3facade.config.settings import ALWAYS, ImageConfig, Settings, SourceConfig
from s3facade.core.errors import ConfigError

Captures = Mapping[str, object]


@dataclass(slots=True, eq=False)
class Item:
    """A file of a source: the same object for as long as nothing about it has changed."""

    path: str
    reader: str
    captures: Captures
    twice: bool = False
    """Whether its path can be read in two ways."""
    recipe: FileRecipe | None = None
    """How its images are made; made once."""


class Group(Protocol):
    """Files that change together: the same object as long as nothing about them has changed."""

    @property
    def items(self) -> Sequence[Item]:
        """In order of path."""
        ...

    def forget(self) -> None:
        """Whoever asks for them again will wait a little."""
        ...


class _Mapped:
    """Images of one group of files, and what is told of these."""

    __slots__ = ("batch", "broken", "group", "marks", "planes", "source", "tables", "tally")

    def __init__(self, source: SourceConfig, group: Group, tables: Sequence[Joined], *, kept: bool) -> None:
        self.source = source
        self.group = group
        self.tables = tables
        self.planes: Sequence[Plane] = ()
        """Its files, if they are to be stacked."""
        self.batch = Batch(self._images, kept=kept)
        # What is told of them has to be known at once.
        if source.stack:
            self.planes = self._read()
        else:
            self.batch.candidates  # noqa: B018 - worked out when it is asked for

    def stays(self, source: SourceConfig, group: Group, tables: Sequence[Joined]) -> bool:
        """Whether it is what would be made of these."""
        same = self.source is source and self.group is group and len(tables) == len(self.tables)
        return same and all(a is b for a, b in zip(tables, self.tables, strict=True))

    def _read(self) -> list[Plane]:
        """Its files, with what their names and the tables say."""
        source = self.source
        self.marks, self.tally = Marks(source, self.tables), Tally(source)
        self.broken: list[Broken] = []
        found = []
        synthetic = source.synthetic is not None
        options = source.synthetic if source.synthetic is not None else source.options
        root = str(source.files.root if source.files else source.file.parent if source.file else "")
        about = (options, source.series, source.pixel_size, source.name, root, source.isolate)
        stated = source.reader is not None
        claimed = stated or source.file is not None or bool(source.files and source.files.captures)
        for item, captures in mapped(source, self.group.items, self.tables, self.marks, self.tally, self._tell):
            recipe = item.recipe
            if recipe is None:
                path = "" if synthetic else item.path
                recipe = item.recipe = FileRecipe(path, item.reader, *about, stated=stated, claimed=claimed)
            found.append(Plane(captures, item.captures, recipe))
        self.group.forget()
        return found

    def _images(self) -> Sequence[Candidate]:
        source = self.source
        return [Candidate(p.captures, named(source, p.recipe) if source.channels else p.recipe) for p in self._read()]

    def _tell(self, path: str, reason: str, detail: str) -> None:
        self.broken.append(Broken(path, reason, detail))


class Known:
    """Images that were found at the last look, by source and group. Used by one thread at a time for each bucket."""

    def __init__(self) -> None:
        self.by_source: dict[str, dict[int, _Mapped]] = {}


class Candidates:
    """Images by the name of their source or pipeline; each is worked out once.

    Args:
        settings: What is wanted.
        groups: Gives the files of a source.
        plan: What is being made.
        tables: Those of sources.
        known: Images of the last look.
    """

    def __init__(
        self,
        settings: Settings,
        groups: Callable[[SourceConfig], Iterable[Group]],
        plan: Plan,
        tables: Tables,
        known: Known,
    ) -> None:
        self._settings = settings
        self._groups = groups
        self._plan = plan
        self._tables = tables
        self._found = known
        self._batches: dict[str, Sequence[Batch]] = {}
        own = {name for source in settings.sources.values() if source.files for name in source.files.captures}
        self._columns = {name for source in settings.sources.values() for name in source.columns} - own
        """Names that tables alone give values for."""
        self._known: dict[str, list[Candidate]] = {}
        self._partners: dict[tuple[str, frozenset[str]], Partners] = {}

    def of(self, name: str) -> list[Candidate]:
        """Every image of a source or pipeline, in order of path. Blocking."""
        found = self._known.get(name)
        if found is None:
            source = self._settings.sources.get(name)
            if source is None:
                found = self._made(self._settings.images[name])
            elif source.stack:
                found = self._stacked(source)
            else:
                found = list(chain.from_iterable(batch.candidates for batch in self.batches(name)))
            self._known[name] = found
        return found

    def batches(self, name: str) -> Sequence[Batch]:
        """The same, in parts that change together."""
        found = self._batches.get(name)
        if found is None:
            source = self._settings.sources.get(name)
            if source is None or source.stack:
                found = [Batch(partial(self.of, name), kept=False)]
            else:
                found = [one.batch for one in self._mapped(source)]
            self._batches[name] = found
        return found

    def partners(self, name: str, captures: Iterable[str]) -> Partners:
        """The images of ``name``, to be found by those of ``captures`` that they have, too."""
        candidates = self.of(name)
        theirs = frozenset(candidates[0].captures) if candidates else frozenset()
        # What two tables say need not be written alike; names of files are.
        common = frozenset(captures) & theirs - {*ALWAYS} - self._columns
        found = self._partners.get((name, common))
        if found is None:
            found = self._partners[name, common] = Partners(name, candidates, sorted(common))
        return found

    def _mapped(self, source: SourceConfig) -> list[_Mapped]:
        """Images of a source; those of files that did not change are the same ones as before."""
        tables, tally = self._tables.of(source, self._plan.watch), self._plan.tally(source)
        before = self._found.by_source.get(source.name, {})
        marks = Marks(source, tables)
        out = []
        for group in self._groups(source):
            one = before.get(id(group))
            if one is None or not one.stays(source, group, tables):
                one = _Mapped(source, group, tables, kept=source.files is not None)
            marks.add(one.marks)
            tally.add(one.tally)
            self._plan.broken += one.broken
            out.append(one)
        marks.tell(tables, tally)
        self._found.by_source[source.name] = {id(one.group): one for one in out}
        return out

    def _stacked(self, source: SourceConfig) -> list[Candidate]:
        """Images of several files of a source."""
        found = [plane for one in self._mapped(source) for plane in one.planes]
        images = stacked(source, found, self._plan.tally(source))
        return [Candidate(captures, named(source, recipe)) for captures, recipe in images]

    def _made(self, image: ImageConfig) -> list[Candidate]:
        first = self.of(image.sources[0])
        if image.group:
            seeds: Iterable[_Seed] = _grouped(image, first, self._columns)
        elif len(image.sources) > 1:
            seeds = (self._joined(image, c) for c in first)
        elif image.steps:
            seeds = (_Seed(c.captures, (c.recipe,)) for c in first)
        else:
            return first
        plain = tuple(Step(step) for step in image.steps)
        return [self._stepped(image, seed, plain) for seed in seeds]

    def _joined(self, image: ImageConfig, first: Candidate) -> _Seed:
        """One image of each of a list, of equal captures."""
        captures, parents = dict(first.captures), [first.recipe]
        for name in image.sources[1:]:
            other = self.partners(name, first.captures).one(first.captures)
            if isinstance(other, str):
                return _Seed(captures, (FaultyRecipe(first.recipe.path, other, f"images.{image.name}.from"),))
            captures = {**other.captures, **captures}
            parents.append(other.recipe)
        return _Seed(captures, tuple(parents), together=True)

    def _stepped(self, image: ImageConfig, seed: _Seed, plain: tuple[Step, ...]) -> Candidate:
        """The steps of an image on top of what it starts with."""
        faulty = next((r for r in seed.parents if isinstance(r, FaultyRecipe)), None)
        if faulty is not None:
            return Candidate(seed.captures, faulty)
        used: set[str] = set()
        steps = plain
        for n, config in enumerate(image.steps):
            used |= config.captures
            if not config.others:
                continue
            others: list[Recipe] = []
            for name in config.others:
                other = self.partners(name, seed.captures).one(seed.captures)
                if isinstance(other, str):
                    return Candidate(seed.captures, FaultyRecipe(seed.parents[0].path, other, config.where))
                if isinstance(other.recipe, FaultyRecipe):
                    reason = other.recipe.reason
                    return Candidate(seed.captures, FaultyRecipe(seed.parents[0].path, reason, config.where))
                others.append(other.recipe)
            steps = (*steps[:n], Step(config, tuple(others)), *steps[n + 1 :])
        try:
            for config in image.steps:
                for template in config.files:
                    template.fill(seed.captures)
        except ConfigError as error:
            reason = f"A parameter file cannot be found: {error}."
            where = f"images.{image.name}" + (f": {error.private}" if error.private else "")
            return Candidate(seed.captures, FaultyRecipe(seed.parents[0].path, reason, where))
        captures = {name: seed.captures[name] for name in sorted(used)}
        recipe = Pipeline(image.name, seed.parents, steps, seed.together, seed.index, captures)
        return Candidate(seed.captures, recipe)


@dataclass(frozen=True, slots=True)
class _Seed:
    """What the steps of an image start with."""

    captures: Captures
    parents: tuple[Recipe, ...]
    together: bool = False
    index: tuple[object, ...] = ()


class Partners:
    """Images by the values of some captures."""

    def __init__(self, name: str, candidates: Sequence[Candidate], common: Sequence[str]) -> None:
        self._name = name
        self._common = common
        self._found: dict[tuple[object, ...], list[Candidate]] = {}
        for candidate in candidates:
            key = tuple(candidate.captures.get(c) for c in common)
            self._found.setdefault(key, []).append(candidate)

    def all(self, captures: Captures, *, alike: bool = False) -> Sequence[Candidate]:
        """Those of equal values; of several that share no capture with it, those of the same name.

        Args:
            captures: Those of the image that partners are looked for.
            alike: A single one that shares no capture must have the same name, too.
        """
        found = self._found.get(tuple(captures[c] for c in self._common), ())
        if self._common or (len(found) == 1 and not alike):
            return found
        return [candidate for candidate in found if candidate.captures.get("stem") == captures.get("stem")]

    def one(self, captures: Captures) -> Candidate | str:
        """The one of equal values, or a sentence on why there is none."""
        found = self.all(captures)
        if len(found) == 1:
            return found[0]
        values = ", ".join(f"{c}={captures[c]}" for c in self._common)
        behind = f" ({values})" if values else ""
        return f"{len(found) or 'No'} images of {self._name!r} belong to it{behind}; one is needed."


def _grouped(image: ImageConfig, candidates: Iterable[Candidate], columns: Container[str]) -> Iterator[_Seed]:
    """Candidates that differ in the captures of the group, and in what tables say of these, in the order of these."""
    apart = {*image.group, *ALWAYS}
    groups: dict[tuple[tuple[str, object], ...], list[Candidate]] = {}
    for candidate in candidates:
        rest = tuple(
            (name, value) for name, value in candidate.captures.items() if name not in apart and name not in columns
        )
        groups.setdefault(rest, []).append(candidate)
    for rest, members in groups.items():
        ordered = sorted(((_values(image, c), c.recipe) for c in members), key=lambda pair: pair[0])
        twice = next((a for (a, _), (b, _) in pairwise(ordered) if a == b), None)
        parents: tuple[Recipe, ...] = tuple(recipe for _, recipe in ordered)
        if twice is not None:
            values = ", ".join(f"{name}={value}" for name, value in zip(image.group, twice, strict=True))
            reason = f"Several images of {image.sources[0]!r} have {values}."
            parents = (FaultyRecipe(parents[0].path, reason, f"images.{image.name}.group"),)
        index = tuple(values[0] for values, _ in ordered) if len(image.group) == 1 else ()
        first = members[0].captures
        told = {name: value for name, value in first.items() if name in columns and _all(members, name, value)}
        yield _Seed({**dict(rest), **told}, parents, together=True, index=index)


def _all(members: Iterable[Candidate], name: str, value: object) -> bool:
    return all(member.captures.get(name) == value for member in members)


def _values(image: ImageConfig, candidate: Candidate) -> tuple[Any, ...]:
    return tuple(candidate.captures[name] for name in image.group)
