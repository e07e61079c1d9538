"""Folders as key spaces, at the edges of what a key can say."""

import os
import subprocess

import pytest

from s3facade.catalog.folder import Folder
from s3facade.core.keyspace import Deferred, find, scan


def keys(root):
    tree = Deferred(Folder(str(root), str(root)))
    found = [e.key for e in scan(tree, resolve=opened)]
    assert all(find(tree, key, opened) for key in found)
    return found


def opened(node):
    return node.token.open()


def below(root, names):
    """Make the folders ``names``, one in the other, however long that path gets, with a file in the last."""
    at = os.open(root, os.O_RDONLY)
    for name in names:
        os.mkdir(name, dir_fd=at)
        inner = os.open(name, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = inner
    os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=at))
    os.close(at)


@pytest.fixture
def abyss(tmp_path):
    yield tmp_path
    # What pytest clears away old folders with is recursive, and would end in such a depth.
    subprocess.run(["rm", "-rf", *tmp_path.iterdir()], check=True)


def test_folders_deeper_than_any_key(abyss):
    below(abyss, ["a"] * 1100)
    below(abyss, ["b"] * 511)
    (abyss / "c").write_text("x")
    assert keys(abyss) == ["b/" * 511 + "f", "c"]


def test_keys_of_1024_bytes_and_no_more(tmp_path):
    for last, shown in ((1024 - 4 * 201, True), (1025 - 4 * 201, False)):
        root = tmp_path / str(last)
        folder = root / "/".join(["\u00fc" * 100] * 4)
        folder.mkdir(parents=True)
        (folder / ("x" * last)).write_text("")
        (folder / ("y" * (last - 1))).mkdir()
        (folder / ("y" * (last - 1)) / "z").write_text("")
        found = keys(root)
        assert [len(key.encode()) for key in found] == ([1024] if shown else [])
