"""From a file to described images: structure by tifffile, everything read before the file is closed."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import tifffile

from s3facade.core.errors import BadSource
from s3facade.core.protocols import SourceFile
from s3facade.core.spec import Axis, Channel, Level, Spec
from s3facade.readers.tiff_stack import Stack, build
from s3facade.readers.tiff_table import RawTable, SegmentTable

Table = RawTable | SegmentTable


@dataclass(frozen=True, slots=True)
class Parsed:
    """One image, described."""

    spec: Spec
    files: tuple[SourceFile, ...]
    tables: tuple[Table, ...]


def parse(file: SourceFile) -> list[Parsed]:
    """All images of ``file``. Errors as `TiffReader.open`."""
    with file.stream() as stream:
        try:
            with tifffile.TiffFile(stream, name=PurePosixPath(file.source.path).name) as tif:
                return list(_series(file, tif))
        except (tifffile.TiffFileError, ValueError, struct.error, KeyError, IndexError, RuntimeError, TypeError) as e:
            raise BadSource("The file cannot be read as TIFF; it is damaged.", private=f"{e!r:.300}") from e


def _series(file: SourceFile, tif: Any) -> Iterator[Parsed]:
    for series in tif.series:
        stacks = [_stack(level) for level in series.levels]
        tables = tuple(build(s, [file.source.size]) for s in stacks)
        yield Parsed(_spec(tables), (file,), tables)


def _stack(level: Any) -> Stack:
    contiguous = level.dataoffset
    pages = [level.pages[0]] if contiguous is not None else list(level.pages)
    if any(p is None for p in pages):
        raise BadSource("The TIFF lacks some of the planes that its metadata describe.")
    return Stack(level.axes, level.shape, pages, [0], contiguous)


def _spec(tables: tuple[Table, ...]) -> Spec:
    first = tables[0].geometry
    n = len(first.names)
    levels = tuple(Level(t.geometry.shape, (1.0,) * n, (0.0,) * n, t.block) for t in tables)
    channels = first.shape[first.names.index("c")] if "c" in first.names else 1
    return Spec(tuple(Axis(a) for a in first.names), tables[0].dtype, levels, (Channel(),) * channels)
