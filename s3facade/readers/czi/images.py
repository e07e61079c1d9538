"""From the directory of a CZI file to described images."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.protocols import SourceFile
from s3facade.core.spec import AxisName, Spec
from s3facade.readers.arrays.raw import Ints
from s3facade.readers.czi import meta, segments
from s3facade.readers.czi.mosaic import Mosaic
from s3facade.readers.czi.pixels import Kind
from s3facade.readers.czi.places import ends
from s3facade.readers.czi.segments import Entry
from s3facade.readers.czi.tables import Table, table
from s3facade.readers.czi.tiles import Plane, Tiles, complete, covered, kind, layouts, levels, planes, points
from s3facade.readers.facts import Facts, Grid, described
from s3facade.readers.trees import MAX_XML, every, first, original, parsed

_SPLIT = ("S", "H", "I", "R", "V", "B")
"""Dimensions of which every index is an image of its own: scenes, phases, illuminations, rotations, views, blocks."""
_WORDS = {"H": "phase", "I": "illumination", "R": "rotation", "V": "view", "B": "block"}
_EMPTY = "Where nothing was acquired there are no pixels in the file; they are shown as 0."
_SLOW = "Overlapping or scattered tiles are put together when they are read."

Group = tuple[tuple[int, ...], int]


def images(file: SourceFile) -> Iterator[tuple[Spec, tuple[Table, ...]]]:
    """All images, in the order of scenes. Raises `BadSource`, `Unsupported`."""
    head = segments.header(file)
    entries = [e for e in segments.directory(file, head.directory) if _flat(e)]
    if not entries:
        raise BadSource("The CZI file holds no image.")
    tree, notes = _metadata(file, head)
    seconds = meta.times(_times(file, head))
    limits = ends(file, head, entries)
    groups: dict[Group, list[Entry]] = {}
    for entry in entries:
        groups.setdefault((tuple(entry.start(d, -1) for d in _SPLIT), entry.pixel), []).append(entry)
    split = [d for k, d in enumerate(_SPLIT) if len({g[0][k] for g in groups}) > 1 and d != "S"]
    for (where, _), members in sorted(groups.items(), key=lambda item: item[0]):
        at = dict(zip(_SPLIT, where, strict=True))
        told, named = [*notes], ""
        if split:
            named = ", ".join(f"{_WORDS[d]} {at[d]}" for d in split)
            told.append(f"One of several images that differ in {', '.join(_WORDS[d] for d in split)}: {named}.")
        if sum(w == where for w, _ in groups) > 1:
            told.append(f"Channels of another pixel type are an image of their own; these are {kind(members).name}.")
        yield _image(file, members, tree, seconds, limits, at["S"], told, named)


def _flat(entry: Entry) -> bool:
    """Whether a sub-block has pixels of one plane. Raises `BadSource`, `Unsupported`."""
    if not {"X", "Y"} <= set(entry.extents):
        raise BadSource("A sub-block of the CZI file has no X or no Y.")
    thick = [d for d, e in entry.extents.items() if d not in "XYMS" and e.size > 1]
    if thick:
        raise Unsupported(f"The sub-blocks of the CZI file hold several indices of {thick[0]} each; that is not known.")
    return min(entry.extents[a].size for a in "XY") > 0


def _metadata(file: SourceFile, head: segments.Header) -> tuple[Mapping[str, Any], list[str]]:
    try:
        data = segments.metadata(file, head.metadata, MAX_XML)
    except BadSource as error:
        return {}, [f"The metadata of the file cannot be read: {error.public}"]
    tree = parsed(data) if data else {}
    return ({}, ["The metadata of the file are no XML and were ignored."]) if tree is None else (tree, [])


def _times(file: SourceFile, head: segments.Header) -> bytes:
    try:
        return segments.attachment(file, head.attachments, "TimeStamps", 64 << 20)
    except BadSource:
        # Times of time points are not worth refusing an image whose pixels are there.
        return b""


def _image(
    file: SourceFile,
    entries: list[Entry],
    tree: Mapping[str, Any],
    seconds: list[float],
    limits: Ints,
    scene: int,
    notes: list[str],
    named: str,
) -> tuple[Spec, tuple[Table, ...]]:
    pixels, index = kind(entries), planes(entries)
    found = levels(entries, index)
    base = found[0]
    full = _size(base, None, base)
    grids = [(base, full)]
    left = 0
    for tiles in found[1:]:
        size = _size(tiles, full, base)
        if tiles.factor % base.factor == 0 and min(size) > 0 and complete(base, tiles, size, full):
            grids.append((tiles, size))
        else:
            left += 1
    if left:
        notes.append(f"{left} levels of the file's pyramid show part of the image only and are not offered.")
    if base.factor > 1:
        notes.append(f"The finest pixels in the file are {base.factor} times as large as those of its frame.")
    tables = tuple(table(file, tiles, index.shape, size, pixels, limits) for tiles, size in grids)
    if _holes(base, index):
        notes.append(_EMPTY)
    facts = _facts(tree, seconds, index, pixels, base, scene if scene >= 0 else None)
    reasons = [_SLOW] if isinstance(tables[0], Mosaic) else []
    sentences = {k: v for k, v in (("notes", notes), ("reasons", reasons)) if v}
    attrs = {**facts.attrs, "codec": tables[0].codec, **sentences}
    if named:
        attrs["name"] = f"{attrs['name']}, {named}" if "name" in attrs else named
    names = _axes(tables[0])[0]
    known = Facts({a: s for a, s in facts.scale.items() if a in names}, facts.origin, facts.channels, attrs)
    levels_ = [Grid(_axes(t)[1], t.block) for t in tables]
    return described(names, pixels.number.newbyteorder("="), levels_, known), tables


def _axes(found: Table) -> tuple[tuple[AxisName, ...], tuple[int, ...]]:
    return (found.names, found.shape) if isinstance(found, Mosaic) else (found.stored.names, found.stored.shape)


def _size(tiles: Tiles, full: tuple[int, int] | None, base: Tiles) -> tuple[int, int]:
    """Height and width of a level."""
    height, width = (int(n) for n in (tiles.box[:, :2] + tiles.box[:, 2:]).max(0))
    if full is not None:
        by = tiles.factor / base.factor
        height, width = min(height, math.ceil(full[0] / by)), min(width, math.ceil(full[1] / by))
    return height, width


def _holes(base: Tiles, index: Plane) -> bool:
    """Whether something of the image's planes lies in no sub-block."""
    present = np.unique(base.plane)
    if len(present) < math.prod(index.shape):
        return True
    grid = points(base)
    return not all(covered(frame, grid).all() for (frame,) in layouts(base))


def _facts(
    tree: Mapping[str, Any], seconds: list[float], index: Plane, pixels: Kind, base: Tiles, scene: int | None
) -> Facts:
    times = index.values["T"]
    known = [seconds[t] for t in times] if times[0] >= 0 and times[-1] < len(seconds) else []
    scale = {a: s * (base.factor if a in "xy" else 1) for a, s in meta.scale(tree, known).items()}
    low = base.frame[:, :2].min(0)
    origin = {
        a: (float(v) / base.factor + 0.5 * (1 - 1 / base.factor)) * scale[a]
        for a, v in zip("yx", low, strict=True)
        if a in scale
    }
    attrs = meta.attributes(tree, index.values["C"], scene)
    if len(known) > 1:
        attrs["times"] = [{"t": k, "c": None, "z": None, "seconds": s} for k, s in enumerate(known)]
    whole = first(tree, "ImageDocument/Metadata")
    parts = {k: first(whole, k) for k in ("Information", "Scaling") if every(whole, k)}
    attrs.update(original(whole) or original(parts))
    return Facts(scale, origin, meta.channels(tree, index.values["C"], pixels), attrs)
