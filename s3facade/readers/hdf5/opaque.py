"""Images that only the HDF5 library can read, region by region."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from s3facade.core.errors import BadSource
from s3facade.core.operators import Block
from s3facade.core.protocols import ChunkTable, SourceFile
from s3facade.core.region import Region
from s3facade.core.spec import Spec
from s3facade.readers.arrays.stored import Stored
from s3facade.readers.hdf5.library import opened


@dataclass(frozen=True, slots=True)
class LibraryRaster:
    """One dataset without a chunk table; the file is opened for each region, so that none is held open.

    h5py lets one thread of the process in at a time.
    """

    spec: Spec
    files: tuple[SourceFile, ...]
    holder: SourceFile
    """The file with the dataset."""
    path: str
    """Of the dataset in it."""
    stored: Stored

    def chunks(self, level: int) -> ChunkTable | None:  # noqa: ARG002 - the seam
        """None: there is no table."""
        return None

    def read(self, level: int, region: Region) -> Block:  # noqa: ARG002 - there is one level
        """Voxels of ``region`` of the only level.

        Raises:
            BadSource: The library cannot read them.
        """
        spans: dict[str, slice] = dict(zip(self.stored.names, region.slices(), strict=True))
        wanted = tuple(spans.get(d, slice(0, 1)) for d in self.stored.dims)
        with opened(self.holder) as tree:
            found = tree.dataset(self.path)
            if found is None or tuple(found.item.shape) != self.stored.sizes:
                raise BadSource("The image is not in the file any more.", private=self.path)
            block = np.asarray(found.item[wanted])
        out = self.stored.arrange(block).astype(self.spec.dtype, copy=False)
        return out if out.flags.owndata else out.copy()
