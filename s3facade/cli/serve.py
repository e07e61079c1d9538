"""``s3facade serve``: start the server, and say how to reach it."""

from __future__ import annotations

import argparse
import ipaddress
import logging
from dataclasses import replace
from pathlib import Path

from s3facade import __version__
from s3facade.app.server import Announcement, run
from s3facade.cli.lines import lines
from s3facade.cli.plain import plain
from s3facade.cli.what import Commands, add_what, settings
from s3facade.config.settings import Settings, ShelfConfig
from s3facade.core import units
from s3facade.core.errors import ConfigError

SHOWN = 10


def add(commands: Commands) -> None:
    """The command's arguments."""
    command = commands.add_parser("serve", help="serve files, folders or a configuration")
    add_what(command)
    command.add_argument("--buckets-from", metavar="DIR", help="show every sub-folder of DIR as a bucket")
    command.add_argument("--host", help="address to listen on (default: 127.0.0.1, this machine only)")
    command.add_argument("--port", type=_port, help="TCP port (default: 9000; 0: any free one)")
    command.add_argument("--workers", type=_positive, help="worker processes (default: one per core, at most 8)")
    command.add_argument("--memory", type=_size, help='memory for pixels, as in "4 GiB" (default: 1 GiB)')
    command.add_argument("--access-log", action="store_true", default=None, help="log every request")
    command.set_defaults(run=serve)


def serve(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    # What is shown at the start is the answer; the log keeps to what goes wrong, and to requests if asked.
    chosen = override(chosen_by(arguments), arguments)
    level = logging.INFO if chosen.server.access_log else logging.WARNING
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    return run(chosen, on_ready=lambda ready: print(announcement(ready, chosen), flush=True))


def chosen_by(arguments: argparse.Namespace) -> Settings:
    """Settings for what is named; a folder of buckets alone needs nothing else."""
    if arguments.buckets_from is None:
        return settings(arguments.what)
    root = Path(arguments.buckets_from).expanduser().absolute()
    if not root.is_dir():
        raise ConfigError(f"{root} is not a folder; name one whose sub-folders are the buckets")
    base = settings(arguments.what) if arguments.what else Settings({}, {}, ())
    names = base.shelf or ShelfConfig(root)
    return replace(base, shelf=replace(names, root=root))


def override(chosen: Settings, arguments: argparse.Namespace) -> Settings:
    """Settings with what the command line says instead."""
    server = {k: v for k in ("host", "port", "access_log") if (v := getattr(arguments, k)) is not None}
    limits = {k: v for k in ("workers", "memory") if (v := getattr(arguments, k)) is not None}
    return replace(chosen, server=replace(chosen.server, **server), limits=replace(chosen.limits, **limits))


def announcement(ready: Announcement, chosen: Settings) -> str:
    """What is served, what is not and why, and lines to copy."""
    out = [f"s3facade {__version__} serves {ready.url} (read-only; stop with Ctrl-C)", ""]
    access = {name: chosen.shelf.access for name, _ in ready.buckets} if chosen.shelf else {}
    access |= {b.name: b.access for b in chosen.buckets}
    width = max((len(name) for name, _ in ready.buckets), default=0)
    for name, count in ready.buckets:
        shown = f"{count} image{'' if count == 1 else 's'}" if count else "files"
        out.append(f"  s3://{name:<{width}}  {shown}, {access[name]}")
    if ready.unopened:
        out += ["", f"  {ready.unopened} images are not opened yet; this goes on in the background."]
    if ready.broken:
        out += ["", f"Not shown ({len(ready.broken)}):"]
        out += [f"  {b.path}: {b.reason}{f' ({b.detail})' if b.detail else ''}" for b in ready.broken[:SHOWN]]
        if len(ready.broken) > SHOWN:
            out.append(f"  … all of them: {ready.url}/-/status")
    if ready.images:
        image = ready.images[0]
        private = access[image.bucket] != "public"
        out += ["", f"Open s3://{image.bucket}/{image.prefix}:", *lines(ready.url, image, private=private)]
    elif not chosen.shelf and not any(count for _, count in ready.buckets):
        out += ["", "No image was found; `s3facade formats` lists what can be read."]
    if not _loopback(chosen.server.host) and "public" in access.values():
        out += ["", f"Note: {chosen.server.host} can be reached from other machines, and public buckets need no key."]
    return "\n".join(map(plain, out))


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 65535, not {text!r}")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a number of at least 1, not {text!r}")
    return int(text)


def _size(text: str) -> int:
    try:
        size = units.size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if size < 64 << 20:
        raise argparse.ArgumentTypeError("must be at least 64 MiB")
    return size
