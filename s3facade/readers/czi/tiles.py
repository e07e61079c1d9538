"""The sub-blocks of one image of a CZI file, sorted into levels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from s3facade.core.errors import BadSource, Unsupported
from s3facade.readers.arrays.chunked import MAX_CELL
from s3facade.readers.arrays.raw import Ints
from s3facade.readers.czi.pixels import CODECS, COMPLEX, KINDS, Kind
from s3facade.readers.czi.segments import Entry

_APART = 512
"""Samples per side with which it is found out whether pixels cover an area."""


@dataclass(frozen=True, slots=True)
class Plane:
    """The indices of t, c and z that occur, and how they count."""

    values: dict[str, list[int]]
    """By T, C, Z: index of the file for each index of the axis."""
    place: dict[str, dict[int, int]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "place", {a: {v: k for k, v in enumerate(vs)} for a, vs in self.values.items()})

    @property
    def shape(self) -> tuple[int, int, int]:
        """Lengths of t, c, z."""
        t, c, z = (len(self.values[a]) for a in "TCZ")
        return t, c, z

    def index(self, entry: Entry) -> int:
        """Number of the plane that a sub-block lies in, C order of t, c, z."""
        t, c, z = (self.place[a][entry.start(a)] for a in "TCZ")
        _, cs, zs = self.shape
        return (t * cs + c) * zs + z


@dataclass(frozen=True, slots=True)
class Tiles:
    """The sub-blocks of one level, those that lie on top later within a plane."""

    factor: int
    """Pixels of the file's frame per pixel."""
    entries: list[Entry]
    plane: Ints
    box: Ints
    """Rows of y, x, height, width in pixels of the level, relative to the image."""
    frame: Ints
    """Rows of y, x, height, width in the frame of the file."""

    def __len__(self) -> int:
        return len(self.entries)


def planes(entries: Sequence[Entry]) -> Plane:
    """The indices of an image. Raises `BadSource` if they are too far apart to be true."""
    values = {}
    for axis in "TCZ":
        found = sorted({e.start(axis) for e in entries})
        # Channels may be spread over images of different pixel types; time points and planes may be missing.
        if axis != "C":
            if found[-1] - found[0] > 8 * len(found) + 64:
                raise BadSource(
                    f"The indices of {axis} in the CZI file run from {found[0]} to {found[-1]}, "
                    f"but only {len(found)} of them occur."
                )
            found = list(range(found[0], found[-1] + 1))
        values[axis] = found
    return Plane(values)


def kind(entries: Sequence[Entry]) -> Kind:
    """The pixel type of an image. Raises `Unsupported` for sub-blocks that cannot be decoded."""
    code = entries[0].pixel
    if code not in KINDS:
        name = COMPLEX.get(code, f"number {code}")
        raise Unsupported(f"The CZI file has pixels of the type {name}, which cannot be shown as real numbers.")
    found = KINDS[code]
    for entry in entries:
        if entry.compression not in CODECS:
            raise Unsupported(
                f"The CZI file is compressed with method {entry.compression}; known are "
                + ", ".join(f"{k} ({v})" for k, v in CODECS.items())
                + "."
            )
        if entry.extents["X"].stored * entry.extents["Y"].stored * found.nbytes > MAX_CELL:
            raise Unsupported(f"A sub-block of the CZI file has more than {MAX_CELL >> 20} MiB; it cannot be read.")
    return found


def factor(entry: Entry) -> int:
    """Pixels of the file's frame per stored pixel, a whole number; 0 if it is none."""
    spans = [(entry.extents[a].size, entry.extents[a].stored) for a in "XY"]
    if all(size == stored for size, stored in spans):
        return 1
    size, stored = max(spans)
    ratio = size / stored
    near = [2 ** max(0, round(math.log2(ratio))), 3 ** max(0, round(math.log(ratio, 3))), max(1, round(ratio))]
    # sizes are rounded, up or down, at every step of halving
    return next((f for f in near if all(abs(n / f - m) <= 1 for n, m in spans)), 0)


