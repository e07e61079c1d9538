"""Keys that lie among those of something else: a folder of keys is one thing alone."""

from __future__ import annotations

import os
from collections.abc import Iterator, MutableMapping

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
    clear: set[str] = set()
    for one in things:
        for key in one:
            passed = []
            end = key.rfind("/")
            # Hundreds of thousands of keys share a few folders.
            while end > 0 and (above := key[:end]) not in clear:
                if any(above in other for other in things):
                    yield key, above
                    break
                passed.append(above)
                end = key.rfind("/", 0, end)
            else:
                clear.update(passed)


def _path(plan: Plan, key: str) -> str:
    """The file behind a key; empty if there is none."""
    mount = plan.mounts.get(key)
    return mount.recipe.path if mount is not None else plan.files.get(key, "")
