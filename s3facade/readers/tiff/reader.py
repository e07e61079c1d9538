"""The TIFF family: tifffile reads the structure, ranges of the file and imagecodecs give the pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.operators import Block
from s3facade.core.protocols import SourceFile
from s3facade.core.region import Region
from s3facade.core.spec import Spec
from s3facade.readers.tiff.frozen import freeze, thaw
from s3facade.readers.tiff.parse import parse
from s3facade.readers.tiff.table import RawTable, SegmentTable

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_NAMES = (".companion.ome",)


@dataclass(frozen=True, slots=True)
class TiffRaster:
    """One image of a TIFF file: parsed, no file held open by it."""

    spec: Spec
    files: tuple[SourceFile, ...]
    tables: tuple[RawTable | SegmentTable, ...]

    @property
    def fragile(self) -> bool:
        """Whether reading may crash the process: damaged JPEG XR does."""
        return any("jpegxr" in table.codec for table in self.tables)

    def chunks(self, level: int) -> RawTable | SegmentTable:
        """The chunk table of ``level``; every level has one."""
        return self.tables[level]

    def read(self, level: int, region: Region) -> Block:
        """Never needed: every level has a table.

        Raises:
            BadSource: Always.
        """
        raise BadSource("A TIFF is read by its chunks.", private=f"level {level}, {region}")


class TiffReader:
    """TIFF, BigTIFF, OME-TIFF, ImageJ, slide scanners' TIFFs."""

    name: ClassVar[str] = "tiff"
    version: ClassVar[int] = 4
    lane: ClassVar[Literal["thread", "serial", "process"]] = "thread"
    suffixes: ClassVar[frozenset[str]] = frozenset(
        {".tif", ".tiff", ".btf", ".tf2", ".tf8", ".svs", ".ndpi", ".scn", ".qptiff", ".lsm", ".stk"}
    )

    def sniff(self, head: bytes, name: str) -> bool:
        """Whether this is a TIFF, by its first four bytes, or an OME companion file, by its name.

        DICOM files may begin with a TIFF's header, for programs that know no DICOM; often nothing follows it.
        """
        return (head[:4] in _MAGIC and head[128:132] != b"DICM") or name.lower().endswith(_NAMES)

    def open(self, file: SourceFile, options: Mapping[str, object]) -> Sequence[TiffRaster]:
        """The images of a TIFF and of the files it belongs to, in order.

        Raises:
            BadSource: The file contradicts itself, or is incomplete.
            Unsupported: An option, since there are none; or pixels or dimensions that cannot be shown truly.
            SourceNotFound: A member file is missing.
        """
        if options:
            raise Unsupported(f"The TIFF reader has no option {next(iter(options))!r}; it takes none.")
        return [TiffRaster(p.spec, p.files, p.tables) for p in parse(file)]

    def freeze(self, rasters: Sequence[TiffRaster]) -> bytes | None:
        """The images as bytes; None if they cannot be decoded without parsing the file."""
        return freeze([(r.spec, r.files, r.tables) for r in rasters])

    def thaw(self, data: bytes, files: Mapping[str, SourceFile]) -> Sequence[TiffRaster]:
        """What was frozen. Raises `ValueError`."""
        return [TiffRaster(spec, tuple(found), tuple(tables)) for spec, found, tables in thaw(data, files)]
