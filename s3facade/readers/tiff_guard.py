"""What tifffile does not check or only logs: endless directories, and losses of data."""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import tifffile

from s3facade.core.errors import BadSource, FacadeError, Unsupported
from s3facade.core.protocols import SourceFile

MAX_IFDS = 1 << 20
"""Directories of one file; more is refused."""

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


@contextmanager
def opened(file: SourceFile, **flags: Any) -> Iterator[Any]:
    """``file`` as `tifffile.TiffFile`, its chain of directories checked; closed afterwards."""
    with file.stream() as stream:
        _walk(stream, file.source.size)
        with tifffile.TiffFile(stream, name=PurePosixPath(file.source.path).name, **flags) as tif:
            yield tif


def _walk(stream: BinaryIO, size: int) -> None:
    """Follow the chain of directories once.

    Raises:
        BadSource: It runs in a circle or leaves the file.
        Unsupported: It is longer than `MAX_IFDS`.
    """
    stream.seek(0)
    head = stream.read(16)
    stream.seek(0)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 8:
        raise BadSource("The file does not begin like a TIFF.")
    big = head[2:4] in (b"+\0", b"\0+")
    if size >= 1 << 32 and not big:
        return  # offsets of 32 bits do not reach: only the first directory is used, or it is NDPI's own kind
    if big and len(head) < 16:
        raise BadSource("The TIFF ends within its header.")
    offset = int(struct.unpack_from(order + ("Q" if big else "I"), head, 8 if big else 4)[0])
    count, width, entry = ("Q", 8, 20) if big else ("H", 2, 12)
    link = "Q" if big else "I"
    seen: set[int] = set()
    while offset:
        if offset in seen:
            raise BadSource("The TIFF's directories run in a circle.", private=f"directory {len(seen)} at {offset}")
        if offset + width > size:
            raise BadSource(
                "The TIFF is incomplete: a directory lies behind the end of the file.",
                private=f"directory {len(seen)} at {offset} of {size} bytes",
            )
        seen.add(offset)
        if len(seen) > MAX_IFDS:
            raise Unsupported(f"The TIFF has more than {MAX_IFDS} pages.")
        stream.seek(offset)
        (tags,) = struct.unpack(order + count, stream.read(width))
        end = offset + width + tags * entry
        if tags > 4096 or end + struct.calcsize(link) > size:
            raise BadSource(
                "The TIFF is damaged: a directory has an impossible number of entries.",
                private=f"directory {len(seen) - 1} at {offset}: {tags} entries",
            )
        stream.seek(end)
        (offset,) = struct.unpack(order + link, stream.read(struct.calcsize(link)))
    stream.seek(0)
