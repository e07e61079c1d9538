"""A configuration file to `Settings`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from s3facade.config.document import Document, Path_, parse
from s3facade.config.model import ConfigModel
from s3facade.config.resolve import resolve
from s3facade.config.sentences import sentences
from s3facade.config.settings import Settings
from s3facade.core.errors import ConfigError


def load(path: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """Read and check a configuration file; relative paths in it start at its folder.

    Args:
        path: A YAML file.
        environment: Variables for ``${NAME}``; default: the process's own.

    Raises:
        ConfigError: Names file, line and key of everything that is wrong, and what to do.
    """
    path = path.absolute()
    text, modified = contents(path)
    return read(text, path, modified, environment)


def contents(path: Path) -> tuple[str, int]:
    """The text of a file, and when it was modified: nanoseconds since 1970, UTC. Raises `ConfigError`."""
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(), os.fstat(file.fileno()).st_mtime_ns
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"{path}: cannot be read: {reason}") from None


def read(text: str, path: Path, modified: int, environment: Mapping[str, str] | None = None) -> Settings:
    """`load`, for the text of a file that was read already; ``path`` is absolute."""
    document = parse(text, path, os.environ if environment is None else environment)
    if not isinstance(document.value, Mapping):
        raise ConfigError(f"{path}: holds no configuration; start with `sources:` and `buckets:`")
    return resolve(_validate(document), document, modified)


def _validate(document: Document) -> ConfigModel:
    try:
        return ConfigModel.model_validate(document.value)
    except ValidationError as error:
        raise ConfigError("\n".join(dict.fromkeys(sentences(document, error, _known)))) from None


def _known(loc: Path_) -> list[str]:
    """Keys that may stand in the mapping at the validator's path ``loc``."""
    models: list[type[BaseModel]] = [ConfigModel]
    rest = list(loc)
    while rest:
        part = rest.pop(0)
        fields = [f for m in models for n, f in m.model_fields.items() if part in (n, f.alias)]
        if not fields:  # the tag of a union
            models = [m for m in models if part in get_args(m.model_fields["type"].annotation)]
            continue
        models = list(_inner(fields[0].annotation))
        if get_origin(fields[0].annotation) in (dict, list):
            rest = rest[1:]
    return [f.alias or n for m in models for n, f in m.model_fields.items()]


def _inner(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models inside ``dict[str, Model]``, ``list[Model]``, ``Model | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _inner(argument)
