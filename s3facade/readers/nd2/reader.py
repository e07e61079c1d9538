"""Nikon ND2: time series, z stacks and stage positions of NIS-Elements, read by ranges of the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from s3facade.core.protocols import SourceFile
from s3facade.readers.arrays.raster import Freezing, TableRaster
from s3facade.readers.nd2.chunks import JPEG_2000, MAGIC
from s3facade.readers.nd2.frames import Rows
from s3facade.readers.nd2.images import images
from s3facade.readers.trees import no_options

_FREEZING = Freezing([Rows])


class Nd2Reader:
    """ND2 files of NIS-Elements from version 3 on."""

    name: ClassVar[str] = "nd2"
    version: ClassVar[int] = 1
    lane: ClassVar[Literal["thread", "serial", "process"]] = "thread"
    suffixes: ClassVar[frozenset[str]] = frozenset({".nd2"})

    def sniff(self, head: bytes, name: str) -> bool:
        """Whether the file begins with a chunk of ND2; or is JPEG 2000 and called ``.nd2``, to be refused by name."""
        return head[:4] == MAGIC or (head[:8] == JPEG_2000 and name.lower().endswith(".nd2"))

    def open(self, file: SourceFile, options: Mapping[str, object]) -> Sequence[TableRaster]:
        """The images of an ND2 file: one per stage position.

        Raises:
            BadSource: The file contradicts itself, or is incomplete.
            Unsupported: An option, since there are none; files of the old kind, of JPEG 2000; lossy frames.
        """
        no_options(options, "ND2")
        return list(images(file))

    freeze = staticmethod(_FREEZING.freeze)
    thaw = staticmethod(_FREEZING.thaw)
