"""Olympus OIF and OIB: images of FluoView, read by ranges of their TIFF planes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from s3facade.core.protocols import SourceFile
from s3facade.readers.arrays.raster import Freezing
from s3facade.readers.oif.compound import SIGNATURE
from s3facade.readers.oif.images import OifRaster, image
from s3facade.readers.oif.scattered import Scattered
from s3facade.readers.trees import no_options

_FREEZING = Freezing([Scattered], OifRaster)


class OifReader:
    """OIF and OIB files of Olympus FluoView."""

    name: ClassVar[str] = "oif"
    version: ClassVar[int] = 1
    lane: ClassVar[Literal["thread", "serial", "process"]] = "thread"
    suffixes: ClassVar[frozenset[str]] = frozenset({".oif", ".oib"})

    def sniff(self, head: bytes, name: str) -> bool:
        """Whether it is a compound file called ``.oib``, or settings called ``.oif``."""
        lower = name.lower()
        if lower.endswith(".oib"):
            return head[:8] == SIGNATURE
        return lower.endswith(".oif") and b"[" in head[:16] and head[:2] in (b"\xff\xfe", b"\xfe\xff")

    def open(self, file: SourceFile, options: Mapping[str, object]) -> Sequence[OifRaster]:
        """The image of an OIF or OIB.

        Raises:
            BadSource: The file contradicts itself, or planes are missing.
            Unsupported: An option, since there are none; planes of an unknown kind.
            SourceNotFound: The folder of an OIF is missing.
        """
        no_options(options, "OIF")
        return [image(file)]

    freeze = staticmethod(_FREEZING.freeze)
    thaw = staticmethod(_FREEZING.thaw)
