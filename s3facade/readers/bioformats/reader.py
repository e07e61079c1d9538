"""OIR, VSI, ZVI, SLDY, ICS and some 70 more formats through Bio-Formats, in a program of its own."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from s3facade.core.errors import BadSource, SourceDenied, SourceNotFound, Unsupported
from s3facade.core.operators import Block
from s3facade.core.protocols import SourceFile
from s3facade.core.region import Region
from s3facade.core.spec import AxisName, Channel, Spec
from s3facade.readers.bioformats.program import HOW, PROGRAM, command
from s3facade.readers.bioformats.suffixes import CLAIMED, SUFFIXES
from s3facade.readers.facts import Facts, Grid, colours, described
from s3facade.readers.ome_xml import parse_ome
from s3facade.readers.tiff.meta import from_ome

_TYPES: Mapping[str, str] = {
    "bit": "u1", "uint8": "u1", "int8": "i1", "uint16": "u2", "int16": "i2", "uint32": "u4", "int32": "i4",
    "float": "f4", "double": "f8",
}  # fmt: skip
_LEAST, _MOST = 256, 1024
"""Pixels of the sides of a block."""
_MAX_SERIES = 100_000


@dataclass(frozen=True, slots=True)
class Series:
    """One image, as Bio-Formats counts it."""

    number: int
    levels: tuple[int, ...]
    """Bio-Formats' number of each level."""
    samples: int
    """Per pixel of a plane: red, green and blue."""
    interleaved: bool
    stored: np.dtype[Any]
    """With the byte order of the planes."""


