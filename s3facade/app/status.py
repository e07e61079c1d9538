"""The status page: what is shown and what is not, and what it costs."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence

from s3facade import __version__
from s3facade.app.background import MANY
from s3facade.app.renewal import Renewal
from s3facade.catalog.builder import Builder
from s3facade.catalog.catalog import Catalog
from s3facade.catalog.sources import strays
from s3facade.config.views.files import FilesView


def status_page(catalog: Catalog, builder: Builder, renewal: Renewal, begun: float) -> bytes:
    """The page as JSON; ``begun`` is when the worker was started, in seconds since 1970."""
    engine = catalog.engine
    disk, index = engine.disk, engine.index
    roots = [str(v.root) for b in catalog.settings.buckets for v in b.views if isinstance(v, FilesView)]
    if catalog.settings.shelf:
        roots.append(str(catalog.settings.shelf.root))
    # Anybody may ask for this page: it tells of buckets that anybody may list.
    shown = [b for b in catalog.buckets() if b.access == "public"]
    document = {
        "version": __version__,
        "worker": os.getpid(),
        "uptime_seconds": round(time.time() - begun, 1),
        "configuration": renewal.status(),
        "buckets": {b.name: {"images": catalog.count(b.name), "access": b.access} for b in shown},
        "buckets_not_public": len(catalog.buckets()) - len(shown),
        "not_opened_yet": catalog.unopened() if catalog.unprobed() < MANY else catalog.unprobed(),
        "broken": [{"file": _shown(b.path, roots), "reason": b.reason} for b in catalog.broken(public=True)],
        "unmatched": strays.told((catalog.plan(b.name) for b in shown), catalog.settings),
        "warm": builder.status,
        "memory": {
            "cache_bytes": engine.memory.held,
            "cache_limit": engine.memory.limit,
            "cache_hits": engine.memory.hits,
            "cache_misses": engine.memory.misses,
            "work_bytes": engine.budget.held,
            "work_limit": engine.budget.limit,
            "waiting": engine.budget.waiting,
        },
        "disk": {}
        if disk is None
        else {
            "limit_bytes": disk.quota,
            "hits": disk.hits,
            "misses": disk.misses,
            "damaged": disk.wrong,
        },
        "index": {} if index is None else {"hits": index.hits, "misses": index.misses},
    }
    return json.dumps(document, indent=2).encode() + b"\n"


def _shown(path: str, roots: Sequence[str]) -> str:
    """A path without what lies above the served folders: that is nobody's business."""
    root = next((r for r in roots if path.startswith(r.rstrip("/") + "/")), os.path.dirname(path))
    return os.path.relpath(path, root)
