"""Files that match no source, as they are: nothing that lies in the folders of a bucket's sources is left out of it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence

from s3facade.catalog.arrange.desk import Desk
from s3facade.catalog.folder import Folder
from s3facade.catalog.sources.strays import strays


def arrange(prefix: str, desk: Desk) -> None:
    """Show the strays of a bucket's sources as they are, below ``prefix``: nothing is left out of the bucket then."""
    found = strays(desk.plan.tallies.values(), desk.settings)
    roots = sorted({stray.root for stray in found})
    several = len(roots) > 1
    names = _names(roots)
    for stray in found:
        key = f"{prefix}/{names[stray.root]}/{stray.relative}" if several else f"{prefix}/{stray.relative}"
        if not stray.path.endswith("/"):
            desk.copy(key, stray.path)
        elif not any(other.path.startswith(stray.path) for other in found if other is not stray):
            desk.plan.folders[key.rstrip("/")] = Folder(os.path.realpath(stray.path), stray.path.rstrip("/"))


def _names(roots: Sequence[str]) -> dict[str, str]:
    """A name for each folder: its own, with a number where several have the same."""
    seen: Counter[str] = Counter()
    out = {}
    for root in roots:
        name = os.path.basename(root) or "root"
        seen[name] += 1
        out[root] = name if seen[name] == 1 else f"{name}-{seen[name]}"
    return out
