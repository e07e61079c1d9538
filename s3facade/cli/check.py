"""``s3facade check``: would this configuration serve what it is meant to?"""

from __future__ import annotations

import argparse
import math

from s3facade.app import open_catalog
from s3facade.catalog.catalog import Catalog
from s3facade.cli.what import Commands, add_what, settings
from s3facade.config.settings import BucketConfig
from s3facade.config.views.files import FilesView


def add(commands: Commands) -> None:
    """The command's arguments."""
    command = commands.add_parser("check", help="open everything that would be served, and name what is wrong")
    add_what(command)
    command.set_defaults(run=check)


def check(arguments: argparse.Namespace) -> int:
    """Print what each bucket shows and every file that it does not; status 1 if there is a problem."""
    chosen = settings(arguments.what)
    catalog = open_catalog(chosen)
    try:
        catalog.probe(math.inf)
        problems = [line for bucket in chosen.buckets for line in _bucket(bucket, catalog)]
        for item in catalog.broken():
            print(f"  not shown: {item.path}: {item.reason}" + (f" ({item.detail})" if item.detail else ""))
        count = len(problems) + len(catalog.broken())
    finally:
        catalog.engine.close()
    print(f"{count} problem{'' if count == 1 else 's'}." if count else "No problems.")
    return 1 if count else 0


def _bucket(bucket: BucketConfig, catalog: Catalog) -> list[str]:
    """Print a bucket; its problems as sentences."""
    images = catalog.images(bucket.name)
    print(f"s3://{bucket.name} ({bucket.access}): {len(images)} image{'' if len(images) == 1 else 's'}")
    for prefix in images:
        print(f"  {prefix}")
    problems = []
    for view in bucket.views:
        if isinstance(view, FilesView):
            kind = "files below" if view.root.is_dir() else "the file"
            print(f"  {view.path or '/'}: {kind} {view.root}")
            if not view.root.exists():
                problems.append(f"{view.root} does not exist; correct `root:`.")
    if not catalog.mounts(bucket.name) and any(not isinstance(v, FilesView) for v in bucket.views):
        problems.append("no file matches its sources; correct `files:`.")
    for problem in problems:
        print(f"  problem: {problem}")
    return problems
