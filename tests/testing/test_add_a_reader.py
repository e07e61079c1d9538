"""The guide to a reader of your own: its files are those of the example, and the example does what the guide says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "new_reader"
GUIDE = (ROOT / "docs/how-to/add-a-reader.md").read_text("utf-8")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The environment of a process in which the example is installed: as pip would, without its network."""
    site = tmp_path_factory.mktemp("site")
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text("utf-8"))["project"]
    about = site / f"{project['name']}-{project['version']}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
    (about / "entry_points.txt").write_text("\n".join(lines) + "\n")
    (site / "voxeltext").symlink_to(EXAMPLE / "voxeltext")
    return {**os.environ, "PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"}


def run(installed, *words):
    done = subprocess.run([sys.executable, *words], cwd=EXAMPLE, capture_output=True, text=True, env=installed)  # noqa: PLW1510
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_guide_shows_the_files_of_the_example():
    shown = re.findall(r"```(?:python|toml)\n# (\S+)\n(.*?)```", GUIDE, re.DOTALL)
    assert [name for name, _ in shown] == ["voxeltext/reader.py", "pyproject.toml", "tests/test_voxeltext.py"]
    for name, text in shown:
        assert text == (EXAMPLE / name).read_text("utf-8"), name


def test_every_test_that_the_guide_names_exists():
    from s3facade.testing.readers import ReaderContract

    named = set(re.findall(r"`(test_\w+)`", GUIDE))
    assert named <= set(dir(ReaderContract))
    told = {n for n in dir(ReaderContract) if n.startswith("test_")} - named
    assert told == {"test_states_what_it_is"}


def test_it_keeps_the_contract(installed):
    told = run(
        installed, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", f"--rootdir={EXAMPLE}", "tests"
    )
    assert re.search(r"\d\d passed", told), told
    assert "failed" not in told


def test_it_is_listed_and_reads(installed):
    assert "voxeltext" in run(installed, "-m", "s3facade", "formats")
    told = run(installed, "-m", "s3facade", "inspect", "tests/data/ramp.vtx")
    assert "c 2, z 4, y 6, x 8, uint16" in told
    assert "z 2 µm, y 0.5 µm, x 0.5 µm" in told
    assert "DAPI" in told
