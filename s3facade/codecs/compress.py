"""Chunks that are compressed as Zarr's own codecs do: smaller, and of a size that only computing tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from s3facade.codecs.raw import Raw
from s3facade.core.errors import Unsupported
from s3facade.core.operators import Block, Buffer

_RAW = Raw()


LEVELS: Mapping[str, int] = {"zstd": 22, "gzip": 9, "blosc": 9}
"""The highest level of each codec; the lowest is 1."""
USUAL = 1
"""Chunks are compressed while somebody waits for them."""


@dataclass(frozen=True, slots=True)
class Compressed:
    """C-order, little-endian bytes, compressed. Made by `compressed`."""

    version: ClassVar[int] = 1

    name: str
    """Of the codec in Zarr v3: zstd, gzip or blosc."""
    level: int
    """The higher, the smaller and the slower."""
    library: str
    """What compresses, with its version."""

    def nbytes(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:  # noqa: ARG002 - a protocol's
        """Nobody knows before it is done."""
        return

    def document(self, dtype: np.dtype[Any]) -> dict[str, Any]:
        """Its place among the ``codecs`` of a ``zarr.json``, behind ``bytes``."""
        if self.name == "zstd":
            configuration: dict[str, Any] = {"level": self.level, "checksum": False}
        elif self.name == "gzip":
            configuration = {"level": self.level}
        else:
            configuration = {
                "cname": "zstd",
                "clevel": self.level,
                "shuffle": _shuffle(dtype),
                "typesize": dtype.itemsize,
                "blocksize": 0,
            }
        return {"name": self.name, "configuration": configuration}

    def encode(self, block: Block) -> Buffer:
        """Compressed bytes: no times and no names in them, and one thread, so that they are always the same."""
        import imagecodecs  # a tenth of the time to start, and most have no use for it

        data: Any = _RAW.encode(block)
        encoded: Buffer
        if self.name == "zstd":
            encoded = imagecodecs.zstd_encode(data, level=self.level)
        elif self.name == "gzip":
            encoded = imagecodecs.gzip_encode(data, level=self.level)
        else:
            encoded = imagecodecs.blosc_encode(
                data,
                level=self.level,
                compressor="zstd",
                shuffle=_shuffle(block.dtype),
                typesize=block.dtype.itemsize,
                numthreads=1,
            )
        return encoded


def _shuffle(dtype: np.dtype[Any]) -> str:
    return "shuffle" if dtype.itemsize > 1 else "noshuffle"


def compressed(name: str, level: int | None = None) -> Compressed:
    """The codec called ``name``.

    Raises:
        Unsupported: There is no such codec or level.
    """
    import imagecodecs  # see above

    chosen = USUAL if level is None else level
    if name not in LEVELS:
        raise Unsupported(f"codec: {name!r} is none; use raw, {', '.join(LEVELS)}.")
    if not 1 <= chosen <= LEVELS[name]:
        raise Unsupported(f"codec: levels of {name} are 1 to {LEVELS[name]}, not {chosen}.")
    # Another version may give other bytes for the same voxels.
    version: str = getattr(imagecodecs, f"{name}_version")()
    return Compressed(name, chosen, f"imagecodecs {imagecodecs.__version__}, {version}")
