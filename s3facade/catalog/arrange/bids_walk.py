"""What lies in the folder of a BIDS data set: its files, folders that are one image or recording, links to nowhere."""

from __future__ import annotations

import os
import stat as modes
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from s3facade.catalog.contents import Broken
from s3facade.catalog.folder import look, within
from s3facade.catalog.sources.watch import UNSURE, Stamp, Watch, stamp
from s3facade.stores.local import GONE, translated

OPAQUE = (".zarr", ".ds", ".mefd", ".n5")
"""Ends of folders that BIDS takes for one file, or that hold chunks: not looked into before somebody asks for them."""
SHOWN = frozenset({".bidsignore"})
"""Hidden files that are shown: all others, and hidden folders, belong to version control and to editors."""
ANNEX = "annex/objects/"
"""In paths that git-annex keeps contents at."""
ABSENT = (
    "Its content is not here: it is a link to a file that git-annex has not fetched. Fetch it with `datalad get` or "
    "`git annex get`; it is shown then."
)
NOWHERE = "It is a link that leads nowhere: put the file there, or remove the link."
OUTSIDE = "It is a link out of the folder of the data set, which is not followed: copy what it leads to."


@dataclass
class Found:
    """What there is, by path below the root of the data set."""

    files: dict[str, str] = field(default_factory=dict)
    """Absolute paths, in order of folders and names."""
    absent: dict[str, str] = field(default_factory=dict)
    """Why the content of a file is not here."""
    folders: dict[str, str] = field(default_factory=dict)
    """Absolute paths of folders that are taken as a whole."""
    broken: list[Broken] = field(default_factory=list)
    versioned: bool = False
    """Whether there is a Git repository among it: only then may files be pointers of git-annex."""


def walk(root: str, watch: Watch) -> Found:
    """Everything below ``root``; its folders are noted in ``watch``. Blocking.

    Links are followed to places inside the root only.

    Raises:
        SourceUnavailable: A folder cannot be looked at now: what is not seen would be taken for deleted.
        SourceDenied: The root itself may not be read.
    """
    found = Found()
    real = os.path.realpath(root)
    _folder(root, "", frozenset({real}), _Walk(root, real, watch, found))
    return found


@dataclass(frozen=True, slots=True)
class _Walk:
    root: str
    real: str
    watch: Watch
    found: Found

    def entries(self, path: str) -> Sequence[tuple[str, str]]:
        """Names and kinds of what is in a folder, sorted; nothing of one that is gone or may not be read."""
        try:
            was = stamp(path)
        except OSError:
            was = UNSURE
        self.watch.note(path, was)
        try:
            return _scanned(path) if was == UNSURE else _listed(path, was)
        except OSError as error:
            if path == self.root or not isinstance(error, (*GONE, PermissionError)):
                raise translated(path, error) from error
            if isinstance(error, PermissionError):
                reason = "The folder may not be read by the server; check its permissions."
                self.found.broken.append(Broken(path, reason))
            return ()


LINK, FOLDER, FILE = "link", "folder", "file"


def _scanned(path: str) -> tuple[tuple[str, str], ...]:
    """Raises `OSError`."""
    with os.scandir(path) as entries:
        found = [(entry.name, _kind(entry)) for entry in entries]
    return tuple(sorted((name, kind) for name, kind in found if kind))


@lru_cache(maxsize=1 << 17)
def _listed(path: str, _was: Stamp) -> tuple[tuple[str, str], ...]:
    """A folder that is as it was is not listed again."""
    return _scanned(path)


def _kind(entry: os.DirEntry[str]) -> str:
    if entry.is_symlink():
        return LINK
    if entry.is_dir(follow_symlinks=False):
        return FOLDER
    return FILE if entry.is_file(follow_symlinks=False) else ""


def _folder(path: str, relative: str, above: frozenset[str], of: _Walk) -> None:
    for name, kind in of.entries(path):
        if name.startswith(".") and name not in SHOWN:
            of.found.versioned |= name == ".git"
            continue
        here, key = f"{path}/{name}", relative + name
        try:
            name.encode()
        except UnicodeEncodeError:
            of.found.broken.append(Broken(ascii(here), "Its name is not UTF-8; rename it: S3 keys are."))
            continue
        if kind == FILE:
            of.found.files[key] = here
        elif kind == FOLDER:
            _below(here, key, above, of)
        else:
            _link(here, key, above, of)


def _below(path: str, key: str, above: frozenset[str], of: _Walk) -> None:
    if key.endswith(OPAQUE):
        of.found.folders[key] = path
    else:
        _folder(path, key + "/", above, of)


def _link(path: str, key: str, above: frozenset[str], of: _Walk) -> None:
    try:
        about, real = look(path)
    except PermissionError:
        of.found.files[key] = path
        return
    except OSError:
        _nowhere(path, key, of)
        return
    if not within(real, of.real):
        of.found.broken.append(Broken(path, OUTSIDE))
    elif modes.S_ISREG(about.st_mode):
        of.found.files[key] = path
    elif modes.S_ISDIR(about.st_mode) and real not in above:
        _below(path, key, above | {real}, of)


def _nowhere(path: str, key: str, of: _Walk) -> None:
    try:
        target = os.readlink(path)
    except OSError:
        return
    of.found.files[key] = path
    of.found.absent[key] = ABSENT if ANNEX in target else NOWHERE
    # Where the content will appear: the link itself does not change then.
    folder = _first(os.path.join(os.path.dirname(path), target))
    try:
        of.watch.note(folder, stamp(folder))
    except OSError:
        of.watch.note(folder, UNSURE)


def _first(target: str) -> str:
    """The nearest folder above ``target`` that exists."""
    folder = os.path.dirname(os.path.normpath(target))
    while not os.path.isdir(folder) and folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
    return folder


def pointer(path: str) -> bool:
    """Whether a file holds only the name of a content that git-annex has not fetched ("unlocked" files)."""
    try:
        if os.stat(path).st_size > 32 << 10:
            return False
        with open(path, "rb") as file:
            return file.read(15) == b"/annex/objects/"
    except OSError:
        return False
