"""Zeiss CZI: mosaics, pyramids and scenes of ZEN; ranges of the file and imagecodecs give the pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from s3facade.core.errors import BadSource
from s3facade.core.operators import Block
from s3facade.core.protocols import ChunkTable, SourceFile
from s3facade.core.region import Region
from s3facade.core.spec import Spec
from s3facade.readers.arrays.raster import Freezing
from s3facade.readers.czi.images import images
from s3facade.readers.czi.mosaic import Mosaic
from s3facade.readers.czi.pixels import JPEG_XR, Pixels
from s3facade.readers.czi.tables import Table, codecs
from s3facade.readers.trees import no_options


@dataclass(frozen=True, slots=True)
class CziRaster:
    """One image of a CZI file: parsed, no file held open by it."""

    spec: Spec
    files: tuple[SourceFile, ...]
    tables: tuple[Table, ...]
    """One per level."""

    @property
    def fragile(self) -> bool:
        """Whether reading may crash the process, which the engine then does elsewhere: jxrlib does on damaged data."""
        return any(JPEG_XR in codecs(table) for table in self.tables)

    def chunks(self, level: int) -> ChunkTable | None:
        """The chunk table of ``level``; None where its sub-blocks overlap or lie anywhere."""
        table = self.tables[level]
        return None if isinstance(table, Mosaic) else table

    def read(self, level: int, region: Region) -> Block:
        """Voxels of a level without a table. Raises `BadSource`."""
        table = self.tables[level]
        if not isinstance(table, Mosaic):
            raise BadSource("The image is read by its chunks.", private=f"level {level}, {region}")
        return table.read(self.files[0], region)


_FREEZING = Freezing([Mosaic, Pixels], CziRaster)


class CziReader:
    """CZI files of Zeiss ZEN."""

    name: ClassVar[str] = "czi"
    version: ClassVar[int] = 1
    lane: ClassVar[Literal["thread", "serial", "process"]] = "thread"
    suffixes: ClassVar[frozenset[str]] = frozenset({".czi"})

    def sniff(self, head: bytes, name: str) -> bool:  # noqa: ARG002 - the seam
        """Whether the file begins with the segment ``ZISRAWFILE``."""
        return head[:16] == b"ZISRAWFILE".ljust(16, b"\0")

    def open(self, file: SourceFile, options: Mapping[str, object]) -> Sequence[CziRaster]:
        """The images of a CZI file: one per scene, and per index of other dimensions than T, C and Z.

        Raises:
            BadSource: The file contradicts itself, or is incomplete.
            Unsupported: An option, since there are none; one file of a set; pixels that cannot be shown truly.
        """
        no_options(options, "CZI")
        return [CziRaster(spec, (file,), tables) for spec, tables in images(file)]

    freeze = staticmethod(_FREEZING.freeze)
    thaw = staticmethod(_FREEZING.thaw)
