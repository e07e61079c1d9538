"""Whole plates out of one file or folder as OME-Zarr 0.5: wells and fields as its own metadata have them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from s3facade.codecs.compress import Compressed
from s3facade.core.errors import Unsupported
from s3facade.core.image import Dataset, Image, sources
from s3facade.core.keyspace import Dir, Node
from s3facade.layouts import wells as names
from s3facade.layouts.chunking import Sizes
from s3facade.layouts.documents import json_file, literal_file
from s3facade.layouts.lazily import lazily
from s3facade.layouts.naming import file_name
from s3facade.layouts.ome_xml import metadata
from s3facade.layouts.ome_zarr import RECIPE, OmeZarr
from s3facade.layouts.plate import (
    Field,
    Plate,
    Well,
    counted,
    group_document,
    mixed,
    plate_document,
    well_document,
)
from s3facade.layouts.plate_images import Shot, ordered, placed_images, runs_of, side
from s3facade.layouts.ro_crate.graph import DESCRIPTOR, MEDIA_TYPE
from s3facade.layouts.ro_crate.image import image_crate


@dataclass(frozen=True, slots=True)
class OmeZarrPlate:
    """The images of a plate at ``row/column/field``, and the file's other metadata in ``OME``.

    Which well an image belongs to is what ``attrs["plate"]`` of its description says. Fields are made when a path
    leads into them.
    """

    version: ClassVar[int] = 1
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    rows: tuple[str, ...] | None = None
    """Names of all rows of the plate; default: as the source says, else those that have images."""
    columns: tuple[str, ...] | None = None
    """Names of all columns of the plate; default: as the source says, else those that have images."""
    chunks: Sizes | None = None
    """As of `OmeZarr`."""
    shards: Sizes | bool | None = None
    """As of `OmeZarr`."""
    name: str | None = None
    """Name of the plate; default: what the source says."""
    codec: Compressed | None = None
    """As of `OmeZarr`."""

    def build(self, dataset: Dataset) -> Dir:
        """The tree of keys. No I/O and no voxels.

        Raises:
            Unsupported: No image says which well it belongs to, they belong to several plates, or a well lies outside
                the plate.
        """
        placed, left = placed_images(dataset)
        found = sorted({shot.plate for shot in placed if shot.plate})
        if len(found) > 1:
            raise Unsupported(
                f"The images belong to {len(found)} plates ({', '.join(map(repr, found[:4]))}); a view of type "
                "`ome-zarr-plate` shows one, a view of type `ome-zarr` shows all of them as a collection."
            )
        plate, order = self._plate(placed, self.name or next(iter(found), None))
        modified = max((s.modified for shot in placed for s in sources(shot.image)), default=0)
        modified = max(modified, dataset.modified)
        return self._tree(dataset, plate, order, left, modified)

    def first(self, images: Sequence[Image]) -> str:
        """The path of the first well's first field, below the plate: what viewers open that know no plates."""
        placed, _ = placed_images(Dataset({str(n): image for n, image in enumerate(images)}))
        plate, _ = self._plate(placed, None)
        return f"{plate.path(plate.wells[0])}/{plate.wells[0].fields[0].path}"

    def _plate(self, placed: Sequence[Shot], name: str | None) -> tuple[Plate, list[Shot]]:
        """The plate, and its images in the order of their wells and fields."""
        size = next((s.size for s in placed if s.size), (0, 0))
        rows = self.rows or side([s.row for s in placed], size[0])
        columns = self.columns or side([s.column for s in placed], size[1])
        runs = runs_of(placed)
        by_well: dict[tuple[int, int], list[Shot]] = {}
        for shot in placed:
            row = names.index(rows, shot.row, numbered=True)
            column = names.index(columns, shot.column)
            if row is None or column is None:
                raise Unsupported(
                    f"The image {shot.name!r} belongs to the well {shot.row}/{shot.column}, outside the plate of "
                    f"{len(rows)} x {len(columns)} wells; set `plate:` to the real size."
                )
            by_well.setdefault((row, column), []).append(shot)
        made, order = [], []
        for (row, column), shots in sorted(by_well.items()):
            fitting = ordered(shots, runs)
            ran = [runs.get(shot.acquisition) for shot in fitting]
            fields = tuple(Field(str(n), None if run is None else run.id) for n, run in enumerate(ran))
            made.append(Well(row, column, fields))
            order += fitting
        return Plate(rows, columns, tuple(made), name, counted(runs.values(), made)), order

    def _tree(self, dataset: Dataset, plate: Plate, order: Sequence[Shot], left: Sequence[str], modified: int) -> Dir:
        layout = OmeZarr(self.chunks, self.shards, None, self.codec)
        rows: dict[str, dict[str, Node]] = {}
        paths: list[str] = []
        for well in plate.wells:
            own: dict[str, Callable[[], Node]] = {}
            for field in well.fields:
                shot = order[len(paths)]
                labels = dataset.labels if shot.first else {}
                own[field.path] = partial(layout.member, shot.image, shot.name, len(paths), labels, modified)
                paths.append(f"{plate.path(well)}/{field.path}")
            row, _, column = plate.path(well).partition("/")
            about = json_file(well_document(well), modified, self.version)
            rows.setdefault(row, {})[column] = lazily({"zarr.json": about}, own)
        group = json_file(group_document(), modified, self.version)
        children: dict[str, Node] = {name: Dir({"zarr.json": group, **row}) for name, row in rows.items()}
        children["OME"] = _described(dataset, order, paths, modified, self.version)
        document = plate_document(plate, {"bioformats2raw.layout": 3})
        told = _told(dataset, order, left)
        if told:
            document["attributes"]["s3facade"] = told
        size = None
        if dataset.recipe:
            text = json.dumps(dataset.recipe, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
            recipe = literal_file(text.encode(), "application/json", modified)
            children[RECIPE], size = recipe, recipe.size
        crate = image_crate(
            dataset.about,
            plate.name or file_name(order[0].image),
            [shot.image for shot in order],
            recipe=dataset.recipe,
            told=None if size is None else (RECIPE, size),
            modified=dataset.modified,
        )
        if crate is not None:
            children[DESCRIPTOR] = literal_file(crate, MEDIA_TYPE, modified)
        children["zarr.json"] = json_file(document, modified, self.version)
        return Dir(children)


@dataclass(frozen=True, slots=True)
class OmeZarrField:
    """One field of a plate that is put together of single images."""

    version: ClassVar[int] = 1

    image: OmeZarr
    """How it is shown."""

    def build(self, dataset: Dataset) -> Dir:
        """The tree of keys. Raises `Unsupported`, where it is more than one image, too."""
        if len(dataset.images) > 1:
            raise Unsupported(
                f"The file holds {len(dataset.images)} images, and a field of a plate is one: say which with "
                "`series:`, or leave out `well:` where the images say themselves which wells they belong to."
            )
        return self.image.build(dataset)


def _told(dataset: Dataset, order: Sequence[Shot], left: Sequence[str]) -> dict[str, Any]:
    """What is said of the plate beside its standard metadata."""
    told: dict[str, Any] = {}
    if dataset.recipe:
        told = {"recipe": RECIPE, "digest": dataset.recipe["digest"], "steps": dataset.recipe["steps"]}
    unlike = mixed({f"{s.row}/{s.column} {s.name}": s.image.spec for s in order})
    if unlike:
        told["notes"] = [unlike]
    if left:
        told["left_out"] = list(left)
    return told


def _described(dataset: Dataset, order: Sequence[Shot], paths: Sequence[str], modified: int, version: int) -> Dir:
    """``OME``: images of the plate for tools that know of series alone, and what the file says of them."""
    xml = metadata([s.image.spec for s in order], [s.name for s in order], original=bool(dataset.recipe))
    return Dir(
        {
            "zarr.json": json_file(group_document({"series": list(paths)}), modified, version),
            "METADATA.ome.xml": literal_file(xml, "application/xml", modified),
        }
    )
