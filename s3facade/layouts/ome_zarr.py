"""Images as OME-Zarr 0.5 on Zarr v3, sharded, its metadata consolidated in the root group."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from s3facade.codecs.compress import Compressed
from s3facade.core.errors import Unsupported
from s3facade.core.identity import digest
from s3facade.core.image import Dataset, Image, sources
from s3facade.core.keyspace import Dir, File, Node
from s3facade.layouts.chunking import Sizes, tiling
from s3facade.layouts.documents import json_file, literal_file
from s3facade.layouts.multiscales import multiscales
from s3facade.layouts.naming import file_name, image_name
from s3facade.layouts.ome_xml import metadata, printable
from s3facade.layouts.omero import measured, omero
from s3facade.layouts.ro_crate.graph import DESCRIPTOR, MEDIA_TYPE
from s3facade.layouts.ro_crate.image import image_crate
from s3facade.layouts.zarr_array import RAW, array_document, level_grid

VERSION = "0.5"
RECIPE = "s3facade.json"
"""Key of the document that says how an image was made."""
CONSOLIDATED = 128 * 2**20
"""Bytes of voxels behind measured windows up to which a collection's root repeats the metadata of its images."""


@dataclass(frozen=True, slots=True)
class OmeZarr:
    """One image at the root; several as a bioformats2raw collection of groups 0, 1, …; labels below their image."""

    version: ClassVar[int] = 1
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    chunks: Sizes | None = None
    """Voxels of a chunk along y, x (and z of volumes), or per axis by name; chosen per image by default."""
    shards: Sizes | bool | None = None
    """Voxels of a shard, multiples of the chunks; False for one key per chunk."""
    name: str | None = None
    """Name of the image or of the collection; default: what the source says, else its file name."""
    codec: Compressed | None = None
    """What chunks are compressed with, each a key of its own then; None: they are raw."""

    def build(self, dataset: Dataset) -> Dir:
        """The tree of keys. No I/O and no voxels.

        Raises:
            Unsupported: No image, a data type that Zarr lacks, labels that do not fit, options that do not fit.
        """
        if not dataset.images:
            raise Unsupported("There is no image to show.")
        images = list(dataset.images.items())
        everything = [*dataset.images.values(), *dataset.labels.values()]
        modified = max((s.modified for image in everything for s in sources(image)), default=0)
        modified = max(modified, dataset.modified)
        if len(images) == 1:
            key, image = images[0]
            name = self.name or image_name(image, key)
            root = self._image(image, name, 0, dataset.labels, modified)
            root.groups["OME"] = _described(dataset, [name], {}, modified)
            root.tell(dataset.recipe, modified)
            _crate(root, dataset, name, modified)
            return root.directory(modified, consolidate=True)
        return self._collection(dataset, images, modified)

    def member(self, image: Image, name: str, number: int, labels: Mapping[str, Image], modified: int) -> Dir:
        """One image of something larger, as a group whose metadata are consolidated; texts about it stand elsewhere.

        Args:
            image: The image.
            name: What it is called.
            number: Position among all images of the whole, from 0.
            labels: Label images that belong to it.
            modified: Nanoseconds since 1970, UTC.

        Raises:
            Unsupported: As `build`.
        """
        return self._image(image, name, number, labels, modified).directory(modified, consolidate=True)

    def _collection(self, dataset: Dataset, images: list[tuple[str, Image]], modified: int) -> Dir:
        names = [image_name(image, key) for key, image in images]
        root = _Group({"version": VERSION, "bioformats2raw.layout": 3})
        for n, (_, image) in enumerate(images):
            labels = dataset.labels if n == 0 else {}
            root.groups[str(n)] = self._image(image, names[n], n, labels, modified)
        series = {"version": VERSION, "series": list(root.groups)}
        root.groups["OME"] = _described(dataset, names, series, modified)
        if self.name:
            root.ome["name"] = printable(self.name)
        root.tell(dataset.recipe, modified)
        _crate(root, dataset, self.name or file_name(images[0][1]), modified)
        # Else whoever opens a collection of thousands would wait for a plane of each.
        consolidate = sum(measured(image) for _, image in images) <= CONSOLIDATED
        return root.directory(modified, consolidate=consolidate)

    def _image(self, image: Image, name: str, number: int, labels: Mapping[str, Image], modified: int) -> _Group:
        name = printable(name)
        group = _Group({"version": VERSION, "multiscales": [multiscales(image, name)]})
        rendering = omero(image, name, number)
        if rendering is not None:
            group.ome["omero"] = rendering
        self._arrays(group, image, modified)
        if labels:
            group.groups["labels"] = self._labels(image, labels, modified)
        return group

    def _labels(self, image: Image, labels: Mapping[str, Image], modified: int) -> _Group:
        parent = _Group({"version": VERSION, "labels": list(labels)})
        for name, label in labels.items():
            _check_label(name, label, image)
            group = _Group({"version": VERSION, "multiscales": [multiscales(label, name)]})
            group.ome["image-label"] = {"version": VERSION, "source": {"image": "../../"}}
            self._arrays(group, label, modified)
            parent.groups[name] = group
        return parent

    def _arrays(self, group: _Group, image: Image, modified: int) -> None:
        spec, codec, shards = image.spec, self.codec, self.shards
        version = RAW.version if codec is None else codec.version
        if codec is not None:
            if shards:
                raise Unsupported(
                    "shards: the chunks of a shard need sizes that are known beforehand, and compressed ones have "
                    "none; leave out `shards`, or write `codec: raw`."
                )
            shards = False
        for level in range(len(spec.levels)):
            cut = tiling(spec, level, chunks=self.chunks, shards=shards)
            identity = digest(spec.identity, "ome-zarr", self.version, self, level, version)
            group.arrays[str(level)] = (
                array_document(spec, level, cut, codec),
                level_grid(image, level, cut, identity, modified, codec),
            )


