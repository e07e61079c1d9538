"""Leica LIF, LOF, XLIF and XLEF: images of LAS X as plain numbers, read by ranges of the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from s3facade.core.protocols import SourceFile
from s3facade.readers.arrays.raster import Freezing, TableRaster
from s3facade.readers.lif.blocks import is_binary
from s3facade.readers.lif.images import images
from s3facade.readers.trees import no_options

_FREEZING = Freezing()
_XML = (".xlif", ".xlef")


class LifReader:
    """Files of Leica LAS X."""

    name: ClassVar[str] = "lif"
    version: ClassVar[int] = 1
    lane: ClassVar[Literal["thread", "serial", "process"]] = "thread"
    suffixes: ClassVar[frozenset[str]] = frozenset({".lif", ".lof", ".lifext", *_XML})

    def sniff(self, head: bytes, name: str) -> bool:
        """Whether the file begins with a text of Leica's; or is XML with Leica's root and a name of Leica's."""
        if is_binary(head):
            return True
        return name.lower().endswith(_XML) and b"LMSDataContainerHeader" in head.replace(b"\0", b"")

    def open(self, file: SourceFile, options: Mapping[str, object]) -> Sequence[TableRaster]:
        """The images of a Leica file, in order; one for each tile of a mosaic.

        Raises:
            BadSource: The file contradicts itself, or is incomplete.
            Unsupported: An option, since there are none; numbers or dimensions that cannot be shown truly.
            SourceNotFound: A file that an XLIF or XLEF file refers to is missing.
        """
        no_options(options, "Leica")
        return images(file)

    freeze = staticmethod(_FREEZING.freeze)
    thaw = staticmethod(_FREEZING.thaw)
