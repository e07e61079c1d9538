"""From configuration to mounts: which files there are, and at which prefix each of them is shown."""

from __future__ import annotations

import os
import stat as modes
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from s3facade import registry
from s3facade.catalog.candidates import Candidate, Candidates, Item
from s3facade.catalog.folder import Folder
from s3facade.catalog.mount import Mount
from s3facade.catalog.recipe import FaultyRecipe, Pipeline, Recipe, Step
from s3facade.catalog.watch import RACY, Watch
from s3facade.codecs.compress import compressed
from s3facade.config.settings import BucketConfig, FilesView, ImageView, Settings, SourceConfig, StepConfig
from s3facade.core.errors import ConfigError, SourceUnavailable
from s3facade.core.protocols import Layout
from s3facade.engine.engine import Engine
from s3facade.stores.local import GONE, fingerprint, translated

HEAD = 4096
"""Bytes of a file that a reader may judge it by."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A file that is not shown, and why."""

    path: str
    reason: str
    """A sentence that may be shown to anybody."""
    detail: str = ""
    """What only the operator may see."""


@dataclass
class Plan:
    """What one bucket holds: nodes by prefix, and what was left out."""

    mounts: dict[str, Mount] = field(default_factory=dict)
    folders: dict[str, Folder] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    """Path of a single file by key."""
    broken: list[Broken] = field(default_factory=list)
    watch: Watch = field(default_factory=Watch)


