"""Imaris 5.5 files: resolution levels, time points and channels, each a dataset padded to whole blocks.

Source: Imaris 5.5 File Format Description (Bitplane); every attribute is an array of single characters.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.protocols import SourceFile
from s3facade.core.spec import Channel
from s3facade.core.units import MICROMETERS
from s3facade.readers.arrays.chunked import ChunkedTable
from s3facade.readers.arrays.raster import TableRaster
from s3facade.readers.arrays.raw import RawTable
from s3facade.readers.facts import Facts, Grid, described
from s3facade.readers.hdf5.attributes import attributes, text
from s3facade.readers.hdf5.library import Found, Tree, is_hdf5, names, opened
from s3facade.readers.hdf5.pipeline import FREEZING
from s3facade.readers.hdf5.tables import piece, table
from s3facade.readers.hdf5.times import interval, iso, moment

MAX_DATASETS = 1 << 18
"""Levels times time points times channels; more is refused."""
_UNITS = {**MICROMETERS, "micrometer": 1.0, "micron": 1.0, "nanometer": 1e-3, "millimeter": 1e3, "µm": 1.0}
_TEXT = 2048
"""Characters of one value that are kept among the original metadata."""


class ImarisReader:
    """Imaris files, by their name: HDF5 says what they are only inside."""

    name: ClassVar[str] = "imaris"
    version: ClassVar[int] = 2
    lane: ClassVar[Literal["thread", "serial", "process"]] = "thread"
    apart: ClassVar[bool] = True
    suffixes: ClassVar[frozenset[str]] = frozenset({".ims"})

    def sniff(self, head: bytes, name: str) -> bool:
        """Whether this is HDF5 with the name of an Imaris file."""
        return is_hdf5(head) and name.lower().endswith(".ims")

    def open(self, file: SourceFile, options: Mapping[str, object]) -> Sequence[TableRaster]:
        """The images of a file: mostly one.

        Raises:
            BadSource: The file contradicts itself, or is incomplete.
            Unsupported: An option, since there are none; or it is no Imaris file, or one of before version 5.5.
        """
        if options:
            raise Unsupported(f"The Imaris reader has no option {next(iter(options))!r}; it takes none.")
        with opened(file) as tree:
            if not is_one(tree):
                raise Unsupported("The file is HDF5, but not of Imaris 5.5 or later: it has no group 'DataSet'.")
            return images(tree)

    freeze = staticmethod(FREEZING.freeze)
    thaw = staticmethod(FREEZING.thaw)


def is_one(tree: Tree) -> bool:
    """Whether an HDF5 file is one of Imaris."""
    return tree.group("DataSet/ResolutionLevel 0/TimePoint 0") is not None


def images(tree: Tree) -> list[TableRaster]:
    """The images of a file, in order. Raises `SourceError`."""
    found = []
    for number in range(64):
        suffix = str(number) if number else ""
        data = tree.group(f"DataSet{suffix}")
        if data is None:
            break
        found.append(_image(tree, data, tree.group(f"DataSetInfo{suffix}")))
    return found


def _image(tree: Tree, data: Found, info: Found | None) -> TableRaster:
    levels = _numbered(data, "ResolutionLevel")
    first = _need(tree, "ResolutionLevel 0", data)
    times = _numbered(first, "TimePoint")
    channels = _numbered(_need(tree, "TimePoint 0", first), "Channel")
    if levels * times * channels > MAX_DATASETS:
        raise Unsupported(
            f"The Imaris file has {levels} levels, {times} time points and {channels} channels: too many."
        )
    cells: list[ChunkedTable | RawTable] = []
    shapes: list[tuple[int, ...]] = []
    notes: list[str] = []
    whole = False
    for level in range(levels):
        groups = _groups(tree, data, level, times, channels)
        pieces = [piece(_need(tree, "Data", g, dataset=True), tree.files[g.file]) for g in groups]
        size = _size(groups[0], pieces[0].sizes)
        if size is None and not level:
            image = tree.group("Image", info) if info else None
            size = (_size(image, pieces[0].sizes, "") if image else None) or pieces[0].sizes
            whole = size == pieces[0].sizes
        elif size is None and whole:
            size = pieces[0].sizes
        elif size is None:
            notes.append(f"Levels from {level} on are left out: the file does not say how large they are.")
            break
        shapes.append(size)
        thin = shapes[0][0] == 1
        dims = ("t" if times > 1 else "", "c" if channels > 1 else "", "" if thin else "z", "y", "x")
        cells.append(table(pieces, dims, (times, channels), files=tree.files, inner=size))
    grids = [Grid(t.stored.shape, t.block) for t in cells]
    facts = _facts(tree, info, shapes[0], times, channels, cells[0].codec, notes)
    spec = described(cells[0].stored.names, cells[0].dtype, grids, facts)
    return TableRaster(spec, tuple(tree.files), tuple(cells))


def _groups(tree: Tree, data: Found, level: int, times: int, channels: int) -> list[Found]:
    """The groups of the channels of all time points of a level."""
    here = _need(tree, f"ResolutionLevel {level}", data)
    found = []
    counts = {_numbered(here, "TimePoint")} - {times}
    for t in range(times):
        point = _need(tree, f"TimePoint {t}", here)
        counts |= {_numbered(point, "Channel")} - {channels}
        found += [_need(tree, f"Channel {c}", point) for c in range(channels)]
    if counts:
        raise BadSource("The Imaris file is incomplete: levels or time points differ in what they hold.")
    return found


def _numbered(group: Found, what: str) -> int:
    """How many members are called ``what`` and a number; they are counted from 0 without gaps."""
    pattern = re.compile(re.escape(what) + r" (\d{1,7})")
    found = {int(m[1]) for name in names(group.item) if (m := pattern.fullmatch(name))}
    if found != set(range(len(found))) or not found:
        raise BadSource(
            f"The Imaris file is incomplete: in {group.name!r}, {what} 0 to {max(found, default=0)} are not all there."
        )
    return len(found)


def _need(tree: Tree, path: str, start: Found, *, dataset: bool = False) -> Found:
    found = tree.dataset(path, start) if dataset else tree.group(path, start)
    if found is None:
        raise BadSource(f"The Imaris file is incomplete: {start.name.rstrip('/')}/{path} is missing.")
    return found


def _size(group: Found, stored: tuple[int, ...], prefix: str = "ImageSize") -> tuple[int, ...] | None:
    """True size (z, y, x) of what is stored in whole blocks; None if the file does not state it all."""
    if len(stored) != 3:
        raise BadSource(f"{group.name}/Data has the shape {stored}; three dimensions are needed.")
    size = []
    for axis, n in zip("ZYX", stored, strict=True):
        written = text(group.item, f"{prefix}{axis}")
        value = _float(written)
        if written is None:
            return None
        if value is None or value != int(value) or not 1 <= value <= n:
            raise BadSource(f"{group.name}: {prefix}{axis} is {written!r}, but {n} are stored.")
        size.append(int(value))
    return tuple(size)


def _facts(
    tree: Tree, info: Found | None, size: tuple[int, ...], times: int, channels: int, codec: str, notes: list[str]
) -> Facts:
    attrs: dict[str, object] = {"codec": codec}
    if info is None:
        return Facts(attrs={**attrs, "notes": notes} if notes else attrs)
    image = tree.group("Image", info)
    scale, origin = _extent(image, size, notes) if image else ({}, {})
    if image:
        name = (text(image.item, "Name") or "").strip()
        if name and not name.startswith("(name not"):
            attrs["name"] = name
        date = iso(text(image.item, "RecordingDate"))
        if date:
            attrs["acquired"] = date
        objective = {
            key: value
            for key, option in (("magnification", "LensPower"), ("na", "NumericalAperture"))
            if (value := _leading(text(image.item, option)))
        }
        if objective:
            attrs["objective"] = objective
    stamps = tree.group("TimeInfo", info)
    moments = [moment(text(stamps.item, f"TimePoint{t + 1}")) for t in range(times)] if stamps and times > 1 else []
    known = [m for m in moments if m is not None]
    if known and len(known) == times:
        seconds = [(m.replace(tzinfo=None) - known[0].replace(tzinfo=None)).total_seconds() for m in known]
        step = interval(seconds)
        if step:
            scale = {**scale, "t": step}
        else:
            attrs["times"] = [{"t": t, "seconds": s} for t, s in enumerate(seconds)]
    if notes:
        attrs["notes"] = notes
    attrs["original"] = {
        name: {k: v[:_TEXT] for k in list(attributes(group.item)) if (v := text(group.item, k))}
        for name in names(info.item)[:64]
        if (group := tree.group(name, info))
    }
    found = tuple(_channel(tree.group(f"Channel {c}", info)) for c in range(channels))
    return Facts(scale, origin, found, attrs)


def _extent(image: Found, size: tuple[int, ...], notes: list[str]) -> tuple[dict[str, float], dict[str, float]]:
    """Voxel sizes and the centre of the first voxel in µm, from the outer edges of the volume."""
    unit = (text(image.item, "Unit") or "").strip()
    factor = _UNITS.get(unit)
    if not unit:
        factor = 1.0
        notes.append("The file states its extent without a unit, which means µm in Imaris.")
    scale, origin = {}, {}
    for axis, number, n in zip("xyz", range(3), reversed(size), strict=True):
        low, high = (_float(text(image.item, f"Ext{end}{number}")) for end in ("Min", "Max"))
        if factor and low is not None and high is not None and high > low:
            scale[axis] = (high - low) / n * factor
            origin[axis] = low * factor + scale[axis] / 2
    if factor is None:
        notes.append(f"The file states its extent in {unit!r}, which is no unit of length that is known.")
    return scale, origin


def _channel(group: Found | None) -> Channel:
    if group is None:
        return Channel()
    item = group.item
    parts = [_float(v) for v in (text(item, "Color") or "").split()]
    color = None
    if (
        len(parts) == 3
        and all(p is not None and 0 <= p <= 1 for p in parts)
        and text(item, "ColorMode") != "TableColor"
    ):
        color = "".join(f"{round(255 * (p or 0)):02X}" for p in parts)
    ends = [_float(v) for v in (text(item, "ColorRange") or "").split()]
    low, high = ends if len(ends) == 2 else (None, None)
    window = (low, high) if low is not None and high is not None and low < high else None
    name = (text(item, "Name") or "").strip()
    return Channel(
        None if not name or name.startswith("(name not") else name, color, window,
        emission=_leading(text(item, "LSMEmissionWavelength")),
        excitation=_leading(text(item, "LSMExcitationWavelength")),
    )  # fmt: skip


def _float(written: str | None) -> float | None:
    try:
        value = float(written) if written else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _leading(written: str | None) -> float | None:
    """A positive number that a text begins with, e.g. of ``63x``."""
    found: Any = re.match(r"\s*(\d+(?:\.\d+)?)", written or "")
    value = float(found[1]) if found else 0.0
    return value or None