class _Group:
    """A Zarr group in the making."""

    def __init__(self, ome: dict[str, Any]) -> None:
        self.ome = ome
        self.arrays: dict[str, tuple[dict[str, Any], Node]] = {}
        self.groups: dict[str, _Group] = {}
        self.others: dict[str, Node] = {}
        self.told: dict[str, Any] = {}

    @property
    def document(self) -> dict[str, Any]:
        attributes = {**({"ome": self.ome} if self.ome else {}), **self.told}
        return {"zarr_format": 3, "node_type": "group", "attributes": attributes}

    def tell(self, recipe: Mapping[str, Any], modified: int) -> None:
        """How it was made: in a document of its own, and in short among the attributes."""
        if recipe:
            text = json.dumps(recipe, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
            self.others[RECIPE] = literal_file(text.encode(), "application/json", modified)
            self.told = {"s3facade": {"recipe": RECIPE, "digest": recipe["digest"], "steps": recipe["steps"]}}

    def documents(self) -> dict[str, dict[str, Any]]:
        """Every node below this one, by path."""
        found = {name: document for name, (document, _) in self.arrays.items()}
        for name, group in self.groups.items():
            found[name] = group.document
            found.update({f"{name}/{path}": document for path, document in group.documents().items()})
        return found

    def directory(self, modified: int, *, consolidate: bool = False) -> Dir:
        document = self.document
        if consolidate:
            document["consolidated_metadata"] = {
                "kind": "inline",
                "must_understand": False,
                "metadata": self.documents(),
            }
        children: dict[str, Node] = {"zarr.json": json_file(document, modified, OmeZarr.version), **self.others}
        for name, (array, keys) in self.arrays.items():
            children[name] = Dir({"zarr.json": json_file(array, modified, OmeZarr.version), "c": keys})
        for name, group in self.groups.items():
            children[name] = group.directory(modified)
        return Dir(children)


def _described(dataset: Dataset, names: Sequence[str], ome: dict[str, Any], modified: int) -> _Group:
    """The group with the OME-XML. It is a group of one image, too: plain files in a hierarchy are warned about.

    Where nothing is told of how the view was made, what the files say of themselves is not told either.
    """
    group = _Group(ome)
    xml = metadata([image.spec for image in dataset.images.values()], names, original=bool(dataset.recipe))
    group.others["METADATA.ome.xml"] = literal_file(xml, "application/xml", modified)
    return group


def _crate(root: _Group, dataset: Dataset, name: str, modified: int) -> None:
    """The image's RO-Crate, where its licence is known."""
    recipe = root.others.get(RECIPE)
    told = (RECIPE, recipe.size or 0) if isinstance(recipe, File) else None
    images = list(dataset.images.values())
    data = image_crate(dataset.about, name, images, recipe=dataset.recipe, told=told, modified=dataset.modified)
    if data is not None:
        root.others[DESCRIPTOR] = literal_file(data, MEDIA_TYPE, modified)


def _check_label(name: str, label: Image, image: Image) -> None:
    if not name or "/" in name or name.startswith("__") or name in {".", "..", "zarr.json"}:
        raise Unsupported(f"{name!r} cannot name a label image; use letters, digits, '-' and '_'.")
    if label.spec.dtype.kind not in "iu":
        raise Unsupported(f"Label image {name!r} holds {label.spec.dtype} voxels; labels must be integers.")
    if len(label.spec.levels) != len(image.spec.levels):
        raise Unsupported(
            f"Label image {name!r} has {len(label.spec.levels)} levels, its image {len(image.spec.levels)}; "
            "labels need the pyramid of their image."
        )
    for axis in label.spec.names:
        n, m = label.spec.length(axis), image.spec.length(axis)
        if n not in {1, m}:
            raise Unsupported(f"Label image {name!r} has {n} voxels along {axis}, its image {m}; they must be equal.")
