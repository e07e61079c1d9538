"""Sizes that only computing tells: found out once, however many ask; exact, bounded, and never a wrong one."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from arrays import ARRAY, ArrayRaster, ArrayReader, collect, engine_of

from s3facade.codecs.compress import compressed
from s3facade.core.errors import BadSource, SourceChanged, TooCostly
from s3facade.core.image import Image
from s3facade.core.keyspace import File
from s3facade.core.objects import Object, Pixels
from s3facade.core.region import Region
from s3facade.engine import ledger as module
from s3facade.engine.engine import Engine, EngineLimits
from s3facade.engine.flight import Work
from s3facade.engine.index import Index
from s3facade.engine.ledger import Ledger

CODEC = compressed("zstd")


def chunk(image: Image, y: int, x: int, n: int = 16) -> Object:
    region = Region((y * n, x * n), ((y + 1) * n, (x + 1) * n)).clip(ARRAY.shape)
    return Object((Pixels(image, 0, region, (n, n), CODEC),))


def expected(y: int, x: int, n: int = 16) -> bytes:
    padded = np.zeros((n, n), np.uint16)
    part = ARRAY[y * n : (y + 1) * n, x * n : (x + 1) * n]
    padded[: part.shape[0], : part.shape[1]] = part
    return bytes(CODEC.encode(padded))


async def idle(engine: Engine) -> None:
    """Wait until nobody holds anything."""
    for _ in range(500):
        if not engine.budget.held:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("somebody still holds something")


def test_an_object_says_whether_it_knows_its_size() -> None:
    engine, image = engine_of(ArrayRaster(ARRAY, (16, 16)))
    obj = chunk(image, 1, 1)
    with pytest.raises(ValueError, match="without a size"):
        _ = obj.size
    assert obj.unsized is obj.parts[0]
    told = obj.sized(77)
    assert (told.size, told.unsized) == (77, None)
    with pytest.raises(ValueError, match="arithmetic"):
        told.sized(78)
    file = File(None, "x", "i", 0, lambda: obj).sized(77)
    assert (file.size, file.body()) == (77, told)
    engine.close()


async def test_a_hundred_who_ask_cost_one_computation() -> None:
    raster = ArrayRaster(ARRAY, (16, 16))
    raster.delay = 0.05
    engine, image = engine_of(raster)
    obj = chunk(image, 3, 5)
    sizes = await asyncio.gather(*(engine.size(obj, i % 7) for i in range(100)))
    assert (set(sizes), len(raster.decoded)) == ({len(expected(3, 5))}, 1)
    told = obj.sized(sizes[0])
    assert await collect(engine, told, 0, told.size) == expected(3, 5)
    assert await collect(engine, told, 7, 20) == expected(3, 5)[7:20]
    assert engine.ready(told, 3, 9) is not None
    assert (len(raster.decoded), engine.budget.held) == (1, 0)
    engine.close()


async def test_every_chunk_is_padded_and_compressed_as_a_whole() -> None:
    engine, image = engine_of(ArrayRaster(ARRAY, (10, 10)))
    for y in range(4):
        for x in range(6):
            obj = chunk(image, y, x)
            obj = obj.sized(await engine.size(obj, cache=False))
            assert await collect(engine, obj, 0, obj.size) == expected(y, x)
    engine.close()


def engine_with(raster: ArrayRaster, folder: Path, **limits: Any) -> tuple[Engine, Image]:
    engine = Engine(lambda _: ArrayReader(raster), EngineLimits(**limits), None, Index(str(folder), 1 << 20))
    return engine, engine.rasters.describe("", "array", {})[0]


async def test_the_next_process_knows_it(tmp_path: Path) -> None:
    sizes = []
    raster = ArrayRaster(ARRAY, (16, 16))
    for _ in range(2):
        engine, image = engine_with(raster, tmp_path)
        sizes.append([await engine.size(chunk(image, y, 0)) for y in range(4)])
        engine.close()
    assert sizes[0] == sizes[1] == [len(expected(y, 0)) for y in range(4)]
    assert len(raster.decoded) == 4


async def test_a_wrong_size_is_found_out_and_mended(tmp_path: Path) -> None:
    engine, image = engine_with(ArrayRaster(ARRAY, (16, 16)), tmp_path)
    obj = chunk(image, 0, 0)
    wrong = obj.sized(len(expected(0, 0)) + 5)
    for _ in range(2):  # from the source, and from memory
        with pytest.raises(SourceChanged, match="not of the size"):
            await collect(engine, wrong, 0, wrong.size)
    assert await engine.size(obj) == len(expected(0, 0))
    assert engine.recall(obj) == len(expected(0, 0))
    engine.close()


def test_what_is_not_a_size_is_none(tmp_path: Path) -> None:
    index = Index(str(tmp_path), 1 << 20)
    for key, data in (("short", b"1"), ("long", bytes(9))):
        index.put(("size", key), data)
    index.close()
    ledger = Ledger(index)
    assert ledger.recall("short") is None
    assert ledger.recall("long") is None
    index.close()


def test_memory_is_bounded_and_the_index_may_be_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 50)
    index = Index(str(tmp_path), 256 << 10)
    ledger = Ledger(index)
    for n in range(6000):
        ledger.remember(("key", n), n + 1)
    ledger.flush()
    assert sum(ledger.known(("key", n)) is not None for n in range(6000)) == 50
    found = [ledger.recall(("key", n)) for n in range(6000)]
    assert all(size in (None, n + 1) for n, size in enumerate(found))
    assert found[-1] == 6000
    assert (tmp_path / "index-1.sqlite").stat().st_size <= 256 << 10
    index.close()


async def test_sizes_of_many_in_order_as_far_as_time_allows() -> None:
    raster = ArrayRaster(ARRAY, (16, 16))
    engine, image = engine_of(raster)
    every = [(y, x) for y in range(4) for x in range(6)]
    objects = [chunk(image, *at) for at in every]
    assert await engine.sizes(objects, time.monotonic() + 60) == [len(expected(*at)) for at in every]
    engine.close()
    raster = ArrayRaster(ARRAY, (16, 16))
    raster.delay = 0.1
    engine, image = engine_of(raster)
    objects = [chunk(image, *at) for at in every]
    assert await engine.sizes(objects, 0.0) == [len(expected(0, 0))]
    begun = time.monotonic()
    some = await engine.sizes(objects, begun + 0.35)
    assert time.monotonic() - begun < 1
    assert 1 <= len(some) < len(every)
    assert some == [len(expected(*at)) for at in every[: len(some)]]
    await idle(engine)
    engine.close()


async def test_what_cannot_be_read_has_no_size() -> None:
    raster = ArrayRaster(ARRAY, (16, 16))
    raster.broken = (0, 1)
    engine, image = engine_of(raster)
    with pytest.raises(BadSource):
        await engine.size(chunk(image, 0, 1))
    found = await engine.sizes([chunk(image, 0, x) for x in range(3)], time.monotonic() + 60)
    assert [type(item) for item in found] == [int, BadSource, int]
    assert engine.budget.held == 0
    engine.close()


async def test_who_stops_waiting_calls_it_off() -> None:
    raster = ArrayRaster(ARRAY, (16, 16))
    raster.delay = 0.2
    engine, image = engine_of(raster)
    task = asyncio.create_task(engine.size(chunk(image, 0, 0)))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await idle(engine)
    assert await engine.size(chunk(image, 0, 0)) == len(expected(0, 0))
    engine.close()


async def test_the_budget_counts_voxels_padding_and_the_result() -> None:
    engine, image = engine_of(ArrayRaster(ARRAY, (16, 16)), memory=4 << 20)
    huge = Object((Pixels(image, 0, Region((0, 0), (1, 1)), (2048, 2048), CODEC),))
    assert engine.holds(huge) > 2 * 2048 * 2048 * 2
    with pytest.raises(TooCostly):
        await engine.size(huge)
    small = chunk(image, 0, 0)
    assert engine.measure(small, Work()) == len(expected(0, 0)) == engine.recall(small)
    engine.close()