def levels(entries: Sequence[Entry], index: Plane) -> list[Tiles]:
    """Sub-blocks by level, finest first; those that belong to none are left out. Raises `Unsupported`."""
    found: dict[int, list[Entry]] = {}
    for entry in entries:
        found.setdefault(factor(entry), []).append(entry)
    found.pop(0, None)
    if not found:
        raise Unsupported("The sub-blocks of the CZI file are stored enlarged or stretched; that cannot be shown.")
    corner: npt.NDArray[Any] | None = None
    tiles = []
    for by in sorted(found):
        # M is the order of painting; those without one are at the bottom
        numbered = sorted((index.index(e), e.start("M", -1), k) for k, e in enumerate(found[by]))
        ordered = [found[by][k] for _, _, k in numbered]
        plane = np.array([number for number, _, _ in numbered], np.int64)
        frame = np.array([_frame(e) for e in ordered], np.int64)
        stored = np.array([(e.extents["Y"].stored, e.extents["X"].stored) for e in ordered], np.int64)
        corner = frame[:, :2].min(0) if corner is None else corner
        start = np.floor((frame[:, :2] - corner) / by + 0.5).astype(np.int64)
        tiles.append(Tiles(by, ordered, plane, np.hstack([start, stored]), frame))
    return tiles


def _frame(entry: Entry) -> tuple[int, int, int, int]:
    x, y = entry.extents["X"], entry.extents["Y"]
    return y.start, x.start, y.size, x.size


def layouts(*levels: Tiles) -> list[tuple[Ints, ...]]:
    """The ways in which sub-blocks lie in the planes of the first of ``levels``, each once: most have one for all.

    Returns:
        For each way, rows of `Tiles.frame` of the first level, and those of the others in the same plane.
    """
    planes = np.unique(levels[0].plane)
    edges = [np.searchsorted(tiles.plane, [planes, planes + 1]).T.tolist() for tiles in levels]
    found: dict[tuple[bytes, ...], tuple[Ints, ...]] = {}
    for ranges in zip(*edges, strict=True):
        rows = tuple(tiles.frame[a:b] for tiles, (a, b) in zip(levels, ranges, strict=True))
        found.setdefault(tuple(r.tobytes() for r in rows), rows)
    return list(found.values())


def covered(frame: Ints, points: tuple[Ints, Ints]) -> npt.NDArray[np.bool_]:
    """Which points of a grid (y, x, in the frame of the file) lie in sub-blocks, rows of `Tiles.frame`."""
    ys, xs = points
    found = np.zeros((len(ys), len(xs)), bool)
    edges = [
        np.searchsorted(at, frame[:, k] + extra).tolist()
        for at, k in ((ys, 0), (xs, 1))
        for extra in (0, frame[:, k + 2])
    ]
    for y0, y1, x0, x1 in zip(*edges, strict=True):
        found[y0:y1, x0:x1] = True
    return found


def points(tiles: Tiles) -> tuple[Ints, Ints]:
    """A grid of points over the area of ``tiles``, in the frame of the file."""
    low, high = tiles.frame[:, :2].min(0), (tiles.frame[:, :2] + tiles.frame[:, 2:]).max(0)
    y, x = (np.unique(np.linspace(a, b - 1, _APART).astype(np.int64)) for a, b in zip(low, high, strict=True))
    return y, x


def complete(base: Tiles, level: Tiles, shape: tuple[int, ...], full: tuple[int, ...]) -> bool:
    """Whether ``level`` shows all that ``base`` shows, but for rounding at the edges.

    Args:
        base: The finest level.
        level: Another one.
        shape: Height and width of the level.
        full: Height and width of the finest level.
    """
    by = level.factor // base.factor
    if any(n < m // by - 1 for n, m in zip(shape, full, strict=True)):
        return False
    grid, slack = points(base), 2 * level.factor * np.array([-1, -1, 2, 2])
    return all(
        not (covered(below, grid) & ~covered(above + slack, grid)).any() for below, above in layouts(base, level)
    )
