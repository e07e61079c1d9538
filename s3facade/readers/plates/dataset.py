"""From the planes that an index names to images: one per field of a well, t, c and z stacked from files."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from s3facade.core.errors import BadSource, SourceDenied, SourceNotFound, Unsupported
from s3facade.core.protocols import SourceFile
from s3facade.core.spec import AxisName, Channel
from s3facade.readers.arrays.raster import Freezing, TableRaster
from s3facade.readers.facts import Facts, Grid, described
from s3facade.readers.plates.member import Member, read
from s3facade.readers.plates.table import ABSENT, MISSING, PlaneTable

MAX_FILE = 256 << 20
"""Bytes of a plane's file."""
MAX_PLANES = 2_000_000
_ROWS = 26 * 27
"""Rows of a plate that letters name: A to ZZ."""
FREEZING = Freezing((PlaneTable,))


@dataclass(frozen=True, slots=True)
class Plane:
    """One plane, as an index names it."""

    name: str
    """Path of its file, relative to the folder of the index."""
    place: tuple[int, int, int]
    """Row and column of the well, from 0, and number of the field; (0, 0, position) where there are no wells."""
    t: int = 0
    c: int = 0
    z: int = 0
    """Numbers as the index counts: any, in rising order."""
    part: str = ""
    """What sets images of one place apart, e.g. ``projection``."""
    page: int = 0
    position: tuple[float, float, float] | None = None
    """Of the stage, µm, x, y, z."""
    seconds: float | None = None
    """Since the start of the acquisition."""


@dataclass(frozen=True, slots=True)
class About:
    """What an index says of all images."""

    plate: str = ""
    """Name of the plate; empty where the places are no wells."""
    wells: bool = True
    scale: Mapping[str, float] = field(default_factory=dict)
    channels: Mapping[int, Channel] = field(default_factory=dict)
    """By number."""
    attrs: Mapping[str, object] = field(default_factory=dict)
    names: Mapping[tuple[int, int, int], str] = field(default_factory=dict)
    """Of the images, by place."""
    acquisition: str = ""
    size: tuple[int, int] | None = None
    """Rows and columns of the plate."""
    exact: bool = True
    """Whether the index lists every plane that was acquired."""


Refine = Callable[[About, Callable[[Plane], Member]], About]
"""More about all images, from what the file of a plane says."""


