"""NDTiff, Micro-Manager's data sets: an index file says which plane lies where in which TIFF."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import tifffile

from s3facade.core.errors import BadSource, SourceNotFound, Unsupported
from s3facade.core.protocols import SourceFile
from s3facade.readers.tiff.guard import Opened
from s3facade.readers.tiff.stack import Stack

INDEX = "NDTiff.index"
MAX_INDEX = 256 << 20
_FIELDS = struct.Struct("<IiiiiIii")
_CODES = {"time": "T", "channel": "C", "z": "Z"}


@dataclass(frozen=True, slots=True)
class _Entry:
    axes: dict[str, int | str]
    file: str
    offset: int


def ndtiff(
    file: SourceFile, opener: Callable[[SourceFile], AbstractContextManager[Opened]]
) -> tuple[Stack, list[SourceFile]]:
    """The image of the data set that ``file`` belongs to, and its files; the index is one of them.

    Raises:
        SourceNotFound: There is no index, or a file that it names does not exist.
        BadSource: The index is damaged, or planes are missing.
        Unsupported: Axes other than time, channel and z.
    """
    listing = file.sibling(INDEX)
    if listing.source.size > MAX_INDEX:
        raise Unsupported(f"{INDEX} has more than {MAX_INDEX >> 20} MiB; it is not parsed.")
    entries = list(_entries(bytes(listing.pread(0, listing.source.size))))
    if not entries:
        raise BadSource(f"{INDEX} names no planes.")
    files = [file, listing]
    numbers: dict[str, int] = {}
    keys: dict[str, Any] = {}
    for entry in entries:
        if entry.file not in numbers:
            number = _number(file, entry.file, files)
            numbers[entry.file] = number
            with opener(files[number]) as source:
                keys[entry.file] = source.tif.pages.first
    names, places = _order(entries)
    shape = tuple(max(at[i] for at in places) + 1 for i in range(len(names)))
    if math.prod(shape) != len(places):
        raise BadSource(f"{INDEX} names {len(places)} planes of {math.prod(shape)}; the acquisition is incomplete.")
    planes = [places[at] for at in sorted(places)]
    pages = [_page(keys[e.file], e.offset) for e in planes]
    key = pages[0].keyframe
    axes = "".join(_CODES[n] for n in names) + key.axes
    return Stack(axes, (*shape, *key.shape), pages, [numbers[e.file] for e in planes]), files


def _number(file: SourceFile, name: str, files: list[SourceFile]) -> int:
    if file.source.path.rpartition("/")[2] == name:
        return 0
    try:
        files.append(file.sibling(name))
    except SourceNotFound as error:
        raise SourceNotFound(f"{INDEX} names the file {name!r}, which does not exist.") from error
    return len(files) - 1


def _page(key: Any, offset: int) -> Any:
    return tifffile.TiffFrame(
        key.parent, 0, offset=0, keyframe=key, dataoffsets=(offset,), databytecounts=(key.nbytes,)
    )


def _entries(data: bytes) -> Iterator[_Entry]:
    at = 0
    try:
        while at < len(data):
            (n,) = struct.unpack_from("<I", data, at)
            axes = json.loads(data[at + 4 : at + 4 + n])
            at += 4 + n
            (n,) = struct.unpack_from("<I", data, at)
            name = data[at + 4 : at + 4 + n].decode()
            at += 4 + n
            offset, *_, compression, _, _, _ = _FIELDS.unpack_from(data, at)
            at += _FIELDS.size
            if compression:
                raise Unsupported("The NDTiff planes are compressed in a way that is not known.")
            yield _Entry(dict(axes), name, offset)
    except (struct.error, ValueError, TypeError) as error:
        raise BadSource(f"{INDEX} is damaged.", private=f"byte {at}: {error!r}") from error


def _order(entries: list[_Entry]) -> tuple[list[str], dict[tuple[int, ...], _Entry]]:
    """Names of the axes, and the planes by index along them, counted from 0; names count in order of appearance."""
    names = list(entries[0].axes)
    words: dict[str, dict[str, int]] = {n: {} for n in names}
    lowest = dict.fromkeys(names, 1 << 62)
    rows = []
    for entry in entries:
        if set(entry.axes) != set(names):
            raise Unsupported("The planes of the NDTiff data set have different axes.")
        row = {}
        for name, value in entry.axes.items():
            row[name] = words[name].setdefault(value, len(words[name])) if isinstance(value, str) else int(value)
            lowest[name] = min(lowest[name], row[name])
        rows.append(row)
    varying = [n for n in names if len({row[n] for row in rows}) > 1]
    unknown = [n for n in varying if n not in _CODES]
    if unknown:
        raise Unsupported(f"The NDTiff data set varies along {unknown[0]!r}; only time, channel and z can be shown.")
    varying.sort(key=list(_CODES).index)
    places = {tuple(row[n] - lowest[n] for n in varying): e for row, e in zip(rows, entries, strict=True)}
    return varying, places
