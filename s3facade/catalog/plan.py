"""From configuration to mounts: which files there are, and at which prefix each of them is shown."""

from __future__ import annotations

import os
import stat as modes
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from s3facade import registry
from s3facade.catalog import remote
from s3facade.catalog.arrange import files, images, plates
from s3facade.catalog.arrange.desk import Desk
from s3facade.catalog.candidates import Candidates, Item
from s3facade.catalog.contents import Broken, Plan
from s3facade.catalog.groups import document, mixed
from s3facade.catalog.watch import RACY
from s3facade.config.settings import BucketConfig, Settings, SourceConfig
from s3facade.config.views.files import FilesView
from s3facade.config.views.image import ImageView
from s3facade.config.views.plate import PlateView
from s3facade.core.errors import ConfigError, SourceDenied, SourceUnavailable, Unsupported
from s3facade.engine.engine import Engine
from s3facade.stores.files import describe, is_remote, store
from s3facade.stores.local import GONE, at_once, fingerprint, translated

HEAD = 4096
"""Bytes of a file that a reader may judge it by."""
ARRANGERS: Mapping[type, Callable[[Any, Desk], None]] = {
    ImageView: images.arrange,
    FilesView: files.arrange,
    PlateView: plates.arrange,
}
"""What fills the plan, by kind of view."""
FOLDERS = frozenset({".zarr", ".n5", ".ngff", ".precomputed"})
"""Extensions of folders that are one image."""


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
        desk = Desk(self._settings, self._engine, Candidates(self._settings, lambda s: self._items(s, plan)), plan)
        for view in bucket.views:
            ARRANGERS[type(view)](view, desk)
        return plan

    def _items(self, source: SourceConfig, plan: Plan) -> Iterator[Item]:
        if source.synthetic is not None:
            yield Item("", "synthetic", {"stem": source.name, "path": source.name})
            return
        claiming = tuple(registry.suffixes())
        for path, shown, captures in _paths(source, self._marker, self._devices, plan):
            reader = source.reader or self._sniff(path)
            if path is shown and not source.reader and not source.file and document(reader, path):
                continue
            # A folder with a damaged marker is an image that cannot be shown, whatever it is called.
            claims = source.captures or source.file or path is not shown or shown.lower().endswith(claiming)
            if reader or claims:
                yield Item(path, reader, captures)

    def _marker(self, folder: str, names: Sequence[str], *, asked: bool = True, walked: bool = False) -> str | None:
        """The file that makes its folder one image, if there is one: of several, the one whose reader is sure.

        Args:
            folder: Its path.
            names: What is in it.
            asked: Whether the folder itself is asked for; where files in it are, an index of these does not stand for
                them.
            walked: Whether it was met on the way, so that a mere group in which other images lie stays a folder.

        Raises:
            SourceUnavailable: It cannot be looked at now.
        """
        claimed, claiming = None, tuple(registry.suffixes())
        for name in registry.marking(names):
            path = os.path.join(folder, name)
            found = self._sniff(path)
            if found and registry.marks(found, name):
                if walked and mixed(folder, found):
                    continue
                if asked or not getattr(registry.reader(found), "loose", False):
                    return path
                continue
            # A damaged one must not make images, or broken ones, of all that lies below it.
            if not found and (folder.lower().endswith(claiming) or name.lower().endswith(claiming)):
                claimed = claimed or path
        return claimed

    def _sniff(self, path: str) -> str:
        """Name of the reader that recognises the file; "" if there is none, or if it may not be read."""
        if is_remote(path):
            return remote.guess(path) or self._recognised(path)
        try:
            about = os.stat(path)
            if not modes.S_ISREG(about.st_mode):
                # To open a pipe would wait for whoever writes into it.
                return ""
            key = (path, fingerprint(about))
            known = self._sniffed.get(key)
            if known is None and (told := self._remembered(key)) is not None:
                known = self._sniffed[key] = told
            if known is not None:
                return known
            with open(path, "rb", opener=at_once) as file:
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

    def _recognised(self, path: str) -> str:
        """`_sniff` of a file of a store whose name does not tell. Raises `SourceUnavailable`."""
        try:
            key = (path, describe(path).etag)
            known = self._sniffed.get(key) or self._remembered(key)
            if known is None:
                known = remote.recognised(path)
                if self._engine.index is not None:
                    self._engine.index.put(("sniffed", *key, self._readers), known.encode())
        except (SourceDenied, Unsupported):
            return ""
        self._sniffed[key] = known
        return known

    def _remembered(self, key: tuple[str, str]) -> str | None:
        """What an earlier run found out about a file."""
        index = self._engine.index
        found = None if index is None else index.get(("sniffed", *key, self._readers))
        return None if found is None else found.decode()


