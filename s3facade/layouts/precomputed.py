"""Images as Neuroglancer's precomputed volumes: raw chunks named by their bounds, sizes in nanometres."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar

from s3facade.core.errors import Unsupported
from s3facade.core.identity import digest
from s3facade.core.image import Dataset, Image
from s3facade.core.keyspace import Dir, Node
from s3facade.core.named import NamedGrid
from s3facade.core.options import Length
from s3facade.core.spec import Spec
from s3facade.layouts.chunking import Sizes, tiling
from s3facade.layouts.documents import json_file, literal_file
from s3facade.layouts.naming import modified
from s3facade.layouts.precomputed_chunks import RAW, ScaleKeys
from s3facade.layouts.precomputed_shards import shard_grid
from s3facade.layouts.volume import Scale, scales

RECIPE = "s3facade.json"
"""Key of the document that says how an image was made."""
TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "float32")
"""Data types of the format."""


@dataclass(frozen=True, slots=True)
class Precomputed:
    """One volume at the root; several in folders 0, 1, ….

    Specification: "Precomputed volume format" of Neuroglancer's documentation: ``info``, and per scale unsharded chunks
    ``x0-x1_y0-y1_z0-z1`` in Fortran order x, y, z, channel, cut off at the far edges; "Sharded format" for shards.
    """

    version: ClassVar[int] = 1
    format: ClassVar[str] = "precomputed"
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    chunks: Sizes | None = None
    """Voxels of a chunk along y, x (and z of volumes), or per axis by name; chosen per image by default."""
    sharded: bool = False
    """Whether chunks are put together to shards of up to 256 MiB, so that listings stay short."""
    segmentation: bool | None = None
    """Whether values are names of segments; None: where the image says so."""
    thickness: Length | None = None
    """What the one plane of an image without z measures along z: the format has no flat images."""

    def build(self, dataset: Dataset) -> Dir:
        """The tree of keys. No I/O and no voxels.

        Raises:
            Unsupported: No image, several time points, a type that the format lacks, voxels of unknown size.
        """
        if not dataset.images:
            raise Unsupported("There is no image to show.")
        when = modified(dataset)
        children: dict[str, Node] = {}
        if dataset.recipe:
            text = json.dumps(dataset.recipe, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
            children[RECIPE] = literal_file(text.encode(), "application/json", when)
        if len(dataset.images) == 1:
            image = next(iter(dataset.images.values()))
            return Dir({**children, **self._volume(image, when)})
        for n, image in enumerate(dataset.images.values()):
            children[str(n)] = Dir(self._volume(image, when))
        return Dir(children)

    def _volume(self, image: Image, when: int) -> dict[str, Node]:
        spec = image.spec
        _check(spec)
        segments = self._segments(spec)
        children: dict[str, Node] = {}
        told = []
        for scale in scales(spec, self.thickness):
            cut = tiling(spec, scale.level, chunks=self.chunks, shards=False)
            sizes: dict[str, int] = dict(zip(spec.names, cut.chunk, strict=True))
            chunk = tuple(min(sizes.get(axis, 1), n) for axis, n in zip("xyz", scale.size, strict=True))
            identity = digest(spec.identity, "precomputed", self.version, self, scale.level, RAW.version)
            keys = ScaleKeys(image, scale, chunk, spec.length("c"), identity, when)
            document = _scale_document(scale, chunk)
            if self.sharded:
                how, grid = shard_grid(keys)
                document["sharding"] = how.document
            else:
                grid = NamedGrid(scale.words(chunk), keys.leaf)
            told.append(document)
            children[scale.key] = grid
        info: dict[str, Any] = {
            "@type": "neuroglancer_multiscale_volume",
            "type": "segmentation" if segments else "image",
            "data_type": spec.dtype.name,
            "num_channels": spec.length("c"),
            "scales": told,
        }
        return {"info": json_file(info, when, self.version), **children}

    def _segments(self, spec: Spec) -> bool:
        fits = spec.dtype.kind in "iu" and spec.length("c") == 1
        if self.segmentation is None:
            return fits and bool(spec.attrs.get("categorical"))
        if self.segmentation and not fits:
            raise Unsupported(
                f"segmentation: segments are one channel of whole numbers, and the image has {spec.length('c')} of "
                f"{spec.dtype}; leave out `segmentation`."
            )
        return self.segmentation


def _check(spec: Spec) -> None:
    if spec.length("t") > 1:
        raise Unsupported(
            f"A precomputed volume has no time, and the image has {spec.length('t')} time points; choose one by the "
            "step `select: {t: 0}`."
        )
    if spec.dtype.name not in TYPES:
        raise Unsupported(f"Precomputed volumes have no voxels of type {spec.dtype}; write `dtype:` with {_types()}.")


def _types() -> str:
    return f"one of {', '.join(TYPES[:-1])} or {TYPES[-1]}"


def _scale_document(scale: Scale, chunk: tuple[int, ...]) -> dict[str, Any]:
    return {
        "key": scale.key,
        "size": list(scale.size),
        "resolution": list(scale.resolution),
        "voxel_offset": list(scale.offset),
        "chunk_sizes": [list(chunk)],
        "encoding": "raw",
    }
