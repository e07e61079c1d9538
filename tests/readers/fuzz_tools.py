"""Which samples are damaged, and how a run over one of them is told."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from s3facade import registry

ROOT = Path(__file__).parents[2]
WORKER = Path(__file__).with_name("fuzz_worker.py")
LARGEST = 4 << 20
"""Bytes of a sample; smaller ones go before."""


def folders() -> list[Path]:
    """Where samples are: those of the repository, and the corpus of real files if it is there."""
    named = os.environ.get("S3FACADE_CORPUS")
    corpus = Path(named) if named else ROOT.parent / "shared" / "data"
    return [p for p in (ROOT / "tests" / "corpus", corpus, made()) if p.is_dir()]


@cache
def made() -> Path:
    """A folder of samples of formats of which there is no small file that may be passed on."""
    from lif_writer import image, lif

    folder = Path(tempfile.mkdtemp(prefix="s3facade-fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "lif").mkdir()
    array = np.arange(3 * 8 * 9, dtype="u2").reshape(3, 8, 9)
    lif(folder / "lif" / "a.lif", image("a", array, "ZYX"), image("b", array[0], "YX"))
    return folder


def recognised(path: Path) -> str | None:
    """Name of the reader that takes the file."""
    with path.open("rb") as file:
        head = file.read(4096)
    return next((name for name, reader in registry.readers() if reader.sniff(head, path.name)), None)


def samples(most: int) -> list[tuple[str, Path]]:
    """Small files of every reader, of different kinds first: reader and path."""
    found: dict[str, dict[str, list[Path]]] = {}
    for folder in folders():
        for path in sorted(folder.rglob("*")):
            if path.is_file() and 0 < path.stat().st_size <= LARGEST and path.name != "MANIFEST.md":
                name = recognised(path)
                if name is not None:
                    found.setdefault(name, {}).setdefault(path.suffix.lower(), []).append(path)
    chosen = []
    for name, kinds in sorted(found.items()):
        ranked = [(i, path) for paths in kinds.values() for i, path in enumerate(sorted(paths, key=_size))]
        chosen += [(name, path) for _, path in sorted(ranked, key=lambda item: item[0])[:most]]
    return chosen


def _size(path: Path) -> int:
    return path.stat().st_size


@dataclass(slots=True)
class Outcome:
    """What a run found."""

    counts: dict[str, int] = field(default_factory=dict)
    failures: list[dict[str, object]] = field(default_factory=list)
    skipped: str = ""


def run(reader: str, sample: Path, *, seed: int, count: int, seconds: float = 60) -> Outcome:
    """Damage ``sample`` ``count`` times; a process that is killed is one more failure."""
    out = Outcome()
    with tempfile.TemporaryDirectory() as scratch:
        progress = Path(scratch) / "seed"
        command = [sys.executable, str(WORKER), reader, str(sample), "--seed", str(seed), "--count", str(count)]
        command += ["--progress", str(progress), "--seconds", str(seconds)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 90, check=False)
            text, errors, status = done.stdout, done.stderr, done.returncode
        except subprocess.TimeoutExpired as error:
            text, errors, status = (error.stdout or b"").decode(), "it hangs outside of Python", -1
        for line in text.splitlines():
            told = json.loads(line) if line.startswith("{") else {}
            out.counts = told.get("counts", out.counts)
            out.skipped = told.get("skipped", out.skipped)
            if "seed" in told:
                out.failures.append(told)
        if status and not (registry.reader(reader).lane == "process" and status < 0):
            last = int(progress.read_text()) if progress.exists() else seed
            out.failures.append({"seed": last, "kind": "ended", "error": f"status {status}", "story": errors[-1500:]})
    return out


def told(reader: str, sample: Path, failures: list[dict[str, object]]) -> str:
    """What to do to see it again."""
    first = failures[0]
    again = f"python tests/readers/fuzz_worker.py {reader} '{sample}' --seed {first['seed']} --count 1 --keep damaged"
    return f"{len(failures)} failures; the first ({first['kind']}): {first['error']}\n{again}\n{first['story']}"
