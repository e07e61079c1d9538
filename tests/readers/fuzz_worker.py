# ruff: noqa: T201 -- it prints its results
"""Damage one sample in many ways and read what is left, in a process of its own with bounds on time and memory.

``python tests/readers/fuzz_worker.py READER SAMPLE --seed 0 --count 100`` prints one JSON object per failure, and one
with the counts. The last seed tried stands in the file ``--progress``, so that who started this knows what killed it.
``--keep FILE`` with ``--count 1`` writes the damaged file.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

from s3facade import registry
from s3facade.core.errors import SourceError
from s3facade.core.protocols import Reader
from s3facade.engine.lanes import opened
from s3facade.testing.mutations import mutated
from s3facade.testing.reading import Watched, sampled

SECONDS = 20
"""Of one case."""
MEMORY = 1 << 30
"""Bytes that may be taken beyond what the interpreter and the libraries have."""
FOLDER = 4 << 20
"""Bytes of a folder that is copied along with the sample."""
IMAGES, LEVELS, CELLS = 6, 5, 4


class TooLongError(BaseException):
    """A case took more than its time; no handler of a reader may catch it."""


def _alarm(signum: int, frame: object) -> None:
    raise TooLongError


def beside(sample: Path) -> list[Path]:
    """Files that the sample may need: those of its folder, or those of its name where these are many or large."""
    found, size = [], 0
    for path in sorted(sample.parent.rglob("*")):
        if path.is_file() and path != sample:
            size += path.stat().st_size
            found.append(path)
        if len(found) > 200 or size > FOLDER:
            stem = sample.name.partition(".")[0]
            return [p for p in sample.parent.glob(f"{stem}.*") if p.is_file() and p != sample]
    return found


def read(reader: Reader, path: Path, options: dict[str, object]) -> str:
    """Open and read some of everything; what became of it. Anything but `SourceError` goes on to the caller."""
    file = Watched.open(path)
    try:
        for raster in list(opened(reader, file, options))[:IMAGES]:
            for level in range(min(len(raster.spec.levels), LEVELS)):
                sampled(raster, level, CELLS)
    except SourceError:
        return "refused"
    else:
        return "read"
    finally:
        if file.notes.close_all():
            raise AssertionError("a file was left open")


def _limited() -> None:
    with open("/proc/self/statm", encoding="ascii") as about:
        now = int(about.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, now + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def case(sample: Path, others: list[Path], folder: Path, seed: int) -> tuple[str, Path]:
    """The sample's folder with one file of it damaged: what was done, and which."""
    rng = random.Random(seed)
    target = rng.choice(others) if others and rng.random() < 0.25 else sample
    kind, data = mutated(target.read_bytes(), seed)
    path = folder / target.relative_to(sample.parent)
    path.write_bytes(data)
    return f"{kind} of {target.name}", path


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("reader")
    parser.add_argument("sample", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=1e9, help="stop after so long")
    parser.add_argument("--progress", type=Path)
    parser.add_argument("--keep", type=Path)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    reader = registry.reader(asked.reader)
    others = beside(asked.sample)
    signal.signal(signal.SIGALRM, _alarm)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for path in (asked.sample, *others):
            copy = folder / path.relative_to(asked.sample.parent)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        whole = folder / asked.sample.name
        if read(reader, whole, {}) == "refused":
            print(json.dumps({"skipped": "the sample itself is refused"}))
            return 0
        _limited()
        counts = {"read": 0, "refused": 0, "failed": 0}
        began = time.monotonic()
        for seed in range(asked.seed, asked.seed + asked.count):
            if time.monotonic() - began > asked.seconds:
                break
            if asked.progress:
                asked.progress.write_text(str(seed))
            kind, damaged = case(asked.sample, others, folder, seed)
            signal.alarm(SECONDS)
            try:
                counts[read(reader, whole, {})] += 1
            except (Exception, TooLongError) as error:  # noqa: BLE001 - this looks for whatever else is raised
                counts["failed"] += 1
                story = "".join(traceback.format_exception(error)[-6:])
                print(json.dumps({"seed": seed, "kind": kind, "error": repr(error)[:300], "story": story}), flush=True)
            finally:
                signal.alarm(0)
            if asked.keep:
                shutil.copyfile(damaged, asked.keep)
            shutil.copyfile(asked.sample.parent / damaged.relative_to(folder), damaged)
        print(json.dumps({"counts": counts}))
    return 0


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