@dataclass(frozen=True, slots=True)
class BioFormatsRaster:
    """One image of a file; the program keeps the file open."""

    spec: Spec
    files: tuple[SourceFile, ...]
    series: Series

    def chunks(self, level: int) -> None:  # noqa: ARG002 - the seam
        """None: where planes lie is Bio-Formats' knowledge."""
        return

    def read(self, level: int, region: Region) -> Block:
        """Voxels of ``region``, plane by plane.

        Raises:
            BadSource: Bio-Formats fails on them.
        """
        series, names = self.series, self.spec.names
        box: dict[str, list[int]] = {a: [b, e] for a, b, e in zip(names, region.start, region.stop, strict=True)}
        t, c, z = (box.get(a, [0, 1]) for a in "tcz")
        groups = [c[0] // series.samples, -(-c[1] // series.samples)]
        counts = (t[1] - t[0], groups[1] - groups[0], z[1] - z[0])
        rows, columns = (box[a][1] - box[a][0] for a in "yx")
        plane = (rows, columns, series.samples) if series.interleaved else (series.samples, rows, columns)
        want = math.prod(counts) * math.prod(plane) * series.stored.itemsize
        question = {"t": t, "c": groups, "z": z, "y": box["y"], "x": box["x"], "series": series.number}
        source = self.files[0]
        _, data = PROGRAM.ask(
            {
                **question,
                "do": "read",
                "path": source.path(),
                "etag": source.source.etag,
                "level": series.levels[level],
                "most": want,
            }
        )
        if len(data) != want:
            raise BadSource(
                "Bio-Formats gave another number of pixels than the image has.",
                private=f"{len(data)} bytes instead of {want} of level {level}, {region}",
            )
        block: Block = np.frombuffer(data, series.stored).reshape(*counts, *plane)
        # to t, group, sample, z, y, x
        block = block.transpose(0, 1, 5, 2, 3, 4) if series.interleaved else block.transpose(0, 1, 3, 2, 4, 5)
        block = block.reshape(counts[0], counts[1] * series.samples, counts[2], rows, columns)
        skip = c[0] - groups[0] * series.samples
        block = block[:, skip : skip + c[1] - c[0]].reshape(region.shape)
        return np.ascontiguousarray(block, self.spec.dtype)


class BioFormatsReader:
    """No options."""

    name: ClassVar[str] = "bioformats"
    version: ClassVar[int] = 1
    lane: ClassVar[Literal["thread", "serial", "process"]] = "process"
    suffixes: ClassVar[frozenset[str]] = CLAIMED
    rank: ClassVar[int] = 1000
    extra: ClassVar[str] = "bioformats"
    how: ClassVar[str] = HOW

    @property
    def needs(self) -> tuple[str, ...]:
        """Nothing to import: the program may be in an environment of its own."""
        return () if command() else ("s3facade_bioformats",)

    def sniff(self, head: bytes, name: str) -> bool:  # noqa: ARG002 - the name tells
        """Whether the name is of such a format; one that other things are called too, if the program is installed."""
        lower = name.lower()
        return lower.endswith(tuple(CLAIMED)) or (lower.endswith(tuple(SUFFIXES)) and bool(command()))

    def open(self, file: SourceFile, options: Mapping[str, object]) -> Sequence[BioFormatsRaster]:
        """The images of a file and of those that belong to it; pictures of labels and the like are left out.

        Raises:
            BadSource: Bio-Formats fails on the file.
            Unsupported: It does not know the file, or is not installed; or an option, since there are none.
        """
        if options:
            raise Unsupported(f"The Bio-Formats reader has no option {next(iter(options))!r}; it takes none.")
        found, _ = PROGRAM.ask({"do": "open", "path": file.path(), "etag": file.source.etag})
        files = (file, *_members(file, found.get("files", ())))
        every = list(found["series"])[:_MAX_SERIES]
        facts = _facts(found, len(every))
        rasters = []
        for number, about in enumerate(every):
            # the first one is the image itself, whatever it is called
            if number and about["thumbnail"]:
                continue
            rasters.append(_raster(number, about, facts[number], files))
        if not rasters:
            raise BadSource("Bio-Formats finds no image in the file.")
        return rasters


def _facts(found: Mapping[str, Any], count: int) -> list[Facts]:
    """What the OME-XML that Bio-Formats makes says of each series; nothing, where it is not understood."""
    attrs: dict[str, object] = {
        "codec": f"Bio-Formats ({found['format']})",
        "reasons": ["Read by Bio-Formats in a process of its own."],
        "original": {"format": found["format"], "bioformats": found["version"]},
    }
    text = str(found.get("ome", ""))
    try:
        images = parse_ome(text).images
    except (BadSource, Unsupported):
        images = ()
    if len(images) != count:
        return [Facts(attrs=attrs)] * count
    made = []
    for image in images:
        one = from_ome(image)
        more: dict[str, object] = {"ome_xml": text, "ome_image": image.number}
        made.append(replace(one, attrs={**one.attrs, **attrs, **more}))
    return made


def _raster(number: int, about: Mapping[str, Any], facts: Facts, files: tuple[SourceFile, ...]) -> BioFormatsRaster:
    kind = _TYPES.get(about["type"])
    if kind is None:
        raise Unsupported(f"The image's pixels are {about['type']!r}; only real numbers can be shown.")
    samples = int(about["samples"])
    outer: dict[AxisName, int] = {"t": about["t"], "c": about["c"] * samples, "z": about["z"]}
    shown: list[AxisName] = [a for a in ("t", "c", "z") if outer[a] > 1]
    names: list[AxisName] = [*shown, "y", "x"]
    sizes = [[outer[a] for a in shown] + [int(y), int(x)] for _, y, x in about["levels"]]
    if not sizes or min(min(s) for s in sizes) < 1 or samples < 1:
        raise BadSource(f"Bio-Formats states an image of shape {sizes[:1]}.")
    sides = [_side(n) for n in about["tile"]]
    block = [samples if a == "c" else 1 for a in shown]
    grids = [Grid(tuple(s), (*block, min(sides[0], s[-2]), min(sides[1], s[-1]))) for s in sizes]
    dtype = np.dtype(kind)
    if about["indexed"]:
        note = "The values are indices into a colour table, which is not applied."
        facts = replace(facts, attrs={**facts.attrs, "notes": [note]})
    channels = colours(dtype, samples) * about["c"] if samples in (3, 4) else _spread(facts.channels, samples)
    spec = described(names, dtype, grids, facts, channels)
    stored = dtype.newbyteorder("<" if about["little"] else ">")
    levels = tuple(int(level) for level, _, _ in about["levels"])
    return BioFormatsRaster(spec, files, Series(number, levels, samples, bool(about["interleaved"]), stored))


def _spread(channels: Sequence[Channel], samples: int) -> tuple[Channel, ...]:
    """A channel for each of its samples."""
    return tuple(c for c in channels for _ in range(samples))


def _side(stated: int) -> int:
    """The side of a block: that of the file's tiles where it is of a good size."""
    return min(max(int(stated), _LEAST), _MOST)


def _members(file: SourceFile, paths: Sequence[str]) -> Iterator[SourceFile]:
    """The other files, as far as they lie in the folder of the opened one or below."""
    own = file.path()
    folder = own.rpartition("/")[0] + "/"
    for path in paths:
        if path != own and path.startswith(folder):
            try:
                yield file.sibling(path.removeprefix(folder))
            except (SourceNotFound, SourceDenied):
                continue
