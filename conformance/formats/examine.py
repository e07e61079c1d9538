"""What becomes of each file of the corpus."""

from __future__ import annotations

import os
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from conformance.formats import oracles
from conformance.formats.corpus import root
from conformance.formats.counting import Count, Counting
from conformance.formats.passing import passes
from conformance.formats.reasons import UNREAD, acceptable, companion
from conformance.formats.told import NotTold, Otherwise, Told
from s3facade import registry
from s3facade.core.errors import SourceError
from s3facade.core.protocols import Raster
from s3facade.engine.lanes import opened
from s3facade.stores.local import LocalFile
from s3facade.testing.reading import voxels


@dataclass(slots=True)
class ImageRow:
    """One image of a file."""

    axes: str
    shape: tuple[int, ...]
    dtype: str
    levels: int
    codec: str
    pixels: str
    """``equal``, ``close`` where floats are rounded otherwise, ``differ: …``, or ``not compared: …``."""
    metadata: str
    oracle: str
    passing: str
    per_chunk: int
    order: str
    """What the oracle does not tell about the axes."""


@dataclass(slots=True)
class FileRow:
    """One file."""

    path: str
    reader: str = ""
    kind: str = "opens"
    """``opens``, ``refused``, ``part`` of what another file opens, ``companion``, or ``unknown``."""
    reason: str = ""
    images: list[ImageRow] = field(default_factory=list)
    reads: int = 0
    nbytes: int = 0
    blocks: int = 0
    members: tuple[str, ...] = ()
    seconds: float = 0.0
    left_open: int = 0

    @property
    def bad(self) -> str:
        """Why this row must not stand in the table; empty if it may."""
        if self.kind == "unknown":
            return "no reader, and nobody says why"
        if self.kind == "refused" and not acceptable(self.path, self.reason):
            return f"refused: {self.reason}"
        if self.left_open:
            return "a file was left open"
        wrong = [i.pixels for i in self.images if i.pixels.startswith("differ")]
        wrong += [f"metadata {i.metadata}" for i in self.images if i.metadata.startswith("differ")]
        return "; ".join(wrong)


def corpus() -> Path:
    """The folder of real files."""
    found = root()
    if found is None:
        raise FileNotFoundError("no corpus: set S3FACADE_CORPUS to a folder of real images")
    return found


def files() -> list[Path]:
    """Every file of it but its table of contents."""
    base = corpus()
    return sorted(p for p in base.rglob("*") if p.is_file() and p.relative_to(base).as_posix() != "MANIFEST.md")


def recognised(path: Path) -> str:
    """Name of the reader that takes the file; empty if none does."""
    with path.open("rb") as file:
        head = file.read(4096)
    return next((name for name, reader in registry.readers() if reader.sniff(head, path.name)), "")


def examine(path: Path) -> FileRow:
    """Open ``path`` as the server would, and compare everything in it."""
    row = FileRow(path.relative_to(corpus()).as_posix(), recognised(path))
    if not row.reader:
        row.reason = UNREAD.get(row.path, "")
        row.kind = "refused" if row.reason else "unknown"
        return row
    count = Count()
    began = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            rasters = list(opened(registry.reader(row.reader), Counting(LocalFile.open(path), count), {}))
            row.reads, row.nbytes, row.blocks = count.reads, count.nbytes, len(count.blocks)
            row.left_open = sum(not s.closed for s in count.streams)
            told = oracles.ask(row.reader, path, rasters)
            for number, raster in enumerate(rasters):
                row.images.append(_image(raster, number, told, count))
        except SourceError as error:
            row.kind, row.reason = "refused", error.public
            rasters = []
        finally:
            for stream in count.streams:
                stream.close()
    row.members = tuple(
        os.path.relpath(f.source.path, corpus()) for raster in rasters for f in raster.files if f.source.size
    )
    row.seconds = time.monotonic() - began
    return row


def _image(raster: Raster, number: int, told: Told, count: Count) -> ImageRow:
    spec = raster.spec
    pixels = _compared(raster, number, told)
    table = raster.chunks(0)
    before = count.reads
    if table is None:
        raster.read(0, _first(raster))
    else:
        where = table.cell((0,) * len(spec.axes))
        if where is not None:
            raster.files[where.file].pread(where.offset, where.nbytes)
    per_chunk = count.reads - before
    return ImageRow(
        "".join(spec.names),
        spec.levels[0].shape,
        str(spec.dtype),
        len(spec.levels),
        "opaque" if table is None else table.codec,
        pixels,
        told.metadata(number, spec),
        told.library if told.find else "",
        passes(raster),
        per_chunk,
        told.order if told.find else "",
    )


def _first(raster: Raster):
    from s3facade.core.region import Region

    level = raster.spec.levels[0]
    return Region((0,) * len(level.shape), tuple(min(a, b) for a, b in zip(level.shape, level.block, strict=True)))


def _compared(raster: Raster, number: int, told: Told) -> str:
    """Every level, voxel by voxel."""
    worst = "equal"
    for level in range(len(raster.spec.levels)):
        found = voxels(raster, level)
        try:
            want = told.array(number, level, raster)
        except NotTold as why:
            return f"not compared: {why}"
        except Otherwise as why:
            return f"differ: level {level} has {why}"
        if want.dtype == found.dtype or (want.dtype.kind in "iub" and found.dtype.kind in "iub"):
            same = np.array_equal(found, want, equal_nan=found.dtype.kind == "f")
        else:
            same = np.array_equal(found, want.astype(found.dtype), equal_nan=found.dtype.kind == "f")
        if not same:
            tolerance = told.tolerance(raster)
            if tolerance and np.allclose(found.astype("f8"), want.astype("f8"), rtol=0, atol=tolerance, equal_nan=True):
                worst = "close"
                continue
            share = float(np.mean(found != want))
            return f"differ: {share:.1%} of level {level}"
    return worst


def table() -> list[FileRow]:
    """Every row; files that belong to others know them."""
    rows = [examine(path) for path in files()]
    owner = {}
    for row in rows:
        for member in row.members:
            owner.setdefault(member, row.path)
    tops = [
        os.path.dirname(r.path) for r in rows if os.path.basename(r.path) in registry.markers() and r.kind == "opens"
    ]
    for row in rows:
        whose = owner.get(row.path, row.path)
        below = [top for top in tops if row.path.startswith(f"{top}/")]
        if row.kind in ("unknown", "refused"):
            reason = companion(row.path, row.reason)
            if whose != row.path:
                row.kind, row.reason = "part", f"of `{whose}`"
            elif reason:
                row.kind, row.reason = "companion", reason
            elif below and row.kind == "unknown":
                row.kind, row.reason = "part", f"of `{min(below, key=len)}`"
    return rows
