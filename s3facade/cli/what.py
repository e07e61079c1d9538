"""What a command works on: a configuration file, or files and folders."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from s3facade.config.settings import Settings
from s3facade.config.zero import zero
from s3facade.core.errors import ConfigError

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - argparse gives it no public name
SUFFIXES = (".yaml", ".yml")


def settings(words: Sequence[str]) -> Settings:
    """Settings for ``CONFIG.yaml``, or for any number of files and folders; the current folder if none is named.

    Raises:
        ConfigError: Neither, or both.
    """
    configs = [w for w in words if w.lower().endswith(SUFFIXES)]
    if not configs:
        return zero([Path(w) for w in words or ["."]])
    if len(words) > 1:
        raise ConfigError(f"{configs[0]} is a configuration: give it alone, and name the other paths inside it")
    from s3facade.config.load import load  # pydantic is a quarter of the time to start

    return load(Path(configs[0]))


def add_what(command: argparse.ArgumentParser) -> None:
    """The argument that `settings` reads."""
    command.add_argument(
        "what",
        nargs="*",
        default=[],
        metavar="PATH|CONFIG.yaml",
        help="files and folders, or one configuration file (default: the current folder)",
    )
