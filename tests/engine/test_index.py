"""The index of files: what it gives is what was put, or nothing; whatever happens to its file or its processes."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from s3facade.core.errors import SourceNotFound
from s3facade.core.image import Source
from s3facade.core.protocols import Raster, SourceFile
from s3facade.engine import index as module
from s3facade.engine import structures
from s3facade.engine.index import Index
from s3facade.engine.structures import opened
from s3facade.readers.tiff.reader import TiffReader
from s3facade.stores.local import describe

MIB = 1 << 20


def value(key: int) -> bytes:
    return random.Random(key).randbytes(key % 3000)


def filled(folder: Path, count: int = 200) -> Index:
    index = Index(str(folder), 64 * MIB)
    for key in range(count):
        index.put(key, value(key))
    index.close()
    return index


def right(index: Index, count: int = 200) -> int:
    """How many are there; none of them may be wrong."""
    found = [(key, index.get(key)) for key in range(count)]
    assert all(data is None or data == value(key) for key, data in found)
    return sum(data is not None for _, data in found)


@settings(max_examples=20)
@given(st.dictionaries(st.one_of(st.text(), st.tuples(st.text(), st.integers())), st.binary(max_size=5000)))
def test_what_was_put_is_there_for_every_process_and_epoch_of_its_own(tmp_path_factory, entries) -> None:
    folder = tmp_path_factory.mktemp("index")
    first = Index(str(folder), 64 * MIB, "a")
    for key, data in entries.items():
        first.put(key, data)
    first.close()
    again, other = Index(str(folder), 64 * MIB, "a"), Index(str(folder), 64 * MIB, "b")
    assert {key: again.get(key) for key in entries} == entries
    assert all(other.get(key) is None for key in entries)
    again.close()
    other.close()


def test_nobody_else_may_look_into_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        filled(tmp_path / "index")
    finally:
        os.umask(before)
    for path in (tmp_path / "index").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0
    assert (tmp_path / "index").stat().st_mode & 0o077 == 0


@settings(max_examples=60)
@given(st.data())
def test_damage_is_never_served_and_is_mended(tmp_path_factory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("index")
    path = Path(filled(folder).path)
    content = bytearray(path.read_bytes())
    kind = data.draw(st.sampled_from(["flip", "truncate", "zeros", "garbage", "empty"]))
    if kind == "flip":
        for bit in data.draw(st.lists(st.integers(0, 8 * len(content) - 1), min_size=1, max_size=200)):
            content[bit // 8] ^= 1 << bit % 8
    elif kind == "truncate":
        del content[data.draw(st.integers(0, len(content))) :]
    elif kind == "zeros":
        start = data.draw(st.integers(0, len(content)))
        content[start : start + 4096] = bytes(len(content[start : start + 4096]))
    else:
        content[:] = data.draw(st.binary(max_size=300)) if kind == "garbage" else b""
    path.write_bytes(content)
    index = Index(str(folder), 64 * MIB)
    right(index)
    for key in range(200):
        index.put(key, value(key))
    index.close()
    index = Index(str(folder), 64 * MIB)
    right(index)
    index.close()


def test_a_file_that_is_no_database_is_replaced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    index = filled(tmp_path)
    Path(index.path).write_bytes(b"not a database" * 1000)
    assert right(index) == 0
    assert len(caplog.messages) == 1
    filled(tmp_path)
    assert right(index) == 200
    index.close()


def test_it_stays_below_its_limit_and_keeps_what_is_new(tmp_path: Path) -> None:
    index = Index(str(tmp_path), 2 * MIB)
    for key in range(4000):
        index.put(key, random.Random(key).randbytes(2000))
    index.flush()
    assert os.path.getsize(index.path) <= 2 * MIB
    kept = [key for key in range(4000) if index.get(key) is not None]
    assert kept[-1] == 3999
    assert len(kept) > 500
    assert kept[0] > 2500
    index.close()


def test_processes_write_at_once_and_are_killed(tmp_path: Path) -> None:
    index = filled(tmp_path, 10)
    assert right(index, 10) == 10
    index.close()

    def write(seed: int) -> None:
        choose = random.Random(seed)
        while True:
            key = choose.randrange(500)
            assert index.get(key) in (None, value(key))
            index.put(key, value(key))

    for round_ in range(5):
        pids = []
        for worker in range(3):
            pid = os.fork()
            if pid == 0:
                try:
                    write(10 * round_ + worker)
                finally:
                    os._exit(1)
            pids.append(pid)
        time.sleep(0.3)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        assert {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids} == {-signal.SIGKILL}
    assert right(index, 500) > 100
    db = sqlite3.connect(index.path)
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()
    index.close()


def test_a_connection_open_at_the_fork_is_not_used_by_the_child(tmp_path: Path) -> None:
    index = filled(tmp_path)
    assert right(index) == 200
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            index.put(1000, b"child")
            index.close()
            status = 0 if right(index) == 200 else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert index.get(1000) == b"child"
    index.close()


@pytest.mark.parametrize("quiet", [True, False])
def test_a_folder_that_cannot_be_used_costs_a_line_at_most(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, *, quiet: bool
) -> None:
    (tmp_path / "file").write_text("")
    index = Index(str(tmp_path / "file" / "index"), 64 * MIB, quiet=quiet)
    for key in range(200):
        index.put(key, value(key))
        assert index.get(key) is None
    index.close()
    assert len([r for r in caplog.records if r.levelname == "WARNING"]) == (0 if quiet else 1)


def test_a_busy_file_costs_the_entry_and_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT", 0.01)
    index = filled(tmp_path)
    other = sqlite3.connect(index.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    index.put(1000, b"lost")
    index.flush()
    assert right(index) == 200
    other.execute("ROLLBACK")
    other.close()
    index.put(1000, b"kept")
    index.flush()
    assert index.get(1000) == b"kept"
    index.close()


# Structure of files.


class Counting:
    """The TIFF reader, counted."""

    name: ClassVar[str] = "tiff"
    lane: ClassVar[Literal["thread", "serial", "process"]] = "thread"

    def __init__(self, version: int = 1) -> None:
        self.version = version
        self.parsed = 0
        self.inner = TiffReader()

    def sniff(self, head: bytes, name: str) -> bool:
        return self.inner.sniff(head, name)

    def open(self, file: SourceFile, options: Mapping[str, object]) -> Sequence[Raster]:
        self.parsed += 1
        return self.inner.open(file, options)

    def freeze(self, rasters):
        return self.inner.freeze(rasters)

    def thaw(self, data, files):
        return self.inner.thaw(data, files)


def old(path: Path) -> str:
    then = time.time() - 100
    os.utime(path, (then, then))
    return str(path)


def whole(raster: Raster) -> list[np.ndarray]:
    """Every cell of the first level."""
    from itertools import product

    from s3facade.core.region import grid

    table = raster.chunks(0)
    assert table is not None
    out = []
    for at in product(*map(range, grid(raster.spec.levels[0].shape, table.block))):
        cell = table.cell(at)
        data = None if cell is None else raster.files[cell.file].pread(cell.offset, cell.nbytes)
        out.append(table.decode(at, data))
    return out


CORPUS = sorted((Path(__file__).parent.parent / "corpus").glob("*.tif*"))


@pytest.mark.parametrize("path", CORPUS, ids=lambda p: p.name)
def test_every_file_of_the_corpus_is_the_same_from_the_index(path: Path, tmp_path: Path) -> None:
    index, reader = Index(str(tmp_path), 64 * MIB), Counting()
    source = describe(str(path))
    first = opened(index, reader, source, {})
    if reader.freeze(first) is None:
        pytest.skip("made from the file itself")
    index.close()
    second = opened(index, reader, source, {})
    assert reader.parsed == 1 or time.time() - path.stat().st_mtime < 10
    for one, other in zip(first, second, strict=True):
        assert one.spec == other.spec
        assert [f.source for f in one.files] == [f.source for f in other.files]
        for a, b in zip(whole(one), whole(other), strict=True):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype
    index.close()


def test_a_changed_file_another_version_and_other_options_are_parsed_again(tmp_path: Path) -> None:
    index, path = Index(str(tmp_path / "index"), 64 * MIB), tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((8, 8), np.uint8))
    old(path)
    reader = Counting()
    for _ in range(3):
        opened(index, reader, describe(str(path)), {})
        index.flush()
    assert reader.parsed == 1
    newer = Counting(version=2)
    opened(index, newer, describe(str(path)), {})
    assert newer.parsed == 1
    os.utime(path, (1, 1))
    opened(index, reader, describe(str(path)), {})
    assert reader.parsed == 2
    index.close()


def test_what_was_written_just_now_is_not_trusted(tmp_path: Path) -> None:
    index, path, reader = Index(str(tmp_path / "index"), 64 * MIB), tmp_path / "a.tif", Counting()
    tifffile.imwrite(path, np.zeros((8, 8), np.uint8))
    for _ in range(2):
        opened(index, reader, describe(str(path)), {})
        index.flush()
    assert reader.parsed == 2
    index.close()


@dataclass
class Nosy:
    """A reader that looks at other files of the folder."""

    name: ClassVar[str] = "nosy"
    version: ClassVar[int] = 1
    lane: ClassVar[Literal["thread", "serial", "process"]] = "thread"
    parsed: int = 0

    def sniff(self, head: bytes, name: str) -> bool:
        return False

    def open(self, file: SourceFile, options: Mapping[str, object]) -> Sequence[Raster]:
        self.parsed += 1
        file.sibling("member")
        try:
            file.sibling("index")
        except SourceNotFound:
            return []
        return []

    def freeze(self, rasters):
        return b""

    def thaw(self, data, files):
        assert [os.path.basename(p) for p in files] == ["member", "main"]
        return []


def test_other_files_that_it_depends_on_count_too_and_so_do_those_that_are_missing(tmp_path: Path) -> None:
    index, reader = Index(str(tmp_path / "cache"), 64 * MIB), Nosy()
    for name in ("main", "member"):
        (tmp_path / name).write_text(name)
        old(tmp_path / name)

    def look() -> int:
        opened(index, reader, describe(str(tmp_path / "main")), {})
        index.flush()
        return reader.parsed

    assert [look(), look()] == [1, 1]
    os.utime(tmp_path / "member", (5, 5))
    assert [look(), look()] == [2, 2]
    (tmp_path / "index").write_text("now it is there")
    assert look() == 3
    index.close()


def test_whole_data_of_another_shape_are_parsed_again(tmp_path: Path) -> None:
    index, path, reader = Index(str(tmp_path / "index"), 64 * MIB), tmp_path / "a.tif", Counting()
    tifffile.imwrite(path, np.zeros((8, 8), np.uint8))
    source: Source = describe(old(path))
    key = ("structure", source.path, source.etag, "tiff", 1, "")
    for data in (b"", b"{}", b"\0" * 8, structures._PORTABLE.dump(1), structures._PORTABLE.dump(([], [], b"x"))):
        index.put(key, data)
        index.flush()
        before = reader.parsed
        assert opened(index, reader, source, {})[0].spec.levels[0].shape == (8, 8)
        assert reader.parsed == before + 1
    index.close()
