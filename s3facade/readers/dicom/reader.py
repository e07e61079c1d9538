"""DICOM: series, frames in one file, whole slides; a file of a series opens all of it that lies in its folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from s3facade.core.errors import Unsupported
from s3facade.core.protocols import SourceFile
from s3facade.readers.arrays.raster import Freezing, TableRaster
from s3facade.readers.dicom import codecs
from s3facade.readers.dicom.elements import plausible
from s3facade.readers.dicom.images import Series, images
from s3facade.readers.dicom.instance import read
from s3facade.readers.dicom.series import members
from s3facade.readers.dicom.tables import ScaledTable

_FREEZING = Freezing(
    (codecs.Fragments, codecs.Deflated, codecs.Picture, codecs.Bits, codecs.Swapped, codecs.Masked, codecs.Palette,
     codecs.FromYbr, ScaledTable)
)  # fmt: skip


class DicomReader:
    """DICOM images: single ones, series, frames in one file, whole slides."""

    name: ClassVar[str] = "dicom"
    version: ClassVar[int] = 1
    lane: ClassVar[Literal["thread", "serial", "process"]] = "thread"
    suffixes: ClassVar[frozenset[str]] = frozenset({".dcm", ".dicom"})
    needs: ClassVar[tuple[str, ...]] = ("pydicom",)
    extra: ClassVar[str] = "dicom"
    rank: ClassVar[int] = 5

    def sniff(self, head: bytes, name: str) -> bool:
        """Whether this is a DICOM file, with a preamble or without; an index (DICOMDIR) is none."""
        if name.upper() == "DICOMDIR" or b"1.2.840.10008.1.3.10" in head[132:1024]:
            return False
        return plausible(head)

    def open(self, file: SourceFile, options: Mapping[str, object]) -> Sequence[TableRaster]:
        """The images of the series that the file belongs to; the largest first.

        Options: ``series: false`` opens the file alone; ``identifying: keep`` keeps elements that say whose image
        it is.

        Raises:
            BadSource: A file contradicts itself, or pixels are missing.
            Unsupported: An option or a way of storing pixels that there is not.
        """
        unknown = sorted({*options} - {"series", "identifying"})
        if unknown:
            raise Unsupported(f"The DICOM reader has no option {unknown[0]!r}; there are `series` and `identifying`.")
        whole, identifying = options.get("series", True), options.get("identifying", "drop")
        if not isinstance(whole, bool):
            raise Unsupported(f"The option `series` of the DICOM reader is true or false, not {whole!r:.40}.")
        if identifying not in ("drop", "keep"):
            raise Unsupported(f"The option `identifying` of the DICOM reader is drop or keep, not {identifying!r:.40}.")
        found = members(file) if whole else [read(file)]
        files = [i.file for i in found]
        if whole:
            files.append(file.folder())
        return images(Series(tuple(found), tuple(files), identifying == "keep"))

    freeze = staticmethod(_FREEZING.freeze)
    thaw = staticmethod(_FREEZING.thaw)
