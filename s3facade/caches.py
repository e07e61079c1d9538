"""What outlives the process: where it lies, and which versions it is true for."""

from __future__ import annotations

import os
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from s3facade import __version__
from s3facade.config.settings import Limits
from s3facade.engine.disk import Disk
from s3facade.engine.index import Index

LIBRARIES = ("imagecodecs", "numpy", "scipy", "tifffile")
"""What voxels depend on; another version may decode or round in another way."""


def folder(limits: Limits) -> str:
    """The configured folder; else systemd's, else the user's own for caches."""
    if limits.cache_dir is not None:
        return str(limits.cache_dir)
    service = os.environ.get("CACHE_DIRECTORY", "").partition(":")[0]
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return service or os.path.join(base, "s3facade")


def disk(limits: Limits) -> Disk | None:
    """The disk cache, if there is to be one."""
    return Disk(folder(limits), limits.disk, _libraries()) if limits.disk else None


def index(limits: Limits) -> Index | None:
    """The index of files, if there is to be one. Nobody asked for it unless its folder is configured."""
    if not limits.index:
        return None
    epoch = f"{_libraries()} {_code()}"
    return Index(os.path.join(folder(limits), "index"), limits.index, epoch, quiet=limits.cache_dir is None)


def _libraries() -> str:
    found = [f"s3facade {__version__}"]
    for name in LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} of unknown version")
    return ", ".join(found)


def _code() -> str:
    """Changes with every change of this package: readers are mended without a new version of the package."""
    root = Path(__file__).parent
    told = blake2b(digest_size=16)
    for path in sorted(root.rglob("*.py")):
        about = path.stat()
        told.update(f"{path.relative_to(root)} {about.st_size} {about.st_mtime_ns}\n".encode())
    return told.hexdigest()
