"""s3facade warm as its user runs it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tifffile

from s3facade.cli.main import main
from s3facade.cli.progress import Progress, duration

PIXELS = np.random.default_rng(3).integers(0, 4000, (2048, 2048), dtype=np.uint16)


def configured(folder, *, disk="1 GiB", steps="", read="16 GiB"):
    path = folder / "c.yaml"
    path.write_text(
        "sources:\n  all: {files: '{name}.tif'}\n"
        f"images:\n  shown: {{from: all, steps: [{steps}]}}\n"
        "buckets:\n  images:\n    views: [{type: ome-zarr, from: shown, path: '{name}.ome.zarr', chunks: 256}]\n"
        "  files:\n    views: [{type: files, root: .}]\n"
        f"limits: {{disk: {disk}, cache_dir: cache, read: {read}, workers: 2, memory: 256 MiB}}\n"
    )
    return str(path)


@pytest.fixture
def folder(tmp_path):
    for name in ("a", "b"):
        tifffile.imwrite(tmp_path / f"{name}.tif", PIXELS, tile=(256, 256), compression="zlib")
    return tmp_path


def test_twice(folder, capsys):
    config = configured(folder)
    assert main(["warm", "s3://images/", config, "--dry-run"]) == 0
    expected = "2 images: 2 of 2 blocks (1.06 MB of 1.06 MB) are not kept yet; they are computed from 16.8 MB"
    assert capsys.readouterr().out.startswith(expected)
    assert main(["warm", "images/a", config]) == 0
    out = capsys.readouterr().out
    assert out.startswith("1 image: 1 of 1 blocks")
    assert re.search(r"Kept 1 blocks \(524 kB\) in .*: 8.39 MB read, .*/s\.", out)
    assert main(["warm", "images", config, "--jobs", "1"]) == 0
    assert "Kept 1 blocks" in capsys.readouterr().out
    assert main(["warm", "images/a.ome.zarr/2", config]) == 0
    assert capsys.readouterr().out == "1 image: all 1 blocks (528 kB) are kept.\n"


def test_levels(folder, capsys):
    config = configured(folder, steps="gaussian: 2 px")
    assert main(["warm", "images/a", config, "--levels", "2", "--dry-run"]) == 0
    assert "1 of 1 blocks" in capsys.readouterr().out
    assert main(["warm", "images/a", config, "--levels", "0-1,7", "--dry-run"]) == 0
    assert "64 of 64 blocks" in capsys.readouterr().out
    assert main(["warm", "images/a", config, "--levels", "7", "--dry-run"]) == 0
    assert "nothing in them is dear" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        main(["warm", "images/a", config, "--levels", "top"])


@pytest.mark.parametrize(
    ("address", "disk", "said"),
    [
        ("images/", "off", "the disk cache is off"),
        ("images/", "100 KiB", "limits.disk is 102 kB, and 4.23 MB are needed"),
        ("images/none", "1 GiB", "No image of images starts with 'none'"),
        ("files/", "1 GiB", "No image of files"),
        ("nothing/", "1 GiB", "no bucket 'nothing'"),
    ],
)
def test_mistakes(folder, capsys, address, disk, said):
    assert main(["warm", address, configured(folder, disk=disk)]) == 1
    assert said in capsys.readouterr().err


def test_a_damaged_image_costs_its_own_blocks_only(folder, capsys):
    with tifffile.TiffFile(folder / "a.tif") as file:
        offset = file.pages[0].dataoffsets[5]
    with (folder / "a.tif").open("r+b") as stream:
        stream.seek(offset)
        stream.write(b"\xff" * 100)
    (folder / "c.tif").write_bytes(b"II*\0" + b"\xff" * 60)
    assert main(["warm", "images/", configured(folder)]) == 1
    said = capsys.readouterr()
    assert "Kept 1 blocks" in said.out
    assert "not kept (1): a.ome.zarr: " in said.err
    assert "not kept (1): c.ome.zarr: " in said.err


def number(pattern, text):
    return int(re.search(pattern, text)[1].replace(",", ""))


def test_stopped_with_ctrl_c_it_goes_on_later(folder):
    for name in "cdefghijklmnop":
        (folder / f"{name}.tif").write_bytes((folder / "a.tif").read_bytes())
    config = configured(folder, steps="median: 5 px")
    command = [sys.executable, "-m", "s3facade", "warm", "images/", config]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    first = process.stdout.readline()
    blocks = number(r"([\d,]+) of", first)
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert time.monotonic() - begun < 10
    done = number(r"Stopped. ([\d,]+) blocks were kept", err)
    again = subprocess.run([*command, "--dry-run"], capture_output=True, text=True, check=True, timeout=30)
    left = number(r"([\d,]+) of", again.stdout)
    # What threads had in work when it was stopped may be there as well, or not.
    assert 0 < left <= blocks - done


class Terminal:
    def __init__(self, *, terminal):
        self.terminal = terminal
        self.text = ""

    def isatty(self):
        return self.terminal

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere():
    bar, lines = Terminal(terminal=True), Terminal(terminal=False)
    for stream in (bar, lines):
        progress = Progress(10**9, stream)
        progress.done = 25 * 10**7
        progress.show("a", now=True)
        progress.show("a")
        progress.clear()
    assert re.match(r"\r\[#####\.{15}]  25%  250 MB of 1 GB, [\d.]+ .B/s, .* left  a", bar.text)
    assert re.match(r" 25%  250 MB of 1 GB, .* left  a\n$", lines.text)
    assert [duration(s) for s in (3.4, 75, 7384)] == ["3 s", "1 min 15 s", "2 h 3 min"]
