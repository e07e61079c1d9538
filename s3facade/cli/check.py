"""``s3facade check``: would this configuration serve what it is meant to?

Exit status: 0 no problem, 1 problems (with ``--strict`` also warnings), 2 the configuration itself is wrong.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from s3facade.app.server import open_catalog
from s3facade.catalog.catalog import Catalog
from s3facade.catalog.sources.report import Note, Tally, reported
from s3facade.catalog.sources.strays import strays
from s3facade.cli import check_text
from s3facade.cli.check_findings import Finding, count, of_broken, of_report, of_strays, short
from s3facade.cli.check_links import of_links
from s3facade.cli.check_measure import Measure
from s3facade.cli.plain import plain
from s3facade.cli.what import Commands, add_what, settings
from s3facade.config.settings import Settings
from s3facade.config.views.files import FilesView
from s3facade.core.errors import ConfigError, LoadError, SourceError

LIMIT = 5
"""Examples of each kind."""


def add(commands: Commands) -> None:
    """The command's arguments."""
    command = commands.add_parser("check", help="say what would be served, what would not, and what is wrong")
    add_what(command)
    command.add_argument("--tree", action="store_true", help="show the keys, alike folders collapsed")
    command.add_argument("--sizes", action="store_true", help="say how many bytes a copy of each bucket would have")
    command.add_argument("--json", action="store_true", help="write everything as JSON")
    command.add_argument("--limit", type=_limit, default=LIMIT, metavar="N", help=f"examples of each (default {LIMIT})")
    command.add_argument("--strict", action="store_true", help="fail on warnings, too")
    command.add_argument(
        "--open", action=argparse.BooleanOptionalAction, default=True, help="open every image (default), or go by names"
    )
    command.set_defaults(run=check)


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number of at least 1")
    return int(text)


def check(arguments: argparse.Namespace) -> int:
    """Print what there is and what is wrong with it."""
    try:
        chosen = settings(arguments.what)
        catalog = open_catalog(chosen)
    except ConfigError as error:
        print(f"s3facade: {error.explain()}", file=sys.stderr)
        return 2
    try:
        if arguments.open:
            _open(catalog)
        told = reported(tallies(chosen, catalog).values())
        base = str(chosen.path.parent if chosen.path else Path.cwd())
        left = strays(tallies(chosen, catalog).values(), chosen)
        wrong = [*of_views(chosen, catalog), *of_broken(catalog.broken(), told, base), *of_report(told)]
        if arguments.open:
            wrong += of_unopened(chosen, catalog, base)
        links = of_links(tallies(chosen, catalog).values(), base)
        findings = [*wrong, *of_strays(left, arguments.limit, base), *links]
        measure = Measure(catalog) if arguments.sizes else None
        limit = arguments.limit
        if arguments.json:
            document = check_text.document(chosen, catalog, findings, measure, limit, tree=arguments.tree)
            print(json.dumps(document, indent=2, ensure_ascii=False))
        else:
            for line in check_text.page(chosen, catalog, findings, measure, limit, tree=arguments.tree):
                print(plain(line))
    finally:
        catalog.engine.close()
    failing = count(findings, "problem") + (count(findings, "warning") if arguments.strict else 0)
    return 1 if failing else 0


def _open(catalog: Catalog) -> None:
    """Open every image; say on a terminal how far it is."""
    total = left = catalog.unopened()
    while left and sys.stderr.isatty():
        print(f"\r{total - left:,} of {total:,} images opened", end="", file=sys.stderr, flush=True)
        catalog.probe(time.monotonic() + 1)
        left, before = catalog.unopened(), left
        if left == before:
            break
    if total and sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    catalog.probe(math.inf)


def tallies(chosen: Settings, catalog: Catalog) -> dict[str, Tally]:
    """What became of the sources of all buckets, each once."""
    found: dict[str, Tally] = {}
    for bucket in chosen.buckets:
        found.update(catalog.plan(bucket.name).tallies)
    return found


def of_unopened(chosen: Settings, catalog: Catalog, base: str) -> Iterator[Finding]:
    """Images that cannot be opened now, but maybe another time: a file that is not there, a store out of reach."""
    for bucket in chosen.buckets:
        mounts = [mount for _, mount in catalog.mounts(bucket.name)]
        left = [m for m in mounts if m.error is None and not m.opened and not m.beside and m.recipe.path]
        notes = []
        for mount in left[:LIMIT]:
            try:
                mount.open(time.monotonic())
            except (SourceError, LoadError) as error:
                notes.append(Note(short(mount.recipe.path, base), error.explain().replace(f"{base}/", "")))
        if notes:
            yield Finding("problem", f"images of s3://{bucket.name} that cannot be opened now", len(left), tuple(notes))


def _advice(catalog: Catalog, bucket: str) -> str:
    """What to do where no file matches."""
    for tally in catalog.plan(bucket).tallies.values():
        files = tally.source.files
        if files is not None and not files.captures and os.path.isdir(files.root / files.text.rpartition("/")[2]):
            return f"{files.text} is a folder: name the files in it, as in {files.text}/{{name}}.tif"
    return "correct `files:`"


def of_views(chosen: Settings, catalog: Catalog) -> Iterator[Finding]:
    """Problems of views as a whole, and sources that nobody looks at."""
    unused = [name for name in chosen.sources if name not in tallies(chosen, catalog)]
    if unused and chosen.path is not None:
        shown = tuple(Note(name) for name in unused)
        yield Finding("warning", "sources that no view shows", len(unused), shown, "add a view, or remove them")
    for bucket in chosen.buckets:
        notes = [
            Note("", f"{view.root} does not exist; correct `root:`.")
            for view in bucket.views
            if isinstance(view, FilesView) and not view.root.exists()
        ]
        # Images that are originals already are files of the plan.
        found = catalog.mounts(bucket.name) or catalog.plan(bucket.name).files
        if not found and not all(isinstance(view, FilesView) for view in bucket.views):
            why = (
                "it shows no image; why is told with each file"
                if catalog.plan(bucket.name).broken
                else f"no file matches its sources; {_advice(catalog, bucket.name)}"
            )
            notes.append(Note("", f"{why}."))
        if notes:
            yield Finding("problem", f"views of s3://{bucket.name}", len(notes), tuple(notes))
