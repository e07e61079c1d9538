"""``s3facade explain``: what an object is made of, and what a request for it would read, without reading it."""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Iterator

from s3facade.app.server import open_catalog
from s3facade.cli.browse import split
from s3facade.cli.what import Commands, add_what, settings
from s3facade.core.errors import ConfigError, NoSuchKey
from s3facade.core.image import Combined, Derived, Opened
from s3facade.engine.explain import Explanation, Node, explain
from s3facade.engine.needs import told
from s3facade.s3 import ranges


def add(commands: Commands) -> None:
    """The command's arguments."""
    command = commands.add_parser("explain", help="show what an object is computed from, without computing it")
    command.add_argument("address", metavar="BUCKET/KEY", help="s3://bucket/key")
    add_what(command)
    command.add_argument("--range", metavar="FIRST-LAST", help="bytes as in a Range header, e.g. 0-1023 or -500")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the explanation of one object."""
    bucket, key = split(arguments.address)
    if not key:
        raise ConfigError("name an object, as in images/cell.ome.zarr/0/c/0/0; `s3facade ls -r` shows them")
    catalog = open_catalog(settings(arguments.what))
    try:
        if catalog.bucket(bucket) is None:
            raise ConfigError(f"there is no bucket {bucket!r}; `s3facade ls /` shows them")
        try:
            found = catalog.find_now(bucket, key)
        except NoSuchKey:
            raise NoSuchKey(f"There is no key {key!r} in {bucket}; `s3facade ls {bucket}/` lists them.") from None
        engine, obj = catalog.engine, found.file.body()
        known = engine.recall(obj)
        if known is None and arguments.range is not None:
            raise ConfigError("the size of this object is known once it was computed, with `cat`; leave out --range")
        size = 1 if known is None else known
        # Any byte of what is compressed needs all of it.
        obj = obj if obj.unsized is None else obj.sized(size)
        start, stop = _span(arguments.range, size)
        about = explain(obj, start, stop, engine.rasters, engine.kept)
        told_size = "size not known yet" if known is None else f"{known:,} bytes"
        print(f"s3://{bucket}/{key}  {told_size}  ETag {found.etag}")
        for line in lines(about, size):
            print(line)
    finally:
        catalog.engine.close()
    return 0


def _span(text: str | None, size: int) -> tuple[int, int]:
    if text is None:
        return 0, size
    span = ranges.resolve(f"bytes={text}", size)
    if span is None:
        raise ConfigError(f"--range {text} is no range; write it as in 0-1023, 1024- or -500")
    return span


def lines(about: Explanation, size: int) -> Iterator[str]:
    """The explanation as text."""
    if about.stop - about.start != size:
        yield f"bytes {about.start} to {about.stop - 1}: {told(about.stop - about.start)}"
    if about.documents:
        yield f"{told(about.documents)} at hand: metadata or the index of a shard"
    if about.passed:
        yield f"{told(about.passed)} of the original file, as they are"
    if about.pieces:
        yield f"{about.pieces} boxes of voxels, of:"
    for plan in about.plans:
        yield from _tree(plan, "", set())
    if about.computed or about.kept:
        yield f"blocks of computed levels: {about.computed} to compute, {about.kept} kept"
    if about.pieces:
        yield from _reads(about)


def _reads(about: Explanation) -> Iterator[str]:
    more = "" if about.complete else "more than "
    for reads in about.reads.values():
        stored = f" {told(reads.stored)}," if reads.stored else ""
        yield f"reads {more}{reads.chunks} chunks of {reads.path}:{stored} {reads.codec}"
    if about.decoded:
        yield f"decodes {more}{told(about.decoded)}; holds up to {told(about.memory)} at once"
    else:
        yield "reads nothing: all of it is kept or computed from nothing"


def _tree(node: Node, indent: str, told: set[int]) -> Iterator[str]:
    spec, region = node.image.spec, node.region
    box = ", ".join(f"{n} {a}:{b}" for n, a, b in zip(spec.names, region.start, region.stop, strict=True))
    again = id(node) in told and bool(node.parents)
    yield f"{indent}└─ {_name(node)}  level {node.level}  [{box}]  {spec.dtype}{'  (as above)' if again else ''}"
    told.add(id(node))
    for parent in () if again else node.parents:
        yield from _tree(parent, indent + "   ", told)


def _name(node: Node) -> str:
    image = node.image
    if isinstance(image, Opened):
        return f"{image.reader} {os.path.basename(image.source.path)}" + (f" #{image.series}" if image.series else "")
    operator = image.transform if isinstance(image, Derived) else image.combination
    options = {f.name: getattr(operator, f.name) for f in dataclasses.fields(operator)}  # type: ignore[arg-type]
    shown = ", ".join(f"{name}={_short(value)}" for name, value in options.items() if value not in (None, (), ""))
    count = f" of {len(image.parents)} images" if isinstance(image, Combined) else ""
    return f"{type(operator).__name__}({shown}){count}"


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "…"
