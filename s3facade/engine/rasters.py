"""Open files: parsed once, kept while they are used."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from s3facade.core.errors import SourceChanged
from s3facade.core.identity import canonical, digest
from s3facade.core.image import Opened, Source
from s3facade.core.protocols import Raster, Reader
from s3facade.engine.flight import Flights, Work
from s3facade.engine.lanes import Serial
from s3facade.stores.local import LocalFile, describe, unchanged

NOWHERE = Source(path="", size=0, modified=0, etag="")
"""The source of images that are made, not read."""

Key = tuple[str, str, str, str]


class Rasters:
    """The parsed structure of the files used lately, at most ``limit`` files. Thread-safe.

    Args:
        reader: Gives a reader by its name.
    """

    def __init__(self, reader: Callable[[str], Reader], limit: int = 1024) -> None:
        self._reader = reader
        self._limit = limit
        self._open: OrderedDict[Key, Sequence[Raster]] = OrderedDict()
        self._lock = threading.Lock()
        self._flights = Flights()

    def describe(self, path: str, reader: str, options: Mapping[str, object]) -> list[Opened]:
        """The images of a file, as plans. Blocking. Raises `SourceError`.

        ``path`` may be empty for readers that need no file.
        """
        source = describe(path) if path else NOWHERE
        self._forget_changed(source, reader, options)
        implementation = self._reader(reader)
        images = []
        for series, raster in enumerate(self._rasters(source, reader, options)):
            members = tuple(f.source for f in raster.files)
            tags = [m.etag for m in members] or [source.etag]
            identity = digest("opened", tags, implementation.name, implementation.version, options, series)
            spec = replace(raster.spec, identity=identity)
            images.append(Opened(source, reader, series, spec, members, options))
        return images

    def get(self, image: Opened) -> Raster:
        """The open image behind a leaf of a plan; opened again if it was put away. Raises `SourceError`."""
        return self._rasters(image.source, image.reader, image.options)[image.series]

    def _forget_changed(self, source: Source, reader: str, options: Mapping[str, object]) -> None:
        """Drop what was parsed if another file of a multi-file image has changed since."""
        key = _key(source, reader, options)
        rasters = self._open.get(key, ())
        members = {f.source.path: f.source for raster in rasters for f in raster.files}
        if not all(unchanged(member) for member in members.values()):
            with self._lock:
                self._open.pop(key, None)

    def _rasters(self, source: Source, reader: str, options: Mapping[str, object]) -> Sequence[Raster]:
        key = _key(source, reader, options)
        with self._lock:
            found = self._open.get(key)
            if found is not None:
                self._open.move_to_end(key)
                return found
        return self._flights.run(key, lambda: self._parse(key, source, reader, options), Work())

    def _parse(self, key: Key, source: Source, reader: str, options: Mapping[str, object]) -> Sequence[Raster]:
        file = LocalFile(source)
        if source is not NOWHERE and describe(source.path) != source:
            raise SourceChanged("The source file has changed; ask again.", private=source.path)
        implementation = self._reader(reader)
        rasters = implementation.open(file, options)
        if implementation.lane == "serial":
            rasters = [Serial(raster) for raster in rasters]
        with self._lock:
            self._open[key] = rasters
            while len(self._open) > self._limit:
                self._open.popitem(last=False)
        return rasters


def _key(source: Source, reader: str, options: Mapping[str, object]) -> Key:
    return (source.path, source.etag, reader, canonical(options) if options else "")
