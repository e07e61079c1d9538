"""Settings for ``s3facade serve PATH…``: what a user would have written for these files and folders.

Two public buckets: ``images`` has every image file as ``<relative path without extension>.ome.zarr``, ``files`` the
files as they are. With several paths, a folder's name comes first; of equal names, the second starts with ``2/``.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from s3facade.config.pattern import compile_pattern
from s3facade.config.settings import BucketConfig, Settings, SourceConfig, View
from s3facade.config.template import compile_template
from s3facade.config.views.files import FilesView
from s3facade.config.views.image import ImageView
from s3facade.core.errors import ConfigError


def zero(paths: Sequence[Path]) -> Settings:
    """Settings that show ``paths``, files or folders, at least one.

    Raises:
        ConfigError: A path does not exist or cannot be read.
    """
    if not paths:
        raise ConfigError("name a file or folder to serve, or a configuration file that ends in .yaml")
    found = list(dict.fromkeys(_existing(p) for p in paths))
    names = _names(found)
    sources: dict[str, SourceConfig] = {}
    images: list[View] = []
    files: list[View] = []
    for path, name in zip(found, names, strict=True):
        if path.is_dir():
            prefix = name + "/" if len(found) > 1 else ""
            sources[name] = SourceConfig(name, files=compile_pattern("**", path))
            files.append(FilesView(path, prefix.rstrip("/")))
        else:
            prefix = name.removesuffix(path.name)
            sources[name] = SourceConfig(name, file=path)
            files.append(FilesView(path, name))
        images.append(ImageView("ome-zarr", name, compile_template(_quoted(prefix) + "{stem}.ome.zarr")))
    buckets = (BucketConfig("images", "public", tuple(images)), BucketConfig("files", "public", tuple(files)))
    return Settings(sources, {}, buckets)


def _existing(path: Path) -> Path:
    absolute = Path(os.path.normpath(path.expanduser().absolute()))
    if not absolute.exists():
        raise ConfigError(f"{path}: there is no such file or folder")
    if not absolute.is_dir() and not absolute.is_file():
        raise ConfigError(f"{path}: is neither a plain file nor a folder")
    if not os.access(absolute, os.R_OK | (os.X_OK if absolute.is_dir() else 0)):
        raise ConfigError(f"{path}: you may not read it; check its permissions")
    return absolute


def _names(paths: Sequence[Path]) -> list[str]:
    """A name per path: its last component, behind a number where two are equal."""
    seen: Counter[str] = Counter()
    out = []
    for path in paths:
        name = path.name or "root"
        seen[name] += 1
        out.append(name if seen[name] == 1 else f"{seen[name]}/{name}")
    return out


def _quoted(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
