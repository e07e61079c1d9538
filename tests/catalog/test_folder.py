"""Folders as key spaces, at the edges of what a key can say."""

import os
import subprocess
import threading
from contextlib import suppress

import pytest

from s3facade.catalog.folder import Folder
from s3facade.core.errors import SourceUnavailable
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
    below(abyss, ["a"] * 600)
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


def test_links(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "a" / "b").mkdir(parents=True)
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (root / "a" / "f").write_text("f")
    for place, target in (
        ("to-file", "a/f"), ("to-folder", "a"), ("out", "../outside"), ("out-file", "../outside/secret"),
        ("circle", "circle"), ("nowhere", "none"), ("a/b/up", ".."), ("root", "."), ("through", "out/secret"),
    ):  # fmt: skip
        (root / place).symlink_to(target)
    os.mkfifo(root / "pipe")
    assert keys(root) == ["a/f", "to-file", "to-folder/f"]


def test_a_link_that_vanishes_while_its_folder_is_listed_takes_nothing_with_it(tmp_path, monkeypatch):
    (tmp_path / "kept").write_text("x")
    (tmp_path / "link").symlink_to("kept")
    honest = os.open

    def gone(path, *rest, **more):
        if str(path).endswith("link"):
            raise FileNotFoundError(path)
        return honest(path, *rest, **more)

    monkeypatch.setattr(os, "open", gone)
    monkeypatch.setattr(os.path, "realpath", lambda p, **_: gone(p, os.O_RDONLY) and p)
    assert list(Folder(str(tmp_path), str(tmp_path), real=str(tmp_path)).open().children) == ["kept"]


@pytest.mark.skipif(not hasattr(os, "O_PATH"), reason="without handles on paths two looks are needed")
@pytest.mark.parametrize("folder", [False, True])
def test_what_is_swapped_for_a_link_is_never_read(tmp_path, folder):
    """Two threads: one swaps, one looks; a secret is known by its size."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "f").write_bytes(b"s" * 999)
    (root / "a").mkdir()
    (root / "a" / "f").write_bytes(b"p")
    inner, target = ("a", outside) if folder else ("a/f", outside / "f")
    (root / "link").symlink_to(target)
    stop = threading.Event()

    def swap():
        while not stop.is_set():
            os.rename(root / inner, root / "aside")
            os.rename(root / "link", root / inner)
            os.rename(root / inner, root / "link")
            os.rename(root / "aside", root / inner)

    thread = threading.Thread(target=swap)
    thread.start()
    sizes = set()
    try:
        tree = Deferred(Folder(str(root), str(root)))
        for _ in range(4000):
            with suppress(SourceUnavailable):
                found = find(tree, "a/f", opened)
                sizes.add(found and found.size)
    finally:
        stop.set()
        thread.join()
    assert sizes <= {None, 1}
    assert 1 in sizes


def test_a_folder_given_as_a_link_is_where_the_link_leads_now(tmp_path):
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text("x")
    link = tmp_path / "current"
    link.symlink_to("old")
    tree = Deferred(Folder(os.path.realpath(link), str(link)))
    assert find(tree, "old", opened)
    link.unlink()
    link.symlink_to("new")
    assert find(tree, "new", opened)
    assert not find(tree, "old", opened)


def test_a_folder_that_becomes_a_link_is_not_empty_but_unavailable(tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "f").write_text("x")
    tree = Deferred(Folder(str(tmp_path / "here"), str(tmp_path / "here")))
    assert find(tree, "f", opened)
    (tmp_path / "here").rename(tmp_path / "there")
    (tmp_path / "other").mkdir()
    (tmp_path / "here").symlink_to("other")
    with pytest.raises(SourceUnavailable):
        find(tree, "f", opened)


@pytest.mark.skipif(not hasattr(os, "O_PATH"), reason="only handles have names of their own")
def test_a_system_that_gives_files_other_names(tmp_path, monkeypatch):
    (tmp_path / "root" / "a").mkdir(parents=True)
    (tmp_path / "root" / "a" / "f").write_text("x")
    (tmp_path / "secret").write_text("x")
    (tmp_path / "root" / "out").symlink_to("../secret")
    (tmp_path / "root" / "in").symlink_to("a/f")
    honest = os.readlink

    def renamed(path, **more):
        return ("/elsewhere" if str(path).startswith("/proc") else "") + honest(path, **more)

    monkeypatch.setattr(os, "readlink", renamed)
    assert keys(tmp_path / "root") == ["a/f", "in"]
