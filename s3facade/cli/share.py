"""``s3facade share``: an address that opens one image or folder, also in a bucket that is not public."""

from __future__ import annotations

import argparse
import sys
import time
from urllib.parse import quote

from s3facade.app.server import open_catalog
from s3facade.auth import configured
from s3facade.catalog.shelf import Shelf
from s3facade.cli.what import Commands, add_what, settings
from s3facade.config.settings import Access, Settings
from s3facade.core import units
from s3facade.core.errors import ConfigError, NoSuchKey


def add(commands: Commands) -> None:
    """The command's arguments."""
    command = commands.add_parser("share", help="print an address that opens one image or folder")
    command.add_argument("address", metavar="s3://BUCKET/PREFIX", help="what to share")
    add_what(command)
    command.add_argument("--expires", type=_duration, default="7d", help="how long a link opens it (default: 7d)")
    command.add_argument("--immutable", action="store_true", help="name the version: caches may keep it for ever")
    command.add_argument("--url", help="URL of the server, where a proxy stands before it")
    command.set_defaults(run=share)


def share(arguments: argparse.Namespace) -> int:
    """Print the address; what there is to know about it goes to standard error."""
    chosen = settings(arguments.what)
    bucket, _, prefix = arguments.address.removeprefix("s3://").partition("/")
    prefix = prefix.rstrip("/")
    access = _access(chosen, bucket)
    parts = [bucket]
    if access == "public":
        print("The bucket is public: this address needs no link, and does not expire.", file=sys.stderr)
    else:
        links = configured.links(chosen)
        if links is None:
            raise ConfigError("Links need a secret: add `links: {secret: ...}` to the configuration.")
        expires = int(time.time() + arguments.expires)
        token = links.make(bucket, prefix, expires)
        parts.append(token)
        until = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(expires))
        print(f"Opens until {until}; its id, to revoke it, is {token[1:9]}.", file=sys.stderr)
    if arguments.immutable:
        parts.append("@" + pin(chosen, bucket, prefix))
    if prefix:
        parts.append(prefix)
    print(f"{(arguments.url or _url(chosen)).rstrip('/')}/{quote('/'.join(parts), safe='/~@')}")
    return 0


def pin(chosen: Settings, bucket: str, prefix: str) -> str:
    """The digest that is current at ``prefix``. Raises `ConfigError`, `SourceError`."""
    catalog = open_catalog(chosen)
    try:
        return catalog.pin_now(bucket, prefix) or catalog.find_now(bucket, prefix).pin
    except NoSuchKey:
        raise ConfigError(f"{prefix!r} is neither an image nor a file: a folder has no version") from None
    finally:
        catalog.engine.close()


def _access(chosen: Settings, bucket: str) -> Access:
    for config in chosen.buckets:
        if config.name == bucket:
            return config.access
    if chosen.shelf and bucket in Shelf(chosen.shelf).folders():
        return chosen.shelf.access
    raise ConfigError(f"there is no bucket called {bucket!r}; known: {', '.join(b.name for b in chosen.buckets)}")


def _url(chosen: Settings) -> str:
    host = chosen.server.host
    host = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound
    return f"http://[{host}]:{chosen.server.port}" if ":" in host else f"http://{host}:{chosen.server.port}"


def _duration(text: str) -> float:
    try:
        return units.duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
