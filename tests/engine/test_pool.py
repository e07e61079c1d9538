"""Fairness between tenants, idle work, hanging threads, and deadlines."""

from __future__ import annotations

import asyncio
import threading
import time
from itertools import pairwise

import numpy as np
import pytest
from arrays import ARRAY, ArrayRaster, collect, engine_of, pixels
from hypothesis import given
from hypothesis import strategies as st

from s3facade.core.errors import Overloaded, TimedOut
from s3facade.core.objects import Object
from s3facade.core.region import Region
from s3facade.engine.budget import Budget
from s3facade.engine.pool import GUESTS, IDLE, SPARE, Pool


@pytest.fixture
def gate():
    opened = threading.Event()
    yield opened
    opened.set()


def order_of(submitted, gate, threads=1):
    """The order in which the jobs of ``submitted`` tenants run, all waiting before the first does."""
    pool, order = Pool(threads, "test"), []
    blocker = pool.submit(gate.wait, "blocker")
    while not blocker.running():
        time.sleep(0.001)
    jobs = [pool.submit(lambda t=tenant: order.append(t), tenant, dear=True) for tenant in submitted]
    gate.set()
    for job in jobs:
        job.result(10)
    pool.close()
    return order


def test_tenants_take_turns(gate):
    assert order_of("aaaaabbc", gate) == list("abcabaaa")


def test_idle_work_waits_for_all_others(gate):
    assert order_of([IDLE, "a", IDLE, "b", "a"], gate) == ["a", "b", "a", IDLE, IDLE]


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=40))
def test_between_two_jobs_of_a_tenant_every_other_is_served_once_at_most(tenants):
    order = order_of(tenants, threading.Event())
    assert sorted(order) == sorted(tenants)
    for tenant in set(tenants):
        places = [i for i, t in enumerate(order) if t == tenant]
        for a, b in pairwise(places):
            between = order[a + 1 : b]
            assert len(between) == len(set(between))


