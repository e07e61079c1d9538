"""A reader that does to its process whatever the opened file says, and whose images can be frozen."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from s3facade.core.errors import SourceNotFound, Unsupported
from s3facade.core.protocols import SourceFile
from s3facade.core.region import Region
from s3facade.core.spec import Axis, Level, Spec
from s3facade.readers.arrays.raster import Freezing, TableRaster
from s3facade.readers.arrays.raw import raw

SIZE = 16


@dataclass(frozen=True)
class Opaque:
    spec: Spec
    files: tuple[SourceFile, ...]

    def chunks(self, level: int) -> None:
        return None

    def read(self, level: int, region: Region) -> np.ndarray:
        return np.full(region.shape, os.getpid() % 251, np.uint8)


class FlimsyReader:
    """``data`` and a name: 256 bytes of that file beside it; and what else happens."""

    name: ClassVar[str] = "flimsy"
    version: ClassVar[int] = 1
    lane: ClassVar[Literal["thread", "serial", "process"]] = "thread"
    apart: ClassVar[bool] = True

    def sniff(self, head: bytes, name: str) -> bool:
        return False

    def open(self, file: SourceFile, options: Mapping[str, object]) -> Sequence[TableRaster | Opaque]:
        words = bytes(file.pread(0, file.source.size)).decode().split()
        _happens(words[0])
        beside = [file.sibling(word) for word in words[1:2]]
        extra = ""
        if words[2:]:
            try:
                extra = bytes(file.sibling(words[2]).pread(0, 1)).decode()
            except SourceNotFound:
                extra = "none"
        files = (file, *beside)
        level = Level((SIZE, SIZE), (1.0, 1.0), (0.0, 0.0), (SIZE, SIZE))
        spec = Spec((Axis("y"), Axis("x")), np.dtype("u1"), (level,), attrs={"pid": os.getpid(), "extra": extra})
        made: list[TableRaster | Opaque] = []
        if beside:
            end = [f.source.size for f in files]
            where = np.array([1], np.uint32)
            table = raw("yx", (SIZE, SIZE), np.dtype("u1"), np.zeros(1, np.int64), end=end, outer=0, files=where)
            made.append(TableRaster(spec, files, (table,)))
        return [*made, Opaque(spec, files)] if words[0] in ("opaque", "mixed") else made

    def freeze(self, rasters: Sequence[TableRaster | Opaque]) -> bytes | None:
        tables = [r for r in rasters if isinstance(r, TableRaster)]
        return Freezing().freeze(tables) if len(tables) == len(rasters) else None

    def thaw(self, data: bytes, files: Mapping[str, SourceFile]) -> Sequence[TableRaster]:
        return Freezing().thaw(data, files)


def _happens(what: str) -> None:
    if what == "segfault":
        ctypes.string_at(0)
    elif what == "abort":
        os.abort()
    elif what == "loop":
        time.sleep(60)
    elif what == "memory":
        np.ones(8 << 30, np.uint8)
    elif what == "refuse":
        raise Unsupported("It shows the colours of the south.")
    elif what == "missing":
        raise SourceNotFound("The other half is missing.", private="half")
    elif what == "bug":
        raise ZeroDivisionError("bug")
