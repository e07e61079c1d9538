"""The command line: arguments in, exit status out.

Exit status: 0 all well, 1 what was asked for cannot be had (with a sentence on standard error), 2 wrong usage.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from s3facade import __version__
from s3facade.cli import browse, check, explain, formats, init, inspect, schema, serve, share, warm
from s3facade.core.errors import FacadeError


def parser() -> argparse.ArgumentParser:
    """Every command and option."""
    top = argparse.ArgumentParser(
        prog="s3facade",
        description="Show original images as OME-Zarr in read-only S3 buckets, computed on request.",
        epilog="s3facade serve FOLDER is all that it needs to start.",
    )
    top.add_argument("--version", action="version", version=f"s3facade {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in (serve, init, inspect, browse, explain, warm, share, check, formats, schema):
        module.add(commands)
    return top


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Arguments; options may stand between paths, which argparse alone does not allow."""
    top = parser()
    arguments, rest = top.parse_known_args(argv)
    if rest and ("what" not in arguments or any(word.startswith("-") for word in rest)):
        top.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        arguments.what = [*arguments.what, *rest]
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; ``argv`` without the program's name."""
    arguments = parse(argv)
    try:
        return int(arguments.run(arguments))
    except FacadeError as error:
        print(f"s3facade: {error.explain()}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of our output has seen enough
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130
