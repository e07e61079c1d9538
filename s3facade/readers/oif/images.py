"""From the settings and planes of an OIF or OIB to a described image."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.operators import Block
from s3facade.core.protocols import ChunkTable, SourceFile
from s3facade.core.region import Region
from s3facade.core.spec import Spec
from s3facade.readers.arrays.raw import RawTable, raw
from s3facade.readers.arrays.stored import Stored
from s3facade.readers.facts import Facts, Grid, colours, described
from s3facade.readers.oif import meta
from s3facade.readers.oif.compound import SIGNATURE
from s3facade.readers.oif.folder import Folder, beside, inside, settings
from s3facade.readers.oif.planes import Plane, named, plane
from s3facade.readers.oif.scattered import Scattered
from s3facade.readers.trees import original

AXES: Mapping[str, str] = {
    "X": "x", "Y": "y", "Z": "z", "T": "t", "C": "c", "L": "c", "A": "t", "P": "t", "Q": "t",
}  # fmt: skip
_WORDS = {"L": "wavelength", "A": "angle", "P": "point", "Q": "unknown"}
MAX_PLANES = 1 << 22


@dataclass(frozen=True, slots=True)
class OifRaster:
    """The image of an OIF or OIB: parsed, no file held open by it."""

    spec: Spec
    files: tuple[SourceFile, ...]
    tables: tuple[RawTable | Scattered, ...]

    def chunks(self, level: int) -> ChunkTable | None:
        """The chunk table; None where planes lie in pieces."""
        table = self.tables[level]
        return table if isinstance(table, RawTable) else None

    def read(self, level: int, region: Region) -> Block:
        """Voxels of planes that lie in pieces. Raises `BadSource`."""
        table = self.tables[level]
        if isinstance(table, RawTable):
            raise BadSource("The image is read by its chunks.", private=f"level {level}, {region}")
        return table.read(self.files, region)


def image(file: SourceFile) -> OifRaster:
    """The image of a file. Raises `SourceError`."""
    binary = bytes(file.pread(0, min(8, file.source.size))) == SIGNATURE
    folder = inside(file) if binary else beside(file)
    about = settings(folder.main.text())
    letters, names = named(folder.names)
    unknown = [a for a in letters if a not in AXES]
    if unknown:
        raise Unsupported(f"The planes of the image have an index {unknown[0]!r}, which is not known.")
    indices = [sorted({key[k] for key in names}) for k in range(len(letters))]
    count = math.prod(len(i) for i in indices)
    if count > MAX_PLANES:
        raise BadSource(f"The names of the planes speak of {count} planes, of which {len(names)} are there.")
    keys = list(itertools.product(*indices))
    missing = next((k for k in keys if k not in names), None)
    if missing is not None:
        which = "".join(f"{a}{n:03d}" for a, n in zip(letters, missing, strict=True))
        raise BadSource(f"The image is incomplete: the plane {which} is missing; {len(names)} of {count} are there.")
    found = [plane(folder.member(names[key])) for key in keys]
    if len({(p.height, p.width, p.samples, p.number) for p in found}) > 1:
        raise Unsupported("The planes of the image differ in size or type.")
    owners = [folder.member(names[key]).index for key in keys]
    table = _table(found, owners, [AXES[a] for a in letters], [len(i) for i in indices], about, folder)
    sizes = {a: len(i) for a, i in zip(letters, indices, strict=True)}
    spec = _spec(table, found[0], about, _of_plane(folder, names[keys[0]]), sizes, indices, letters)
    for name in folder.names if folder.folder else ():
        # previews and pictures of reference are no images of their own
        if name.lower().endswith((".bmp", ".tif", ".tiff")):
            folder.member(name)
    return OifRaster(spec, tuple(folder.files), (table,))


def _of_plane(folder: Folder, name: str) -> Mapping[str, Mapping[str, str]]:
    """Settings of a plane; empty where there are none."""
    beside_it = name.rpartition(".")[0] + ".pty"
    return settings(folder.member(beside_it).text()) if beside_it in folder.names else {}


def _rows(about: Mapping[str, Mapping[str, str]]) -> tuple[str, str]:
    """Axes of rows and columns of a plane: scans may go along x and z, or x and t."""
    order = meta.axis_order(about)
    columns, rows = AXES.get(order[0], "x"), AXES.get(order[1], "y")
    return (rows, columns) if columns == "x" and rows != "x" else ("y", "x")


def _table(
    found: list[Plane],
    owners: list[int],
    dims: list[str],
    counts: list[int],
    about: Mapping[str, Mapping[str, str]],
    folder: Folder,
) -> RawTable | Scattered:
    first = found[0]
    rows, columns = _rows(about)
    names, sizes = [*dims, rows, columns], [*counts, first.height, first.width]
    if first.samples > 1:
        names, sizes = [*names, "c"], [*sizes, first.samples]
    if all(len(p.pieces) == 1 for p in found):
        offsets = np.array([p.pieces[0][0] for p in found], np.int64)
        end = [f.source.size for f in folder.files]
        files = np.array(owners, np.uint32)
        return raw(names, sizes, first.number, offsets, end=end, outer=len(dims), files=files)
    cell = [1] * len(dims) + sizes[len(dims) :]
    pieces = [piece for p in found for piece in p.pieces]
    return Scattered(
        Stored(tuple(names), tuple(sizes), tuple(cell)),
        first.number,
        np.cumsum([0, *(len(p.pieces) for p in found)]),
        np.array([at for at, _ in pieces], np.int64),
        np.array([n for _, n in pieces], np.int64),
        np.array([o for p, o in zip(found, owners, strict=True) for _ in p.pieces], np.int64),
    )


def _spec(
    table: RawTable | Scattered,
    first: Plane,
    about: Mapping[str, Mapping[str, str]],
    planes: Mapping[str, Mapping[str, str]],
    sizes: Mapping[str, int],
    indices: list[list[int]],
    letters: tuple[str, ...],
) -> Spec:
    stored = table.stored
    rows = _rows(about)[0]
    full = {**sizes, rows.upper(): first.height}
    scale = {AXES[a]: s for a, s in meta.scale(about, planes, full).items() if AXES[a] in stored.names}
    attrs = {**meta.attributes(about, planes), "codec": table.codec}
    notes = [f"The dimension {_WORDS[a]} is shown along {AXES[a]}." for a in letters if a in _WORDS and sizes[a] > 1]
    if notes:
        attrs["notes"] = notes
    attrs.update(original({k: dict(v) for k, v in about.items()}))
    count = stored.shape[stored.names.index("c")] if "c" in stored.names else 1
    known = meta.channels(about, indices[letters.index("C")] if "C" in letters else [1])
    if first.samples > 1:
        known = colours(first.number.newbyteorder("="), first.samples) * (count // first.samples)
    facts = Facts(scale, {}, known if len(known) == count else (), attrs)
    return described(stored.names, table.dtype, [Grid(stored.shape, stored.block)], facts)
