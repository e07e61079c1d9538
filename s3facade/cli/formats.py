"""``s3facade formats``: the readers, what their files are called, what they need, and those that do not load."""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import EntryPoint, entry_points

from s3facade import registry
from s3facade.cli.what import Commands
from s3facade.core.errors import Unsupported
from s3facade.core.protocols import Reader


def add(commands: Commands) -> None:
    """The command's arguments."""
    command = commands.add_parser("formats", help="list the file formats that can be read")
    command.set_defaults(run=show)


def show(_: argparse.Namespace) -> int:
    """Print two lines per reader; status 1 if one does not load."""
    status = 0
    for point in sorted(entry_points(group="s3facade.readers"), key=lambda p: p.name):
        try:
            found = registry.reader(point.name)
            print(f"{point.name:<12} {_summary(found)}")
            print(" " * 13 + "; ".join(filter(None, (_names(found), _needs(point.name, found), _package(point)))))
        except Unsupported as error:
            print(f"{point.name:<12} cannot be used: {error.explain()}")
            status = 1
    return status


def _names(reader: Reader) -> str:
    """Ends of names, and files that stand for their folder."""
    suffixes = sorted(getattr(reader, "suffixes", ()))
    markers = sorted(getattr(reader, "markers", ()))
    # A name may end a file and stand for its folder: .zgroup, and *.htd for .htd.
    return ", ".join(dict.fromkeys((*suffixes, *(m.removeprefix("*") for m in markers)))) or "by content alone"


def _needs(name: str, reader: Reader) -> str:
    """Whether everything is there that it needs, and how to get it."""
    modules = getattr(reader, "needs", ())
    missing = registry.absent(name)
    if missing is not None:
        return f"not installed: needs {', '.join(modules)} ({missing})"
    extra = getattr(reader, "extra", "")
    return f"with {', '.join(modules)} of s3facade[{extra}], installed" if modules and extra else ""


def _package(point: EntryPoint) -> str:
    """Which package it comes with, if not with this one."""
    package = point.dist
    return "" if package is None or package.name == "s3facade" else f"of {package.name} {package.version}"


def _summary(reader: Reader) -> str:
    """The first line of the reader's module."""
    return (sys.modules[type(reader).__module__].__doc__ or "").strip().partition("\n")[0]
