"""The disk cache: never wrong, never full, never in the way; whatever happens to its files or its processes."""

from __future__ import annotations

import logging
import os
import random
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3facade.core.operators import Block
from s3facade.engine import disk as module
from s3facade.engine.disk import Disk
from s3facade.engine.flight import Cancelled, Work
from s3facade.engine.locks import Locks
from s3facade.engine.shelves import weight

U8 = np.dtype(np.uint8)


def expected(key: object, shape: tuple[int, ...] = (1000,), dtype: np.dtype = U8) -> Block:
    """What every process would make for a key."""
    generator = np.random.default_rng(abs(hash(("x", key))) % 2**32 if isinstance(key, int) else 0)
    return generator.integers(0, 100, shape).astype(dtype)


class Maker:
    def __init__(self) -> None:
        self.made = 0

    def get(self, disk: Disk, key: object, shape: tuple[int, ...] = (1000,), dtype: np.dtype = U8) -> Block:
        def make() -> Block:
            self.made += 1
            return expected(key, shape, dtype)

        found = disk.array(key, shape, dtype, make, Work())
        np.testing.assert_array_equal(found, expected(key, shape, dtype))
        return found


def files(folder: Path) -> list[Path]:
    """Entries, and what is being written."""
    return [Path(e.path) for place in folder.glob("*/??") for e in os.scandir(place)]


def used(folder: Path) -> int:
    return sum(weight(p.stat().st_size) for p in files(folder))


def in_children(count: int, body: Callable[[int], None]) -> list[int]:
    """Fork processes that each run ``body``; their pids."""
    pids = []
    for i in range(count):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                body(i)
                status = 0
            finally:
                os._exit(status)
        pids.append(pid)
    return pids


def ended(pids: list[int]) -> list[int]:
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.mark.parametrize("dtype", ["uint8", "bool", "int16", "float32", "float16", "complex64"])
def test_what_was_made_once_is_read_by_everybody(folder: Path, dtype: str) -> None:
    maker, kind = Maker(), np.dtype(dtype)
    for _ in range(2):
        disk = Disk(str(folder), 1 << 20)
        block = maker.get(disk, ("identity", 2, (0, 1)), (3, 5, 7), kind)
        assert block.dtype == kind
        maker.get(disk, ("identity", 2, (0, 1)), (3, 5, 7), kind)
    assert maker.made == 1
    assert (disk.hits, disk.misses) == (2, 0)
    assert disk.held() == used(folder) == 4096


def test_another_key_or_other_versions_of_libraries_are_something_else(folder: Path) -> None:
    maker = Maker()
    for epoch in ("a", "b"):
        for key in (1, 2, "../../1", "/etc/passwd", "\0", "\udc80"):
            maker.get(Disk(str(folder), 1 << 20, epoch), key)
    assert maker.made == 12
    assert all(p.relative_to(folder).parts[0].startswith("blocks-") for p in files(folder))


