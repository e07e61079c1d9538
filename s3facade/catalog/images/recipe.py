"""How images are made, before any file is opened: trees of files, steps and combinations.

Recipes are compared when folders are looked at again: equal ones show the same, as long as their files do.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

from s3facade.catalog.images.placed import resized
from s3facade.catalog.sources.remote import recognised
from s3facade.config.settings import StepConfig
from s3facade.config.steps import make, parameter_files
from s3facade.core.errors import BadSource, SourceError, Unsupported
from s3facade.core.image import Image, Opened, apply_step, combine, nodes
from s3facade.engine.engine import Engine
from s3facade.stores.files import accessible, is_remote

_NOTHING: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class FileRecipe:
    """The images of one file."""

    path: str
    """Absolute; empty for images that need no file."""
    reader: str
    """Empty for a file that claims to be an image but that no reader recognises: its keys say so."""
    options: Mapping[str, object] = field(default_factory=dict)
    series: int | None = None
    pixel_size: Mapping[str, float] = field(default_factory=dict)
    """µm, by axis name."""
    source: str = ""
    """Name of the source in the configuration."""
    root: str = ""
    """Folder that ``path`` is shown relative to; absolute."""
    isolate: bool = False
    """Read in a process of its own."""
    stated: bool = False
    """Whether the operator says which reader it is."""
    claimed: bool = False
    """Whether the operator means this file, by its name, a pattern or its reader; not whatever lies in a folder."""

    def images(self, engine: Engine) -> list[Image]:
        """Plans, with the levels that the file brings. Blocking; raises `SourceError`."""
        reader = self.reader
        if is_remote(self.path) and not self.stated:
            # Until now its name alone may have told; its beginning is needed to open it anyway.
            reader = recognised(self.path)
        if self.path and not reader:
            accessible(self.path)
            raise BadSource("No reader recognises the file: it is empty, damaged or of another format.")
        opened = engine.rasters.describe(self.path, reader, self.options, isolated=self.isolate)
        if self.series is not None:
            if self.series >= len(opened):
                raise Unsupported(f"There is no series {self.series}; the file holds {len(opened)}.", private=self.path)
            opened = [opened[self.series]]
        return [self._sized(image) for image in opened]

    def _sized(self, image: Image) -> Image:
        return resized(image, self.pixel_size) if self.pixel_size and isinstance(image, Opened) else image


@dataclass(frozen=True, slots=True)
class FaultyRecipe:
    """What cannot be made: a partner is missing, for instance. Its keys say so."""

    path: str
    reason: str
    """A sentence that may be shown to anybody."""
    where: str = ""
    """What asks for it in the configuration."""

    def images(self, _: Engine) -> list[Image]:
        """Raises `BadSource`."""
        raise self.error()

    def error(self) -> BadSource:
        """Why it cannot be made."""
        return BadSource(self.reason, private=f"{self.path}: {self.where}" if self.where else self.path)


@dataclass(frozen=True, slots=True)
class Step:
    """One step with the other images that it takes."""

    config: StepConfig
    others: tuple[Recipe, ...] = ()


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Images through steps."""

    name: str
    """Of the image in the configuration."""
    parents: tuple[Recipe, ...]
    steps: tuple[Step, ...]
    together: bool = False
    """Whether the first step makes one image of all ``parents``, image by image if their files hold several."""
    index: tuple[Any, ...] = ()
    """What tells the parents apart: the values of the one capture that they were grouped by."""
    captures: Mapping[str, object] = field(default_factory=lambda: _NOTHING)
    """Those that paths of parameter files use."""

    @property
    def path(self) -> str:
        """The first file; empty for images that need none."""
        return self.parents[0].path

    def images(self, engine: Engine) -> list[Image]:
        """Plans. Blocking; raises `SourceError`."""
        sets = [_parent(parent, engine) for parent in self.parents]
        current = [] if self.together else [image for found in sets for image in found]
        for number, step in enumerate(self.steps):
            operator = self.operator(step)
            others = [other.images(engine) for other in step.others]
            try:
                if number == 0 and self.together:
                    _differing(sets)
                    current = [combine(parents, operator) for parents in _aligned([*sets, *others], len(sets))]
                elif not step.config.combines:
                    beside = [beside[1:] for beside in _aligned([current, *others], 1)]
                    current = [_applied(operator, current, n, beside[n]) for n in range(len(current))]
                elif others:
                    current = [combine(parents, operator) for parents in _aligned([current, *others], 1)]
                else:
                    current = [combine(current, operator)]
            except SourceError as error:
                error.at(step.config.where)
                raise
        return current

    def operator(self, step: Step) -> Any:
        """The transform or combination of one of the steps. May read parameter files."""
        try:
            operator = make(step.config, self.captures)
        except SourceError as error:
            error.at(step.config.where)
            raise
        if self.index and step is self.steps[0] and "index" not in step.config.value:
            names = {f.name for f in dataclasses.fields(operator)}
            return dataclasses.replace(operator, index=self.index) if "index" in names else operator
        return operator


