"""Every image of a source as OME-Zarr."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from s3facade.codecs.compress import compressed
from s3facade.config.document import Path_
from s3facade.config.models.base import Chunks, Codec, Resolving, Shards
from s3facade.config.models.image import ImagesModel
from s3facade.config.views.image import ImageView


class OmeZarrView(ImagesModel):
    """Every image of a source as OME-Zarr 0.5."""

    type: Literal["ome-zarr"]
    """The layout."""
    chunks: Chunks | None = None
    """Voxels per chunk: one number for every space axis, or by axis; default: chosen per image."""
    shards: Shards | None = None
    """Voxels per shard, as `chunks`; `false`: no sharding; default: chosen per image."""
    codec: Codec = None
    """`raw` (default), or what each chunk is compressed with: `zstd`, `gzip` or `blosc`; with a level as in
    `{name: zstd, level: 3}`. There are no shards then, and sizes are known only once they were computed."""
    labels: dict[str, str] = {}
    """Label images by name: a source or image whose captures match."""

    @model_validator(mode="after")
    def _no_shards(self) -> OmeZarrView:
        if self.codec is not None and self.shards:
            raise ValueError(
                "has `shards` and a `codec`: chunks in a shard need sizes that are known beforehand, which compressed "
                "ones have not; leave out one of the two"
            )
        return self

    def resolve(self, at: Path_, desk: Resolving) -> ImageView:
        """The view. Raises `ConfigError`."""
        codec = None if self.codec is None else compressed(*self.codec)
        options = {"chunks": self.chunks, "shards": self.shards, "codec": codec}
        return self.shown(at, desk, self.type, options, self.labels)
