"""Plug-ins by name: built-in ones and those of other packages stand in the same entry points.

Loading is lazy: a format costs its import when its first file is met. What fails to load is remembered with the
reason, and shown, instead of stopping the server.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import Any, cast

from s3facade.core.errors import Unsupported
from s3facade.core.protocols import Reader


@cache
def _group(kind: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=f"s3facade.{kind}")}


@cache
def _load(kind: str, name: str) -> Any:
    point = _group(kind).get(name)
    if point is None:
        known = ", ".join(sorted(_group(kind))) or "none; install the package, not only its folder"
        raise Unsupported(f"There is no {kind[:-1]} called {name!r}; known: {known}.")
    try:
        return point.load()
    except Exception as error:  # a plug-in may fail in any way, and must not take the others with it
        raise Unsupported(
            f"The {kind[:-1]} {name!r} cannot be loaded: {type(error).__name__}: {error}", private=point.value
        ) from error


@cache
def reader(name: str) -> Reader:
    """The reader called ``name``. Raises `Unsupported` if it is unknown or does not load."""
    return cast(Reader, _load("readers", name)())


@cache
def readers() -> tuple[tuple[str, Reader], ...]:
    """All readers that load, in the order in which they are asked: by rank, then by name."""
    out = []
    for name in sorted(_group("readers")):
        try:
            out.append((name, reader(name)))
        except Unsupported:
            continue
    return tuple(sorted(out, key=lambda item: getattr(item[1], "rank", 0)))


def absent(name: str) -> str | None:
    """What has to be installed before the reader called ``name`` can open files; None if nothing has to."""
    found = reader(name)
    if all(find_spec(module) is not None for module in getattr(found, "needs", ())):
        return None
    return str(getattr(found, "how", "") or f"pip install 's3facade[{getattr(found, 'extra', name)}]'")


@cache
def suffixes() -> frozenset[str]:
    """Ends of names that claim to be images."""
    return frozenset().union(*(getattr(r, "suffixes", ()) for _, r in readers()))


@cache
def markers() -> frozenset[str]:
    """Names of files that make their folder one image; ``*.end`` stands for all names that end so."""
    return frozenset().union(*(getattr(r, "markers", ()) for _, r in readers()))


@cache
def _marking_ends() -> tuple[str, ...]:
    return tuple(m[1:].lower() for m in markers() if m.startswith("*"))


def marking(names: Collection[str]) -> list[str]:
    """Those of the ``names`` in a folder that may make it one image, the likeliest first.

    In falling order, so that zarr.json stands before .zgroup where there are both, and that before .zattrs. Of ends of
    names one file must be alone: several descriptions of plates in one folder are as many data sets.
    """
    found = markers().intersection(names)
    ends = _marking_ends()
    ending = [n for n in names if n.lower().endswith(ends)] if ends else []
    return sorted(found.union(ending if len(ending) == 1 else ()), reverse=True)


def marks(name: str, file: str) -> bool:
    """Whether a file of that name makes its folder one image, if the reader called ``name`` recognises it."""
    stated = getattr(reader(name), "markers", ())
    return file in stated or any(m.startswith("*") and file.lower().endswith(m[1:].lower()) for m in stated)


def layout(name: str) -> Any:
    """The layout class called ``name``. Raises `Unsupported`."""
    return _load("layouts", name)


def transform(name: str) -> Any:
    """The class of the transform or combination called ``name``. Raises `Unsupported`."""
    return _load("transforms", name)


def names(kind: str) -> tuple[str, ...]:
    """Names of all plug-ins of a kind (``readers``, ``transforms``, ``layouts``), sorted, without loading any."""
    return tuple(sorted(_group(kind)))
