"""The process lane: what a reader does to its process happens to no one else."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import psutil
import pytest
import tifffile
from reckless import RecklessReader

from s3facade.core.errors import BadSource, TimedOut, Unsupported
from s3facade.core.region import Region
from s3facade.engine import isolated
from s3facade.engine.engine import Engine, EngineLimits
from s3facade.engine.isolated import PORTABLE
from s3facade.readers.tiff.reader import TiffReader

ARRAY = np.arange(64 * 48, dtype=np.uint16).reshape(64, 48)
READERS = {"reckless": RecklessReader(), "tiff": TiffReader()}


@pytest.fixture
def engine():
    made = Engine(READERS.__getitem__, EngineLimits(deadline=20, isolated=2, memory=128 << 20))
    yield made
    made.close()
    until = time.monotonic() + 10
    while children() and time.monotonic() < until:
        time.sleep(0.02)
    assert not children()


def children():
    found = []
    for process in psutil.Process().children():
        with contextlib.suppress(psutil.Error):  # it may end while it is looked at
            if "isolated_child" in " ".join(process.cmdline()):
                found.append(process)
    return found


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "a.raw"
    file.write_bytes(b"anything")
    return str(file)


def whole(image):
    return Region.whole(image.spec.levels[0].shape)


def test_pixels_and_description_come_through(engine, path):
    image = engine.rasters.describe(path, "reckless", {"do": "read"})[0]
    assert image.spec.attrs["pid"] != os.getpid()
    assert (image.spec.dtype, image.spec.levels[0].shape) == (np.uint16, (100, 100))
    block = engine.read(image, 0, Region((3, 4), (70, 90)))
    np.testing.assert_array_equal(block, np.add.outer(np.arange(3, 70), np.arange(4, 90)))


def test_any_reader_can_be_isolated(engine, tmp_path):
    file = tmp_path / "a.tif"
    tifffile.imwrite(file, ARRAY, tile=(16, 16), compression="zlib")
    plain = engine.rasters.describe(str(file), "tiff", {})[0]
    alone = engine.rasters.describe(str(file), "tiff", {}, isolated=True)[0]
    assert alone.spec.identity == plain.spec.identity
    for region in (whole(alone), Region((5, 7), (40, 41))):
        np.testing.assert_array_equal(engine.read(alone, 0, region), ARRAY[region.slices()])


def test_a_crash_costs_the_request_that_caused_it_and_no_other(engine, path):
    good = engine.rasters.describe(path, "reckless", {"do": "read"})[0]
    for what, said in (("segfault", "SIGSEGV"), ("abort", "SIGABRT"), ("exit", "status 3"), ("memory", "")):
        image = engine.rasters.describe(path, "reckless", {"do": what})[0]
        with pytest.raises(BadSource, match=r"crashes|damaged") as caught:
            engine.read(image, 0, whole(image))
        assert said in caught.value.private
        os.utime(path, ns=(time.time_ns(), time.time_ns()))
        good = engine.rasters.describe(path, "reckless", {"do": "read"})[0]
        assert engine.read(good, 0, Region((0, 0), (2, 2))).tolist() == [[0, 1], [1, 2]]


def test_others_go_on_while_one_crashes(engine, path, tmp_path):
    other = tmp_path / "b.raw"
    other.write_bytes(b"other")

    async def both():
        slow = engine.rasters.describe(str(other), "reckless", {"do": "sleep", "seconds": 0.5})[0]
        bad = engine.rasters.describe(path, "reckless", {"do": "segfault"})[0]
        slowly = asyncio.create_task(asyncio.to_thread(engine.read, slow, 0, whole(slow)))
        with pytest.raises(BadSource):
            await asyncio.to_thread(engine.read, bad, 0, whole(bad))
        return await slowly

    assert asyncio.run(both()).shape == (100, 100)


def test_a_file_that_crashed_its_reader_is_not_tried_again_at_once(engine, path):
    image = engine.rasters.describe(path, "reckless", {"do": "segfault"})[0]
    for _ in range(2):
        with pytest.raises(BadSource, match="crashes") as caught:
            engine.read(image, 0, whole(image))
    assert "less than a minute" in caught.value.private


def test_a_reader_that_hangs_is_killed(path):
    engine = Engine(READERS.__getitem__, EngineLimits(deadline=0.5, isolated=1, memory=128 << 20))
    image = engine.rasters.describe(path, "reckless", {"do": "sleep", "seconds": 60})[0]
    engine.rasters.describe(path, "reckless", {"do": "read"})
    begun = time.monotonic()
    with pytest.raises(TimedOut):
        engine.read(image, 0, whole(image))
    assert time.monotonic() - begun < 10
    assert not children()
    engine.close()


def test_errors_and_noise_come_through(engine, path):
    image = engine.rasters.describe(path, "reckless", {"do": "print"})[0]
    assert engine.read(image, 0, Region((0, 0), (1, 1))).tolist() == [[0]]
    with pytest.raises(Unsupported, match="colours of the north"):
        engine.rasters.describe(path, "reckless", {"do": "refuse"})
    image = engine.rasters.describe(path, "reckless", {"do": "bug"})[0]
    with pytest.raises(BadSource, match="failed") as caught:
        engine.read(image, 0, whole(image))
    assert "ZeroDivisionError" in caught.value.private


def test_nothing_is_left_when_the_server_is_killed(tmp_path, path):
    program = f"""
