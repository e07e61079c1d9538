"""Names of a BIDS view: each image's labels, judged; whatever makes no name is told among what is broken."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from s3facade.catalog.arrange.desk import Desk
from s3facade.catalog.images.recipe import FileRecipe
from s3facade.catalog.sources.batch import Candidate
from s3facade.config.template import Template
from s3facade.config.views.bids import BidsFiles
from s3facade.core.errors import ConfigError
from s3facade.layouts.bids.names import Labels, Name, Refused
from s3facade.layouts.bids.rules import Shape, datatypes, home, refusal
from s3facade.layouts.bids.schema import schema

SPELLED: Mapping[str, str] = {".tiff": ".tif", ".jpeg": ".jpg"}
"""Extensions that BIDS writes in another way."""
DOUBLE = (".ome.tiff", ".ome.tif", ".ome.btf", ".nii.gz")


@dataclass(frozen=True, slots=True)
class Named:
    """An image and its name."""

    candidate: Candidate
    name: Name
    file: str
    """What it is called in sentences: the original file's path below the folder of its source."""
    stem: str
    """Path below the root of the data set, without the extension."""

    @property
    def path(self) -> str:
        """Path below the root of the data set."""
        return self.stem + self.name.extension

    @property
    def sidecar(self) -> str:
        """Path of the JSON file that tells about it."""
        return self.stem + ".json"

    @property
    def uri(self) -> str:
        """As other files of the data set refer to it."""
        return f"bids::{self.path}"


class _Wrong(Exception):
    """Carries the sentence on why an image gets no name."""


class _Labelled:
    """Labels of one entity; each template is filled in once for each value."""

    def __init__(self, entity: str, template: Template, labels: Labels) -> None:
        self.entity = entity
        self._template = template
        self._labels = labels
        self._filled: dict[object, str] = {}
        self._only = template.names[0] if len(template.names) == 1 else None

    def of(self, captures: Mapping[str, object], file: str, subject: str) -> str:
        """The label for these captures, of a subject. Raises `_Wrong`, `ConfigError`."""
        only = self._only
        value = captures.get(only) if only is not None else tuple([captures.get(n) for n in self._template.names])
        text = self._filled.get(value)
        if text is None:
            text = self._filled[value] = self._template.fill(captures)
        found = self._labels.label(self.entity, text, file, subject)
        if isinstance(found, Refused):
            raise _Wrong(found.reason)
        return found


@dataclass
class Namer:
    """Names of one data set."""

    desk: Desk
    derivative: bool
    labels: Labels = field(default_factory=Labels)
    stems: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Extension and file by the path of each name without its extension."""

    def apart(self, desk: Desk) -> Namer:
        """Names of some of its images, as if there were no others."""
        return Namer(desk, self.derivative, Labels(self.labels.known))

    def fits(self, other: Namer) -> bool:
        """Whether no name or label of other images stands for something else here."""
        return self.stems.keys().isdisjoint(other.stems) and self.labels.fits(other.labels)

    def take(self, other: Namer) -> None:
        """Names of images that fit."""
        self.stems.update(other.stems)
        self.labels.take(other.labels)

    def names(self, files: BidsFiles, images: Iterable[Candidate]) -> Iterator[Named]:
        """Those of some images of ``files`` that get a name, in order of path."""
        kinds: dict[tuple[str, str], str] = {}
        labels = [_Labelled(entity, template, self.labels) for entity, template in files.entities.items()]
        for candidate in images:
            file = told(candidate)
            try:
                named = self._named(files, labels, kinds, candidate, file)
            except ConfigError as error:
                self.desk.broken(candidate.recipe.path, f"It gets no name in BIDS: {error}.", error.private)
            except _Wrong as error:
                self.desk.broken(candidate.recipe.path, str(error))
            else:
                yield named

    def _named(
        self,
        files: BidsFiles,
        labels: Sequence[_Labelled],
        kinds: dict[tuple[str, str], str],
        candidate: Candidate,
        file: str,
    ) -> Named:
        captures = candidate.captures
        # The subject comes first in every name.
        subject = ""
        entities: dict[str, str] = {}
        for labelled in labels:
            entities[labelled.entity] = labelled.of(captures, file, subject)
            subject = subject or entities.get("sub", "")
        suffix = files.suffix.fill(captures) if files.suffix.names else files.suffix.text
        extension = files.extension if files.layout else original(candidate, files.extension)
        datatype = kinds.get((suffix, extension))
        if datatype is None:
            datatype = kinds[suffix, extension] = self._datatype(files, tuple(entities), suffix, extension)
        if "space" in entities and not ("SpatialReference" in files.fixed or "SpatialReference" in files.filled):
            self._space(entities["space"])
        name = Name(entities, suffix, extension, datatype)
        stem = f"{name.folder}/{name.stem}"
        before = self.stems.setdefault(stem, (extension, file))
        if before[1] != file:
            series = getattr(candidate.recipe, "reader", "") == "dicom"
            hint = "; of files of one series, name one in `files`: it opens all of them" if series else ""
            raise _Wrong(f"Its name {name.path!r} is that of {before[1]} already: add an entity that differs{hint}.")
        if before[0] != extension:
            raise _Wrong(
                f"{name.path!r} and the same with {before[0]} would share one sidecar; show it as one of them."
            )
        return Named(candidate, name, file, stem)

    def _datatype(self, files: BidsFiles, entities: tuple[str, ...], suffix: str, extension: str) -> str:
        datatype = files.datatype
        if not datatype:
            found = _datatypes(Shape(entities, suffix, extension, ""), self.derivative)
            datatype = found[0] if found else home(suffix)
            if len(found) > 1:
                raise _Wrong(f"{suffix} files may lie in {' or '.join(found)}: say which with `datatype`.")
        reason = refusal(Shape(entities, suffix, extension, datatype), derivative=self.derivative)
        if reason:
            raise _Wrong(reason)
        return datatype

    def _space(self, label: str) -> None:
        if label not in schema().spaces:
            raise _Wrong(f"{label!r} is no standard space of BIDS: add `SpatialReference` to `sidecar`.")


@lru_cache(maxsize=1024)
def _datatypes(shape: Shape, derivative: bool) -> list[str]:  # noqa: FBT001 - what is cached is called by position
    return datatypes(shape.suffix, shape.extension, shape.entities, derivative=derivative)


def told(candidate: Candidate) -> str:
    """What an image is called in sentences."""
    return str(candidate.captures.get("path") or os.path.basename(candidate.recipe.path))


def original(candidate: Candidate, wanted: str) -> str:
    """The extension that an original file is shown with, as BIDS spells it.

    Raises:
        ConfigError: It is not the one that was asked for, or there is no such file.
    """
    if not isinstance(candidate.recipe, FileRecipe) or not candidate.recipe.path:
        raise ConfigError("files are shown as they are, and this image is computed; say with `as` what it is shown as")
    name = os.path.basename(candidate.recipe.path).lower()
    found = next((e for e in DOUBLE if name.endswith(e)), os.path.splitext(name)[1])
    for long, short in SPELLED.items():
        if found.endswith(long):
            found = found.removesuffix(long) + short
    if wanted and found != wanted:
        raise ConfigError(
            f"it is a {found or 'nameless'} file, and `as` says {wanted}; files are shown as they are here"
        )
    return found
