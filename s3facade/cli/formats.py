"""``s3facade formats``: the readers, and those that do not load."""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import entry_points

from s3facade import registry
from s3facade.cli.what import Commands
from s3facade.core.errors import Unsupported
from s3facade.core.protocols import Reader


def add(commands: Commands) -> None:
    """The command's arguments."""
    command = commands.add_parser("formats", help="list the file formats that can be read")
    command.set_defaults(run=show)


def show(_: argparse.Namespace) -> int:
    """Print one line per reader; status 1 if one does not load."""
    status = 0
    for point in sorted(entry_points(group="s3facade.readers"), key=lambda p: p.name):
        try:
            found = registry.reader(point.name)
            missing = registry.absent(point.name)
            print(f"{point.name:<12} {_summary(found)}" + (f" ({missing})" if missing else ""))
        except Unsupported as error:
            print(f"{point.name:<12} cannot be used: {error.explain()}")
            status = 1
    return status


def _summary(reader: Reader) -> str:
    """The first line of the reader's module."""
    return (sys.modules[type(reader).__module__].__doc__ or "").strip().partition("\n")[0]
