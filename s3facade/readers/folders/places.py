"""Chunks by the names of their files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from s3facade.core.errors import BadSource
from s3facade.core.operators import Buffer
from s3facade.core.protocols import SourceFile
from s3facade.readers.folders.documents import part


@dataclass(frozen=True, slots=True)
class Keys:
    """Names made of the position in the grid."""

    prefix: str
    """What every name starts with: the folder of the array, with its final slash."""
    separator: str = "/"
    reverse: bool = False
    """Whether the fastest dimension comes first."""

    def name(self, at: tuple[int, ...]) -> str:
        """The name of the chunk at ``at``."""
        return self.prefix + self.separator.join(map(str, reversed(at) if self.reverse else at))

    def fetch(self, base: SourceFile, at: tuple[int, ...], most: int) -> Buffer | None:
        """The file's content; None if there is no such file. Raises `SourceError`."""
        return content(base, self.name(at), most)


def content(base: SourceFile, name: str, most: int) -> Buffer | None:
    """All bytes of a file, or None if there is none.

    Raises:
        BadSource: It has more than ``most`` bytes.
        SourceError: It cannot be read.
    """
    file = part(base, name)
    if file is None:
        return None
    size = file.source.size
    if size > most:
        raise BadSource(
            "A chunk of the image is larger than its numbers could be; the file is damaged.",
            private=f"{file.source.path}: {size} bytes, {most} at most",
        )
    return file.pread(0, size)


CLASSES: tuple[type[Any], ...] = (Keys,)
"""For `FolderFreezing`."""
