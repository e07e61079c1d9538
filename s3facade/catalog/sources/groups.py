"""Groups that say nothing about images: whether such a folder is one source, or an ordinary folder.

Programs that write an array a few folders deep make groups of all folders above it, also of one that is full of other
images. These must not disappear behind a document of a few bytes.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from s3facade import registry
from s3facade.stores.local import at_once

HEAD = 4096
"""Bytes of a document that it is judged by; longer ones say something."""
LOOKS = 5_000
"""Folders that are looked into for one group, about 0.2 s; one that holds more is a source."""

Bare = Callable[[bytes, str], bool]
"""As `Optional.bare`."""


def mixed(folder: str, name: str) -> bool:
    """Whether a folder says no more than that it is a group, and image files, or folders named as images, lie below.

    What is part of an image of the group's own format is not looked into.

    Args:
        folder: Its path.
        name: Of the reader that recognises its document.
    """
    reader = registry.reader(name)
    bare: Bare | None = getattr(reader, "bare", None)
    own = tuple(getattr(reader, "suffixes", ()))
    if bare is None or folder.lower().endswith(own):
        return False
    markers = frozenset(getattr(reader, "markers", ()))
    ends = tuple(registry.suffixes())
    ahead, looks = [folder], 0
    while ahead and looks < LOOKS:
        below, looks = ahead.pop(), looks + 1
        folders, files = _inside(below)
        documents = markers.intersection(files)
        if not all(_says_nothing(os.path.join(below, d), bare) for d in documents):
            continue
        named = (n for n in (*folders, *files) if not n.startswith(".") and n not in documents)
        if any(n.lower().endswith(ends) for n in named):
            return True
        ahead.extend(os.path.join(below, n) for n in folders if not n.startswith("."))
    return False


def _inside(folder: str) -> tuple[list[str], list[str]]:
    """Names of folders and of files; nothing where it cannot be looked at."""
    folders: list[str] = []
    files: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                (folders if entry.is_dir(follow_symlinks=False) else files).append(entry.name)
    except OSError:
        return [], []
    return folders, files


def _says_nothing(document: str, bare: Bare) -> bool:
    try:
        with open(document, "rb", opener=at_once) as file:
            head = file.read(HEAD)
    except OSError:
        return False
    return len(head) < HEAD and bare(head, os.path.basename(document))


def document(name: str, path: str) -> bool:
    """Whether a file is a document of a folder's format, which is no image on its own.

    Args:
        name: Of the reader that recognises it; "" if there is none.
        path: Of the file.
    """
    own = os.path.basename(path)
    if not name:
        return own == ".zmetadata"
    return hasattr(registry.reader(name), "bare") and registry.marks(name, own)
