"""``s3facade init``: look at a folder, and write a first configuration for a human to correct."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from s3facade.cli.what import Commands
from s3facade.core.errors import ConfigError

DEFAULT = "s3facade.yaml"


def add(commands: Commands) -> None:
    """The command's arguments."""
    command = commands.add_parser("init", help="look at a folder and write a first configuration, to be corrected")
    command.add_argument("folder", metavar="FOLDER", help="the folder with the images")
    command.add_argument(
        "--output", metavar="FILE", default=DEFAULT, help=f"file to write (default: {DEFAULT}); - prints it"
    )
    command.add_argument("--bids", action="store_true", help="propose a BIDS dataset instead of single images")
    command.set_defaults(run=init)


def init(arguments: argparse.Namespace) -> int:
    """Write the file; never over another one."""
    folder = Path(os.path.normpath(Path(arguments.folder).expanduser().absolute()))
    if not folder.is_dir():
        raise ConfigError(f"{arguments.folder}: there is no such folder")
    printed = arguments.output == "-"
    output = Path(os.path.normpath(Path(DEFAULT if printed else arguments.output).expanduser().absolute()))
    if not printed:
        if output.suffix.lower() not in {".yaml", ".yml"}:
            raise ConfigError(f"{arguments.output}: configurations end in .yaml; give it such a name")
        if output.exists() or output.is_symlink():
            raise ConfigError(f"{arguments.output} exists already; move it away, or choose another --output")
    text = suggestion(folder, output.parent, bids=arguments.bids)
    if printed:
        sys.stdout.write(text)
        return 0
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(f"{arguments.output} cannot be written: {error.strerror}") from None
    print(f"Wrote {arguments.output}. Read and correct it, then: s3facade check {arguments.output} --tree")
    return 0


def suggestion(folder: Path, base: Path, *, bids: bool = False) -> str:
    """The configuration for an absolute ``folder``, as it would stand in the folder ``base``. Blocking."""
    # Here, since every command would wait for it.
    from s3facade.cli.init_look import look, survey
    from s3facade.config.guess.proposal import propose
    from s3facade.config.guess.tables import joins, named
    from s3facade.config.guess.text import configuration
    from s3facade.config.guess.written import Folder

    found = survey(folder)
    proposal = propose(found.images, found.whole)
    sources = tuple(named(source, found.tables) for source in proposal.sources)
    proposal = type(proposal)(sources, proposal.incomplete, proposal.junk)
    joined = {source.name: joins(source, found.tables) for source in sources}
    used = {join.table for joins_ in joined.values() for join in joins_}
    others = sorted([*found.others, *(table for table in found.tables if table not in used)])
    inside = folder.is_relative_to(base)
    prefix = folder.relative_to(base).as_posix() + "/" if inside and folder != base else "" if inside else f"{folder}/"
    about = Folder(
        folder.name or "root",
        prefix,
        str(folder).rstrip("/") + "/",
        joined,
        {source.name: look(folder, source) for source in sources},
        others,
        found.datasets,
        bids,
        found.unread,
    )
    return configuration(proposal, about)
