"""Readers that open files in the process lane: what opening does there happens to no one else; pixels are read here."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import psutil
import pytest
from flimsy import SIZE, FlimsyReader

from s3facade.core.errors import BadSource, SourceNotFound, Unsupported
from s3facade.core.region import Region
from s3facade.engine.engine import Engine, EngineLimits
from s3facade.engine.index import Index
from s3facade.engine.isolated import IsolatedRaster, Lane
from s3facade.readers.arrays.raster import TableRaster
from s3facade.readers.hdf5.bdv_reader import BdvReader
from s3facade.readers.hdf5.reader import Hdf5Reader
from s3facade.stores.local import describe

READERS = {"flimsy": FlimsyReader(), "hdf5": Hdf5Reader(), "bdv": BdvReader()}
LONG_AGO = 10**18
WHOLE = Region((0, 0), (SIZE, SIZE))
PIXELS = np.arange(SIZE * SIZE, dtype=np.uint8).reshape(SIZE, SIZE)


def engine(deadline=20.0, index=None):
    return Engine(READERS.__getitem__, EngineLimits(deadline=deadline, isolated=2, memory=128 << 20), index=index)


@pytest.fixture
def running():
    made = engine()
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path):
    written(tmp_path / "pixels", PIXELS.tobytes())
    return tmp_path


def written(path, data, when=LONG_AGO):
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    os.utime(path, ns=(when, when))
    return str(path)


def opened(running, path, reader="flimsy", options=None):
    return running.rasters.describe(path, reader, options or {})


def test_structure_comes_from_another_process_and_pixels_are_read_here(running, folder):
    image = opened(running, written(folder / "a", "data pixels"))[0]
    assert image.spec.attrs["pid"] != os.getpid()
    assert [os.path.basename(m.path) for m in image.members] == ["a", "pixels"]
    raster = running.rasters.get(image)
    assert isinstance(raster, TableRaster)
    for child in psutil.Process().children():
        child.kill()
    np.testing.assert_array_equal(running.read(image, 0, WHOLE), PIXELS)


@pytest.mark.parametrize(("what", "said"), [("segfault", "SIGSEGV"), ("abort", "SIGABRT"), ("bug", "Division")])
def test_a_crash_costs_the_file_that_causes_it(running, folder, what, said):
    good = opened(running, written(folder / "good", "data pixels"))[0]
    with pytest.raises(BadSource) as caught:
        opened(running, written(folder / "bad", what))
    assert said in caught.value.private
    np.testing.assert_array_equal(running.read(good, 0, WHOLE), PIXELS)
    other = opened(running, written(folder / "other", "data pixels"))[0]
    np.testing.assert_array_equal(running.read(other, 0, WHOLE), PIXELS)


def test_a_file_that_crashes_is_not_tried_again_at_once(running, folder):
    path = written(folder / "bad", "segfault")
    for _ in range(2):
        with pytest.raises(BadSource, match="crashes") as caught:
            opened(running, path)
    assert "less than a minute" in caught.value.private
    with pytest.raises(SourceNotFound):
        opened(running, written(folder / "bad", "missing", LONG_AGO + 1))


def test_memory_is_bounded_there(running, folder):
    before = psutil.Process().memory_info().rss
    with pytest.raises(BadSource):
        opened(running, written(folder / "bad", "memory"))
    assert psutil.Process().memory_info().rss - before < 256 << 20


def test_what_hangs_is_ended_and_others_go_on(folder):
    running = engine(deadline=3)
    good, bad = written(folder / "good", "data pixels"), written(folder / "bad", "loop")
    opened(running, good)
    with ThreadPoolExecutor(2) as threads:
        slow = threads.submit(opened, running, bad)
        time.sleep(0.2)
        image = opened(running, written(folder / "next", "data pixels"))[0]
        np.testing.assert_array_equal(running.read(image, 0, WHOLE), PIXELS)
        assert not slow.done()
        with pytest.raises(BadSource, match="takes longer"):
            slow.result()
    begun = time.monotonic()
    with pytest.raises(BadSource, match="takes longer"):
        opened(running, bad)
    assert time.monotonic() - begun < 1, "who asks again must not keep a process from other files"
    running.close()


def test_errors_are_those_of_the_reader(running, folder):
    with pytest.raises(Unsupported, match="colours of the south"):
        opened(running, written(folder / "a", "refuse"))
    with pytest.raises(SourceNotFound, match="other half") as caught:
        opened(running, written(folder / "b", "missing"))
    assert "half" in caught.value.private
    with pytest.raises(SourceNotFound, match="nowhere"):
        opened(running, written(folder / "c", "data nowhere"))


def test_what_cannot_be_frozen_is_read_there_and_the_rest_here(running, folder):
    images = opened(running, written(folder / "a", "mixed pixels"))
    table, opaque = map(running.rasters.get, images)
    assert isinstance(table, TableRaster)
    assert isinstance(opaque, IsolatedRaster)
    np.testing.assert_array_equal(running.read(images[0], 0, WHOLE), PIXELS)
    block = running.read(images[1], 0, WHOLE)
    assert block.max() == block.min()
    assert block[0, 0] != os.getpid() % 251


def test_a_warm_index_asks_no_process(folder):
    path = written(folder / "a", "data pixels extra")
    first = engine(index=Index(str(folder / "index"), 1 << 20))
    before = opened(first, path)[0]
    first.close()
    index = Index(str(folder / "index"), 1 << 20)
    second = engine(index=index)
    after = opened(second, path)[0]
    assert not psutil.Process().children()
    assert after.spec == before.spec
    assert after.members == before.members
    np.testing.assert_array_equal(second.read(after, 0, WHOLE), PIXELS)
    second.close()
    # What was asked for and was not there has appeared.
    written(folder / "extra", "!")
    third = engine(index=Index(str(folder / "index"), 1 << 20))
    assert before.spec.attrs["extra"] == "none"
    assert opened(third, path)[0].spec.attrs["extra"] == "!"
    third.close()


@pytest.mark.parametrize("what", ["data", "opaque"])
def test_a_change_of_another_file_is_noticed(running, folder, what):
    path = written(folder / "a", f"{what} pixels")
    before = opened(running, path)[0]
    running.read(before, 0, WHOLE)
    written(folder / "pixels", PIXELS[::-1].tobytes(), LONG_AGO + 5)
    after = opened(running, path)[0]
    assert after.spec.identity != before.spec.identity
    block = running.read(after, 0, WHOLE)
    if what == "data":
        np.testing.assert_array_equal(block, PIXELS[::-1])


def test_every_process_of_the_lane_knows_the_members_as_they_are(folder):
    """One that has opened a file before does not read it as it was then."""
    path = written(folder / "a", "opaque pixels")
    lane = Lane(2, 20, 128 << 20)
    source = describe(path)
    process = lane.open(source, READERS["flimsy"], {})
    assert process[1].read(0, WHOLE).shape == (SIZE, SIZE)
    written(folder / "pixels", PIXELS[::-1].tobytes(), LONG_AGO + 5)
    again = lane.open(source, READERS["flimsy"], {})
    assert [f.source.modified for f in again[0].files] == [LONG_AGO, LONG_AGO + 5]
    np.testing.assert_array_equal(again[0].read(0, WHOLE), PIXELS[::-1])
    lane.close()


def test_hdf5_library_stays_out_of_the_server(running, folder):
    path = folder / "a.h5"
    values = np.random.default_rng(1).integers(0, 999, (64, 48), np.uint16)
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data=values, chunks=(16, 16), compression="gzip")
        file.create_dataset("b", data=values[:20, :20], track_times=False)
    images = opened(running, str(path), "hdf5")
    for image, expected in zip(images, (values, values[:20, :20]), strict=True):
        block = running.read(image, 0, Region.whole(expected.shape))
        np.testing.assert_array_equal(block, expected)
