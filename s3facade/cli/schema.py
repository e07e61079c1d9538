"""``s3facade schema``: the JSON schema of the configuration file, for editors."""

from __future__ import annotations

import argparse
import json

from s3facade.cli.what import Commands


def add(commands: Commands) -> None:
    """The command's arguments."""
    command = commands.add_parser("schema", help="print the JSON schema of the configuration file")
    command.set_defaults(run=show)


def show(_: argparse.Namespace) -> int:
    """Print it."""
    print(text(), end="")
    return 0


def text() -> str:
    """The schema as it is published in the documentation."""
    from s3facade.config.model import schema  # pydantic is a quarter of the time to start

    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
