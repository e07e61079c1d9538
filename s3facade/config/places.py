"""Paths of files in stores: ``store:folder/{name}.tif`` instead of a path of this machine."""

from __future__ import annotations

import re
from collections.abc import Container
from pathlib import Path

from s3facade.config.pattern import Pattern, compile_pattern
from s3facade.core.errors import ConfigError

_PLACE = re.compile(r"([A-Za-z][A-Za-z0-9_-]*):(.*)", re.DOTALL)


def split(text: str, stores: Container[str]) -> tuple[str, str] | None:
    """The store and the path inside it; None for a path of this machine.

    Raises:
        ConfigError: It names a store that there is none of, or an address.
    """
    found = _PLACE.fullmatch(text)
    if found is None:
        return None
    name, rest = found.groups()
    if rest.startswith("//"):
        raise ConfigError(
            f"{text!r} is an address; give it a name under `stores:` and write the name in front of a colon"
        )
    if name not in stores:
        raise ConfigError(f"there is no store {name!r}; add it under `stores:`, or write ./ in front of a path")
    parts = rest.split("/")
    if rest.startswith(("/", "~")) or any(part in (".", "..") for part in parts) or "" in parts[:-1] or not rest:
        raise ConfigError(f"{text!r} must be a store and a plain path below it, as in {name}:folder/{{name}}.tif")
    return name, rest


def pattern(text: str, base: Path, stores: Container[str]) -> Pattern:
    """`compile_pattern` of either kind; roots of stores are ``store:/folder``. Raises `ConfigError`."""
    place = split(text, stores)
    return compile_pattern(text, base) if place is None else compile_pattern(place[1], Path(f"{place[0]}:"))
