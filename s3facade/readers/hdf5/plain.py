"""HDF5 files without a format of their own: which datasets are images, and what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

import numpy as np

from s3facade.core.errors import NoImage, Unsupported
from s3facade.core.spec import Channel
from s3facade.readers.arrays.raster import TableRaster
from s3facade.readers.arrays.stored import Stored, bands
from s3facade.readers.facts import Facts, Grid, colours, described
from s3facade.readers.hdf5 import axes
from s3facade.readers.hdf5.attributes import attributes
from s3facade.readers.hdf5.axes import Meaning
from s3facade.readers.hdf5.library import Found, Tree
from s3facade.readers.hdf5.opaque import LibraryRaster
from s3facade.readers.hdf5.tables import number, obstacle, piece, refuse, table

AnyRaster: TypeAlias = TableRaster | LibraryRaster
MAX_IMAGES = 4096
"""Images of one file; more is refused."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the operator says about a file."""

    dataset: tuple[str, ...] = ()
    """Paths or patterns; the images to show, all that look like one by default."""
    axes: str | None = None
    """One letter per dimension."""


def images(tree: Tree, options: Options) -> list[AnyRaster]:
    """The images of a file, by path.

    Raises:
        NoImage: There are none.
        Unsupported: Numbers cannot be shown, or nobody says what their dimensions are.
    """
    found = _named(tree, options.dataset) if options.dataset else _likely(tree)
    if options.axes is not None and not options.dataset:
        found = [f for f in found if len(f.item.shape) == len(options.axes)] or found
    if len(found) > MAX_IMAGES:
        raise Unsupported(f"The HDF5 file holds {len(found)} images; choose some with the option `dataset`.")
    read = [(f, _meaning(f, options)) for f in found]
    unknown = [axes.unknown(f.name, f.item.shape) for f, meaning in read if meaning is None]
    if unknown and (options.dataset or len(unknown) == len(read)):
        raise Unsupported(unknown[0])
    left = tuple(f"Not shown: {sentence}" for sentence in unknown[:10])
    return [raster(tree, f, meaning, notes=left) for f, meaning in read if meaning is not None]


def raster(
    tree: Tree,
    found: Found,
    meaning: Meaning,
    *,
    channels: Sequence[Channel] = (),
    notes: Sequence[str] = (),
    more: dict[str, object] | None = None,
) -> AnyRaster:
    """One dataset as an image.

    Args:
        tree: The open file.
        found: The dataset.
        meaning: What its dimensions are.
        channels: What is known of them.
        notes: Sentences beside those of ``meaning``.
        more: Further attributes of the image.
    """
    dataset = found.item
    refuse(dataset)
    kind = number(dataset).newbyteorder("=")
    reason = obstacle(dataset)
    holder = tree.files[found.file]
    files = (tree.files[0],) if found.file == 0 else (tree.files[0], holder)
    attrs: dict[str, object] = {"name": found.name.strip("/"), **(more or {})}
    attrs["original"] = {"dataset": attributes(dataset), "file": attributes(tree.root.item)}
    every = [*meaning.notes, *notes]
    if every:
        attrs["notes"] = every
    if kind.kind in "iu" and dataset.dtype.metadata and "enum" in dataset.dtype.metadata:
        attrs["categorical"] = True
    shown = colours(kind, int(dataset.shape[meaning.dims.index("c")])) if meaning.colour else channels
    facts = Facts(scale=meaning.scale, channels=shown, attrs=attrs)
    if reason is None:
        # Offsets of files beside the opened one count in files of the raster, not of the tree.
        known = piece(Found(dataset, min(found.file, 1)), holder)
        levels = table([known], meaning.dims, files=files)
        attrs["codec"] = levels.codec
        spec = described(levels.stored.names, levels.dtype, [Grid(levels.stored.shape, levels.block)], facts)
        return TableRaster(spec, files, (levels,))
    attrs["reasons"] = [reason]
    stored = _stored(dataset, meaning.dims)
    spec = described(stored.names, kind, [Grid(stored.shape, stored.block)], facts)
    return LibraryRaster(spec, files, holder, found.name, stored)


def _stored(dataset: Any, dims: tuple[str, ...]) -> Stored:
    if len(set(dims) - {""}) != len([d for d in dims if d]):
        raise Unsupported(f"{dataset.name!r} can only be read by the HDF5 library, with each axis named once.")
    sizes = tuple(int(n) for n in dataset.shape)
    return Stored(dims, sizes, tuple(dataset.chunks or bands(dims, sizes, dataset.dtype.itemsize)))


def _meaning(found: Found, options: Options) -> Meaning | None:
    if options.axes is not None:
        return axes.given(options.axes, found.item)
    return (
        axes.told(found.item)
        or axes.matlab(found.item)
        or axes.usual(found.item.shape, np.dtype(found.item.dtype).str.lstrip("|<>="))
    )


def _named(tree: Tree, wanted: Sequence[str]) -> list[Found]:
    """The datasets that the operator names, in the order of the names."""
    found: list[Found] = []
    for name in wanted:
        if any(c in name for c in "*?["):
            pattern = name.strip("/")
            matching = [f for f in tree.walk() if f.is_dataset and fnmatchcase(f.name.strip("/"), pattern)]
        else:
            dataset = tree.dataset(name)
            matching = [dataset] if dataset else []
        if not matching:
            there = ", ".join(f.name for f in tree.walk() if f.is_dataset and len(f.item.shape or ()) >= 2)
            raise Unsupported(f"The HDF5 file has no dataset {name!r}; it has {there[:500] or 'none of an image'}.")
        for dataset in matching:
            refuse(dataset.item)
            if len(dataset.item.shape) < 2:
                raise Unsupported(f"{dataset.name!r} has the shape {dataset.item.shape}; an image has two dimensions.")
        found += [f for f in matching if (f.name, f.file) not in {(g.name, g.file) for g in found}]
    return found


def _likely(tree: Tree) -> list[Found]:
    """The datasets that are images as far as can be told: those that say so, else arrays of numbers of some size."""
    numeric: list[Found] = []
    refused: list[Unsupported] = []
    for f in tree.walk():
        if f.is_dataset and len(f.item.shape or ()) >= 2:
            try:
                refuse(f.item)
                numeric.append(f)
            except Unsupported as error:
                if axes.is_picture(f.item.shape):
                    refused.append(error)
    stating = [f for f in numeric if axes.told(f.item) is not None]
    found = stating or [f for f in numeric if axes.is_picture(f.item.shape)]
    if not found and refused:
        raise refused[0]
    if not found and numeric:
        raise NoImage(
            f"The HDF5 file holds no dataset that looks like an image; if one is, e.g. {numeric[0].name!r}, write it "
            "as the option `dataset`."
        )
    if not found:
        raise NoImage("The HDF5 file holds no image: no dataset of numbers with two dimensions or more.")
    return found
