"""Files of stores: found by listing, a level of folders at a time, and recognised with as few requests as can be."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from s3facade import registry
from s3facade.config.pattern import Pattern
from s3facade.config.settings import SourceConfig
from s3facade.core.errors import SourceDenied, SourceUnavailable
from s3facade.stores import files

Marker = Callable[[str, Sequence[str]], str | None]
"""Of a folder and the names in it: the path of the file that makes it one image, or None."""


def walk(source: SourceConfig, pattern: Pattern, marker: Marker) -> Iterator[tuple[str, str]]:
    """Every file below the folder that ``pattern`` starts at and the path that it is shown by, sorted by the latter.

    A folder that is one image is shown by its own path, and not looked into.

    Raises:
        SourceUnavailable: The store cannot be looked at, or lets nobody, or there is nothing: what is not seen is not
            known to be absent.
    """
    root = str(pattern.root)
    try:
        found = _listed(source.listed, root, marker) if source.listed else _walked(root, pattern, marker)
    except SourceDenied as error:
        raise SourceUnavailable(error.public, private=error.private) from error
    if not found:
        raise SourceUnavailable("There is nothing in the source folder of the store.", private=root)
    yield from sorted(found, key=lambda pair: pair[1])


def _walked(root: str, pattern: Pattern, marker: Marker) -> list[tuple[str, str]]:
    store = files.store(root)
    found: list[tuple[str, str]] = []
    level, depth = [_key(root)], 0
    while level:
        # What is in all of these folders, and then the files that may make them images: two waits for a level.
        listings = dict(zip(level, store.folders(level), strict=True))
        claims = {key: registry.marking(listing.files) for key, listing in listings.items()}
        files.ahead([f"{store.name}:/{key}{name}" for key, names in claims.items() for name in names])
        level, depth = [], depth + 1
        for key, listing in listings.items():
            folder = f"{store.name}:/{key}".rstrip("/")
            image = marker(folder, claims[key]) if claims[key] else None
            if image is not None:
                found.append((image, folder))
                continue
            paths = [f"{folder}/{name}" for name in listing.files]
            found.extend(zip(paths, paths, strict=True))
            inside = [f"{key}{name}/" for name in listing.folders]
            level.extend(
                key for key in inside if _within(pattern, f"{store.name}:/{key}"[len(root.rstrip("/")) + 1 :], depth)
            )
    return found


def _within(pattern: Pattern, folder: str, depth: int) -> bool:
    """Whether a folder, relative to where the pattern starts, may hold what matches, or be an image that does."""
    if pattern.depth is None or depth < pattern.depth:
        return True
    return depth == pattern.depth and pattern.match(folder.rstrip("/")) is not None


def _listed(names: Path, root: str, marker: Marker) -> list[tuple[str, str]]:
    """Files that a list of this machine names, one per line, relative to the store."""
    try:
        lines = names.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceUnavailable("The list of a source's files cannot be read.", private=f"{names}: {error}") from error
    store = files.store(root)
    found = []
    for line in dict.fromkeys(text.strip() for text in lines):
        path = f"{store.name}:/{line.rstrip('/')}"
        if (
            not line
            or line.startswith("#")
            or not plain(line.rstrip("/"))
            or not path.startswith(root.rstrip("/") + "/")
        ):
            continue
        found.append((image(path, marker) or path, path))
    return found


def image(path: str, marker: Marker) -> str | None:
    """The file that makes ``path`` one image, if it is such a folder. Raises `SourceUnavailable`."""
    if guess(path) or files.there(path):
        return None
    store = files.store(path)
    if store.lists:
        names: Sequence[str] = list(store.folder(_key(path)).files)
    else:
        plain = [name for name in sorted(registry.markers()) if "*" not in name]
        names = [name for name in plain if files.there(f"{path}/{name}")]
    return marker(path, registry.marking(names))


def guess(path: str) -> str:
    """The reader that alone claims names such as this one, without looking inside; "" if that cannot be told."""
    if registry.marking([os.path.basename(path)]):
        return ""
    claims = [(n, r) for n, r in registry.readers() if path.lower().endswith(tuple(getattr(r, "suffixes", ())))]
    # A name that folders have as well says too little.
    return claims[0][0] if len(claims) == 1 and not getattr(claims[0][1], "markers", ()) else ""


def recognised(path: str) -> str:
    """The reader that recognises the beginning of a file; "" if there is none. Raises `SourceError`."""
    head = files.head(files.describe(path))
    return next((n for n, r in registry.readers() if r.sniff(head, os.path.basename(path))), "")


def plain(key: str) -> bool:
    """Whether a key is a relative path without detours."""
    return all(part not in ("", ".", "..") for part in key.split("/")) and "\0" not in key


def _key(folder: str) -> str:
    key = folder.partition(":/")[2]
    return f"{key}/" if key and not key.endswith("/") else key
