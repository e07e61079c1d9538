"""Whole slides: tiles of a plane, their levels in files of one series (PS3.3 A.32.8, C.7.6.17, C.8.12)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from s3facade.core.errors import BadSource, Unsupported
from s3facade.readers.dicom.header import Header
from s3facade.readers.dicom.instance import Instance, Layout

SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
_MANY = 8_000_000
_SLIDE_POSITION, _ROW, _COLUMN, _Z = 0x0048021A, 0x0048021F, 0x0048021E, 0x0040074A


@dataclass(frozen=True, slots=True)
class Plane:
    """One level: the files that it lies in, and where its tiles are."""

    parts: tuple[int, ...]
    """Files; several of a concatenation."""
    rows: int
    columns: int
    """Of the whole plane."""
    channels: tuple[str, ...]
    """Names of the optical paths, or of the segments of a segmentation; empty where there is none."""
    focal: int
    """Focal planes."""
    step: float | None
    """mm between focal planes."""
    tiles: npt.NDArray[np.int64]
    """(channels, focal planes, rows of tiles, columns of tiles, 2): file and frame; -1 where there is no tile."""
    kind: str
    """``VOLUME``, ``LABEL``, ``OVERVIEW`` or ``THUMBNAIL``."""
    spacing: tuple[float, float] | None
    """mm between rows and between columns."""


def is_slide(instance: Instance) -> bool:
    """Whether the frames are tiles of a larger plane."""
    return 0x00480006 in instance.header and 0x00480007 in instance.header


def planes(instances: Sequence[Instance], hows: Mapping[int, Layout], chosen: Sequence[int]) -> list[Plane]:
    """The planes that the chosen files hold, widest first.

    Raises:
        BadSource: A concatenation is incomplete, or tiles lie outside the plane.
        Unsupported: Tiles that do not lie on a grid.
    """
    whole: dict[str, list[int]] = {}
    for n in chosen:
        header = instances[n].header
        whole.setdefault(header.text(0x00209161) or f"{n}", []).append(n)
    found = [_plane(instances, hows, parts) for parts in whole.values()]
    return sorted(found, key=lambda p: -p.columns)


def _plane(instances: Sequence[Instance], hows: Mapping[int, Layout], parts: list[int]) -> Plane:
    parts.sort(key=lambda n: instances[n].header.integer(0x00209228, 0))
    first, how = instances[parts[0]].header, hows[parts[0]]
    rows, columns = first.integer(0x00480007), first.integer(0x00480006)
    down, across = -(-rows // how.rows), -(-columns // how.columns)
    lanes = _lanes(first)
    count = len(lanes)
    focal = first.integer(0x00480303, 1) or 1
    if rows < 1 or columns < 1 or down * across * focal * count > _MANY:
        raise BadSource(f"The slide claims to have {rows} x {columns} pixels in tiles of {how.rows} x {how.columns}.")
    frames = [(n, k, instances[n].header.integer(0x00209228, 0) + k) for n in parts for k in range(instances[n].frames)]
    if [f[2] for f in frames] != list(range(len(frames))):
        raise BadSource("Parts of the slide are missing: the frames of its files do not follow each other.")
    measures = first.item(0x52009229).item(0x00289110)
    step: float | None = None
    if first.text(0x00209311) == "TILED_FULL":
        if len(frames) != down * across * focal * count:
            raise BadSource(f"The slide has {len(frames)} tiles; {down * across * focal * count} are needed.")
        tiles = np.array([f[:2] for f in frames], np.int64).reshape(count, focal, down, across, 2)
        step = measures.number(0x00180088)
    else:
        tiles, step, focal = _sparse(instances, how, frames, [*lanes], (down, across))
    kind = [*first.texts(0x00080008), "", "", ""][2]
    pair = measures.numbers(0x00280030)
    spacing = (pair[0], pair[1]) if len(pair) == 2 and min(pair) > 0 else _stated(first, rows, columns)
    return Plane(tuple(parts), rows, columns, tuple(lanes.values()), focal, step, tiles, kind, spacing)


def _lanes(header: Header) -> dict[tuple[int, str], str]:
    """Channels by number of the segment and identifier of the optical path, in the order of complete tilings.

    Segments that exclude each other lie in one channel, as the values of a label map.
    """
    optics = header.items(0x00480105)
    paths = {o.text(0x00480106): o.text(0x00480107) or o.text(0x00480106) for o in optics} or {"": ""}
    for n in range(len(paths), min(header.integer(0x00480302, 1), 1000)):
        paths[f"path {n}"] = ""
    stated = header.items(0x00620002) if header.text(0x00620001) in ("BINARY", "FRACTIONAL") else []
    segments = {s.integer(0x00620004, n + 1): s.text(0x00620005) for n, s in enumerate(stated)} or {0: ""}
    return {(s, p): label or name for s, label in segments.items() for p, name in paths.items()}


def _stated(header: Header, rows: int, columns: int) -> tuple[float, float] | None:
    """By the size of what was imaged."""
    width, height = header.number(0x00480001), header.number(0x00480002)
    return (height / rows, width / columns) if width and height and width > 0 and height > 0 else None


def _sparse(
    instances: Sequence[Instance],
    how: Layout,
    frames: Sequence[tuple[int, int, int]],
    lanes: Sequence[tuple[int, str]],
    grid: tuple[int, int],
) -> tuple[npt.NDArray[np.int64], float | None, int]:
    """Tiles whose places are stated one by one; places without a tile were not imaged."""
    own = {n: instances[n].header.items(0x52009230) for n in {f[0] for f in frames}}
    shared = {n: instances[n].header.item(0x52009229) for n in own}
    numbers = {lane: number for number, lane in enumerate(lanes)}
    segments = any(segment for segment, _ in lanes)
    stated = []
    for n, k, _ in frames:
        if k >= len(own[n]):
            raise BadSource("The slide does not state the places of all of its tiles.")
        place = own[n][k].item(_SLIDE_POSITION)
        row, column = place.integer(_ROW) - 1, place.integer(_COLUMN) - 1
        path = (own[n][k] if 0x00480207 in own[n][k] else shared[n]).item(0x00480207).text(0x00480106)
        segment = (own[n][k] if 0x0062000A in own[n][k] else shared[n]).item(0x0062000A).integer(0x0062000B, 0)
        lane = numbers.get((segment if segments else 0, path or lanes[0][1]))
        if row % how.rows or column % how.columns:
            raise Unsupported(f"The tiles of the slide do not lie on a grid: one begins at row {row}, column {column}.")
        at = (row // how.rows, column // how.columns)
        if lane is None or not (0 <= at[0] < grid[0] and 0 <= at[1] < grid[1]):
            raise BadSource(
                f"A tile of the slide lies outside of it: row {row}, column {column}, path {path!r:.20}, "
                f"segment {segment}."
            )
        stated.append((n, k, at, place.number(_Z) or 0.0, lane))
    depths = sorted({round(z, 7) for *_, z, _ in stated})
    if len(depths) * grid[0] * grid[1] * len(lanes) > _MANY:
        raise BadSource("The slide claims to have more tiles than can be.")
    tiles = np.full((len(lanes), len(depths), *grid, 2), -1, np.int64)
    heights = {z: number for number, z in enumerate(depths)}
    for n, k, at, z, lane in stated:
        index = (lane, heights[round(z, 7)], *at)
        if tiles[index][0] >= 0:
            raise Unsupported(f"The slide has two tiles at one place: row {at[0]}, column {at[1]} of its tiles.")
        tiles[index] = n, k
    gaps = np.diff(depths)
    # ZOffsetInSlideCoordinateSystem is in µm, all else in mm (PS3.3 C.8.12.6.1)
    even = len(gaps) > 0 and float(np.ptp(gaps)) <= 0.01 * float(gaps.mean())
    return tiles, float(gaps.mean()) / 1000 if even else None, len(depths)
