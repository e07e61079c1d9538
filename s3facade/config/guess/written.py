"""Pieces of the configuration's text: patterns and paths where they stand, quoted values, comments on one line."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from s3facade.config.guess.tables import Join


@dataclass(frozen=True, slots=True)
class Look:
    """What opening one file of a source told."""

    text: str
    sized: bool = True
    """Whether it says how large a pixel is, as far as anybody could tell."""


@dataclass(frozen=True, slots=True)
class Folder:
    """All that was found out about the folder."""

    name: str
    """As it is shown in comments."""
    prefix: str
    """What stands in front of patterns: empty where the folder is that of the configuration, else ends in a slash."""
    absolute: str
    """The folder's path, ending in a slash."""
    joins: Mapping[str, Sequence[Join]] = field(default_factory=dict)
    """By source."""
    looks: Mapping[str, Look] = field(default_factory=dict)
    """By source."""
    others: Sequence[str] = ()
    """Files that are neither images nor tables with a use."""
    datasets: Sequence[str] = ()
    """Folders that are BIDS datasets already, relative; "" is the folder itself."""
    bids: bool = False
    """Whether a BIDS view is wanted."""
    unread: Mapping[str, str] = field(default_factory=dict)
    """Why a table cannot be read, by its path, which is one of ``others``."""


def placed(pattern: str, folder: Folder, *, plain: bool = False) -> str:
    """A pattern, or a path, as the configuration writes it."""
    text = folder.prefix + pattern
    # What looks like a store, a home folder or a variable needs the whole path.
    odd = re.match(r"~|[A-Za-z][A-Za-z0-9_-]*:", text.split("{", maxsplit=1)[0]) or ".." in text.split("/")
    text = folder.absolute + pattern if odd else text
    return text.replace("${", "$${") if plain else text


def key(name: str) -> str:
    """A name as a key of YAML."""
    return name if re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", name) and name.lower() not in _SPECIAL else quoted(name)


_SPECIAL = frozenset({"yes", "no", "on", "off", "true", "false", "null", "y", "n"})


def quoted(text: str) -> str:
    """Text in quotes, as YAML has them."""
    return json.dumps(text, ensure_ascii=False)


def said(text: str) -> str:
    """Text for a comment: on one line, whatever it is."""
    return "".join(c if c.isprintable() else "?" for c in text)
