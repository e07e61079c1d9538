"""Runs docs/tutorial-bids.md as a reader would, and draws its pictures.

    python scripts/tutorial_bids.py             runs all of it; fails where the page promises what does not happen
    python scripts/tutorial_bids.py --pictures  also writes docs/images/tutorial-*.svg and tutorial-section.jpg

What stands in the page is what is run: ``$`` lines of console blocks in order, in a folder that holds a copy of
`examples/messy_lab/lab7`; a yaml block is saved as `lab7.yaml`. Lines below a command must appear in its output, in
this order; a line of ``…`` stands for any others. Only a command whose output tells of problems may fail. Where a
program is not installed its command is left out, and that is told.
"""

from __future__ import annotations

import argparse
import html
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "tutorial-bids.md"
IMAGES = ROOT / "docs" / "images"
ADDRESS = "http://127.0.0.1:9000"
PICTURES = {
    "tutorial-init": "s3facade init",
    "tutorial-check": "s3facade check",
    "tutorial-tree": "s3facade check lab7.yaml --tree",
}
"""Command whose first run each picture shows."""
WIDE = 132
"""Characters of a line that a picture shows."""
_BLOCK = re.compile(r"^```(console|yaml)\n(.*?)^```", re.DOTALL | re.MULTILINE)


class Broken(Exception):
    """The page promises what does not happen."""


@dataclass
class Run:
    """The page on its way."""

    folder: Path
    address: str = ""
    """Of the server, once it runs."""
    server: subprocess.Popen[str] | None = None
    outputs: dict[str, str] = field(default_factory=dict)
    """Of each command, the first time."""
    left_out: list[str] = field(default_factory=list)
    alone: bool = False
    """Whether only s3facade is run, and no server."""

    def all(self) -> None:
        """Run every block."""
        for kind, text in _BLOCK.findall(PAGE.read_text("utf-8")):
            if kind == "yaml":
                (self.folder / "lab7.yaml").write_text(text, "utf-8")
            else:
                for command, promised in commands(text):
                    self.command(command, promised)

    def command(self, command: str, promised: list[str]) -> None:
        """Run one, and compare what it prints."""
        words = command.split()
        if self.alone and (words[0] != "s3facade" or words[1] == "serve"):
            self.left_out.append(command)
            return
        if words[:2] == ["s3facade", "serve"]:
            output = self._serve(words)
        else:
            program = _program(words[0])
            if program is None:
                self.left_out.append(command)
                return
            plain = command.replace(ADDRESS, self.address) if self.address else command
            line = plain.replace(words[0], program, 1)
            here, there = self.folder, _environment()
            done = subprocess.run(line, shell=True, cwd=here, env=there, capture_output=True, text=True, check=False)
            if done.returncode and not any(re.match(r"[0-9]+ problem", told) for told in promised):
                raise Broken(f"{command}\nends with {done.returncode}:\n{done.stdout}{done.stderr}")
            output = done.stdout + done.stderr
        shown = output.replace(self.address, ADDRESS) if self.address else output
        self.outputs.setdefault(command, shown)
        lines = iter([line.rstrip() for line in shown.replace("\r", "\n").splitlines()])
        for line in promised:
            if line not in ("…", "") and not any(line == told for told in lines):
                raise Broken(f"{command}\nprints no line {line!r} there, but:\n{shown}")

    def _serve(self, words: list[str]) -> str:
        line = [sys.executable, "-m", *words, "--port", "0", "--workers", "1"]
        self.server = subprocess.Popen(line, cwd=self.folder, stdout=subprocess.PIPE, text=True)
        assert self.server.stdout is not None
        output = ""
        for told in self.server.stdout:
            output += told
            if (found := re.search(r"http://127\.0\.0\.1:\d+", told)) is not None:
                self.address = found[0]
            if told.startswith("  s3://"):
                break
        return output

    def stop(self) -> None:
        """End the server."""
        if self.server is not None:
            self.server.send_signal(signal.SIGTERM)
            self.server.wait(20)
            assert self.server.stdout is not None
            self.server.stdout.close()


