"""A BIDS data set as it is, its images in another form: their names change, and what names them follows."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path

from s3facade import registry
from s3facade.catalog.arrange import bids_walk
from s3facade.catalog.arrange.about import in_bids
from s3facade.catalog.arrange.as_is import READERS
from s3facade.catalog.arrange.bids_walk import Found
from s3facade.catalog.arrange.desk import Desk
from s3facade.catalog.folder import Folder
from s3facade.catalog.images.recipe import FaultyRecipe, FileRecipe, Recipe
from s3facade.catalog.sources.batch import Candidate
from s3facade.catalog.sources.recognise import Recogniser
from s3facade.config.views.bids import derived
from s3facade.config.views.bids_existing import BidsExistingView
from s3facade.core.errors import SourceUnavailable
from s3facade.core.identity import digest
from s3facade.core.protocols import Layout
from s3facade.layouts.bids.names import parse
from s3facade.layouts.bids.rewrite import Place, links, rewritten
from s3facade.layouts.bids.rules import Shape, refusal
from s3facade.stores.files import describe

DESCRIPTION = "dataset_description.json"
MOST = 8 << 20
"""Bytes of a table or JSON file up to which names in it are replaced."""
TYPES: Mapping[str, str] = {".json": "application/json", ".tsv": "text/tab-separated-values"}


@dataclass(frozen=True, slots=True)
class _Set:
    """A data set: the one at the root, or a derivative or source below it."""

    root: str = ""
    """Below the root of the view, without a final slash."""
    derivative: bool = False
    links: tuple[tuple[str, str], ...] = ()
    license: str = ""
    authors: tuple[str, ...] = ()

    def below(self, path: str) -> str:
        """A file of it, seen from its root."""
        return path[len(self.root) + 1 :] if self.root else path


@dataclass
class _Shown:
    """What the view shows."""

    view: BidsExistingView
    found: Found
    sets: dict[str, _Set] = field(default_factory=dict)
    """By folder: that of its description, and those below it that were asked for."""
    readers: dict[str, str] = field(default_factory=dict)
    """Of images; empty where no reader recognises one."""
    renamed: dict[str, str] = field(default_factory=dict)
    """New path of each image that is shown in another form."""

    def set_of(self, path: str) -> _Set:
        """The data set that a file belongs to."""
        return self._of(path.rpartition("/")[0])

    def _of(self, folder: str) -> _Set:
        known = self.sets.get(folder)
        if known is None:
            known = self.sets[folder] = self._of(folder.rpartition("/")[0]) if folder else _Set()
        return known


def arrange(view: BidsExistingView, desk: Desk) -> None:
    """Put the data set into the plan. Blocking. Raises `SourceUnavailable`."""
    root = str(view.root)
    found = bids_walk.walk(root, desk.plan.watch)
    desk.plan.broken += found.broken
    shown = _Shown(view, found)
    if DESCRIPTION not in found.files:
        desk.broken(root, f"The folder has no {DESCRIPTION}: is it the root of a BIDS data set?")
    for path, file in found.files.items():
        if path.endswith(DESCRIPTION) and os.path.basename(path) == DESCRIPTION and path not in found.absent:
            place = os.path.dirname(path)
            shown.sets[place] = _set(place, file)
    taken = {*found.files, *found.folders}
    for path, file in found.files.items():
        new = _new(path, shown)
        if new is None:
            continue
        if found.versioned and path not in found.absent and bids_walk.pointer(file):
            found.absent[path] = bids_walk.ABSENT
        shown.readers[path] = reader = "" if path in found.absent else _reader(desk, file)
        if new in taken:
            desk.broken(file, f"It is shown as it is, and not as {new}: that is there already.")
        elif not reader and path not in found.absent:
            desk.broken(file, "It is shown as it is: it is called an image, and no reader recognises it.")
        else:
            shown.renamed[path] = new
            taken.add(new)
    _put(shown, desk)


def _put(shown: _Shown, desk: Desk) -> None:
    view, found = shown.view, shown.found
    base = f"{view.path}/" if view.path else ""
    layout: Layout = registry.layout(view.layout)(**view.options)
    real = os.path.realpath(view.root)
    for path, folder in found.folders.items():
        desk.plan.folders[base + path] = Folder(real, folder)
    names = digest(shown.renamed, [of.links for root, of in sorted(shown.sets.items()) if root == of.root])
    for path, file in found.files.items():
        new = shown.renamed.get(path)
        if new is not None:
            recipe: Recipe = FileRecipe(file, shown.readers[path], root=str(view.root), claimed=True)
            if path in found.absent:
                recipe = FaultyRecipe(file, found.absent[path])
            sampled = view.preview == "strided"
            about = _about(shown, path)
            candidate = Candidate({"path": path}, recipe)
            desk.show(base + new, candidate, layout, about=about, told=view.recipe, sampled=sampled)
            continue
        if path in found.absent:
            desk.broken(file, found.absent[path])
        if shown.renamed and path not in found.absent and path.endswith((".json", "_scans.tsv")):
            _edited(base + path, path, file, shown, names, desk)
        else:
            desk.copy(base + path, file)


def _new(path: str, shown: _Shown) -> str | None:
    """What an image is called in the other form, if BIDS has such a name for it."""
    if not path.endswith(shown.view.convert):
        return None
    of = shown.set_of(path)
    new = _renamed(of.below(path), shown.view.convert, shown.view.extension, of.derivative)
    return new if new is None or not of.root else f"{of.root}/{new}"


@lru_cache(maxsize=1 << 18)
def _renamed(path: str, convert: tuple[str, ...], extension: str, derivative: bool) -> str | None:  # noqa: FBT001
    """The new path of a file, both seen from the root of its data set."""
    name = parse(path)
    if name is None or name.extension not in convert:
        return None
    shape = Shape(tuple(name.entities), name.suffix, extension, name.datatype)
    return None if refusal(shape, derivative=derivative) else path.removesuffix(name.extension) + extension


def _set(root: str, description: str) -> _Set:
    try:
        text = Path(description).read_text("utf-8-sig")
        told = json.loads(text)
    except (OSError, ValueError):
        return _Set(root)
    told = told if isinstance(told, dict) else {}
    derivative = told.get("DatasetType") == "derivative"
    license_, authors = told.get("License"), told.get("Authors")
    return _Set(
        root,
        derivative or derived(root),
        links(text, root),
        license_ if isinstance(license_, str) else "",
        tuple(filter(None, (a for a in authors if isinstance(a, str)))) if isinstance(authors, list) else (),
    )


def _about(shown: _Shown, path: str) -> Mapping[str, object]:
    """What its data set and, before that, the bucket say about an image."""
    of = shown.set_of(path)
    name = parse(of.below(path))
    own = in_bids(of.license, of.authors, "", name.suffix if name else "")
    return {**own, **shown.view.about} if shown.view.about else own


def _reader(desk: Desk, file: str) -> str:
    """The reader of an image. NIfTI files are known by their name: there are many, and each would have to be read."""
    if file.endswith((".nii.gz", ".nii")):
        return READERS[".nii"]
    try:
        return _recognised(file, describe(file).etag, Recogniser(desk.engine.index, ()))
    except SourceUnavailable:
        return ""


@lru_cache(maxsize=1 << 16)
def _known(file: str, etag: str) -> list[str]:  # noqa: ARG001 - a file of another etag is another one
    return []


def _recognised(file: str, etag: str, recogniser: Recogniser) -> str:
    known = _known(file, etag)
    if not known:
        known.append(recogniser.local(file))
    return known[0]


def _edited(key: str, path: str, file: str, shown: _Shown, names: str, desk: Desk) -> None:
    """A table or JSON file in which images are called as they are shown; it is read when it is looked at."""
    of = shown.set_of(path)
    place = Place(path, of.root, of.links)
    media_type = TYPES[os.path.splitext(path)[1]]
    make, state = partial(_text, file, place, shown.renamed), partial(_state, file)
    desk.later(key, make, media_type, f"bids {names} {file}", state=state)


def _state(file: str) -> tuple[str, int]:
    """Raises `SourceError`."""
    source = describe(file)
    return source.etag, source.modified


def _text(file: str, place: Place, renamed: Mapping[str, str]) -> bytes:
    """The text of a file with new names. Raises `SourceUnavailable`."""
    try:
        data = Path(file).read_bytes()
    except OSError as error:
        raise SourceUnavailable("The source file cannot be read now.", private=f"{file}: {error}") from error
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return data
    return data if len(data) > MOST else rewritten(text, place, renamed.get).encode()
