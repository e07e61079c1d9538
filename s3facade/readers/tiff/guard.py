"""What tifffile does not check or only logs: endless directories, and losses of data."""

from __future__ import annotations

import errno
import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import tifffile

from s3facade.core.errors import BadSource, FacadeError, SourceUnavailable
from s3facade.core.protocols import SourceFile
from s3facade.readers.tiff.chain import walk

_LOSS = (
    "corrupted",
    "are zeroed",
    "is missing required tags",
    "invalid offset to",
    "invalid page offset",
    "circular reference",
    "missing data offset tag",
    "incorrect StripByteCounts",
    "incorrect StripOffsets",
    "missing ByteCounts",
    "TiffTag.fromfile> raised",
    "generic series raised",
    "metadata invalid or corrupted file",
    "cannot handle discontiguous",
)
"""Parts of tifffile's log messages that mean that pixels or pages would be missing."""
_DAMAGE = (
    tifffile.TiffFileError,
    ValueError,
    struct.error,
    KeyError,
    IndexError,
    RuntimeError,
    TypeError,
    AttributeError,
    ZeroDivisionError,
    OverflowError,
    MemoryError,
    AssertionError,
    RecursionError,
    EOFError,
    SyntaxError,  # of its XML parser
)
"""What tifffile raises on damaged files, which is more than it says."""

_messages: ContextVar[list[str] | None] = ContextVar("tifffile_messages", default=None)


def _collect(record: logging.LogRecord) -> bool:
    """Whether a record of tifffile goes on to the other handlers: only when no open call waits for it."""
    found = _messages.get()
    if found is None:
        return True
    if record.levelno >= logging.WARNING:
        found.append(record.getMessage())
    return False


logging.getLogger("tifffile").addFilter(_collect)


@contextmanager
def watched() -> Iterator[list[str]]:
    """Collect tifffile's warnings instead of logging them.

    Raises:
        BadSource: One of them means that data are lost, or tifffile failed.
        SourceUnavailable: The file cannot be read now.
    """
    messages: list[str] = []
    token = _messages.set(messages)
    try:
        yield messages
    except FacadeError:
        raise
    except _DAMAGE as error:
        raise BadSource(
            "The file cannot be read as TIFF; its directory is damaged or incomplete.", private=f"{error!r:.300}"
        ) from error
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise SourceUnavailable("The file cannot be read now.", private=f"{error!r:.300}") from error
        # an offset that no file could have
        raise BadSource("The TIFF is damaged: it refers to an impossible place.", private=f"{error!r}") from error
    finally:
        _messages.reset(token)
    check(messages)


def check(messages: list[str]) -> None:
    """Refuse when tifffile noted a loss.

    Raises:
        BadSource: It did.
    """
    for message in messages:
        if any(part in message for part in _LOSS):
            raise BadSource("The TIFF is damaged or incomplete: parts of it cannot be found.", private=message[:300])


@dataclass(frozen=True, slots=True)
class Opened:
    """An open file."""

    tif: Any
    """A `tifffile.TiffFile`."""
    alike: bool
    """Whether all pages are laid out alike."""


@contextmanager
def opened(file: SourceFile, **flags: Any) -> Iterator[Opened]:
    """``file`` through tifffile, its chain of directories checked; closed afterwards.

    Where pages differ in size or coding, ``is_uniform`` is False: tifffile itself looks at three pages only, and
    would take the others for copies of the first.
    """
    with file.stream() as stream:
        alike = walk(stream, file.source.size)
        with tifffile.TiffFile(stream, name=PurePosixPath(file.source.path).name, **flags) as tif:
            if not alike:
                tif.is_uniform = False
            yield Opened(tif, alike)