def row_name(row: int) -> str:
    """``A`` for 0, ``AA`` for 26."""
    return chr(65 + row) if row < 26 else chr(64 + row // 26) + chr(65 + row % 26)


def row_number(name: str) -> int:
    """0 for ``A``, 26 for ``AA``."""
    number = 0
    for letter in name.upper():
        number = number * 26 + ord(letter) - 64
    return number - 1


def images(file: SourceFile, planes: Sequence[Plane], about: About, refine: Refine | None = None) -> list[TableRaster]:
    """The images of a dataset: by row, column and field; parts behind.

    No plane is read but one of each size of files, for its shape.

    Raises:
        BadSource: The index names no plane, or one twice.
        SourceNotFound: None of the planes is there.
    """
    if not planes:
        raise BadSource("The index of the dataset names no plane.")
    if len(planes) > MAX_PLANES:
        raise Unsupported(f"The index of the dataset names {len(planes)} planes; {MAX_PLANES} are read at most.")
    if about.wells:
        for row, column, _ in {p.place for p in planes}:
            if not (0 <= row < _ROWS and column >= 0):
                raise BadSource(f"The index of the dataset names a well of row {row + 1}, column {column + 1}.")
    found = _Found(file)
    files = [found.get(p.name) for p in planes]
    if not any(files):
        raise SourceNotFound(f"None of the dataset's files is there, e.g. {planes[0].name!r}.")
    groups: dict[tuple[str, tuple[int, int, int]], list[int]] = {}
    for number, plane in enumerate(planes):
        groups.setdefault((plane.part, plane.place), []).append(number)
    if refine is not None:
        about = refine(about, lambda plane: found.member(_there(found, plane)))
    axes: dict[str, tuple[list[int], ...]] = {}
    for part in {p.part for p in planes}:
        here = [p for p in planes if p.part == part]
        axes[part] = tuple(sorted({int(getattr(p, a)) for p in here}) for a in "tcz")
    dense = sum(math.prod(len(v) for v in axes[part]) for part, _ in groups)
    if dense > MAX_PLANES:
        raise Unsupported(
            f"The index of the dataset names {len(planes)} planes, whose times, channels and slices make images of "
            f"{dense} planes; {MAX_PLANES} are read at most."
        )
    # times, channels and slices that any image has: those that none has were never acquired
    common = None if about.exact else {(p.part, p.t, p.c, p.z) for p in planes}
    made = []
    for (part, place), numbers in sorted(groups.items()):
        chosen = [(planes[n], files[n]) for n in numbers]
        made.append(_image(file, place, part, chosen, axes[part], about, found, common))
    return made


def _there(found: _Found, plane: Plane) -> SourceFile:
    file = found.get(plane.name)
    if file is None:
        raise SourceNotFound(f"The dataset's file {plane.name!r} is missing.")
    return file


class _Found:
    """Files of planes; and what is in one file of each size."""

    def __init__(self, file: SourceFile) -> None:
        self._file = file
        self._files: dict[str, SourceFile | None] = {}
        self._members: dict[object, Member] = {}
        self._compressed: Member | None = None

    def get(self, name: str) -> SourceFile | None:
        """The file called ``name``; None if it is missing."""
        if name not in self._files:
            try:
                self._files[name] = self._file.sibling(name)
            except SourceNotFound:
                self._files[name] = None
            except SourceDenied as error:
                raise BadSource(f"The index names the file {name!r:.80}, outside its own folder.") from error
        return self._files[name]

    def any(self) -> SourceFile:
        """One that is there. Raises `SourceNotFound`."""
        there = next((f for f in self._files.values() if f is not None), None)
        if there is None:
            raise SourceNotFound("None of the dataset's files is there.")
        return there

    def member(self, file: SourceFile, page: int = 0) -> Member:
        """What is in a file. Raises `BadSource`."""
        return read(file, MAX_FILE, page)

    def like(self, file: SourceFile, page: int) -> Member:
        """What is in a file of that size: uncompressed ones of one size are alike, of compressed ones one is read.

        Whether it is so is seen when a plane is decoded.
        """
        if self._compressed is not None:
            return self._compressed
        key = (file.source.size, bool(page))
        if key not in self._members:
            found = self._members[key] = self.member(file, page)
            if found.codec != "raw":
                self._compressed = found
        return self._members[key]


def _image(
    file: SourceFile,
    place: tuple[int, int, int],
    part: str,
    chosen: Sequence[tuple[Plane, SourceFile | None]],
    axes: tuple[list[int], ...],
    about: About,
    found: _Found,
    common: set[tuple[str, int, int, int]] | None,
) -> TableRaster:
    by_place: dict[tuple[int, int, int], tuple[Plane, SourceFile | None]] = {}
    for one, its in chosen:
        if (one.t, one.c, one.z) in by_place:
            raise BadSource(f"The index names two files for one plane, one of them {one.name!r}.")
        by_place[one.t, one.c, one.z] = one, its
    files: list[SourceFile] = [file]
    numbers: dict[str, int] = {}
    which: list[int] = []
    lost: list[str] = []
    order: list[Plane | None] = []
    never = 0
    for t in axes[0]:
        for c in axes[1]:
            for z in axes[2]:
                plane, source = by_place.get((t, c, z), (None, None))
                order.append(plane)
                if plane is None and (common is None or (part, t, c, z) not in common):
                    which.append(ABSENT)
                    never += 1
                elif plane is None or source is None:
                    which.append(MISSING)
                    lost.append(_lost(plane, place, t, c, z))
                else:
                    if plane.name not in numbers:
                        numbers[plane.name] = len(files)
                        files.append(source)
                    which.append(numbers[plane.name])
    # where all of its planes are missing, they raise when they are read: the shape is that of the other images
    like = found.like(*next(((s, p.page) for p, s in chosen if s is not None), (found.any(), 0)))
    lengths = [(a, len(v)) for a, v in zip("tcz", axes, strict=True) if len(v) > 1]
    pages = [p.page if p else 0 for p in order]
    table = PlaneTable(
        tuple(n for _, n in lengths),
        like.shape,
        like.dtype,
        like.codec,
        np.array(which, np.int64),
        np.array([f.source.size for f in files], np.int64),
        np.array(pages if any(pages) else [0], np.uint32),
        tuple(lost),
    )
    names: list[AxisName] = [*(a for a, _ in lengths), "y", "x"]  # type: ignore[list-item]
    planes = [p for p in order if p is not None]
    scale = {**about.scale, **_steps(planes, axes, about.scale)}
    if "z" in scale and len(axes[2]) < 2:
        del scale["z"]
    channels = tuple(about.channels.get(c, Channel()) for c in axes[1])
    attrs = _attrs(about, place, part, order, like, lost, never)
    shape = (*(n for _, n in lengths), *like.shape)
    spec = described(names, like.dtype, [Grid(shape, table.block)], Facts(scale, {}, channels, attrs))
    return TableRaster(spec, tuple(files), (table,))


def _lost(plane: Plane | None, place: tuple[int, int, int], t: int, c: int, z: int) -> str:
    if plane is not None:
        return plane.name
    return f"{row_name(place[0])}{place[1] + 1:02d}, field {place[2]}, time {t}, channel {c}, slice {z}"


def _steps(planes: Sequence[Plane], axes: Sequence[Sequence[int]], known: Mapping[str, float]) -> dict[str, float]:
    """Distances of slices and of times, by where and when planes were taken, if they are even."""
    found: dict[str, float] = {}
    for axis, values, place in (("z", axes[2], _height), ("t", axes[0], _time)):
        if len(values) < 2 or axis in known:
            continue
        first = [p for p in planes if all(getattr(p, a) == getattr(planes[0], a) for a in "tcz" if a != axis)]
        at = [v for p in sorted(first, key=lambda p: int(getattr(p, axis))) if (v := place(p)) is not None]
        steps = np.diff(at)
        # stages and clocks are less exact than what they were told
        slack = 0.05 if axis == "z" else 0.1
        if len(at) == len(values) and (steps > 0).all():
            mean = statistics.fmean(float(s) for s in steps)
            if float(np.abs(steps - mean).max()) <= slack * mean:
                found[axis] = round(mean, 6)
    return found


def _height(plane: Plane) -> float | None:
    return None if plane.position is None else plane.position[2]


def _time(plane: Plane) -> float | None:
    return plane.seconds


def _attrs(
    about: About,
    place: tuple[int, int, int],
    part: str,
    order: Sequence[Plane | None],
    like: Member,
    lost: Sequence[str],
    never: int,
) -> dict[str, object]:
    row, column, number = place
    well = f"{row_name(row)}{column + 1:02d}"
    name = about.names.get(place) or (f"{well} field {number}" if about.wells else f"position {number}")
    attrs: dict[str, object] = {**about.attrs, "name": f"{name} {part}".strip(), "codec": like.codec}
    if about.wells:
        attrs["plate"] = {
            "name": about.plate,
            "row": row_name(row),
            "column": str(column + 1),
            "field": number,
            **({"acquisition": about.acquisition} if about.acquisition else {}),
            **({"size": list(about.size)} if about.size else {}),
        }
    if all(p is not None and p.position is not None for p in order) and len(order) <= 10_000:
        attrs["positions"] = [list(p.position) for p in order if p is not None and p.position is not None]
    if all(p is not None and p.seconds is not None for p in order) and len(order) <= 10_000:
        attrs["times"] = [p.seconds for p in order if p is not None]
    notes = [str(n) for n in _list(about.attrs.get("notes"))]
    if never:
        notes.append(f"{never} of {len(order)} planes were not acquired; they are shown as zero.")
    if lost:
        attrs["missing"] = len(lost)
        notes.append(f"{len(lost)} of {len(order)} planes are missing, the first is {lost[0]!r}; reading them fails.")
    if notes:
        attrs["notes"] = notes
    return attrs


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []


def plate_size(rows: object, columns: object) -> tuple[int, int] | None:
    """Rows and columns of a plate, as an index writes them; None where it does not, or nonsense."""
    numbers = [int(text) if (text := str(n)).isdecimal() and len(text) < 5 else 0 for n in (rows, columns)]
    return (numbers[0], numbers[1]) if 0 < numbers[0] <= _ROWS and numbers[1] > 0 else None


def with_scale(about: About, **scale: float | None) -> About:
    """With sizes in µm, of those that are known and positive."""
    known = {a: float(v) for a, v in scale.items() if v is not None and v > 0 and np.isfinite(v)}
    return replace(about, scale={**about.scale, **known})


def options_of(name: str, options: Mapping[str, object]) -> None:
    """Refuse options. Raises `Unsupported`."""
    if options:
        raise Unsupported(f"The {name} reader has no option {next(iter(options))!r}; it takes none.")
