"""From the XML of a Leica file to described images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.protocols import SourceFile
from s3facade.readers.arrays.raster import TableRaster
from s3facade.readers.facts import Facts, Grid, described
from s3facade.readers.lif import meta, references
from s3facade.readers.lif.arrays import table
from s3facade.readers.lif.blocks import Segment, container, is_binary
from s3facade.readers.lif.elements import Band, Dimension, Element, elements
from s3facade.readers.lif.elements import described as element_of
from s3facade.readers.lif.references import Found
from s3facade.readers.trees import integer, original, text

MAX_TILES = 1 << 14


def images(file: SourceFile) -> list[TableRaster]:
    """All images, in the order of the file; one for each tile of a mosaic. Raises `SourceError`."""
    binary = is_binary(bytes(file.pread(0, min(13, file.source.size))))
    found = _embedded(file) if binary else references.images(file)
    rasters = [raster for image in found for raster in _rasters(image)]
    if not rasters:
        raise BadSource("The Leica file holds no image.")
    return rasters


def _embedded(file: SourceFile) -> Iterator[Found]:
    inside = container(file)
    for path, node in elements(inside.tree):
        block = inside.block(node)
        if block is None and integer(text(node, "Memory/@Size")) == 0:
            continue
        if block is None:
            raise BadSource(f"The file is incomplete: the numbers of the image {path!r} are missing.")
        offset, nbytes = block
        if nbytes:
            # images that were never recorded have a block of length 0
            yield Found(path, node, [file], [Segment(0, nbytes, 0, offset)])


def _rasters(found: Found) -> Iterator[TableRaster]:
    element = element_of(found.path, found.node)
    tiles = [d for d in element.dimensions if d.axis == "m" and d.size > 1]
    rest = [d for d in element.dimensions if d.axis != "m"]
    if len(tiles) > 1 or any(d.size > MAX_TILES for d in tiles):
        raise Unsupported(f"The image {element.path!r} has {[d.size for d in tiles]} tiles; that cannot be shown.")
    bands: dict[str, list[Band]] = {}
    for band in element.bands:
        bands.setdefault(band.number.str, []).append(band)
    for k in range(tiles[0].size if tiles else 1):
        for group in bands.values():
            notes = [f"Channels of other types are images of their own; these are {group[0].number.name}."]
            yield _raster(
                found,
                replace(element, bands=tuple(group)),
                rest,
                k if tiles else None,
                k * tiles[0].step if tiles else 0,
                notes if len(bands) > 1 else [],
            )


def _raster(
    found: Found, element: Element, rest: Sequence[Dimension], tile: int | None, shift: int, notes: list[str]
) -> TableRaster:
    # Red, green and blue in this order, however they are stored.
    bands = sorted(element.bands, key=lambda b: b.tag) if meta.is_colour(element.bands) else list(element.bands)
    made = table(rest, bands, shift, found.segments, [f.source.size for f in found.files])
    stored = made.stored
    seconds = meta.stamps(element.node)
    attrs = {**meta.attributes(element, rest, seconds if tile is None else []), "codec": made.codec}
    if seconds and tile is not None:
        attrs["acquired"] = meta.attributes(element, [], seconds)["acquired"]
    if tile is not None:
        attrs["name"] = f"{element.path} tile {tile + 1}"
        place = meta.tile(element.node, tile)
        attrs.update({"positions": [place]} if place else {})
    for d in rest:
        if d.size > 1 and d.words.lower() != d.axis:
            notes = [*notes, f"The dimension {d.words!r} is shown along {d.axis}."]
    if notes:
        attrs["notes"] = notes
    attrs.update(original({"Image": dict(found.node)}))
    sizes: dict[str, float] = {a: s for a, s in meta.scale(rest).items() if a in stored.names}
    known = (meta.wavelengths(rest) if len(bands) == 1 else ()) or meta.channels(bands)
    count = stored.shape[stored.names.index("c")] if "c" in stored.names else 1
    facts = Facts(sizes, {}, known if len(known) == count else (), attrs)
    grids = [Grid(stored.shape, stored.block)]
    return TableRaster(described(stored.names, made.dtype, grids, facts), tuple(found.files), (made,))
