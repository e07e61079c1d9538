"""Parameter files as they are on disk: read once per version."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from s3facade.core.errors import BadSource, SourceChanged, SourceDenied, SourceNotFound
from s3facade.core.image import Source

LARGEST = 64 * 2**20
"""Bytes of the largest file that is read at once; matrices are far below."""


def source_of(path: str) -> Source:
    """The file as it is now.

    Raises:
        SourceNotFound, SourceDenied: It cannot be had, or is no file.
    """
    try:
        about = os.stat(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SourceNotFound("A parameter file of a transform does not exist; check its path.", private=path) from error
    except OSError as error:
        raise SourceDenied("A parameter file of a transform cannot be read.", private=f"{path}: {error}") from error
    if not (stat.S_ISREG(about.st_mode) or stat.S_ISDIR(about.st_mode)):
        # Reading one might never end.
        raise SourceDenied("A parameter file of a transform is a device or a pipe; name a file.", private=path)
    tag = f"{about.st_size:x}-{about.st_mtime_ns:x}-{about.st_ino:x}"
    return Source(path, about.st_size, about.st_mtime_ns, tag)


def unchanged(source: Source) -> None:
    """Raises `SourceChanged` if the file is not the one that was described."""
    if source_of(source.path) != source:
        raise SourceChanged("A parameter file of a transform has changed; try again.", private=source.path)


def content(source: Source) -> bytes:
    """The bytes of a small file.

    Raises:
        BadSource: It is too large to be what it should.
        SourceDenied: It cannot be read.
    """
    if source.size > LARGEST:
        raise BadSource(f"A parameter file of {source.size} bytes is too large for a matrix.", private=source.path)
    try:
        with open(source.path, "rb") as file:
            return file.read()
    except OSError as error:
        raise SourceDenied(
            "A parameter file of a transform cannot be read.", private=f"{source.path}: {error}"
        ) from error


def once(read: Callable[[Source], Any]) -> Callable[[Source], Any]:
    """``read``, remembering what the last files held; they are known by path, size, time and inode."""
    return lru_cache(maxsize=4096)(read)
