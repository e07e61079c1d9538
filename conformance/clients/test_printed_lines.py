"""The lines that ``s3facade serve`` prints to be copied: each does what it says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
import zarr

from conformance.browser.shots import available
from conformance.server import ROOT, Facade, serving


def lines(facade: Facade) -> dict[str, list[str]]:
    """Program to the lines printed for it."""
    found: dict[str, list[str]] = {}
    program = ""
    for line in facade.log.read_text(encoding="utf-8").splitlines():
        if line.startswith("  ") and not line.startswith("  s3://"):
            program = line[2:16].strip() or program
            found.setdefault(program, []).append(line[16:].strip())
    return found


def _shell(line: str) -> list[str]:
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False, env=env, timeout=120)
    assert done.returncode == 0, done.stderr
    return [row.split()[-1] for row in done.stdout.splitlines()]


@pytest.mark.parametrize("program", ["aws", "rclone"])
def test_shell_lines_list_the_image(facade, program):
    if shutil.which(program, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}") is None:
        pytest.skip(f"{program} is not installed (conformance/install.sh)")
    (line,) = lines(facade)[program]
    assert {"zarr.json", "0/"} <= set(_shell(line))


def test_python_lines_open_the_image(facade):
    printed = lines(facade)["Python"]
    assert len(printed) == 2
    for line in printed:
        group = eval(line, {"zarr": zarr})  # it is what a user pastes
        assert "multiscales" in group.attrs["ome"]
        assert group["0"][:2, :2].shape == (2, 2)


@pytest.mark.skipif(available() is not None, reason=available() or "")
def test_neuroglancer_link_shows_the_image(tmp_path):
    import neuroglancer

    from conformance.browser.shots import screenshot

    with serving(ROOT / "examples" / "sample", log=tmp_path / "log.txt") as sample:
        (link,) = lines(sample)["Neuroglancer"]
        state = neuroglancer.parse_url(unquote(link).replace("%", "%25"))
        shot = screenshot(sample.url, state, tmp_path / "shot.png")
    assert shot.ready, shot
    assert not shot.console, shot.console
    assert not any(line.split()[1].startswith(("4", "5")) for line in shot.responses), shot.responses
    assert len(np.unique(shot.pixels.reshape(-1, 3), axis=0)) > 30
