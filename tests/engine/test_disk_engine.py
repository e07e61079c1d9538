"""The engine with a disk cache: computed once for all workers and after a restart, damage never kept."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import tifffile
from arrays import ARRAY, ArrayRaster, ArrayReader, collect, pixels

from s3facade.core.image import Image, derive
from s3facade.core.objects import Object, Packed
from s3facade.core.operators import Block, Need
from s3facade.core.region import Region
from s3facade.core.spec import Spec
from s3facade.engine.disk import Disk
from s3facade.engine.engine import Engine, EngineLimits
from s3facade.readers.tiff.reader import TiffReader


@dataclass(frozen=True)
class Logged:
    """Adds one; slowly, and telling a file."""

    log: str
    version: ClassVar[int] = 1
    keep: ClassVar[bool] = True

    def spec(self, source: Spec) -> Spec:
        return source

    def need(self, source: Spec, level: int, region: Region) -> Need | None:
        height = source.levels[level].shape[0]
        return Need(level, Region(region.start, (min(region.stop[0] + 1, height), region.stop[1])))

    def apply(self, source: Spec, level: int, region: Region, block: Block | None) -> Block:
        assert block is not None
        with open(self.log, "a") as file:
            file.write(f"{region.start}\n")
        time.sleep(0.05)
        return block[: region.shape[0]] + np.uint16(1)


def build(folder: Path, raster: ArrayRaster) -> tuple[Engine, Image]:
    engine = Engine(lambda _: ArrayReader(raster), EngineLimits(), Disk(str(folder / "cache"), 1 << 22))
    image = engine.rasters.describe("", "array", {})[0]
    return engine, derive(image, Logged(str(folder / "log")))


def computed(folder: Path) -> list[str]:
    log = folder / "log"
    return sorted(log.read_text().splitlines()) if log.exists() else []


async def test_what_one_engine_computed_the_next_one_reads(tmp_path: Path) -> None:
    for _ in range(2):
        engine, image = build(tmp_path, ArrayRaster(ARRAY, (32, 64)))
        obj = Object((pixels(image, Region((0, 0), (50, 83))),))
        assert await collect(engine, obj, 0, obj.size) == (ARRAY[:50] + 1).tobytes()
        engine.close()
    assert computed(tmp_path) == ["(0, 0)", "(0, 64)", "(32, 0)", "(32, 64)"]


def test_a_hundred_clients_over_two_processes_cost_one_computation(tmp_path: Path) -> None:
    start = time.monotonic() + 0.3

    async def crowd() -> None:
        engine, image = build(tmp_path, ArrayRaster(ARRAY, (64, 128)))
        obj = Object((pixels(image, Region((0, 0), (50, 83))),))
        await asyncio.sleep(max(0.0, start - time.monotonic()))
        answers = await asyncio.gather(*(collect(engine, obj, 0, obj.size) for _ in range(50)))
        assert set(answers) == {(ARRAY[:50] + 1).tobytes()}

    pids = []
    for _ in range(2):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                asyncio.run(crowd())
                status = 0
            finally:
                os._exit(status)
        pids.append(pid)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0, 0]
    assert computed(tmp_path) == ["(0, 0)"]


async def test_documents_are_kept_unless_a_part_of_them_could_not_be_read(tmp_path: Path) -> None:
    raster = ArrayRaster(ARRAY, (16, 16))
    raster.broken = (1, 1)
    answers = []
    for _ in range(3):
        engine, image = build(tmp_path, raster)
        part = pixels(engine.rasters.describe("", "array", {})[0], Region((16, 16), (17, 17)))
        packed = Packed(((part, lambda data: data is None),), lambda measured: repr(measured).encode().ljust(9), 9, "p")
        answers.append(await collect(engine, Object((packed,)), 0, 9))
        engine.close()
        raster.broken = (9, 9) if len(answers) == 2 else raster.broken
        del image
    assert answers == [b"[True]   ", b"[True]   ", b"[False]  "]
    decoded = len(raster.decoded)
    engine, _ = build(tmp_path, raster)
    packed = Packed((), lambda measured: b"", 9, "p")
    assert await collect(engine, Object((packed,)), 0, 9) == b"[False]  "
    assert len(raster.decoded) == decoded
    engine.close()


def test_what_was_read_from_a_file_just_written_does_not_outlive_the_process(tmp_path: Path) -> None:
    # Two writes may have the same time of modification, and so one fingerprint for two contents.
    path, then = tmp_path / "a.tif", time.time_ns()
    box = Region((0, 0), (57, 83))
    for age, value in ((0, 1), (0, 2), (10**10, 3), (10**10, 4)):
        with path.open("r+b" if path.exists() else "w+b") as file:
            tifffile.imwrite(file, np.full((57, 83), value, np.uint16), tile=(16, 16))
        os.utime(path, ns=(then - age, then - age))
        engine = Engine(lambda _: TiffReader(), EngineLimits(), Disk(str(tmp_path / "cache"), 1 << 22))
        image = derive(engine.rasters.describe(str(path), "tiff", {})[0], Logged(str(tmp_path / "log")))
        # What is older is kept, and believed.
        expected = 4 if value == 4 else value + 1
        assert np.unique(engine.read(image, 0, box)).tolist() == [expected]
        engine.close()