import sys, time
sys.path[:0] = {sys.path!r}
from reckless import RecklessReader
from s3facade.engine.engine import Engine
engine = Engine(lambda _: RecklessReader())
print(engine.rasters.describe({path!r}, "reckless", {{"do": "read"}})[0].spec.attrs["pid"], flush=True)
time.sleep(60)
"""
    server = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    child = int(server.stdout.readline())
    assert psutil.pid_exists(child)
    server.send_signal(signal.SIGKILL)
    server.wait()
    server.stdout.close()
    until = time.monotonic() + 10
    while psutil.pid_exists(child) and time.monotonic() < until:
        time.sleep(0.05)
    assert not psutil.pid_exists(child)


def told(*answer):
    data = PORTABLE.dump(answer)
    return len(data).to_bytes(8, "little") + data


@pytest.mark.parametrize(
    "answer",
    [
        b"\xff" * 7 + b"\x00" + bytes(100),
        (5).to_bytes(8, "little") + b"hello",
        told("done"),
        told("done", None, 1 << 60),
        told("done", None, 20_000),
        told("done", None, -1),
        told("done", None, "many"),
        told("error", "BadSource"),
        told("error", 1, 2, 3),
        told(),
        told("error", "NoSuchKey", "There is no such key.", ""),
    ],
)
def test_a_process_that_was_taken_over_cannot_harm_the_server(engine, path, answer):
    image = engine.rasters.describe(path, "reckless", {"do": "say", "answer": answer.hex()})[0]
    begun = time.monotonic()
    with pytest.raises(BadSource):
        engine.read(image, 0, whole(image))
    assert time.monotonic() - begun < 10
    os.utime(path, ns=(time.time_ns(), time.time_ns()))
    good = engine.rasters.describe(path, "reckless", {"do": "read"})[0]
    assert engine.read(good, 0, Region((0, 0), (2, 2))).tolist() == [[0, 1], [1, 2]]


def test_it_works_beside_thousands_of_connections(engine, path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1400:
        pytest.skip("not so many files may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1400), hard))
    opened = [os.open("/dev/null", os.O_RDONLY) for _ in range(1100)]
    try:
        image = engine.rasters.describe(path, "reckless", {"do": "read"})[0]
        assert engine.read(image, 0, Region((0, 0), (1, 1))).tolist() == [[0]]
    finally:
        for fd in opened:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_reader_that_hangs_ends_even_if_the_server_was_killed(path):
    program = f"""
import sys
sys.path[:0] = {sys.path!r}
from reckless import RecklessReader
from s3facade.core.region import Region
from s3facade.engine import isolated
from s3facade.engine import isolated
from s3facade.engine.engine import Engine, EngineLimits
from s3facade.engine.isolated import PORTABLE
isolated._START = 2.0
isolated._GRACE = 0.5
engine = Engine(lambda _: RecklessReader(), EngineLimits(deadline=1))
image = engine.rasters.describe({path!r}, "reckless", {{"do": "sleep", "seconds": 60}})[0]
print(image.spec.attrs["pid"], flush=True)
engine.read(image, 0, Region((0, 0), (1, 1)))
"""
    server = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    child = int(server.stdout.readline())
    time.sleep(0.3)
    server.kill()
    server.wait()
    server.stdout.close()
    until = time.monotonic() + 10
    while psutil.pid_exists(child) and time.monotonic() < until:
        time.sleep(0.05)
    assert not psutil.pid_exists(child)


def test_nobody_waits_for_a_process_that_cannot_be_killed(monkeypatch):
    process = isolated._Process(1 << 28)
    child = process._child
    # As if it waited for a dead disk: the kernel keeps the signal back.
    monkeypatch.setattr(child, "kill", lambda: None)
    os.kill(child.pid, signal.SIGSTOP)
    begun = time.monotonic()
    process.end()
    assert time.monotonic() - begun < 5
    monkeypatch.undo()
    child.kill()
    child.wait()


def test_large_blocks_are_not_held_by_idle_processes(engine, tmp_path):
    file = tmp_path / "large.tif"
    tifffile.imwrite(file, np.ones((5000, 5000), np.uint8), tile=(256, 256))
    image = engine.rasters.describe(str(file), "tiff", {}, isolated=True)[0]
    raster = engine.rasters.get(image)
    assert raster.read(0, whole(image)).all()
    assert not raster.read(0, whole(image)).flags.writeable
    assert all(os.fstat(p._arena).st_size == 0 for p in engine._lane._idle)


def test_a_forked_worker_starts_its_own(engine, path):
    image = engine.rasters.describe(path, "reckless", {"do": "read"})[0]
    before = {p.pid for p in children()}
    pid = os.fork()
    if pid == 0:
        try:
            block = engine.read(replace(image), 0, Region((0, 0), (2, 2)))
            own = {p.pid for p in children()}
            engine.close()
            os._exit(0 if block.tolist() == [[0, 1], [1, 2]] and own and not own & before else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert engine.read(image, 0, Region((0, 0), (1, 1))).tolist() == [[0]]
