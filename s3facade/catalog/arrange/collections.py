"""Tables of all images of a bucket: made when all of them are open, and made anew when a file has changed."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from s3facade import __version__
from s3facade.catalog.arrange.crates import images, made_of
from s3facade.catalog.arrange.desk import Desk
from s3facade.catalog.images.mount import Mount
from s3facade.catalog.images.recipe import files
from s3facade.config.views.collection import CollectionView
from s3facade.core.errors import SourceChanged, SourceError, SourceUnavailable
from s3facade.core.identity import digest
from s3facade.core.keyspace import File
from s3facade.engine.index import Index
from s3facade.layouts.collection import Row, Shown, csv_bytes, parquet_bytes, row
from s3facade.stores.files import describe

log = logging.getLogger("s3facade.catalog")
ROW = 2
"""Bump when a row would be another one."""
BATCH = 500
"""Rows that are asked of the index at once."""
FORMATS: dict[str, tuple[Callable[[Iterable[Row]], bytes], str]] = {
    "csv": (csv_bytes, "text/csv"),
    "parquet": (parquet_bytes, "application/vnd.apache.parquet"),
}


def arrange(view: CollectionView, desk: Desk) -> None:
    """Put the table into the plan, after all that it lists."""
    plan = desk.plan
    base = f"{view.under}/" if view.under else ""

    def shown() -> list[tuple[str, Mount]]:
        return sorted(images(plan, base), key=lambda pair: pair[0])

    def state() -> tuple[str, int]:
        newest, tags = 0, []
        for key, mount in shown():
            for path in files(mount.recipe):
                tag, modified = _look(path)
                tags.append((key, tag))
                newest = max(newest, modified)
        return digest(tags), newest

    tag = digest("collection", view.url, view.under, desk.settings.modified, made_of(shown()))
    for name in view.formats:
        write, media_type = FORMATS[name]

        def make(write: Callable[[Iterable[Row]], bytes] = write) -> bytes:
            return write(_rows(shown(), view.url, desk.engine.index))

        desk.later(f"{view.path}.{name}", make, media_type, digest(tag, name), state=state, waits=True)


def _rows(shown: Sequence[tuple[str, Mount]], url: str, index: Index | None) -> Iterator[Row]:
    """A row for each image that opens; those that do not are named among what is broken.

    Raises:
        SourceUnavailable: A file cannot be read now: a table without it would be wrong.
    """
    for begin in range(0, len(shown), BATCH):
        batch = shown[begin : begin + BATCH]
        names = [_named(key, mount, url) for key, mount in batch]
        known = [None] * len(batch) if index is None else index.many(names)
        for (key, mount), name, data in zip(batch, names, known, strict=True):
            found = None if data is None else _still(data)
            if found is None:
                found = _opened(key, mount, url)
                if found is not None and index is not None:
                    files = [[source.path, source.etag] for source in mount.sources]
                    index.put(name, json.dumps([found, files]).encode())
            if found is not None:
                yield found


def _named(key: str, mount: Mount, url: str) -> object:
    """All that a row depends on, but for the files."""
    how = (mount.recipe, dict(mount.labels), mount.sampled, type(mount.layout).__name__, mount.layout)
    return ("row", ROW, __version__, digest(url, key, *how, mount.about))


def _still(data: bytes) -> Row | None:
    """A row that is kept, if the files that it was made of are what they were."""
    row_, sources = json.loads(data)
    if not sources or any(_look(path)[0] != etag for path, etag in sources):
        return None
    kept: Row = row_
    return kept


def _opened(key: str, mount: Mount, url: str) -> Row | None:
    try:
        node = mount.open(time.monotonic())
    except (SourceUnavailable, SourceChanged):
        raise
    except SourceError as error:
        log.debug("not in the table of images: %s", error.explain())
        return None
    if mount.spec is None:
        return None
    size = node.size if isinstance(node, File) else None
    specs = [image.spec for image in mount.shown]
    return row(Shown(key, specs, mount.count, mount.layout, mount.about, _name(mount, key), size), url)


def _name(mount: Mount, key: str) -> str:
    """What the source calls the image, else its key; of several images, their key."""
    stated = mount.spec.attrs.get("name") if mount.spec and mount.count == 1 else None
    return stated if isinstance(stated, str) and stated else key.rsplit("/", 1)[-1].split(".", 1)[0]


def _look(path: str) -> tuple[str, int]:
    try:
        source = describe(path)
    except SourceError:
        return "", 0
    return source.etag, source.modified
