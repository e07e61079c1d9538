"""What ``s3facade init`` finds in a folder: images, tables, BIDS datasets, and what one image of each kind tells."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from s3facade import registry
from s3facade.catalog.images.recipe import FileRecipe
from s3facade.catalog.sources.groups import document, mixed
from s3facade.cli.inspect import marker, recognise
from s3facade.config.guess import words as w
from s3facade.config.guess.sources import Found
from s3facade.config.guess.tables import Columns
from s3facade.config.guess.written import Look
from s3facade.config.tables import SUFFIXES, read_table
from s3facade.core.errors import ConfigError, FacadeError, LoadError, SourceError, Unsupported
from s3facade.engine.engine import Engine

ROWS = 20_000
"""Rows of a table that are looked at."""
MOST = 30
"""Tables that are looked at."""
LARGE = 64 << 20
"""Bytes of a table that is not looked at."""


@dataclass
class Survey:
    """What lies in a folder; paths are relative to it, with ``/`` between components."""

    images: list[str] = field(default_factory=list)
    whole: list[str] = field(default_factory=list)
    """Those of the images that are folders."""
    tables: dict[str, Columns] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    """Why a table cannot be read, by path."""
    others: list[str] = field(default_factory=list)
    datasets: list[str] = field(default_factory=list)
    """Folders that are BIDS datasets already; what lies in them is nowhere else."""


def survey(folder: Path) -> Survey:
    """Look through a folder; hidden files are left out, links to folders not followed. Blocking."""
    found = Survey()
    claiming = tuple(registry.suffixes())
    for here, folders, names in os.walk(folder, onerror=lambda _: None):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and _sayable(f))
        relative = os.path.relpath(here, folder)
        prefix = "" if relative == "." else f"{relative}/"
        if "dataset_description.json" in names and _bids(Path(here, "dataset_description.json")):
            found.datasets.append(prefix.rstrip("/"))
            folders.clear()
            continue
        if prefix and _one_image(here, names):
            found.images.append(prefix.rstrip("/"))
            found.whole.append(prefix.rstrip("/"))
            folders.clear()
            continue
        for name in sorted(names):
            if name.startswith(".") or name.lower() in w.SYSTEM:
                continue
            if not _sayable(name):
                found.others.append(prefix + ascii(name)[1:-1])
            elif name.lower().endswith(SUFFIXES) and len(found.tables) < MOST:
                try:
                    found.tables[prefix + name] = table(Path(here, name))
                except ConfigError as error:
                    found.others.append(prefix + name)
                    found.unread[prefix + name] = str(error).replace(os.path.join(here, name), "", 1).lstrip(":. ")
            elif name.lower().endswith(claiming) and not _document(os.path.join(here, name)):
                found.images.append(prefix + name)
            else:
                found.others.append(prefix + name)
    return found


def _sayable(name: str) -> bool:
    return name.isprintable() and _utf8(name)


def _utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _one_image(folder: str, names: Sequence[str]) -> bool:
    """Whether a folder is one image, as the catalog sees it."""
    for name in registry.marking(names):
        path = os.path.join(folder, name)
        try:
            reader = recognise(Path(path))
        except Unsupported:
            continue
        if registry.marks(reader, name) and not mixed(folder, reader):
            return True
    return False


def _document(path: str) -> bool:
    """Whether a file is a document of a folder's format. Of what is called otherwise nothing is read."""
    if not registry.marking([os.path.basename(path)]):
        return False
    try:
        return document(recognise(Path(path)), path)
    except Unsupported:
        # It claims to be an image: whoever serves it is told why it is none.
        return False


def _bids(path: Path) -> bool:
    try:
        said = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(said, dict) and "BIDSVersion" in said


def table(path: Path) -> Columns:
    """The columns of a table; empty if it has no rows, or is too large to be looked at. Blocking.

    Raises:
        ConfigError: It cannot be read.
    """
    try:
        if path.stat().st_size > LARGE:
            return {}
    except OSError:
        return {}
    found = read_table(path)
    rows = found.rows[:ROWS]
    return {name: [row[i] for row in rows] for i, name in enumerate(found.columns)} if rows else {}


def look(folder: Path, source: Found) -> Look:
    """What the first file of a source tells. Blocking."""
    engine = Engine(registry.reader)
    try:
        path = marker(folder / source.files[0])
        images = FileRecipe(str(path), recognise(path)).images(engine)
    except (SourceError, LoadError) as error:
        reason = error.explain() if isinstance(error, FacadeError) else str(error)
        return Look(f"the first one does not open: {reason.splitlines()[0].replace(f'{folder}/', '')}")
    finally:
        engine.close()
    spec = images[0].spec
    level = spec.levels[0]
    shape = ", ".join(f"{a.name} {n}" for a, n in zip(spec.axes, level.shape, strict=True))
    steps = {a.name: (s, a.unit) for a, s in zip(spec.axes, level.scale, strict=True) if a.name in "zyx"}
    sized = all(unit for _, unit in steps.values())
    voxel = ", ".join(f"{n} {s:g} µm" for n, (s, unit) in steps.items() if unit)
    several = f"{len(images)} images in the first one; the first of them: " if len(images) > 1 else ""
    return Look(f"{several}{shape}, {spec.dtype}" + (f"; {voxel}" if voxel else ""), sized)
