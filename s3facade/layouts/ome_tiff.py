"""Images as one TIFF file each, tiled and uncompressed: with OME-XML and pyramids, or plain."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from s3facade.codecs.interleaved import Interleaved
from s3facade.codecs.raw import Raw
from s3facade.core.errors import Unsupported
from s3facade.core.identity import digest
from s3facade.core.image import Dataset
from s3facade.core.keyspace import File
from s3facade.layouts.naming import image_name, modified
from s3facade.layouts.ome_xml import Stored, metadata
from s3facade.layouts.tiff_file import tiff_file
from s3facade.layouts.tiff_pages import SIDE, Pages, pages


@dataclass(frozen=True, slots=True)
class OmeTiff:
    """One OME-TIFF with all images: a page per plane, coarser levels in SubIFDs, OME-XML in the first page.

    Specification: OME-TIFF 6.x with pyramids ("Sub-resolutions"), OME-XML 2016-06.
    """

    version: ClassVar[int] = 1
    leaf: ClassVar[bool] = True
    media_type: ClassVar[str] = "image/tiff"
    flat: ClassVar[bool] = True
    """Levels are made of planes: z is never halved."""
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    tile: int = SIDE
    """Pixels along a tile, a multiple of 16."""
    bigtiff: bool | None = None
    """Whether positions in the file have 64 bits; None: where they must, from 4 GiB on."""
    pyramid: bool = True
    """Whether coarser levels are stored, too."""
    name: str | None = None
    """Name of the image; default: what the operator says about it, else the source, else its file name."""

    def build(self, dataset: Dataset) -> File:
        """The file. No I/O and no voxels; its size is arithmetic.

        Raises:
            Unsupported: No image, a type that TIFF readers do not know, options that do not fit.
        """
        made = _pages(dataset, self.tile, pyramid=self.pyramid)
        names = [image_name(image, key) for key, image in dataset.images.items()]
        said = self.name or dataset.about.get("name")
        if isinstance(said, str) and said and len(names) == 1:
            names = [said]
        stored, first = [], 0
        for image in made:
            stored.append(Stored(first, image.planes, image.samples))
            first += image.planes
        specs = [image.spec for image in dataset.images.values()]
        xml = metadata(specs, names, original=bool(dataset.recipe), stored=stored)
        return _file(dataset, made, xml + b"\0", self)


@dataclass(frozen=True, slots=True)
class Tiff:
    """One image as a plain TIFF file: a page per plane (z fastest, then c, then t), without a description.

    Specification: TIFF 6.0; supplement 1 for the coarser levels.
    """

    version: ClassVar[int] = 1
    leaf: ClassVar[bool] = True
    media_type: ClassVar[str] = "image/tiff"
    flat: ClassVar[bool] = True
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    tile: int = SIDE
    """Pixels along a tile, a multiple of 16."""
    bigtiff: bool | None = None
    """Whether positions in the file have 64 bits; None: where they must, from 4 GiB on."""
    pyramid: bool = False
    """Whether coarser levels are stored, too."""

    def build(self, dataset: Dataset) -> File:
        """The file. No I/O and no voxels; its size is arithmetic.

        Raises:
            Unsupported: Not one image, a type that TIFF readers do not know, options that do not fit.
        """
        if len(dataset.images) > 1:
            raise Unsupported(
                f"The file holds {len(dataset.images)} images, and a plain TIFF cannot tell them apart; choose one "
                "with `series:`, or show it as `ome-tiff`."
            )
        return _file(dataset, _pages(dataset, self.tile, pyramid=self.pyramid), b"", self)


def _pages(dataset: Dataset, side: int, *, pyramid: bool) -> list[Pages]:
    if not dataset.images:
        raise Unsupported("There is no image to show.")
    return [pages(image, side, pyramid=pyramid) for image in dataset.images.values()]


def _file(dataset: Dataset, made: list[Pages], description: bytes, layout: OmeTiff | Tiff) -> File:
    of = tiff_file(made, description, big=layout.bigtiff)
    shown = [image.spec.identity for image in dataset.images.values()]
    codecs = (Raw.version, Interleaved.version)
    identity = digest(type(layout).__name__, layout.version, layout, codecs, shown, description.decode())
    return File(of.size, layout.media_type, identity, modified(dataset), partial(type(of).body, of))
