"""Local files: exact reads, and every change noticed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from s3facade.core.errors import BadSource, SourceChanged, SourceDenied, SourceNotFound, SourceUnavailable
from s3facade.core.image import Source
from s3facade.stores.local import Handles, LocalFile, describe, unchanged


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "a.bin"
    file.write_bytes(bytes(range(100)))
    return file


def test_reads_are_exact_and_never_padded(path: Path) -> None:
    file = LocalFile.open(path)
    assert file.pread(10, 5) == bytes(range(10, 15))
    for offset, nbytes in ((95, 6), (100, 1), (-1, 1)):
        with pytest.raises(BadSource, match="truncated"):
            file.pread(offset, nbytes)


def test_a_file_replaced_in_place_is_noticed(path: Path) -> None:
    file = LocalFile.open(path)
    file.pread(0, 1)
    before = describe(str(path))
    other = path.with_name("b")
    other.write_bytes(bytes(100))
    os.utime(other, ns=(before.modified, before.modified))
    other.replace(path)
    assert not unchanged(before), "same size and time, other inode"
    with pytest.raises(SourceChanged):
        file.stream()


def test_a_file_written_to_is_noticed_even_through_an_open_descriptor(path: Path) -> None:
    file = LocalFile.open(path)
    file.pread(0, 1)
    with path.open("r+b") as stream:
        stream.write(b"xyz")
        stream.flush()
        os.utime(path, ns=(1, 1))
    with pytest.raises(SourceChanged):
        file.pread(0, 3)


def test_a_file_that_is_gone_is_unavailable_not_absent(path: Path) -> None:
    file = LocalFile.open(path)
    path.unlink()
    with pytest.raises(SourceUnavailable):
        LocalFile.open(path)
    with pytest.raises(SourceUnavailable):
        file.pread(0, 1)


def test_siblings_stay_inside_the_folder(path: Path, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "c.bin").write_bytes(b"c")
    file = LocalFile.open(path)
    assert file.sibling("sub/c.bin").pread(0, 1) == b"c"
    inner = LocalFile.open(tmp_path / "sub" / "c.bin")
    for name in ("../a.bin", "/etc/passwd", "../../x"):
        with pytest.raises(SourceDenied):
            inner.sibling(name)
    with pytest.raises(SourceNotFound, match="missing"):
        file.sibling("none.tif")


def test_descriptors_are_bounded_and_closed_with_their_last_user(tmp_path: Path) -> None:
    handles = Handles(limit=2)
    paths = [tmp_path / str(i) for i in range(4)]
    for path in paths:
        path.write_bytes(b"x")
    borrowed = handles.borrow(describe(str(paths[0])))
    fds = [handles.borrow(describe(str(p))).fd for p in paths[1:]]
    assert os.pread(borrowed.fd, 1, 0) == b"x", "evicted, but still in use"
    assert len(set(fds)) >= 2
    fd = borrowed.fd
    del borrowed
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_parts_that_need_not_be_there(path: Path, tmp_path: Path) -> None:
    file = LocalFile.open(path)
    (tmp_path / "0" / "1").mkdir(parents=True)
    (tmp_path / "0" / "1" / "2").write_bytes(b"c")
    (tmp_path / "0" / "3").symlink_to("1/2")
    for name in ("0/1/2", "0/3", "0/x/../1/2"):
        found = file.find(name)
        assert found is not None
        assert found.pread(0, 1) == b"c"
    for name in ("0/1/3", "none", "0/1/2/3"):
        assert file.find(name) is None
    (tmp_path / "0" / "4").symlink_to("not yet")
    (tmp_path / "0" / "5").symlink_to("../gone")
    for name in ("0/4", "0/5/1"):
        with pytest.raises(SourceUnavailable):
            file.find(name)
    (tmp_path / "0" / "out").symlink_to("/etc")
    for name in ("../x", "/etc/passwd", "0/out/passwd", "0/out/none", "0", "a\0b", "a\ud800"):
        with pytest.raises(SourceDenied):
            file.find(name)


def test_a_part_is_not_absent_where_the_whole_folder_is(path: Path, tmp_path: Path) -> None:
    file = LocalFile.open(path)
    assert file.find("part") is None
    path.rename(tmp_path / "elsewhere")
    with pytest.raises(SourceChanged):
        file.find("part")


def test_a_folder_that_may_not_be_entered_is_an_error_not_an_absence(tmp_path: Path, path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("for root there are no permissions")
    (tmp_path / "0").mkdir(mode=0)
    try:
        for look in (LocalFile.open(path).find, LocalFile.open(path).sibling):
            with pytest.raises(SourceDenied):
                look("0/1")
    finally:
        (tmp_path / "0").chmod(0o700)


def test_links_that_lead_back_are_not_listed(tmp_path: Path) -> None:
    for name in ("a", "b", "b/c"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "self").symlink_to(".")
    (tmp_path / "a" / "up").symlink_to("..")
    (tmp_path / "a" / "to_b").symlink_to("../b")
    (tmp_path / "b" / "to_a").symlink_to("../a")
    (tmp_path / "b" / "link").symlink_to("../file")
    (tmp_path / "latest").symlink_to("b")
    file = LocalFile.open(tmp_path / "file")
    assert file.names() == ["a/", "b/", "file", "latest/"]
    assert file.names("a") == ["to_b/"]
    assert file.names("a/to_b") == ["c/", "link"]
    assert file.names("b") == ["c/", "link", "to_a/"]
    assert file.names("b/to_a") == []


def test_siblings_are_called_as_whoever_walks_through_the_folder_calls_them(tmp_path):
    (tmp_path / "real/below").mkdir(parents=True)
    for name in ("a", "b", "below/c"):
        (tmp_path / "real" / name).write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    asked: dict[str, Source | None] = {}
    given = str(tmp_path / "link")
    file = LocalFile(describe(f"{given}/a"), asked)
    assert file.sibling("b").source.path == f"{given}/b"
    assert file.sibling("below/c").sibling("c").source.path == f"{given}/below/c"
    assert file.folder("below").source.path == f"{given}/below"
    assert file.folder().source.path == given
    assert file.find("below/c").source.path == f"{given}/below/c"
    with pytest.raises(SourceNotFound):
        file.sibling("none")
    assert set(asked) == {f"{given}/{name}" for name in ("b", "below/c", "below", "none")} | {given}
    with pytest.raises(SourceDenied):
        file.sibling("../link2/x")
    (tmp_path / "real/below/again").symlink_to(tmp_path / "real")
    assert file.names("below") == ["c"]
