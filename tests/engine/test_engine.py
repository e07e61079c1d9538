"""The engine against plain slicing, and under crowds, cancellation and a small budget."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import ClassVar
from unittest.mock import patch

import numpy as np
import pytest
from arrays import ARRAY, ArrayRaster, collect, engine_of, pixels
from hypothesis import given
from hypothesis import strategies as st

from s3facade.core.errors import BadSource, Overloaded, TooCostly
from s3facade.core.image import Derived, derive
from s3facade.core.objects import Literal as Bytes
from s3facade.core.objects import Object, Packed, Run
from s3facade.core.operators import Block, Buffer, Need
from s3facade.core.region import Region
from s3facade.core.spec import Spec
from s3facade.engine.budget import Budget
from s3facade.engine.flight import Cancelled, Flights, Work
from s3facade.engine.memory import Memory


@dataclass(frozen=True)
class Doubled:
    """A pointwise transform that is kept as if it were costly: reads one row more than it gives."""

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = True

    def spec(self, source: Spec) -> Spec:
        return source

    def need(self, source: Spec, level: int, region: Region) -> Need | None:
        height = source.levels[level].shape[0]
        return Need(level, Region(region.start, (min(region.stop[0] + 1, height), region.stop[1])))

    def apply(self, source: Spec, level: int, region: Region, block: Block | None) -> Block:
        assert block is not None
        return block[: region.shape[0]] * 2


@given(st.tuples(st.integers(1, 40), st.integers(1, 40)), st.sampled_from(["plain", "kept"]), st.data())
def test_any_region_equals_slicing_the_whole(block: tuple[int, int], kept: str, data: st.DataObject) -> None:
    engine, image = engine_of(ArrayRaster(ARRAY, block))
    expected = ARRAY
    if kept == "kept":
        image = derive(image, Doubled())
        expected = ARRAY * 2
    start = tuple(data.draw(st.integers(0, n - 1)) for n in ARRAY.shape)
    stop = tuple(data.draw(st.integers(a + 1, n)) for a, n in zip(start, ARRAY.shape, strict=True))
    region = Region(start, stop)
    for _ in range(2):
        np.testing.assert_array_equal(engine.read(image, 0, region), expected[region.slices()])
    engine.close()


async def test_a_stream_equals_the_segments_it_is_made_of() -> None:
    engine, image = engine_of(ArrayRaster(ARRAY, (16, 16)))
    rows = Run(57, 83 * 2, lambda i: pixels(image, Region((i, 0), (i + 1, 83))))
    padded = pixels(image, Region((50, 80), (57, 83)), (8, 8))
    obj = Object((Bytes(b"head"), rows, padded))
    corner = np.zeros((8, 8), np.uint16)
    corner[:7, :3] = ARRAY[50:, 80:]
    whole = b"head" + ARRAY.tobytes() + corner.tobytes()
    assert obj.size == len(whole)
    for start, stop in ((0, len(whole)), (3, 900), (len(whole) - 1, len(whole)), (167, 168)):
        assert await collect(engine, obj, start, stop) == whole[start:stop]
        ready = engine.ready(obj, start, stop)
        assert ready is not None
        assert b"".join(map(bytes, ready)) == whole[start:stop]
    assert engine.budget.held == 0
    engine.close()


async def test_a_hundred_clients_cost_one_computation() -> None:
    raster = ArrayRaster(ARRAY, (64, 128))
    raster.delay = 0.05
    engine, image = engine_of(raster)
    obj = Object((pixels(image, Region((0, 0), (57, 83))),))
    answers = await asyncio.gather(*(collect(engine, obj, 0, obj.size) for _ in range(100)))
    assert set(answers) == {ARRAY.tobytes()}
    assert len(raster.decoded) == 1
    engine.close()


async def test_work_that_nobody_waits_for_stops_and_gives_its_memory_back() -> None:
    raster = ArrayRaster(ARRAY, (1, 1))
    raster.delay = 0.01
    engine, image = engine_of(raster)
    obj = Object((pixels(image, Region((0, 0), (57, 83))),))
    stream = engine.stream(obj, 0, obj.size)
    reading = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.1)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await stream.aclose()
    await asyncio.sleep(0.1)
    done = len(raster.decoded)
    assert 0 < done < 100
    await asyncio.sleep(0.1)
    assert len(raster.decoded) == done
    assert engine.budget.held == 0
    engine.close()


async def test_one_broken_tile_spoils_only_its_own_pixels() -> None:
    raster = ArrayRaster(ARRAY, (16, 16))
    raster.broken = (1, 1)
    engine, image = engine_of(raster)
    with pytest.raises(BadSource, match="broken tile"):
        await collect(engine, Object((pixels(image, Region((0, 0), (57, 83))),)), 0, 10)
    good = Object((pixels(image, Region((0, 32), (57, 83))),))
    assert await collect(engine, good, 0, good.size) == ARRAY[:, 32:].tobytes()
    part = pixels(image, Region((16, 16), (17, 17)))
    packed = Packed(((part, lambda data: data),), lambda measured: repr(measured).encode(), 6, "p")
    assert await collect(engine, Object((packed,)), 0, 6) == b"[None]"
    engine.close()


async def test_what_was_measured_on_the_way_is_not_made_again_for_it() -> None:
    raster = ArrayRaster(ARRAY, (16, 128))
    engine, image = engine_of(raster)

    def measure(data: Buffer | None) -> int:
        return -1 if data is None else sum(bytes(data))

    parts = [replace(pixels(image, Region((i, 0), (min(i + 16, 57), 83))), noted=measure) for i in range(0, 57, 16)]
    packed = Packed(tuple((part, measure) for part in parts), lambda sums: str(sum(sums)).encode().rjust(20), 20, "p")
    obj = Object((*parts, packed))
    engine.memory.limit = 0
    body = await collect(engine, obj, 0, obj.size)
    assert body == ARRAY.tobytes() + str(sum(ARRAY.tobytes())).encode().rjust(20)
    # The end is begun while the pieces before it are being made: these at most are made twice.
    assert len(raster.decoded) <= len(parts) + 1
    made = len(raster.decoded)
    assert await collect(engine, obj, obj.size - 20, obj.size) == body[-20:]
    assert len(raster.decoded) == made
    engine.close()


async def test_long_streams_may_find_no_room_ahead_as_often_as_they_like() -> None:
    engine, image = engine_of(ArrayRaster(ARRAY, (57, 83)), memory=1 << 20)
    rows = Run(5000, 83 * 2, lambda i: pixels(image, Region((i % 57, 0), (i % 57 + 1, 83))))
    take, engine.budget.take = engine.budget.take, lambda *_: False  # type: ignore[method-assign]
    hold = engine.budget.hold

    async def alone(amount: int, tenant: Hashable = "") -> None:
        engine.budget.take = take  # type: ignore[method-assign]
        await hold(amount, tenant)
        engine.budget.take = lambda *_: False  # type: ignore[method-assign]

    engine.budget.hold = alone  # type: ignore[method-assign]
    engine.memory.limit = 0
    with patch("s3facade.engine.engine.PIECE", 1):
        body = await collect(engine, Object((rows,)), 0, 5000 * 83 * 2)
    assert body == b"".join(ARRAY[i % 57].tobytes() for i in range(5000))
    engine.close()


async def test_more_than_the_budget_is_refused_and_so_is_a_full_queue() -> None:
    budget = Budget(100, queue=1)
    with pytest.raises(TooCostly):
        await budget.hold(101)
    await budget.hold(80)
    waiting = asyncio.ensure_future(budget.hold(30))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await budget.hold(30)
    assert not budget.take(1), "nobody overtakes the line"
    budget.release(80)
    await waiting
    assert budget.held == 30


async def test_a_giant_waits_until_it_is_alone_and_nothing_starts_beside_it() -> None:
    budget = Budget(100, queue=9, giant=200)
    await budget.hold(1)
    giant = asyncio.ensure_future(budget.hold(150))
    small = asyncio.ensure_future(budget.hold(1))
    await asyncio.sleep(0)
    assert not giant.done()
    budget.release(1)
    await giant
    assert not small.done()
    budget.release(150)
    await asyncio.wait_for(small, 1)
    with pytest.raises(TooCostly):
        await budget.hold(201)


async def test_a_waiter_that_leaves_the_line_lets_the_next_one_through() -> None:
    budget = Budget(100, queue=9)
    await budget.hold(50)
    big = asyncio.ensure_future(budget.hold(90))
    small = asyncio.ensure_future(budget.hold(20))
    await asyncio.sleep(0)
    big.cancel()
    await asyncio.wait_for(small, 1)
    assert budget.held == 70


def test_memory_keeps_to_its_limit_and_forgets_the_oldest() -> None:
    memory = Memory(800)
    for i in range(10):
        memory.put(i, memoryview(bytes(100)))
        memory.get(0)
    assert memory.held <= 800
    assert memory.get(0) is not None
    assert memory.get(1) is None
    memory.put("giant", memoryview(bytes(101)))
    assert memory.get("giant") is None
    memory.shrink(250)
    assert memory.held == 200
    assert memory.get(0) is not None


def test_a_flight_called_off_is_taken_over_by_who_waits() -> None:
    flights = Flights()
    first, second = Work(), Work()
    began = threading.Event()
    results: list[int] = []

    def slow() -> int:
        began.set()
        while not first.cancelled:
            time.sleep(0.01)
        raise Cancelled

    def owner() -> None:
        with pytest.raises(Cancelled):
            flights.run("k", slow, first)

    threads = [
        threading.Thread(target=owner),
        threading.Thread(target=lambda: results.append(flights.run("k", lambda: 7, second))),
    ]
    threads[0].start()
    began.wait(1)
    threads[1].start()
    time.sleep(0.05)
    first.cancelled = True
    for thread in threads:
        thread.join(2)
    assert results == [7]


async def test_a_full_stream_holds_only_a_few_pieces_at_once() -> None:
    raster = ArrayRaster(np.zeros((64, 1 << 19), np.uint16), (1, 1 << 19))
    engine, image = engine_of(raster, memory=64 << 20, threads=2, queue=8)
    obj = Object((Run(64, 1 << 20, lambda i: pixels(image, Region((i, 0), (i + 1, 1 << 19)))),))
    held = [engine.budget.held async for _ in engine.stream(obj, 0, obj.size)]
    assert len(held) == 64
    assert max(held) <= engine.budget.limit
    assert isinstance(derive(image, Doubled()), Derived)
    engine.close()
