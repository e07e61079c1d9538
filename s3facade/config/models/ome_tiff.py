"""Every image of a source as a TIFF file: with OME-XML, or plain."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, WithJsonSchema

from s3facade.config.document import Path_
from s3facade.config.models.base import Resolving, count
from s3facade.config.models.image import ImagesModel
from s3facade.config.views.image import ImageView
from s3facade.core.errors import ConfigError

BIG = (".btf", ".tf8")
"""Ends of names that promise positions of 64 bits."""
OME = (".ome.tif", ".ome.tiff", ".ome.btf", ".ome.tf2", ".ome.tf8")
PLAIN = (".tif", ".tiff", ".btf", ".tf8")


def _tile(value: object) -> int:
    found = count(value)
    if found % 16 or found > 2**15:
        raise ValueError(f"must be a multiple of 16 from 16 to 32768, not {found}")
    return found


def _size(value: object) -> bool | None:
    text = str(value).lower()
    if text not in ("auto", "true", "false"):
        raise ValueError(f"must be auto, true or false, not {value!r}")
    return {"true": True, "false": False}.get(text)


_TILE = {"type": "integer", "minimum": 16, "maximum": 32768, "multipleOf": 16}
Tile = Annotated[int, BeforeValidator(_tile), WithJsonSchema(_TILE)]
Bigtiff = Annotated[
    bool | None, BeforeValidator(_size), WithJsonSchema({"anyOf": [{"const": "auto"}, {"type": "boolean"}]})
]


class OmeTiffView(ImagesModel):
    """Every image of a source as an OME-TIFF file."""

    type: Literal["ome-tiff"]
    """The layout."""
    tile: Tile = 512
    """Pixels along a tile, a multiple of 16."""
    bigtiff: Bigtiff = None
    """Whether the file is a BigTIFF; `auto` (default): from 4 GiB on, and where its name ends in `.btf` or `.tf8`."""
    pyramid: bool = True
    """Whether coarser levels are in the file, too."""

    def resolve(self, at: Path_, desk: Resolving) -> ImageView:
        """The view. Raises `ConfigError`."""
        big = _big(self, OME, "OME-TIFF")
        return self.shown(at, desk, self.type, {"tile": self.tile, "bigtiff": big, "pyramid": self.pyramid})


class TiffView(ImagesModel):
    """Every image of a source as a plain TIFF file."""

    type: Literal["tif"]
    """The layout."""
    tile: Tile = 512
    """As of `ome-tiff`."""
    bigtiff: Bigtiff = None
    """As of `ome-tiff`."""
    pyramid: bool = False
    """As of `ome-tiff`, but without unless it is asked for."""

    def resolve(self, at: Path_, desk: Resolving) -> ImageView:
        """The view. Raises `ConfigError`."""
        big = _big(self, PLAIN, "TIFF")
        return self.shown(at, desk, self.type, {"tile": self.tile, "bigtiff": big, "pyramid": self.pyramid})


def _big(view: OmeTiffView | TiffView, ends: tuple[str, ...], kind: str) -> bool | None:
    path = view.path
    if not path.lower().endswith(ends):
        raise ConfigError(f"the path {path!r} of {kind} files must end in {', '.join(ends[:-1])} or {ends[-1]}")
    if not path.lower().endswith(BIG):
        return view.bigtiff
    if view.bigtiff is False:
        raise ConfigError(f"a name that ends as {path!r} promises a BigTIFF; leave out `bigtiff`, or end it in .tif")
    return True