Marker: TypeAlias = Callable[..., str | None]
"""Of a folder, the names in it, and whether it is ``asked`` for: the file that makes it one image, or None."""


def _paths(
    source: SourceConfig, marker: Marker, devices: dict[str, int], plan: Plan
) -> Iterator[tuple[str, str, dict[str, object]]]:
    """Files of a source, the path that each is shown by, and what that path says; sorted by path.

    A folder that is one image is shown by its own path, and read by the file that makes it one.
    """
    if source.file is not None:
        path = str(source.file)
        if is_remote(path):
            found = remote.image(path, marker)
            folder = found is not None
        else:
            folder = os.path.isdir(path)
            found = marker(path, _names(path)) if folder else None
        captures: dict[str, object] = {"stem": stem(source.file.name, folder=folder), "path": source.file.name}
        yield found or path, path, captures
        return
    pattern = source.files
    if pattern is None:
        raise ConfigError(f"sources.{source.name}: say what there is: `files`, `file` or `synthetic`.")
    root = str(pattern.root)
    above = len(root.rstrip("/")) + 1
    far = is_remote(root)
    if far:
        plan.watch.trust(store(root).address.refresh)

    def claimed(folder: str, names: Sequence[str]) -> str | None:
        relative = folder[above:] or os.path.basename(root)
        asked = not source.reader and pattern.match(relative) is not None
        return marker(folder, names, asked=asked, walked=not far and not source.reader)

    for path, shown in remote.walk(source, pattern, claimed) if far else _walk(root, claimed, devices, plan):
        folder = path is not shown
        # The folder that the pattern starts in may be the image itself; then all of its files are.
        relative = shown[above:] or os.path.basename(root)
        values = pattern.match(relative)
        if values is not None and not any(p.accepts(Path(shown)) for p in source.skip):
            yield path, shown, {"stem": stem(relative, folder=folder), "path": relative, **values}


def _names(folder: str) -> list[str]:
    """What is in a folder. Raises `SourceUnavailable`."""
    try:
        return os.listdir(folder)
    except PermissionError:
        return []
    except OSError as error:
        raise translated(folder, error) from error


def _walk(root: str, marker: Marker, devices: dict[str, int], plan: Plan) -> Iterator[tuple[str, str]]:
    """Every file below ``root`` and the path that it is shown by, sorted; links that lead out of it are not followed.

    Of a folder that is one image there is the file that makes it one, shown by the folder's path; nothing below it is
    looked at.

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
        claims = [n for n in registry.marking(names) if not _leaves(os.path.join(folder, n), real)]
        image = marker(folder, claims) if claims else None
        if image is not None and _file(image):
            folders.clear()
            if _sayable(folder, plan):
                yield image, folder
            continue
        folders.sort()
        for name in folders:
            plan.watch.note(os.path.join(folder, name))
        for name in sorted(names):
            path = os.path.join(folder, name)
            if not _leaves(path, real) and _sayable(path, plan) and _file(path):
                yield path, path


def _leaves(path: str, real: str) -> bool:
    """Whether it is a link that leads out of the folder whose real path is ``real``."""
    return os.path.islink(path) and not os.path.realpath(path).startswith(real + "/")


def _sayable(path: str, plan: Plan) -> bool:
    """Whether a key can be made of the path; if not, it is named as broken."""
    try:
        path.encode()
    except UnicodeEncodeError:
        plan.broken.append(Broken(ascii(path), "Its name is not UTF-8; rename it: S3 keys are."))
        return False
    return True


def _file(path: str) -> bool:
    """Whether it is a plain file, links followed."""
    try:
        return modes.S_ISREG(os.stat(path).st_mode)
    except (*GONE, PermissionError):
        return False
    except OSError as error:
        raise translated(path, error) from error


def stem(path: str, *, folder: bool = False) -> str:
    """A path without its image extension: ``a/b.ome.tif``, ``a/b.nii.gz`` and ``a/b.ome.zarr`` are ``a/b``.

    Args:
        path: Of a file, or of a folder that is one image.
        folder: Whether it is one: their names may have dots that begin no extension.
    """
    base, extension = os.path.splitext(path)
    if folder and extension.lower() not in FOLDERS:
        return path
    if extension.lower() in {".gz", ".bz2"}:
        base, _ = os.path.splitext(base)
    for inner in (".ome", ".companion"):
        base = base.removesuffix(inner) or base
    return base