class Planner:
    """Walks sources and makes mounts. Remembers what it found out about a file until the file changes."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self._settings = settings
        self._engine = engine
        self._sniffed: dict[tuple[str, str], str] = {}
        self._readers = [(name, reader.version) for name, reader in registry.readers()]
        self._devices: dict[str, int] = {}
        """Device that each root was on at first: another one means that a share is not mounted."""

    def plan(self, bucket: BucketConfig) -> Plan:
        """What ``bucket`` holds now. Blocking.

        Raises:
            ConfigError: The configuration contradicts itself.
            SourceUnavailable: A folder cannot be looked at now; nothing is known about what it holds.
        """
        plan = Plan()
        candidates = Candidates(self._settings, lambda source: self._items(source, plan))
        for view in bucket.views:
            if isinstance(view, FilesView):
                if view.root.is_file():
                    plan.files[view.path or view.root.name] = str(view.root)
                else:
                    plan.folders[view.path] = Folder(os.path.realpath(view.root), str(view.root))
            else:
                self._images(view, candidates, plan)
        return plan

    def _images(self, view: ImageView, candidates: Candidates, plan: Plan) -> None:
        layout = _layout(view)
        last = () if view.dtype is None else (_cast(view.dtype),)
        shown = candidates.of(view.source)
        for candidate in shown:
            joined: dict[str, Recipe] = {}
            for name, of in view.labels.items():
                found = candidates.partners(of, candidate.captures).all(candidate.captures, alike=len(shown) > 1)
                if len(found) > 1:
                    sentence = f"{len(found)} label files of {name!r} belong to it."
                    plan.broken.append(Broken(candidate.recipe.path, sentence))
                elif found:
                    joined[name] = found[0].recipe
            prefix = self._prefix(view, candidate, plan)
            if prefix is not None:
                recipe = candidate.recipe
                if last and not isinstance(recipe, FaultyRecipe):
                    recipe = Pipeline("", (recipe,), last)
                options = {"told": view.recipe, "sampled": view.preview == "strided"}
                plan.mounts[prefix] = Mount(self._engine, recipe, layout, joined, self._settings.modified, **options)

    def _prefix(self, view: ImageView, item: Candidate, plan: Plan) -> str | None:
        prefix = view.path.fill(item.captures)
        if prefix in plan.mounts and "stem" in view.path.names:
            # a.tif and a.svs in one folder: the second keeps its extension in the key.
            prefix = view.path.fill({**item.captures, "stem": item.captures["path"]})
        taken = plan.mounts.get(prefix)
        if taken is not None:
            plan.broken.append(
                Broken(item.recipe.path, f"Its keys {prefix!r} are those of {taken.recipe.path} already.")
            )
            return None
        return prefix

    def _items(self, source: SourceConfig, plan: Plan) -> Iterator[Item]:
        if source.synthetic is not None:
            yield Item("", "synthetic", {"stem": source.name, "path": source.name})
            return
        for path, captures in _paths(source, self._devices, plan):
            reader = source.reader or self._sniff(path)
            claims = source.captures or source.file or path.lower().endswith(tuple(registry.suffixes()))
            if reader or claims:
                yield Item(path, reader, captures)

    def _sniff(self, path: str) -> str:
        """Name of the reader that recognises the file; "" if there is none, or if it may not be read."""
        try:
            about = os.stat(path)
            key = (path, fingerprint(about))
            known = self._sniffed.get(key)
            if known is None and (told := self._remembered(key)) is not None:
                known = self._sniffed[key] = told
            if known is not None:
                return known
            with open(path, "rb") as file:
                head = file.read(HEAD)
        except (*GONE, PermissionError):
            return ""
        except OSError as error:
            raise translated(path, error) from error
        else:
            name = os.path.basename(path)
            self._sniffed[key] = next((n for n, r in registry.readers() if r.sniff(head, name)), "")
            if self._engine.index is not None and time.time_ns() - about.st_mtime_ns > RACY:
                self._engine.index.put(("sniffed", *key, self._readers), self._sniffed[key].encode())
            return self._sniffed[key]

    def _remembered(self, key: tuple[str, str]) -> str | None:
        """What an earlier run found out about a file."""
        index = self._engine.index
        found = None if index is None else index.get(("sniffed", *key, self._readers))
        return None if found is None else found.decode()


def _cast(dtype: str) -> Step:
    """The last step of a view that asks for another type."""
    return Step(StepConfig("cast", {"dtype": dtype}, "", Path(), registry.transform("cast")(dtype)))


def _layout(view: ImageView) -> Layout:
    codec = None if view.codec is None else compressed(*view.codec)
    made: Layout = registry.layout(view.type)(chunks=view.chunks, shards=view.shards, codec=codec)
    return made


def _paths(source: SourceConfig, devices: dict[str, int], plan: Plan) -> Iterator[tuple[str, dict[str, object]]]:
    """Files of a source with what their paths say, sorted by path."""
    if source.file is not None:
        yield str(source.file), {"stem": stem(source.file.name), "path": source.file.name}
        return
    pattern = source.files
    if pattern is None:
        raise ConfigError(f"sources.{source.name}: say what there is: `files`, `file` or `synthetic`.")
    root = str(pattern.root)
    above = len(root.rstrip("/")) + 1
    for path in _walk(root, devices, plan):
        relative = path[above:]
        found = pattern.match(relative)
        if found is not None and not any(p.accepts(Path(path)) for p in source.skip):
            yield path, {"stem": stem(relative), "path": relative, **found}


def _walk(root: str, devices: dict[str, int], plan: Plan) -> Iterator[str]:
    """Every file below ``root``, sorted; links that lead out of it are not followed.

    A folder that may not be read is named as broken. One that cannot be read now is an error: files that are
    not seen would be taken for deleted, and their keys for absent.
    """
    real = os.path.realpath(root)

    def failed(error: OSError) -> None:
        path = str(error.filename)
        if isinstance(error, PermissionError) and path != root:
            plan.broken.append(Broken(path, "The folder may not be read by the server; check its permissions."))
        elif not isinstance(error, GONE) or path == root:
            raise translated(path, error)

    try:
        if os.stat(root).st_dev != devices.setdefault(root, os.stat(root).st_dev):
            raise SourceUnavailable("A source folder is on another device than at first: is it mounted?", private=root)
    except OSError as error:
        raise translated(root, error) from error
    plan.watch.note(root)
    for folder, folders, names in os.walk(root, onerror=failed):
        folders.sort()
        for name in folders:
            plan.watch.note(os.path.join(folder, name))
        for name in sorted(names):
            path = os.path.join(folder, name)
            if os.path.islink(path) and not os.path.realpath(path).startswith(real + "/"):
                continue
            try:
                path.encode()
            except UnicodeEncodeError:
                plan.broken.append(Broken(ascii(path), "Its name is not UTF-8; rename it: S3 keys are."))
                continue
            if _file(path):
                yield path


def _file(path: str) -> bool:
    """Whether it is a plain file, links followed."""
    try:
        return modes.S_ISREG(os.stat(path).st_mode)
    except (*GONE, PermissionError):
        return False
    except OSError as error:
        raise translated(path, error) from error


def stem(path: str) -> str:
    """A path without its image extension: ``a/b.ome.tif`` and ``a/b.nii.gz`` are ``a/b``."""
    base, extension = os.path.splitext(path)
    if extension.lower() in {".gz", ".bz2"}:
        base, _ = os.path.splitext(base)
    for inner in (".ome", ".companion"):
        base = base.removesuffix(inner) or base
    return base
