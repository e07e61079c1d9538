"""Opened files whose structure is in the index: a restart parses nothing that it has parsed before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from s3facade.core.identity import canonical
from s3facade.core.image import Source
from s3facade.core.portable import Portable
from s3facade.core.protocols import Freezer, Raster, Reader, SourceFile
from s3facade.engine import lanes
from s3facade.engine.index import Index
from s3facade.stores import files
from s3facade.stores.local import young

_PORTABLE = Portable([Source])


def opened(index: Index | None, reader: Reader, source: Source, options: Mapping[str, object]) -> Sequence[Raster]:
    """The images of a file: from the index, or as the reader opens it. Raises what that raises."""
    if index is None or not hasattr(reader, "freeze") or not source.path:
        return lanes.opened(reader, files.file(source), options)
    freezer = cast(Freezer, reader)
    key = ("structure", source.path, source.etag, reader.name, reader.version, canonical(options) if options else "")
    known = index.get(key)
    rasters = None if known is None else _thawed(freezer, known, source)
    if rasters is None:
        asked: dict[str, Source | None] = {}
        rasters = lanes.opened(reader, files.file(source, asked), options)
        frozen = _frozen(freezer, rasters, source, asked)
        if frozen is not None:
            index.put(key, frozen)
    return rasters


def _frozen(
    freezer: Freezer, rasters: Sequence[Raster], source: Source, asked: Mapping[str, Source | None]
) -> bytes | None:
    """The rasters, with all other files that they depend on, and those that they would depend on if there were any."""
    newest = max((s.modified for s in (source, *asked.values()) if s is not None), default=0)
    if young(newest):
        return None
    data = freezer.freeze(rasters)
    members = {f.source.path for raster in rasters for f in raster.files}
    if data is None or not members <= {source.path, *(s.path for s in asked.values() if s is not None)}:
        return None
    missing = [path for path, found in asked.items() if found is None]
    return _PORTABLE.dump(([s for s in asked.values() if s is not None], missing, data))


def _thawed(freezer: Freezer, known: bytes, source: Source) -> Sequence[Raster] | None:
    """The rasters, unless something that they depend on has changed or appeared."""
    try:
        others, missing, data = _PORTABLE.load(known)
        if not all(map(files.still, others)) or any(map(files.there, missing)):
            return None
        members: dict[str, SourceFile] = {s.path: files.file(s) for s in (*others, source)}
        return freezer.thaw(data, members)
    except (ValueError, TypeError, KeyError, AttributeError):
        # Whole, and yet not what this version writes.
        return None
