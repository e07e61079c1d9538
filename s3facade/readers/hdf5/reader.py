"""HDF5 files: plain ones, NWB, ilastik, and what else is written in them under a neutral name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from s3facade.core.errors import NoImage, Unsupported
from s3facade.core.protocols import SourceFile
from s3facade.readers.arrays.raster import TableRaster
from s3facade.readers.hdf5 import bdv, imaris, nwb, others, plain
from s3facade.readers.hdf5.library import is_hdf5, opened
from s3facade.readers.hdf5.pipeline import FREEZING
from s3facade.readers.hdf5.plain import AnyRaster, Options


class Hdf5Reader:
    """HDF5: the datasets that are named, or those that look like images."""

    name: ClassVar[str] = "hdf5"
    version: ClassVar[int] = 2
    lane: ClassVar[Literal["thread", "serial", "process"]] = "thread"
    apart: ClassVar[bool] = True
    suffixes: ClassVar[frozenset[str]] = frozenset({".h5", ".hdf5", ".he5", ".hdf", ".nwb"})
    rank: ClassVar[int] = 10

    def sniff(self, head: bytes, name: str) -> bool:  # noqa: ARG002 - the seam
        """Whether this is HDF5, by its signature."""
        return is_hdf5(head)

    def open(self, file: SourceFile, options: Mapping[str, object]) -> Sequence[AnyRaster]:
        """The images of a file, by path of their datasets.

        Options: ``dataset``, a path, a pattern as in ``/volumes/*``, or a list of them; ``axes``, one letter of t, c,
        z, y, x for each dimension, a dot for one of length 1 that is left out.

        Raises:
            BadSource: The file contradicts itself, or is incomplete.
            NoImage: It holds other data.
            Unsupported: An option that there is not; numbers, filters or dimensions that cannot be shown truly.
            SourceNotFound: A linked file is missing.
        """
        asked = _options(options)
        with opened(file) as tree:
            if asked == Options():
                for special in (imaris, bdv, nwb):
                    if special.is_one(tree):
                        return list(special.images(tree))
                if other := others.kind(tree):
                    raise NoImage(
                        f"The HDF5 file holds {other}, no image. If one of its datasets is an image, write its path as "
                        "the option `dataset`."
                    )
            return plain.images(tree, asked)

    def freeze(self, rasters: Sequence[AnyRaster]) -> bytes | None:
        """The images as bytes; None if one of them is read by the library."""
        tables = [r for r in rasters if isinstance(r, TableRaster)]
        return FREEZING.freeze(tables) if len(tables) == len(rasters) else None

    def thaw(self, data: bytes, files: Mapping[str, SourceFile]) -> Sequence[TableRaster]:
        """What was frozen. Raises `ValueError`."""
        return FREEZING.thaw(data, files)


def _options(options: Mapping[str, object]) -> Options:
    unknown = sorted(set(options) - {"dataset", "axes"})
    if unknown:
        raise Unsupported(f"The HDF5 reader has no option {unknown[0]!r}; there are `dataset` and `axes`.")
    dataset, axes = options.get("dataset", ()), options.get("axes")
    names = (dataset,) if isinstance(dataset, str) else dataset
    if not isinstance(names, list | tuple) or not all(isinstance(n, str) and n for n in names):
        raise Unsupported(f"The option `dataset` is {dataset!r}; write a path as in '/volumes/raw', or a list of them.")
    if axes is not None and (not isinstance(axes, str) or not axes):
        raise Unsupported(f"The option `axes` is {axes!r}; write letters as in 'zyx'.")
    return Options(tuple(names), axes)
