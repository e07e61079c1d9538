"""How readers without a table of chunks are called: by blocks, and one at a time where their library asks for it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from s3facade.core.errors import Unsupported
from s3facade.core.operators import Block, Buffer
from s3facade.core.protocols import Cell, ChunkTable, Raster, Reader, SourceFile
from s3facade.core.region import Region, cell
from s3facade.core.spec import Spec


def opened(reader: Reader, file: SourceFile, options: Mapping[str, object]) -> Sequence[Raster]:
    """What the reader finds in the file. Raises `SourceError`, also where the reader lacks a library that it needs."""
    try:
        return reader.open(file, options)
    except ModuleNotFoundError as error:
        extra = getattr(reader, "extra", "")
        how = f"pip install 's3facade[{extra}]'" if extra else f"install {error.name}"
        raise Unsupported(f"Files of this format need a library that the server lacks; {how}.") from error


@dataclass(frozen=True, slots=True)
class OpaqueTable:
    """A level that its reader reads itself, as a table of its blocks: what is read is kept, and read once."""

    raster: Raster
    level: int

    @property
    def block(self) -> tuple[int, ...]:
        """The blocks that the reader says are cheapest."""
        return self.raster.spec.levels[self.level].block

    @property
    def codec(self) -> str:
        """Not known."""
        return "opaque"

    def cell(self, index: tuple[int, ...]) -> Cell | None:  # noqa: ARG002 - the seam
        """None: the reader alone knows."""
        return None

    def decode(self, index: tuple[int, ...], data: Buffer | None) -> Block:  # noqa: ARG002 - the seam
        """Voxels of a block, from the reader."""
        return self.raster.read(self.level, cell(index, self.block).clip(self.raster.spec.levels[self.level].shape))


class Serial:
    """A raster of the ``serial`` lane: its library must not be called by two threads at once."""

    def __init__(self, raster: Raster) -> None:
        self._raster = raster
        self._lock = threading.Lock()

    @property
    def spec(self) -> Spec:
        """Of the raster."""
        return self._raster.spec

    @property
    def files(self) -> Sequence[SourceFile]:
        """Of the raster."""
        return self._raster.files

    def chunks(self, level: int) -> ChunkTable | None:
        """Of the raster: tables do not call the library."""
        return self._raster.chunks(level)

    def read(self, level: int, region: Region) -> Block:
        """Voxels, one caller at a time."""
        with self._lock:
            return self._raster.read(level, region)
