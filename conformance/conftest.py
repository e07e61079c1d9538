"""Fixtures of the conformance tests, and the record that becomes the compatibility table."""

from __future__ import annotations

import os
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance import report
from conformance.samples import Sample, make_folder
from conformance.server import Facade, serving
from conformance.shards import group_arrays

HERE = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    """Warnings of other people's clients are not errors of this project."""
    config.addinivalue_line("filterwarnings", "default")
    config.pluginmanager.register(report.Recorder(config), "compatibility-recorder")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--compatibility FILE`` writes the table of clients and operations."""
    parser.addoption("--compatibility", type=Path, help="write the compatibility table to this Markdown file")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the server under test shows; filled by `samples`."""
    return tmp_path_factory.mktemp("served") / "data"


@pytest.fixture(scope="session")
def samples(folder: Path) -> dict[str, Sample]:
    """What each image must look like, by its group in the bucket ``images``."""
    return make_folder(folder)


@pytest.fixture(scope="session")
def tree(folder: Path, samples: dict[str, Sample]) -> dict[str, int]:
    """Relative path and size of every file in the folder."""
    assert samples
    return {p.relative_to(folder).as_posix(): p.stat().st_size for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="session")
def folder_bytes(folder: Path, tree: dict[str, int]) -> dict[str, bytes]:
    """Contents of a few files of unlike size and name."""
    names = ("slide.svs", "many/7.txt", "deep/größe/a b+c.tif", "two.ome.tif")
    return {name: (folder / name).read_bytes() for name in names if tree[name] > 300}


@pytest.fixture(scope="session")
def facade(folder: Path, samples: dict[str, Sample], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Facade]:
    """The real server over the folder, in its own process; it must end cleanly."""
    assert samples
    with serving(folder, log=tmp_path_factory.mktemp("server") / "log.txt") as running:
        yield running


@pytest.fixture(scope="session")
def levels(facade: Facade, samples: dict[str, Sample]) -> dict[str, list[tuple[int, ...]]]:
    """Shapes of the levels that the server offers, by group."""

    def fetch(key: str, start: int | None, stop: int | None) -> bytes:
        assert start is None
        assert stop is None
        with urllib.request.urlopen(f"{facade.url}/images/{urllib.parse.quote(key)}", timeout=60) as answer:
            return bytes(answer.read())

    return {name: [array.shape for array in group_arrays(fetch, name)] for name in samples}


@pytest.fixture(autouse=True, scope="session")
def _anonymous_aws() -> Iterator[None]:
    """No credentials, profiles or endpoints of the machine reach a client."""
    patch = pytest.MonkeyPatch()
    for name in [n for n in os.environ if n.startswith(("AWS_", "RCLONE_"))]:
        patch.delenv(name)
    patch.setenv("AWS_CONFIG_FILE", "/dev/null")
    patch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    patch.setenv("RCLONE_CONFIG", "/dev/null")
    yield
    patch.undo()


MISSING = ("is not installed", "not installed (", "not built", "could not import")
"""What a skip says when something should have been installed, not when a client lacks a feature."""


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In continuous integration, a client that is skipped because it was not installed is a failure."""
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if not os.environ.get("CI") or terminal is None:
        return
    reasons = {str(report.longrepr) for report in terminal.stats.get("skipped", ())}
    hidden = sorted(reason for reason in reasons if any(mark in reason for mark in MISSING))
    if hidden:
        terminal.write_line(f"skipped for want of an installation: {hidden}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