def test_a_job_that_waits_can_be_cancelled_and_one_that_fails_says_so(gate):
    pool = Pool(1, "test")
    pool.submit(gate.wait)
    ran = []
    waiting = pool.submit(lambda: ran.append(1))
    assert waiting.cancel()
    gate.set()
    with pytest.raises(ZeroDivisionError):
        pool.submit(lambda: 1 // 0).result(10)
    assert not ran
    pool.close()
    with pytest.raises(RuntimeError, match="closed"):
        pool.submit(print)


def test_threads_that_hang_are_replaced_and_end_when_they_come_back(gate):
    pool = Pool(2, "hang", patience=0.1)
    stuck = [pool.submit(gate.wait) for _ in range(2)]
    while not all(f.running() for f in stuck):
        time.sleep(0.001)
    time.sleep(0.15)
    for _ in range(3):
        pool.relieve()
    assert pool.submit(lambda: 7).result(10) == 7
    assert sum(t.name.startswith("hang") for t in threading.enumerate()) == 4
    gate.set()
    for future in stuck:
        future.result(10)
    until = time.monotonic() + 10
    while sum(t.name.startswith("hang") for t in threading.enumerate()) > 2 and time.monotonic() < until:
        time.sleep(0.01)
    assert sum(t.name.startswith("hang") for t in threading.enumerate()) == 2
    assert pool.submit(lambda: 8).result(10) == 8
    pool.close()


def test_not_more_threads_hang_than_allowed(gate):
    pool = Pool(1, "full", patience=0.0)
    for _ in range(SPARE + 5):
        future = pool.submit(gate.wait)
        until = time.monotonic() + 0.05
        while not future.running() and time.monotonic() < until:
            time.sleep(0.001)
        pool.relieve()
    assert sum(t.name.startswith("full") for t in threading.enumerate()) == SPARE + 1
    gate.set()
    pool.close()


def test_who_has_nothing_running_does_not_wait_for_the_long_jobs_of_others(gate):
    pool = Pool(2, "guests")
    for _ in range(20):
        pool.submit(gate.wait, "heavy", dear=True)
    for tenant in range(20):
        assert pool.submit(lambda t=tenant: t, tenant).result(10) == tenant
    # As many as there are places; who is dear has none of them.
    late = pool.submit(lambda: 1, "other", dear=True)
    stuck = [pool.submit(gate.wait, f"stuck-{i}") for i in range(GUESTS)]
    until = time.monotonic() + 10
    while not all(f.running() for f in stuck) and time.monotonic() < until:
        time.sleep(0.001)
    assert all(f.running() for f in stuck)
    waits = pool.submit(lambda: 2, "too many")
    time.sleep(0.1)
    assert not waits.done()
    assert not late.done()
    assert sum(t.name.startswith("guests") for t in threading.enumerate()) == 2 + GUESTS
    gate.set()
    assert (waits.result(10), late.result(10)) == (2, 1)
    pool.close()
    until = time.monotonic() + 10
    while any(t.name.startswith("guests") for t in threading.enumerate()) and time.monotonic() < until:
        time.sleep(0.01)
    assert not any(t.name.startswith("guests") for t in threading.enumerate())


def test_jobs_of_many_tenants_are_done_once_each_from_many_threads():
    pool, done = Pool(2, "busy"), []
    futures = []

    def ask(seed):
        for i in range(300):
            tenant = (seed * i) % 7
            futures.append(pool.submit(lambda k=(seed, i): done.append(k), tenant, dear=tenant > 4))

    crowd = [threading.Thread(target=ask, args=(seed,)) for seed in range(1, 6)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    for future in futures:
        future.result(10)
    assert len(done) == len(set(done)) == 1500
    assert not pool._tenants
    assert not pool._dear
    until = time.monotonic() + 10
    while (pool._working or pool._running or pool._hosted) and time.monotonic() < until:
        time.sleep(0.001)
    assert (pool._working, pool._running, pool._hosted) == ({}, {}, 0)
    pool.close()


async def test_a_quarter_is_kept_for_who_holds_nothing():
    budget, order = Budget(100, 100), []
    for _ in range(3):
        await budget.hold(25, "heavy")
    assert not budget.take(25, "heavy")
    waiting = [asyncio.create_task(budget.hold(25, "heavy")) for _ in range(2)]
    await asyncio.sleep(0)
    await asyncio.wait_for(budget.hold(20, "light"), 1)
    late = asyncio.create_task(budget.hold(20, "other"))
    late.add_done_callback(lambda _: order.append("other"))
    waiting[0].add_done_callback(lambda _: order.append("heavy"))
    await asyncio.sleep(0)
    assert not late.done()
    budget.release(20, "light")
    await asyncio.sleep(0.01)
    assert order == ["other"]
    budget.release(20, "other")
    # Who holds nothing and needs all of it is passed by nobody.
    giant = asyncio.create_task(budget.hold(100, "giant"))
    await asyncio.sleep(0)
    small = asyncio.create_task(budget.hold(1, "small"))
    for _ in range(3):
        budget.release(25, "heavy")
        await asyncio.sleep(0.01)
    while not giant.done():
        for task in [t for t in waiting if t.done()]:
            waiting.remove(task)
            budget.release(25, "heavy")
        await asyncio.sleep(0.01)
    budget.release(100, "giant")
    await asyncio.wait_for(small, 1)
    budget.release(1, "small")
    for task in waiting:
        await asyncio.wait_for(task, 1)
        budget.release(25, "heavy")
    assert (budget.held, budget.waiting, budget._holders) == (0, 0, {})


async def test_who_fills_the_line_shuts_out_nobody_else():
    budget = Budget(10, 2)
    await budget.hold(10, "heavy")
    waiting = [asyncio.create_task(budget.hold(10, "heavy")) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await budget.hold(1, "heavy")
    light = asyncio.create_task(budget.hold(1, "light"))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await budget.hold(1, "light")
    budget.release(10, "heavy")
    for task, tenant in ((waiting[0], "heavy"), (light, "light"), (waiting[1], "heavy")):
        await asyncio.wait_for(task, 1)
        budget.release(1 if tenant == "light" else 10, tenant)
    assert (budget.held, budget.waiting, budget._holders) == (0, 0, {})


async def test_room_is_given_to_tenants_in_turn():
    budget, order = Budget(10, 100), []
    await budget.hold(10)

    async def ask(tenant):
        await budget.hold(10, tenant)
        order.append(tenant)
        budget.release(10, tenant)

    asked = [asyncio.create_task(ask(t)) for t in "aaab"]
    await asyncio.sleep(0)
    assert budget.waiting == 4
    budget.release(10)
    await asyncio.gather(*asked)
    assert order == list("abaa")
    assert (budget.held, budget.waiting) == (0, 0)


async def test_who_leaves_the_line_leaves_nothing_behind():
    budget = Budget(10, 2)
    await budget.hold(10)
    waiting = [asyncio.create_task(budget.hold(5, t)) for t in "ab"]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await budget.hold(1, "b")
    # Cancelled in the same moment in which there is room: the one who left must not be admitted.
    waiting[0].cancel()
    budget.release(10)
    assert isinstance((await asyncio.gather(*waiting, return_exceptions=True))[0], asyncio.CancelledError)
    assert (budget.held, budget.waiting) == (5, 0)
    budget.release(5, "b")
    assert budget.take(10)


async def test_a_client_does_not_wait_longer_than_the_deadline_and_the_next_one_is_served():
    raster = ArrayRaster(ARRAY, (57, 83))
    engine, image = engine_of(raster, threads=1, deadline=0.2)
    raster.delay = 1.5
    begun = time.monotonic()
    with pytest.raises(TimedOut, match=r"0\.2 s"):
        await collect(engine, Object((pixels(image, Region((0, 0), (5, 5))),)), 0, 50)
    assert time.monotonic() - begun < 1
    raster.delay = 0.0
    other = Region((10, 10), (12, 12))
    while engine.budget.held:  # noqa: ASYNC110 - the hanging thread gives it back
        await asyncio.sleep(0.02)
    data = await collect(engine, Object((pixels(image, other),)), 0, 8)
    assert np.array_equal(np.frombuffer(data, "u2").reshape(2, 2), ARRAY[other.slices()])
    engine.close()


async def test_blocking_work_on_files_has_the_deadline_too():
    engine, _ = engine_of(ArrayRaster(ARRAY, (57, 83)), deadline=0.1)
    gate = threading.Event()
    with pytest.raises(TimedOut):
        await asyncio.gather(*(engine.run(gate.wait) for _ in range(6)))
    assert await engine.run(lambda: 5) == 5
    gate.set()
    engine.close()


async def test_threads_that_hang_are_replaced_even_if_their_clients_have_left_long_ago():
    raster = ArrayRaster(ARRAY, (20, 20))
    engine, image = engine_of(raster, threads=2, deadline=0.6)
    hang = threading.Event()
    raster.hang = hang
    asked = [
        asyncio.create_task(collect(engine, Object((pixels(image, Region((0, x), (5, x + 5))),)), 0, 50))
        for x in (0, 90)
    ]
    lost = [asyncio.create_task(engine.run(hang.wait)) for _ in range(4)]
    await asyncio.sleep(0.2)
    for task in (*asked, *lost):
        task.cancel()
    await asyncio.gather(*asked, *lost, return_exceptions=True)
    raster.hang = None
    await asyncio.sleep(0.5)
    other = Region((50, 70), (52, 72))
    data = await collect(engine, Object((pixels(image, other),)), 0, 8)
    assert np.array_equal(np.frombuffer(data, "u2").reshape(2, 2), ARRAY[other.slices()])
    assert await engine.run(lambda: 5) == 5
    hang.set()
    engine.close()


async def test_another_tenant_is_served_while_all_threads_are_at_long_work():
    raster = ArrayRaster(ARRAY, (20, 20))
    engine, image = engine_of(raster, threads=2, deadline=20)
    raster.hang = threading.Event()
    boxes = [Region((y, x), (y + 5, x + 5)) for y in (0, 20) for x in (0, 20, 40)]

    async def heavy(box):
        return [bytes(b) async for b in engine.stream(Object((pixels(image, box),)), 0, 50, "heavy")]

    asked = [asyncio.create_task(heavy(box)) for box in boxes]
    await asyncio.sleep(0.1)
    hang, raster.hang = raster.hang, None
    other = Object((pixels(image, Region((50, 70), (52, 72))),))
    async with asyncio.timeout(5):
        assert len([bytes(b) async for b in engine.stream(other, 0, 8, "light")]) == 1
    hang.set()
    assert all(await asyncio.gather(*asked))
    while engine.budget.held:  # noqa: ASYNC110 - given back by callbacks
        await asyncio.sleep(0.01)
    engine.close()