def test_nobody_else_may_look_into_it(folder: Path) -> None:
    before = os.umask(0)
    try:
        Maker().get(Disk(str(folder), 1 << 20), 1)
    finally:
        os.umask(before)
    for path in [*folder.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_folder_that_is_open_to_others_is_closed_and_one_of_somebody_else_is_not_used(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk = Disk(str(folder), 1 << 20)
    os.makedirs(disk.root, 0o777)
    Maker().get(disk, 1)
    assert os.stat(disk.root).st_mode & 0o077 == 0
    if os.geteuid() == 0:
        os.chown(disk.root, 4711, 4711)
        maker, disk = Maker(), Disk(str(folder), 1 << 20)
        for _ in range(2):
            maker.get(disk, 1)
        assert maker.made == 2
        assert len(caplog.messages) == 1


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_whatever_happens_to_a_file_it_is_never_served(lasting: Path, data: st.DataObject) -> None:
    folder = lasting
    maker, disk = Maker(), Disk(str(folder), 1 << 20)
    for path in files(folder):
        path.unlink()
    disk.held()
    Path(disk.root, "sizes").unlink()
    disk.close()
    for key in range(3):
        maker.get(disk, key)
    path = data.draw(st.sampled_from(files(folder)))
    content = bytearray(path.read_bytes())
    kind = data.draw(st.sampled_from(["flip", "truncate", "extend", "zeros", "swap", "garbage"]))
    if kind == "flip":
        for bit in data.draw(st.lists(st.integers(0, 8 * len(content) - 1), min_size=1, max_size=4, unique=True)):
            content[bit // 8] ^= 1 << bit % 8
    elif kind == "truncate":
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    elif kind == "extend":
        content += data.draw(st.binary(min_size=1, max_size=9))
    elif kind == "zeros":
        content[:] = bytes(len(content))
    elif kind == "swap":
        content[:] = next(p for p in files(folder) if p != path).read_bytes()
    else:
        content[:] = data.draw(st.binary(max_size=2000))
    path.write_bytes(content)
    for key in range(3):
        maker.get(disk, key)
    assert maker.made == 4
    assert disk.wrong == 1
    for key in range(3):
        maker.get(disk, key)
    assert maker.made == 4, "the damaged one was made again and kept"
    assert disk.held() >= used(folder)


@pytest.mark.parametrize("content", [b"", b"\0" * 7, b"\xff" * 2048, b"\0" * 2048, bytes(range(256)) * 20])
def test_damage_to_the_sizes_is_survived_and_mended(folder: Path, content: bytes) -> None:
    maker, disk = Maker(), Disk(str(folder), 64 * 4096)
    for key in range(30):
        maker.get(disk, key)
    Path(disk.root, "sizes").write_bytes(content)
    disk.close()
    for _ in range(2):
        for key in range(100):
            maker.get(disk, key)
    if content != b"\0" * 2048:
        assert used(folder) <= 64 * 4096
    assert used(folder) > 16 * 4096


def test_the_quota_holds_and_what_was_used_last_stays(folder: Path) -> None:
    disk, maker = Disk(str(folder), 40 * 4096), Maker()
    now = time.time_ns()
    for key in range(100):
        maker.get(disk, key)
        for path in files(folder):
            # Times apart, and old enough for a read to renew them.
            if path.stat().st_mtime_ns > now - 10**12:
                os.utime(path, ns=(now - 10**12 + key,) * 2)
        maker.get(disk, 0)
        assert disk.held() == used(folder) <= disk.quota
    made = maker.made
    for key in (0, 99, 98, 97, 96):
        maker.get(disk, key)
    assert maker.made == made
    maker.get(disk, 1)
    assert maker.made == made + 1


def test_what_is_too_large_empties_nothing(folder: Path) -> None:
    disk, maker = Disk(str(folder), 1 << 20), Maker()
    maker.get(disk, 1)
    for _ in range(2):
        maker.get(disk, 2, (200_000,))
    assert maker.made == 3
    maker.get(disk, 1)
    assert maker.made == 3


def test_the_quota_holds_at_every_moment_with_several_processes_that_write(folder: Path) -> None:
    quota = 100 * 4096

    def write(worker: int) -> None:
        disk, maker, choose = Disk(str(folder), quota), Maker(), random.Random(worker)
        for _ in range(400):
            key = choose.randrange(300)
            maker.get(disk, key, (key * 30 + 1,))

    pids = in_children(4, write)
    most = 0
    while pids:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        for pid in [*pids]:
            _, status = os.waitpid(pid, os.WUNTRACED)
            if not os.WIFSTOPPED(status):
                assert status == 0
                pids.remove(pid)
        # Nothing moves now.
        most = max(most, used(folder))
        assert most <= quota
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        time.sleep(0.02)
    assert most > quota / 2
    assert Disk(str(folder), quota).held() == used(folder)


def test_killed_writers_lose_nothing_and_leave_nothing_wrong(folder: Path) -> None:
    """Writers are killed at random moments; what they left is read whole or not at all, and counted."""
    quota, choose = 200 * 8192, random.Random(7)
    shapes = [(key * 33 + 1,) for key in range(1009)]

    def write(worker: int) -> None:
        disk, maker, keys = Disk(str(folder), quota), Maker(), random.Random(os.getpid())
        while True:
            key = keys.randrange(1009)
            # A wrong array would end this process before it is killed.
            maker.get(disk, key, shapes[key])

    for _ in range(12):
        before = {*files(folder)}
        pids = in_children(3, write)
        while len({*files(folder)} - before) < 10:
            time.sleep(0.01)
        time.sleep(choose.uniform(0.0, 0.1))
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        assert set(ended(pids)) == {-signal.SIGKILL}
        assert used(folder) <= quota
    survivors = len([p for p in files(folder) if p.name != "new"])
    assert survivors > 50
    disk, maker = Disk(str(folder), 100 * quota), Maker()
    assert disk.held() >= used(folder)
    for key in range(1009):
        maker.get(disk, key, shapes[key])
    assert disk.wrong == 0
    assert disk.hits == survivors
    disk, maker = Disk(str(folder), quota), Maker()
    for key in range(1009, 1100):
        maker.get(disk, key)
    assert used(folder) <= disk.held() <= quota


def test_two_processes_that_need_the_same_make_it_once(folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "made"
    start = time.monotonic() + 0.3

    def ask(_: int) -> None:
        disk = Disk(str(folder), 1 << 20)

        def make() -> Block:
            with log.open("a") as file:
                file.write("x")
            time.sleep(0.1)
            return expected(1)

        disk.held()
        time.sleep(max(0.0, start - time.monotonic()))
        np.testing.assert_array_equal(disk.array(1, (1000,), U8, make, Work()), expected(1))

    assert ended(in_children(6, ask)) == [0] * 6
    assert log.read_text() == "x"


def test_who_dies_while_making_something_keeps_nobody_waiting(folder: Path, tmp_path: Path) -> None:
    begun = tmp_path / "begun"

    def hang() -> Block:
        begun.touch()
        time.sleep(60)
        return expected(1)

    pids = in_children(1, lambda _: Disk(str(folder), 1 << 20).array(1, (1000,), U8, hang, Work()))
    while not begun.exists():
        time.sleep(0.01)
    maker, disk = Maker(), Disk(str(folder), 1 << 20)
    kill = threading.Timer(0.2, lambda: os.kill(pids[0], signal.SIGKILL))
    began = time.monotonic()
    kill.start()
    maker.get(disk, 1)
    assert maker.made == 1
    assert time.monotonic() - began > 0.19
    kill.join()
    assert ended(pids) == [-signal.SIGKILL]


def test_waiting_for_another_process_can_be_called_off(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(str(folder), 1 << 20)
    disk.held()
    name = disk._name(1)
    other = Locks(os.path.join(disk.root, "locks"))
    assert other.take(256 + int.from_bytes(name[1:8], "big"))
    work = Work()
    threading.Timer(0.1, lambda: setattr(work, "cancelled", True)).start()
    with pytest.raises(Cancelled):
        disk.array(1, (1000,), U8, lambda: expected(1), work)
    # And it does not last for ever.
    monkeypatch.setattr(module, "FLIGHT", 0.05)
    maker = Maker()
    maker.get(disk, 1)
    assert maker.made == 1


def test_a_process_that_has_stopped_is_waited_for_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FLIGHT", 0.5)
    disk = Disk(str(folder), 1 << 20)
    disk.held()
    stopped = Locks(os.path.join(disk.root, "locks"))
    for key in range(10):
        assert stopped.take(module.COUNT + int.from_bytes(disk._name(key)[1:8], "big"))
    maker, begun = Maker(), time.monotonic()
    for key in range(10):
        maker.get(disk, key)
    assert 0.5 <= time.monotonic() - begun < 2
    assert maker.made == 10
    monkeypatch.setattr(disk, "_alone", 0.0)
    del stopped
    maker.get(disk, 11)
    assert maker.made == 11


def test_it_may_be_made_and_used_before_the_fork(folder: Path) -> None:
    disk, maker = Disk(str(folder), 100 * 4096), Maker()
    maker.get(disk, 1)

    def use(worker: int) -> None:
        mine = Maker()
        mine.get(disk, 1)
        assert mine.made == 0
        for key in range(30):
            mine.get(disk, 1000 + worker * 1000 + key)

    assert ended(in_children(3, use)) == [0] * 3
    assert disk.held() == used(folder) == 91 * 4096


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file may grow beyond 2,000 bytes: writing fails half way, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2100, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_disk_that_takes_nothing_more_is_read_still_and_written_to_later(
    folder: Path, small_files: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    disk, maker = Disk(str(folder), 1 << 20), Maker()
    maker.get(disk, 1)
    for key in range(2, 12):
        maker.get(disk, key, (5000,))
    maker.get(disk, 1)
    assert maker.made == 11
    assert len(files(folder)) == 1
    assert [r.levelno for r in caplog.records] == [logging.WARNING]
    assert disk.held() == used(folder) == 4096
    now = time.monotonic()
    monkeypatch.setattr(module.time, "monotonic", lambda: now + 61)
    maker.get(disk, 12)
    maker.get(disk, 12)
    assert maker.made == 12


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB; for root alone."""
    import subprocess

    place = tmp_path / "tiny"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", place]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a file system can be mounted by root alone")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_disk_smaller_than_the_quota_does_not_stay_full(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    disk, maker = Disk(str(tiny), 1 << 30), Maker()
    for key in range(1000):
        maker.get(disk, key, (4000,))
    assert os.statvfs(tiny).f_bavail > 20
    assert len(caplog.messages) == 1
    assert "No space left" in caplog.text
    made = maker.made
    for key in range(1000):
        maker.get(disk, key, (4000,))
    assert maker.made < made + 700, "what is there is read"


@pytest.mark.parametrize("obstacle", ["file", "link", "missing"])
def test_a_folder_that_cannot_be_used_costs_one_line_in_the_log(
    tmp_path: Path, obstacle: str, caplog: pytest.LogCaptureFixture
) -> None:
    disk = Disk(str(tmp_path / "a"), 1 << 20)
    if obstacle == "file":
        (tmp_path / "a").write_text("")
    elif obstacle == "link":
        (tmp_path / "a").mkdir()
        (tmp_path / "elsewhere").mkdir()
        os.symlink(tmp_path / "elsewhere", disk.root)
    else:
        disk = Disk("/proc/none", 1 << 20)
    maker = Maker()
    for _ in range(3):
        maker.get(disk, 1)
    assert maker.made == 3
    assert len(caplog.messages) == 1
    assert disk.held() == 0


def test_a_folder_deleted_by_hand_comes_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    disk, maker = Disk(str(folder), 1 << 20), Maker()
    maker.get(disk, 1)
    shutil.rmtree(folder)
    maker.get(disk, 2)
    now = time.monotonic()
    monkeypatch.setattr(module.time, "monotonic", lambda: now + 61)
    for _ in range(2):
        maker.get(disk, 3)
    assert maker.made == 3


def test_threads_of_one_process_write_at_once(folder: Path) -> None:
    disk = Disk(str(folder), 60 * 4096)
    failed: list[BaseException] = []

    def use(worker: int) -> None:
        maker, choose = Maker(), random.Random(worker)
        try:
            for _ in range(300):
                maker.get(disk, choose.randrange(200))
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failed.append(error)

    threads = [threading.Thread(target=use, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    assert failed == []
    assert disk.held() == used(folder) <= disk.quota
    assert len(os.listdir("/proc/self/fd")) < 200 or sys.platform != "linux"


def test_no_descriptor_stays_open(folder: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for key in range(50):
        disk = Disk(str(folder), 1 << 20)
        Maker().get(disk, key)
        disk.close()
    assert len(os.listdir("/proc/self/fd")) == before
