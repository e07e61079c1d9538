"""The images of a series: tables and descriptions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from s3facade.core.errors import SourceError, Unsupported
from s3facade.core.protocols import SourceFile
from s3facade.core.spec import Channel, Spec
from s3facade.readers.arrays.raster import TableRaster
from s3facade.readers.arrays.raw import Linear
from s3facade.readers.dicom import meta, slide
from s3facade.readers.dicom.frames import SEGMENT, Frame, frames
from s3facade.readers.dicom.geometry import geometry
from s3facade.readers.dicom.header import Header
from s3facade.readers.dicom.instance import Instance, Layout, layout
from s3facade.readers.dicom.stacks import Stack, stacks
from s3facade.readers.dicom.tables import Finder, ScaledTable, Table, scaling, table
from s3facade.readers.facts import Facts, Grid, colours, described

_MM = 1000.0
_SLOW = ("jpeg 2000", "htj2k", "deflate")


@dataclass(frozen=True, slots=True)
class Series:
    """The files of a series, described."""

    instances: tuple[Instance, ...]
    files: tuple[SourceFile, ...]
    """Those of the instances, and the folder."""
    identifying: bool

    @property
    def ends(self) -> list[int]:
        """Sizes of the files."""
        return [i.file.source.size for i in self.instances]


def images(series: Series) -> list[TableRaster]:
    """All images of a series, that of the opened file first.

    Raises:
        BadSource: A file contradicts itself.
        Unsupported: The opened file cannot be read.
    """
    hows: dict[int, Layout] = {}
    left: list[str] = []
    for n, instance in enumerate(series.instances):
        try:
            hows[n] = layout(instance)
        except SourceError as error:
            if n == 0:
                raise
            left.append(error.public)
    notes = [f"{len(left)} files of the series are left out: {left[0]}"] if left else []
    tiled = [n for n in hows if slide.is_slide(series.instances[n])]
    flat = [n for n in hows if n not in tiled]
    found = _slides(series, hows, tiled, notes) if tiled else []
    if flat:
        finder = Finder(series.instances, [hows.get(n, hows[0]) for n in range(len(series.instances))])
        every = [f for n in flat for f in frames(n, series.instances[n])]
        alike = {n: _alike(series.instances[n], hows[n]) for n in flat}
        ordered = sorted(stacks(every, alike), key=lambda s: (-len(s.frames), min(f.instance for f in s.frames)))
        found += [_raster(series, hows, finder, stack, notes) for stack in ordered]
    return found


def _alike(instance: Instance, how: Layout) -> object:
    """What must be equal within an image."""
    own = instance.frames > 1
    return (
        *(how.rows, how.columns, how.samples, how.number.str, how.interleaved, how.filters and how.filters[0].name),
        # filters with tables of their own, of colours for instance, differ between files
        tuple(f if f.name != "palette" else id(instance) for f in how.filters),
        how.stored,
        instance.header.text(0x00080016),
        instance.header.text(0x0020000E) if not own else id(instance),
    )


def _raster(series: Series, hows: dict[int, Layout], finder: Finder, stack: Stack, notes: list[str]) -> TableRaster:
    first = stack.frames[0]
    how, header = hows[first.instance], series.instances[first.instance].header
    outer = [(a, n) for a, n in zip("tcz", stack.shape, strict=True) if n > 1]
    where = finder.places([(f.instance, f.number) for f in stack.frames])
    lengths = tuple(n for _, n in outer)
    slopes = np.array([f.slope for f in stack.frames]).reshape(lengths)
    intercepts = np.array([f.intercept for f in stack.frames]).reshape(lengths)
    scaled = scaling(how, slopes, intercepts) if how.samples == 1 else None
    values = Linear(float(slopes.flat[0]), float(intercepts.flat[0]), scaled[0]) if scaled and scaled[1] else None
    base = table(how, outer, where, series.ends, values)
    found: Table = base
    if scaled and values is None:
        found = ScaledTable(base, slopes, intercepts, scaled[0])
    dtype = found.dtype
    place = geometry(stack)
    told = [*notes, *stack.notes, *place.notes, *_notes(how, header, first)]
    attrs: dict[str, object] = {**_attrs(series, header, how, found.codec, told)}
    # the position of a mosaic is that of its corner, as if it were one large slice
    if place.affine is not None and "MOSAIC" not in header.texts(0x00080008):
        attrs |= {"affine": place.affine, "frame": "LPS"}
    if len(stack.frames) <= 10_000:
        if stack.step is None and first.position is not None and stack.shape[2] > 1:
            attrs["positions"] = [[v * _MM for v in f.position or ()] for f in stack.frames]
        if stack.seconds is None and all(f.seconds is not None for f in stack.frames) and len(stack.frames) > 1:
            attrs["times"] = [f.seconds for f in stack.frames]
    facts = Facts(place.scale, place.origin, (), attrs)
    names = base.stored.names
    spec = described(
        names, dtype, [Grid(base.stored.shape, base.stored.block)], facts, _channels(stack, how, header, dtype)
    )
    return TableRaster(spec, series.files, (found,))


def _channels(stack: Stack, how: Layout, header: Header, dtype: np.dtype[Any]) -> tuple[Channel, ...]:
    if how.samples == 3:
        return colours(dtype, 3) * stack.shape[1]
    window = _window(stack.frames)
    labels: Sequence[str | None] = stack.labels or [None]
    if stack.labels and SEGMENT in stack.frames[0].keys:
        segments = {s.integer(0x00620004, 0): s.text(0x00620005) for s in header.items(0x00620002)}
        numbers = [int(float(str(stack.frames[n * stack.shape[2]].keys[SEGMENT]))) for n in range(stack.shape[1])]
        labels = [segments.get(n) or f"segment {n}" for n in numbers]
    return tuple(Channel(label, None, window) for label in labels)


def _window(found: Sequence[Frame]) -> tuple[float, float] | None:
    """Values shown as black and as white (PS3.3 C.11.2.1.2): those of the frame in the middle."""
    window = found[len(found) // 2].window
    if window is None:
        return None
    centre, width = window
    return (centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2) if width > 1 else None


def _notes(how: Layout, header: Header, first: Frame) -> list[str]:
    found = []
    if how.photometric == "MONOCHROME1":
        found.append("The smallest value is meant to be shown as white (MONOCHROME1); values are as stored.")
    if "MOSAIC" in header.texts(0x00080008):
        found.append(
            "Slices lie side by side in one plane (a mosaic); they are shown so, and their places are not told."
        )
    if header.items(0x00283000):
        found.append("A table of values (Modality LUT Sequence) was not applied; values are as stored.")
    if first.spacing is not None and 0x00280030 not in header and 0x00181164 in header:
        found.append("The size of pixels is that at the detector (ImagerPixelSpacing).")
    units = header.text(0x00541001) or header.text(0x00281054) or header.text(0x30040002)
    if units and (first.slope != 1 or first.intercept):
        found.append(f"Values are in {units}, as rescaled.")
    return found


def _attrs(series: Series, header: Header, how: Layout, codec: str, notes: list[str]) -> dict[str, object]:
    modality, number = header.text(0x00080060), header.text(0x00200011)
    name = " ".join(p for p in (modality, f"series {number}" if number else "") if p)
    if series.identifying and header.text(0x0008103E):
        name = header.text(0x0008103E)
    attrs: dict[str, object] = {"name": name or "DICOM", "codec": codec}
    if notes:
        attrs["notes"] = notes
    if any(s in codec for s in _SLOW):
        attrs["reasons"] = [f"The codec ({codec}) takes long to decode."]
    when = meta.acquired(header)
    if when is not None:
        attrs["acquired"] = when
    if header.text(0x00620001) in ("BINARY", "LABELMAP"):
        attrs["categorical"] = True
    attrs["original"] = meta.original(header, identifying=series.identifying)
    del how
    return attrs


def _slides(series: Series, hows: dict[int, Layout], tiled: list[int], notes: list[str]) -> list[TableRaster]:
    """The slide with its levels, then what else was imaged; the label, which names the patient, only if asked for."""
    finder = Finder(series.instances, [hows.get(n, hows[0]) for n in range(len(series.instances))])
    levels: dict[object, list[slide.Plane]] = {}
    for plane in slide.planes(series.instances, hows, tiled):
        how = hows[plane.parts[0]]
        if plane.kind == "LABEL" and not series.identifying:
            continue
        key: object = plane.parts
        if plane.kind == "VOLUME":
            key = ("VOLUME", plane.channels, plane.focal, how.samples, how.number.str)
        levels.setdefault(key, []).append(plane)
    if not levels:
        raise Unsupported(
            "The series holds only the label of a slide, which may say whose it is; `identifying: keep` shows it."
        )
    ordered = sorted(levels.values(), key=lambda group: (group[0].kind != "VOLUME", -group[0].columns))
    return [_slide(series, hows, finder, group, notes) for group in ordered]


def _slide(
    series: Series, hows: dict[int, Layout], finder: Finder, group: list[slide.Plane], notes: list[str]
) -> TableRaster:
    tables: list[Table] = []
    widths: set[int] = set()
    base = group[0]
    for plane in group:
        if plane.columns in widths:
            continue
        widths.add(plane.columns)
        how = hows[plane.parts[0]]
        outer = [(a, n) for a, n in (("c", len(plane.channels)), ("z", plane.focal)) if n > 1]
        where = finder.places([(int(f), int(k)) for f, k in plane.tiles.reshape(-1, 2)])
        tables.append(table(how, outer, where, series.ends, None, plane=(plane.rows, plane.columns)))
    how, header = hows[base.parts[0]], series.instances[base.parts[0]].header
    scale: dict[str, float] = {}
    if base.spacing is not None:
        scale = {"y": base.spacing[0] * _MM, "x": base.spacing[1] * _MM}
    if base.step is not None and base.focal > 1:
        scale["z"] = base.step * _MM
    told = [*notes, *_notes(how, header, Frame(0, 0))]
    if (base.tiles[..., 1] < 0).any():
        told.append("Tiles that were not imaged are shown as zero.")
    attrs = _attrs(series, header, how, tables[0].codec, told)
    attrs["name"] = {"VOLUME": attrs["name"]}.get(base.kind, base.kind.lower())
    optics = header.items(0x00480105)
    power = next((n for o in optics if (n := o.number(0x00480112))), None)
    if power is not None:
        attrs["objective"] = {"magnification": power}
    single = [Channel(name or None) for name in base.channels]
    dtype = how.number.newbyteorder("=")
    channels = colours(dtype, 3) * len(base.channels) if how.samples == 3 else tuple(single)
    first = tables[0]
    assert not isinstance(first, ScaledTable)  # noqa: S101 - slides have no factors
    grids = [Grid(t.stored.shape, t.stored.block) for t in tables if not isinstance(t, ScaledTable)]
    spec: Spec = described(first.stored.names, dtype, grids, Facts(scale, {}, (), attrs), channels)
    return TableRaster(spec, series.files, tuple(tables))
