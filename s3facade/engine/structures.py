"""Opened files whose structure is in the index: a restart parses nothing that it has parsed before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, cast

from s3facade.core.identity import canonical
from s3facade.core.image import Source
from s3facade.core.portable import Portable
from s3facade.core.protocols import Freezer, Raster, Reader, SourceFile
from s3facade.engine import lanes
from s3facade.engine.index import Index
from s3facade.engine.isolated import Lane, nonsense
from s3facade.stores import files
from s3facade.stores.local import young

_PORTABLE = Portable([Source])


class _Found(NamedTuple):
    """What a reader found, and what that depends on."""

    rasters: Sequence[Raster]
    frozen: bytes | None
    asked: Mapping[str, Source | None]


def opened(
    index: Index | None, reader: Reader, source: Source, options: Mapping[str, object], lane: Lane | None = None
) -> Sequence[Raster]:
    """The images of a file: from the index, or as the reader opens it. Raises what that raises.

    Readers that state ``apart`` open files of this machine in the ``lane``, if there is one. Its processes have no
    stores, and a copy of a whole file would cost more than its structure: remote files are opened here.
    """
    if not hasattr(reader, "freeze") or not source.path:
        return lanes.opened(reader, files.file(source), options)
    freezer = cast(Freezer, reader)
    key = ("structure", source.path, source.etag, reader.name, reader.version, canonical(options) if options else "")
    known = None if index is None else index.get(key)
    rasters = None if known is None else _thawed(freezer, known, source)
    if rasters is None:
        if lane is not None and getattr(reader, "apart", False) and not files.is_remote(source.path):
            found = _apart(lane, reader, source, options)
        else:
            found = _here(index, reader, source, options)
        rasters = found.rasters
        entry = None if index is None else _entry(found, source)
        if index is not None and entry is not None:
            index.put(key, entry)
    return rasters


def _here(index: Index | None, reader: Reader, source: Source, options: Mapping[str, object]) -> _Found:
    asked: dict[str, Source | None] = {}
    rasters = lanes.opened(reader, files.file(source, asked), options)
    wanted = index is not None and not _young(source, asked)
    return _Found(rasters, cast(Freezer, reader).freeze(rasters) if wanted else None, asked)


def _apart(lane: Lane, reader: Reader, source: Source, options: Mapping[str, object]) -> _Found:
    """What the reader finds in the process lane: thawed with files of this process, so that their ranges are read here.

    An image that cannot be frozen is read in the lane, too.
    """
    parsed = lane.parse(source, reader, options)
    freezer = cast(Freezer, reader)
    try:
        members = _members(source, parsed.asked.values())
        if parsed.frozen is not None:
            return _Found(freezer.thaw(parsed.frozen, members), parsed.frozen, parsed.asked)
        each = [freezer.thaw(r, members)[0] if isinstance(r, bytes) else r for r in parsed.rasters]
        return _Found(each, None, parsed.asked)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise nonsense(source.path, error) from error


def _entry(found: _Found, source: Source) -> bytes | None:
    """For the index: the images, all files that they depend on, and those that they would depend on if they were."""
    others = [s for s in found.asked.values() if s is not None]
    if found.frozen is None or _young(source, found.asked):
        return None
    members = {f.source.path for raster in found.rasters for f in raster.files}
    if not members <= {source.path, *(s.path for s in others)}:
        return None
    missing = [path for path, there in found.asked.items() if there is None]
    return _PORTABLE.dump((others, missing, found.frozen))


def _young(source: Source, asked: Mapping[str, Source | None]) -> bool:
    return young(max((s.modified for s in (source, *asked.values()) if s is not None), default=0))


def _members(source: Source, others: Iterable[Source | None]) -> dict[str, SourceFile]:
    return {s.path: files.file(s) for s in (*others, source) if s is not None}


def _thawed(freezer: Freezer, known: bytes, source: Source) -> Sequence[Raster] | None:
    """The rasters, unless something that they depend on has changed or appeared."""
    try:
        others, missing, data = _PORTABLE.load(known)
        if not all(map(files.still, others)) or any(map(files.there, missing)):
            return None
        return freezer.thaw(data, _members(source, others))
    except (ValueError, TypeError, KeyError, AttributeError):
        # Whole, and yet not what this version writes.
        return None
