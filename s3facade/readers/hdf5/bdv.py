"""BigDataViewer datasets in HDF5: setups, time points and resolution levels.

Source: the BigDataViewer HDF5 format: ``s00/resolutions``, ``s00/subdivisions`` and ``t00000/s00/0/cells``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.protocols import SourceFile
from s3facade.core.spec import Channel, Level
from s3facade.readers.arrays.chunked import ChunkedTable
from s3facade.readers.arrays.raster import TableRaster
from s3facade.readers.arrays.raw import RawTable
from s3facade.readers.facts import Facts, Grid, described
from s3facade.readers.hdf5.attributes import text
from s3facade.readers.hdf5.bdv_place import placed
from s3facade.readers.hdf5.bdv_xml import Setup, Views
from s3facade.readers.hdf5.library import Found, Tree, names
from s3facade.readers.hdf5.tables import Piece, piece, table

MAX_LEVELS = 32
MAX_VIEWS = 1 << 18
"""Setups times time points; more is refused."""
_SETUP = re.compile(r"s(\d{2,7})")
_TIME = re.compile(r"t(\d{5,9})")


def is_one(tree: Tree) -> bool:
    """Whether an HDF5 file holds the voxels of a BigDataViewer dataset."""
    return any(_SETUP.fullmatch(n) and tree.dataset(f"{n}/resolutions") for n in names(tree.root.item)[:64])


def images(tree: Tree) -> list[TableRaster]:
    """The setups of an HDF5 file without its XML file: nothing is known of their sizes. Raises `SourceError`."""
    members = names(tree.root.item)
    setups = sorted(int(m[1]) for n in members if (m := _SETUP.fullmatch(n)))
    times = sorted(int(m[1]) for n in members if (m := _TIME.fullmatch(n)))
    there = [Setup(n, None, None, None, "", {}) for n in setups if any(tree.group(f"t{t:05}/s{n:02}") for t in times)]
    missing = frozenset((t, s.number) for t in times for s in there if tree.group(f"t{t:05}/s{s.number:02}") is None)
    note = "This is the voxel file of a BigDataViewer dataset; sizes and places of its images stand in its .xml file."
    return shown(tree, (), Views("", tuple(there), tuple(times), missing), [note])


def shown(tree: Tree, ahead: Sequence[SourceFile], views: Views, notes: Sequence[str] = ()) -> list[TableRaster]:
    """One image for each setup, in the order of the XML file.

    Args:
        tree: The open HDF5 file.
        ahead: Files of the rasters before those of ``tree``: the XML file.
        views: What the XML file says.
        notes: Sentences for each image.

    Raises:
        BadSource: Views that are not listed as missing are not there.
        Unsupported: Too many views, or voxels that cannot be shown.
    """
    if len(views.setups) * len(views.times) > MAX_VIEWS:
        raise Unsupported("The BigDataViewer dataset has too many views.")
    called = [s.name for s in views.setups]
    made = []
    for setup in views.setups:
        times = [t for t in views.times if (t, setup.number) not in views.missing]
        if times:
            unique = setup.name if called.count(setup.name) == 1 else None
            made.append(_image(tree, ahead, views, setup, unique, notes))
    if not made:
        raise BadSource("The BigDataViewer dataset has no views: there are no setups, or all are listed as missing.")
    # Files that others link to are known only now.
    return [replace(raster, files=(*ahead, *tree.files)) for raster in made]


def _image(
    tree: Tree, ahead: Sequence[SourceFile], views: Views, setup: Setup, name: str | None, notes: Sequence[str]
) -> TableRaster:
    factors = _factors(tree, setup.number)
    tables: list[ChunkedTable | RawTable] = []
    said = list(notes)
    groups = {t: _group(tree, t, setup.number) for t in views.times if (t, setup.number) not in views.missing}
    for number in range(len(factors)):
        pieces = [_view(tree, groups[t], f"{number}/cells", len(ahead)) if t in groups else None for t in views.times]
        known = next(p for p in pieces if p)
        if len(known.sizes) != 3:
            raise BadSource(f"Setup {setup.number} has the shape {known.sizes}; three dimensions are needed.")
        dims = ("t" if len(pieces) > 1 else "", "z", "y", "x")
        kind, note = _kind(tree, setup.number, known)
        tables.append(table(pieces, dims, (len(pieces),), files=(*ahead, *tree.files), number=kind))
        said += [note] if note and not number else []
    full = tables[0].stored.shape[-3:]
    if setup.size and tuple(reversed(setup.size)) != full:
        said.append(f"The XML file says that the size is {setup.size}; stored are {tuple(reversed(full))} voxels.")
    missing = [t for t in views.times if (t, setup.number) in views.missing]
    if missing:
        said.append(f"Not recorded, and shown as zero: time points {', '.join(map(str, missing[:50]))}.")
    where = placed(setup, [(t, views.affines.get((t, setup.number))) for t in views.times])
    attrs: dict[str, object] = {
        "name": name or ", ".join([f"setup {setup.number}", *(f"{k} {v}" for k, v in setup.attributes.items())]),
        "codec": tables[0].codec,
        "original": _original(setup, views),
    }
    if said or where.notes:
        attrs["notes"] = [*said, *where.notes]
    if where.affine:
        attrs |= {"affine": [list(row) for row in where.affine], "frame": "BigDataViewer"}
    facts = Facts(where.scale, where.origin, (Channel(setup.attributes.get("channel")),), attrs)
    grids = [Grid(t.stored.shape, t.block) for t in tables]
    spec = described(tables[0].stored.names, tables[0].dtype, grids, facts)
    exact = tuple(_scaled(level, spec.levels[0], f) for level, f in zip(spec.levels, factors, strict=True))
    return TableRaster(replace(spec, levels=exact), tuple(ahead), tuple(tables))


def _scaled(level: Level, first: Level, factors: tuple[float, ...]) -> Level:
    """A level whose voxels are ``factors`` (z, y, x) as large as those of the first one; outer edges coincide."""
    ahead = len(level.shape) - 3
    every = (*([1.0] * ahead), *factors)
    scale = tuple(s * f for s, f in zip(first.scale, every, strict=True))
    origin = tuple(o + (s - b) / 2 for o, s, b in zip(first.origin, scale, first.scale, strict=True))
    return replace(level, scale=scale, origin=origin)


def _factors(tree: Tree, setup: int) -> list[tuple[float, ...]]:
    """Voxel sizes of the levels in voxels of the finest one: z, y, x."""
    found = tree.dataset(f"s{setup:02}/resolutions")
    shape = tuple(found.item.shape or ()) if found else ()
    if found is None or len(shape) != 2 or shape[1] != 3 or not 1 <= shape[0] <= MAX_LEVELS:
        raise BadSource(f"The HDF5 file has no table of resolutions for setup {setup}.", private=f"shape {shape}")
    rows = np.asarray(found.item[()], np.float64)[:, ::-1]
    if not np.isfinite(rows).all() or (rows <= 0).any():
        raise BadSource(f"The table of resolutions of setup {setup} has factors that are not positive.")
    return [tuple(float(v) for v in row / rows[0]) for row in rows]


def _group(tree: Tree, time: int, setup: int) -> Found:
    path = f"t{time:05}/s{setup:02}"
    found = tree.group(path)
    if found is None:
        raise _lacking(path)
    return found


def _view(tree: Tree, group: Found, path: str, ahead: int) -> Piece:
    found = tree.dataset(path, group)
    if found is None:
        raise _lacking(f"{group.name.strip('/')}/{path}")
    known = piece(found, tree.files[found.file])
    return replace(known, file=known.file + ahead)


def _lacking(path: str) -> BadSource:
    return BadSource(f"The HDF5 file lacks {path!r}, which the dataset does not list as missing.")


def _kind(tree: Tree, setup: int, known: Piece) -> tuple[np.dtype[Any] | None, str | None]:
    """Voxels are written as signed numbers of 16 bits by versions that mean unsigned ones, and say no type."""
    group = tree.group(f"s{setup:02}")
    if known.number.str[1:] != "i2" or (group and text(group.item, "dataType")):
        return None, None
    unsigned = np.dtype(known.number.str.replace("i", "u"))
    return unsigned, "Voxels are stored as int16 without a stated type, which means uint16 in BigDataViewer."


def _original(setup: Setup, views: Views) -> Mapping[str, object]:
    found: dict[str, object] = {
        "setup": setup.number, "name": setup.name, "attributes": dict(setup.attributes),
        "voxelSize": list(setup.voxel or ()), "unit": setup.unit,
    }  # fmt: skip
    affines = {t: a for t in views.times if (a := views.affines.get((t, setup.number)))}
    if affines:
        first, *others = affines.values()
        kept = affines if any(a != first for a in others) and len(affines) <= 1000 else {next(iter(affines)): first}
        found["registrations"] = {str(t): [list(row) for row in a] for t, a in kept.items()}
    return found