def commands(block: str) -> Iterator[tuple[str, list[str]]]:
    """Commands of a console block with the lines that they print."""
    command = ""
    promised: list[str] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            if command:
                yield command, promised
            command, promised = line[2:], []
        else:
            promised.append(line.rstrip())
    if command:
        yield command, promised


def _program(word: str) -> str | None:
    beside = Path(sys.executable).parent / word
    if word == "s3facade":
        return f"{sys.executable} -m s3facade"
    return str(beside) if beside.exists() else shutil.which(word)


def _environment() -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "NO_COLOR": "1",
        "COLUMNS": "100",
    }


def run(folder: Path, *, alone: bool = False) -> Run:
    """Run the page in ``folder``; ``alone`` without clients and server. Raises `Broken`."""
    shutil.copytree(ROOT / "examples" / "messy_lab" / "lab7", folder / "lab7")
    made = Run(folder, alone=alone)
    try:
        made.all()
    except BaseException:
        made.stop()
        raise
    return made


def terminal(command: str, output: str, most: int = 34) -> str:
    """A command and its output as an SVG image of a terminal."""
    lines = [f"$ {command}", *output.rstrip().splitlines()]
    lines = [*lines[: most - 1], "…"] if len(lines) > most else lines
    lines = [line if len(line) <= WIDE else line[: WIDE - 1] + "…" for line in lines]
    width, height = 8.4 * max(map(len, lines)) + 32, 19 * len(lines) + 28
    rows = "".join(
        f'<tspan x="16" y="{30 + 19 * n}"{_colour(line)}>{html.escape(line)}</tspan>' for n, line in enumerate(lines)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" '
        f'height="{height}"><title>{html.escape(command)}</title>'
        '<rect width="100%" height="100%" rx="8" fill="#1b1f27"/>'
        '<text font-family="ui-monospace, DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="14" fill="#d7dce5" '
        f'style="white-space: pre" xml:space="preserve">{rows}</text></svg>\n'
    )


def _colour(line: str) -> str:
    for begin, colour in (("$ ", "#8bd49c"), ("problems", "#ff8f7a"), ("warnings", "#f2c97d"), ("s3://", "#7fb4ff")):
        if line.startswith(begin):
            return f' fill="{colour}"'
    comment = line.lstrip().startswith("#")
    return ' fill="#8b93a3"' if comment else ""


def section(address: str, key: str, path: Path) -> None:
    """A picture of an image that is opened from the bucket."""
    import numpy as np
    import zarr
    from PIL import Image

    group = zarr.open_group(f"{address}/lab7/{key}", mode="r")
    level = np.asarray(group["0"][:])  # type: ignore[index]
    picture = Image.fromarray(np.moveaxis(level, 0, -1).astype(np.uint8))
    picture.resize((288, 288), Image.Resampling.LANCZOS).save(path, quality=88)


def main() -> int:
    """Run it; the exit status."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--pictures", action="store_true")
    pictures = options.parse_args().pictures
    with tempfile.TemporaryDirectory() as folder:
        try:
            made = run(Path(folder))
        except Broken as broken:
            print(broken, file=sys.stderr)
            return 1
        try:
            for name, begin in PICTURES.items() if pictures else ():
                command = next(c for c in made.outputs if c.startswith(begin))
                shown = (
                    made.outputs[command] if "init" not in begin else (Path(folder) / "first.yaml").read_text("utf-8")
                )
                (IMAGES / f"{name}.svg").write_text(terminal(command, shown), "utf-8")
            if pictures:
                key = "sub-m12/micr/sub-m12_sample-s009_stain-HE_BF.ome.zarr"
                section(made.address, key, IMAGES / "tutorial-section.jpg")
        finally:
            made.stop()
    for command in made.left_out:
        print(f"left out, its program is not installed: {command}")
    print(f"{len(made.outputs)} commands do what the page says")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
