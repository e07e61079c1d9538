"""``s3facade ls`` and ``s3facade cat``: look into buckets without a server."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from datetime import UTC, datetime

from s3facade.app.server import START, open_catalog
from s3facade.catalog.catalog import Catalog
from s3facade.cli.plain import plain
from s3facade.cli.what import Commands, add_what, settings
from s3facade.core.errors import ConfigError, NoSuchBucket, NoSuchKey
from s3facade.core.keyspace import successor

PAGE = 1000


def add(commands: Commands) -> None:
    """The commands' arguments."""
    ls = commands.add_parser("ls", help="list buckets and keys")
    ls.add_argument("address", metavar="BUCKET/PREFIX", help="s3://bucket/prefix, or / for all buckets")
    add_what(ls)
    ls.add_argument("--recursive", "-r", action="store_true", help="every key, not only the next level")
    ls.set_defaults(run=list_keys)
    cat = commands.add_parser("cat", help="write an object to standard output")
    cat.add_argument("address", metavar="BUCKET/KEY", help="s3://bucket/key")
    add_what(cat)
    cat.set_defaults(run=copy_out)


def split(address: str) -> tuple[str, str]:
    """Bucket and key of ``s3://bucket/key``, ``bucket/key`` or ``/``."""
    bucket, _, key = address.removeprefix("s3://").partition("/")
    return bucket, key


def list_keys(arguments: argparse.Namespace) -> int:
    """Print keys like ``aws s3 ls``: time of change, bytes (``?`` where nobody computed them yet), key."""
    bucket, prefix = split(arguments.address)
    catalog = open_catalog(settings(arguments.what))
    try:
        # As the server does at its start: what does not open is not listed.
        catalog.probe(time.monotonic() + START)
        if not bucket:
            for info in catalog.buckets():
                print(f"{_time(info.created)}  {info.name}")
            return 0
        shown = _print_keys(catalog, bucket, prefix, "" if arguments.recursive else "/")
    finally:
        catalog.engine.close()
    if not shown and prefix:
        raise NoSuchKey(f"No key of {bucket} starts with {prefix!r}.")
    return 0


def _print_keys(catalog: Catalog, bucket: str, prefix: str, delimiter: str) -> int:
    shown, bound = 0, ""
    _known(catalog, bucket)
    while True:
        page = catalog.page_now(bucket, prefix, bound, delimiter, PAGE)
        for item in page:
            if isinstance(item, str):
                print(plain(f"{'PRE':>34}  {item}"))
            else:
                size = "?" if item.file.size is None else item.file.size
                print(plain(f"{_time(item.file.modified)}  {size:>13}  {item.key}"))
        shown += len(page)
        if len(page) < PAGE:
            return shown
        last = page[-1]
        bound = successor(last) if isinstance(last, str) else last.key + "\0"


def copy_out(arguments: argparse.Namespace) -> int:
    """Write one object, in pieces."""
    bucket, key = split(arguments.address)
    if not key:
        raise ConfigError("name an object, as in images/cell.ome.zarr/zarr.json; `s3facade ls` shows them")
    catalog = open_catalog(settings(arguments.what))
    try:
        asyncio.run(_write(catalog, bucket, key))
    finally:
        catalog.engine.close()
    return 0


async def _write(catalog: Catalog, bucket: str, key: str) -> None:
    _known(catalog, bucket)
    try:
        found = await catalog.find(bucket, key)
    except NoSuchKey:
        raise NoSuchKey(f"There is no key {key!r} in {bucket}; `s3facade ls {bucket}/` lists them.") from None
    obj = found.file.body()
    size = await catalog.engine.size(obj)
    obj = obj if obj.unsized is None else obj.sized(size)
    async for buffer in catalog.engine.stream(obj, 0, size):
        sys.stdout.buffer.write(buffer)
    sys.stdout.buffer.flush()


def _known(catalog: Catalog, bucket: str) -> None:
    names = [b.name for b in catalog.buckets()]
    if bucket not in names:
        raise NoSuchBucket(f"There is no bucket {bucket!r}; there are: {', '.join(names)}.")


def _time(nanoseconds: int) -> str:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")
