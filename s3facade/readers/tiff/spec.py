"""Description of a TIFF image: tables and facts become a `Spec`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from s3facade.core.spec import Channel, Spec
from s3facade.readers.facts import Facts, Grid, described
from s3facade.readers.tiff import meta
from s3facade.readers.tiff.table import RawTable, SegmentTable

Table = RawTable | SegmentTable
_SLOW_CELL = 8 << 20
_SLOW_CODECS = ("jpeg 2000", "jpeg2000", "aperio jp2000", "jpegxl", "jpeg xl", "jpegxr")


def spec(tables: Sequence[Table], facts: Facts, page: Any) -> Spec:
    """The description of an image.

    Args:
        tables: One per level, finest first.
        facts: What the file says.
        page: tifffile's page of the first plane.
    """
    first = tables[0].geometry
    grids = [Grid(t.geometry.shape, t.block) for t in tables]
    sentences = {"reasons": reasons(tables), "notes": [*_notes(facts), *meta.notes(page)]}
    attrs = {**facts.attrs, "codec": tables[0].codec, **{k: s for k, s in sentences.items() if s}}
    channels = _channels(first.names, first.shape, facts, page)
    return described(first.names, tables[0].dtype, grids, replace(facts, attrs=attrs), channels)


def _notes(facts: Facts) -> list[str]:
    found = facts.attrs.get("notes", [])
    return [str(n) for n in found] if isinstance(found, list) else []


def _channels(names: Sequence[str], shape: Sequence[int], facts: Facts, page: Any) -> tuple[Channel, ...]:
    count = shape[names.index("c")] if "c" in names else 1
    per_pixel = int(page.shaped[0] * page.shaped[4])
    known = list(facts.channels)
    if per_pixel > 1 and count % per_pixel == 0:
        colours = meta.samples(page, per_pixel)
        if colours is not None:
            return colours * (count // per_pixel)
    if len(known) < count:
        known += [Channel()] * (count - len(known))
    return tuple(known[:count])


def reasons(tables: Sequence[Table]) -> list[str]:
    """Why reading this image is slow, in sentences; none if it is not."""
    found = []
    table = tables[0]
    size = math.prod(table.block) * table.dtype.itemsize
    if isinstance(table, SegmentTable):
        if size >= _SLOW_CELL:
            found.append(f"Compressed in pieces of {size >> 20} MiB: every read decodes whole pieces.")
        at = table.geometry.names.index("y")
        if table.block[at] == 1 and table.geometry.shape[at] > 1:
            found.append("Compressed in strips of one row.")
        if any(codec in table.codec for codec in _SLOW_CODECS):
            found.append(f"The codec ({table.codec}) takes long to decode.")
    plane = [n for a, n in zip(table.geometry.names, table.geometry.shape, strict=True) if a in "yx"]
    if len(tables) == 1 and min(plane) > 4096:
        found.append("A large plane without smaller levels: overviews read all of it.")
    return found
