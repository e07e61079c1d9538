"""Buckets from the sub-folders of a folder."""

import os

import pytest

from s3facade.catalog.shelf import Shelf
from s3facade.config.settings import ShelfConfig


@pytest.fixture
def root(tmp_path):
    (tmp_path / "shelf").mkdir()
    return tmp_path / "shelf"


def test_names(root):
    for name in ("one", "Two", "a_b", "x", ".hidden", "same", "Same"):
        (root / name).mkdir()
    (root / "file").write_text("")
    shelf = Shelf(ShelfConfig(root, {"Two": "two", "Same": "same"}))
    assert shelf.folders() == {"one": str(root / "one"), "two": str(root / "Two"), "same": str(root / "Same")}
    reasons = dict(shelf.others())
    assert set(reasons) == {str(root / name) for name in ("a_b", "x", "same")}
    assert "3 to 63" in reasons[str(root / "a_b")]
    assert "Another folder" in reasons[str(root / "same")]


def test_links(root):
    (root.parent / "outside").mkdir()
    (root / "one").mkdir()
    (root / "alias").symlink_to("one")
    (root / "out").symlink_to("../outside")
    (root / "loop").symlink_to("loop")
    (root / "itself").symlink_to(".")
    shelf = Shelf(ShelfConfig(root))
    assert shelf.folders() == {"one": str(root / "one"), "alias": str(root / "one")}
    assert dict(shelf.others()).keys() == {str(root / "out"), str(root / "itself")}


def test_changes_are_seen_at_once(root):
    shelf = Shelf(ShelfConfig(root))
    for i in range(20):
        (root / f"b{i:02}").mkdir()
        assert len(shelf.folders()) == i + 1
    os.rename(root / "b00", root / "other")
    assert "b00" not in shelf.folders()
    assert "other" in shelf.folders()


def test_a_folder_that_is_gone_keeps_its_buckets(root):
    shelf = Shelf(ShelfConfig(root))
    (root / "one").mkdir()
    assert list(shelf.folders()) == ["one"]
    (root / "one").rmdir()
    root.rmdir()
    assert list(shelf.folders()) == ["one"]
    root.mkdir()
    (root / "new").mkdir()
    assert list(shelf.folders()) == ["new"]
