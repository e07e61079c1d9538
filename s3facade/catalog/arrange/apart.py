"""Keys that lie among those of something else: a folder of keys is one thing alone."""

from __future__ import annotations

import os
from collections.abc import Container, Iterator, MutableMapping, Sequence

from s3facade.catalog.contents import Broken, Plan


def separate(plan: Plan) -> None:
    """Take out of a plan, and tell, what lies below the key of an image, a file or a text: either would hide the other.

    Two files of one path, ``{name}`` with the names ``a`` and ``a/b``, are such.
    """
    for key, above in list(_inside(plan)):
        inner, outer = _path(plan, key), _path(plan, above)
        what = repr(os.path.basename(outer)) if outer else "a document"
        plan.broken.append(Broken(inner, f"Its keys {key!r} lie among those of {what} at {above!r}.", outer))
        for things in _things(plan):
            things.pop(key, None)


def _things(plan: Plan) -> tuple[MutableMapping[str, object], ...]:
    return plan.mounts, plan.documents, plan.late, plan.files, plan.folders  # type: ignore[return-value]


def _inside(plan: Plan) -> Iterator[tuple[str, str]]:
    """Keys with the nearest key above each that stands for one thing."""
    things = [one for one in _things(plan) if one]
    # Hundreds of thousands of keys share a few folders.
    folders = {key.rpartition("/")[0] for one in things for key in one}
    nearest = {folder: above for folder in folders if (above := _nearest(folder, things))}
    if nearest:
        for one in things:
            for key in one:
                folder = key.rpartition("/")[0]
                if folder in nearest:
                    yield key, nearest[folder]


def _nearest(folder: str, things: Sequence[Container[str]]) -> str:
    """The nearest thing at a folder's own name or above it; "" if there is none."""
    while folder and not any(folder in one for one in things):
        folder = folder.rpartition("/")[0]
    return folder


def _path(plan: Plan, key: str) -> str:
    """The file behind a key; empty if there is none."""
    mount = plan.mounts.get(key)
    return mount.recipe.path if mount is not None else plan.files.get(key, "")
