"""Open files: parsed once, kept while they are used."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from s3facade.core.errors import SourceChanged
from s3facade.core.identity import canonical, digest
from s3facade.core.image import Opened, Source
from s3facade.core.protocols import Raster, Reader
from s3facade.engine.flight import Flights, Work
from s3facade.engine.index import Index
from s3facade.engine.isolated import Lane
from s3facade.engine.lanes import Serial
from s3facade.engine.structures import opened
from s3facade.engine.weight import held
from s3facade.stores.files import describe, still

NOWHERE = Source(path="", size=0, modified=0, etag="")
"""The source of images that are made, not read."""

Key = tuple[str, str, str, str, bool]


class Wanted(NamedTuple):
    """A file, and how to open it."""

    source: Source
    reader: str
    options: Mapping[str, object]
    isolated: bool

    @property
    def key(self) -> Key:
        """What it is remembered by."""
        options = canonical(self.options) if self.options else ""
        return (self.source.path, self.source.etag, self.reader, options, self.isolated)


class Rasters:
    """The parsed structure of the files used lately, as many as there is room for. Thread-safe.

    Args:
        reader: Gives a reader by its name.
        lane: Where readers run that may crash.
        index: Where parsed structure outlives the process.
        room: Bytes that they may take, about: a plane of TIFF some 5 kB, a slide of a million tiles 20 MB. The one
            used last stays in any case.
    """

    def __init__(
        self, reader: Callable[[str], Reader], lane: Lane, index: Index | None = None, room: int = 64 << 20
    ) -> None:
        self._reader = reader
        self._lane = lane
        self._index = index
        self._room = room
        self._taken = 0
        self._open: OrderedDict[Key, tuple[Sequence[Raster], int]] = OrderedDict()
        self._lock = threading.Lock()
        self._flights = Flights()

    def describe(
        self, path: str, reader: str, options: Mapping[str, object], *, isolated: bool = False
    ) -> list[Opened]:
        """The images of a file, as plans. Blocking. Raises `SourceError`.

        ``path`` may be empty for readers that need no file. ``isolated`` reads it in the process lane, whatever its
        reader asks for.
        """
        wanted = Wanted(describe(path) if path else NOWHERE, reader, options, isolated)
        self._forget_changed(wanted)
        implementation = self._reader(reader)
        images = []
        for series, raster in enumerate(self._rasters(wanted)):
            members = tuple(f.source for f in raster.files)
            tags = [m.etag for m in members] or [wanted.source.etag]
            identity = digest("opened", tags, implementation.name, implementation.version, options, series)
            spec = replace(raster.spec, identity=identity)
            images.append(Opened(wanted.source, reader, series, spec, members, options, isolated))
        return images

    def get(self, image: Opened) -> Raster:
        """The open image behind a leaf of a plan; opened again if it was put away. Raises `SourceError`."""
        return self._rasters(Wanted(image.source, image.reader, image.options, image.isolated))[image.series]

    def _forget_changed(self, wanted: Wanted) -> None:
        """Drop what was parsed if another file of a multi-file image has changed since."""
        rasters, _ = self._open.get(wanted.key, ((), 0))
        members = {f.source.path: f.source for raster in rasters for f in raster.files}
        if not all(still(member) for member in members.values()):
            with self._lock:
                self._taken -= self._open.pop(wanted.key, ((), 0))[1]

    def _rasters(self, wanted: Wanted) -> Sequence[Raster]:
        key = wanted.key
        with self._lock:
            found = self._open.get(key)
            if found is not None:
                self._open.move_to_end(key)
                return found[0]
        return self._flights.run(key, lambda: self._parse(wanted), Work())

    def _parse(self, wanted: Wanted) -> Sequence[Raster]:
        source = wanted.source
        if source is not NOWHERE and describe(source.path) != source:
            raise SourceChanged("The source file has changed; ask again.", private=source.path)
        rasters = self._opened(wanted)
        nbytes = held(rasters)
        with self._lock:
            self._taken += nbytes - self._open.pop(wanted.key, ((), 0))[1]
            self._open[wanted.key] = (rasters, nbytes)
            while self._taken > self._room and len(self._open) > 1:
                self._taken -= self._open.popitem(last=False)[1][1]
        return rasters

    def _opened(self, wanted: Wanted) -> Sequence[Raster]:
        reader = self._reader(wanted.reader)
        if wanted.isolated or reader.lane == "process":
            return self._lane.open(wanted.source, reader, wanted.options)
        rasters = opened(self._index, reader, wanted.source, wanted.options, self._lane)
        if any(getattr(raster, "fragile", False) for raster in rasters):
            # Only now is it known that its pixels need a codec that damaged data may crash.
            return self._lane.open(wanted.source, reader, wanted.options)
        return [Serial(raster) for raster in rasters] if reader.lane == "serial" else rasters