Recipe: TypeAlias = FileRecipe | FaultyRecipe | Pipeline


def _parent(recipe: Recipe, engine: Engine) -> list[Image]:
    """Images that others are made of; an error says which file it was: of a stack, it may be any."""
    try:
        return recipe.images(engine)
    except SourceError as error:
        error.at(recipe.path)
        raise


def _applied(operator: Any, images: list[Image], number: int, others: list[Image]) -> Image:
    """The step on one of a file's images; an error says which one it was, and what to do about it."""
    image = images[number]
    try:
        return apply_step(image, operator, *others)
    except SourceError as error:
        if len(images) > 1:
            error.at(
                f"image {number} ({image.spec.attrs.get('name')}) of {len(images)}; `series:` of the source chooses one"
            )
        raise


def _differing(sets: list[list[Image]]) -> None:
    """Files of one image (a DICOM series, say) are not put together: each of them opens the whole.

    Raises:
        Unsupported: Two of the files open the same image.
    """
    seen: dict[tuple[object, ...], str] = {}
    for images in sets:
        for leaf in (node for image in images for node in nodes(image) if isinstance(node, Opened)):
            if len(leaf.members) < 2:
                continue
            path = leaf.source.path
            members = frozenset(member.path for member in leaf.members)
            other = seen.setdefault((members, leaf.series), path)
            if other != path:
                raise Unsupported(
                    "Files are to be put together that are parts of one image already: each of them opens all "
                    "of it. Leave out `stack`, and name one of them in `files`.",
                    private=f"{other} and {path}",
                )


def _aligned(sets: list[list[Image]], leading: int) -> Iterator[list[Image]]:
    """The n-th images of each set, for every n; a set of one image behind the ``leading`` ones goes with all."""
    count = len(sets[0])
    for number, found in enumerate(sets):
        if len(found) != count and (number < leading or len(found) != 1):
            raise Unsupported(
                f"Files of {count} and of {len(found)} images do not go together; say which one with `series:`."
            )
    for n in range(count):
        yield [found[n] if len(found) > 1 else found[0] for found in sets]


def single(recipe: Recipe) -> bool:
    """Whether it shows one file, through steps perhaps, and not several made into one."""
    while isinstance(recipe, Pipeline):
        if recipe.together:
            return False
        recipe = recipe.parents[0]
    return True


def claimed(recipe: Recipe) -> bool:
    """Whether somebody has to know that it shows nothing: not where a file merely lies in a folder that is shown."""
    while isinstance(recipe, Pipeline) and single(recipe):
        recipe = recipe.parents[0]
    return not isinstance(recipe, FileRecipe) or recipe.claimed


def files(recipe: Recipe) -> Iterator[str]:
    """Absolute paths of every file that may be opened for a recipe, parameter files included."""
    if not isinstance(recipe, Pipeline):
        if recipe.path:
            yield recipe.path
        return
    for parent in recipe.parents:
        yield from files(parent)
    for step in recipe.steps:
        yield from parameter_files(step.config, recipe.captures)
        for other in step.others:
            yield from files(other)
