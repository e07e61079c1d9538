"""Open images whose levels all have chunk tables, and how they are kept over a restart."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from s3facade.core.errors import BadSource
from s3facade.core.operators import Block
from s3facade.core.portable import Portable
from s3facade.core.protocols import ChunkTable, SourceFile
from s3facade.core.region import Region
from s3facade.core.spec import Axis, Channel, Level, Spec
from s3facade.readers.arrays.chunked import ChunkedTable
from s3facade.readers.arrays.raw import Linear, RawTable
from s3facade.readers.arrays.stored import Stored


@dataclass(frozen=True, slots=True)
class TableRaster:
    """One image of a file: parsed, no file held open by it."""

    spec: Spec
    files: tuple[SourceFile, ...]
    tables: tuple[ChunkTable, ...]
    """One per level."""

    @property
    def fragile(self) -> bool:
        """Whether reading may crash the process: a filter says so by a ``fragile`` of its own."""
        return any(getattr(step, "fragile", False) for table in self.tables for step in getattr(table, "filters", ()))

    def chunks(self, level: int) -> ChunkTable:
        """The chunk table of ``level``; every level has one."""
        return self.tables[level]

    def read(self, level: int, region: Region) -> Block:
        """Never needed: every level has a table.

        Raises:
            BadSource: Always.
        """
        raise BadSource("The image is read by its chunks.", private=f"level {level}, {region}")


class Freezing:
    """Rasters made of tables as bytes and back: a reader's ``freeze`` and ``thaw``.

    Args:
        classes: Frozen dataclasses of portable fields that occur in the tables beside those of this package: filters.
        raster: Their class; its fields are a description, files, and tables of the levels, in this order.
    """

    def __init__(self, classes: Iterable[type[Any]] = (), raster: Callable[..., Any] = TableRaster) -> None:
        self._raster = raster
        self._portable = Portable([Spec, Axis, Channel, Level, Stored, RawTable, ChunkedTable, Linear, *classes])

    def freeze(self, rasters: Sequence[Any]) -> bytes | None:
        """The rasters as bytes, with the paths of their files."""
        # As JSON, so that lists stay lists.
        frozen = [
            (replace(r.spec, attrs={}), json.dumps(dict(r.spec.attrs)), [f.source.path for f in r.files], r.tables)
            for r in rasters
        ]
        return self._portable.dump(frozen)

    def thaw(self, data: bytes, files: Mapping[str, SourceFile]) -> list[Any]:
        """The rasters again. Raises `ValueError` if the data are of another version."""
        return [
            self._raster(replace(spec, attrs=json.loads(attrs)), tuple(files[p] for p in paths), tuple(tables))
            for spec, attrs, paths, tables in self._portable.load(data)
        ]
