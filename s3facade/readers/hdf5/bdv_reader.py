"""BigDataViewer datasets, opened by their XML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from s3facade.core.errors import Unsupported
from s3facade.core.protocols import SourceFile
from s3facade.readers.arrays.raster import TableRaster
from s3facade.readers.hdf5 import bdv, bdv_xml
from s3facade.readers.hdf5.library import opened
from s3facade.readers.hdf5.pipeline import FREEZING


class BdvReader:
    """The XML files of BigDataViewer and BigStitcher, with HDF5 files beside them."""

    name: ClassVar[str] = "bdv"
    version: ClassVar[int] = 1
    lane: ClassVar[Literal["thread", "serial", "process"]] = "thread"
    apart: ClassVar[bool] = True
    suffixes: ClassVar[frozenset[str]] = frozenset()

    def sniff(self, head: bytes, name: str) -> bool:
        """Whether this is XML whose outermost element is SpimData."""
        return (
            name.lower().endswith(".xml") and b"<SpimData" in head and head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<"
        )

    def open(self, file: SourceFile, options: Mapping[str, object]) -> Sequence[TableRaster]:
        """One image for each setup, in the order of the XML file, with all its time points.

        Raises:
            BadSource: The files contradict themselves or each other, or are incomplete.
            Unsupported: An option, since there are none; or voxels kept in another way than in HDF5.
            SourceNotFound: The HDF5 file, or one that it links to, is missing.
        """
        if options:
            raise Unsupported(f"The BigDataViewer reader has no option {next(iter(options))!r}; it takes none.")
        views = bdv_xml.read(file)
        voxels = file.sibling(views.hdf5)
        with opened(voxels) as tree:
            return bdv.shown(tree, (file,), views)

    freeze = staticmethod(FREEZING.freeze)
    thaw = staticmethod(FREEZING.thaw)
