"""Documents that take a while to make: made once, looked at again now and then, never waited for by everybody."""

from __future__ import annotations

import asyncio
import threading

import pytest

from s3facade import registry
from s3facade.catalog import catalog, contents
from s3facade.catalog.catalog import Catalog
from s3facade.catalog.contents import Late
from s3facade.config.zero import zero
from s3facade.core.errors import BeingMade, Overloaded, SourceError
from s3facade.engine.engine import Engine, EngineLimits


def text(late: Late) -> bytes:
    return b"".join(part.data for part in late.open().body().parts)


def test_it_is_made_once():
    made = []
    late = Late(lambda: made.append(1) or b"x", "text/plain", 5, "tag")
    assert late.peek() is None
    assert not late.made
    assert text(late) == text(late) == b"x"
    assert len(made) == 1
    assert late.peek() is late.open()
    assert late.open().modified == 5


def test_it_is_made_anew_when_what_it_tells_of_has_changed(monkeypatch):
    now, state = [100.0], ["a", 7]
    monkeypatch.setattr(contents.time, "monotonic", lambda: now[0])
    late = Late(lambda: str(state[0]).encode(), "text/plain", 5, "tag", lambda: (str(state[0]), int(state[1])))
    first = late.open()
    assert (text(late), first.modified) == (b"a", 7)
    state[:] = ["b", 9]
    assert late.open() is first  # looked at a moment ago
    now[0] += 2
    assert late.peek() is None
    assert (text(late), late.open().modified) == (b"b", 9)
    now[0] += 2
    again = late.open()
    now[0] += 2
    assert late.open() is again  # nothing has changed


def test_bytes_that_are_no_text():
    assert text(Late(lambda: b"PAR1\xff\x00", "application/vnd.apache.parquet", 0, "tag")) == b"PAR1\xff\x00"


def test_nobody_waits_long_for_a_dear_one(monkeypatch):
    monkeypatch.setattr(contents, "PATIENCE", 0.01)
    begun, go = threading.Event(), threading.Event()

    def make() -> bytes:
        begun.set()
        go.wait(10)
        return b"x"

    late = Late(make, "text/csv", 0, "tag", waits=True)
    thread = threading.Thread(target=late.open)
    thread.start()
    begun.wait(10)
    with pytest.raises(BeingMade, match="try again"):
        late.open()
    go.set()
    thread.join()
    assert text(late) == b"x"


def test_an_error_is_not_remembered():
    answers = iter([Overloaded("later"), b"x"])

    def make() -> bytes:
        answer = next(answers)
        if isinstance(answer, bytes):
            return answer
        raise answer

    late = Late(make, "text/plain", 0, "tag", waits=True)
    with pytest.raises(Overloaded):
        late.open()
    assert text(late) == b"x"


def test_a_dear_one_of_an_earlier_plan_is_shown_until_the_new_one_is_made():
    before = Late(lambda: b"old", "text/csv", 0, "a", waits=True)
    before.prepare()
    between = Late(lambda: b"never made", "text/csv", 0, "b", waits=True)
    between.follow(before)
    late = Late(lambda: b"new", "text/csv", 0, "c", waits=True)
    late.follow(between)
    assert late.made, "listings have it"
    assert text(late) == b"old"
    assert late.peek() is late.open()
    late.prepare()
    assert text(late) == b"new"
    assert late.peek() is late.open()


def test_what_is_quickly_made_follows_nothing():
    before = Late(lambda: b"old", "text/csv", 0, "a")
    before.open()
    late = Late(lambda: b"new", "text/csv", 0, "b")
    late.follow(before)
    assert text(late) == b"new"


def test_one_that_cannot_be_made_leaves_the_one_before():
    tried = []

    def fail() -> bytes:
        tried.append(1)
        raise SourceError("no")

    before, late = (Late(make, "text/csv", 0, "a", waits=True) for make in (lambda: b"old", fail))
    before.prepare()
    late.follow(before)
    with pytest.raises(SourceError):
        late.prepare()
    assert text(late) == b"old"
    late.prepare()
    assert len(tried) == 1, "it is tried again after a while, not every few seconds"


async def test_requests_wait_for_what_is_being_made_and_hold_no_thread(tmp_path, monkeypatch):
    monkeypatch.setattr(catalog, "AGAIN", 0.01)
    begun, go, asked = threading.Event(), threading.Event(), []

    def make() -> bytes:
        begun.set()
        go.wait(10)
        return b"x"

    late = Late(make, "text/csv", 0, "tag", waits=True)

    def find_now(self: Catalog, bucket: str, key: str) -> object:
        asked.append(key)
        if len(asked) == 20:
            go.set()
        return late.open()

    monkeypatch.setattr(Catalog, "find_now", find_now)
    engine = Engine(registry.reader, EngineLimits(memory=64 << 20, deadline=10))
    try:
        shown = Catalog(zero([tmp_path]), engine)
        first = asyncio.create_task(shown.find("images", "t.csv"))
        assert await asyncio.to_thread(begun.wait, 10)
        others = await asyncio.gather(*(shown.find("images", "t.csv") for _ in range(8)))
        assert all(other is late.peek() for other in [await first, *others])
    finally:
        engine.close()


async def test_requests_do_not_wait_longer_than_the_deadline(tmp_path, monkeypatch):
    def find_now(self: Catalog, bucket: str, key: str) -> object:
        raise BeingMade("The document is being made.")

    monkeypatch.setattr(Catalog, "find_now", find_now)
    engine = Engine(registry.reader, EngineLimits(memory=64 << 20, deadline=0.5))
    try:
        with pytest.raises(BeingMade, match="being made"):
            await asyncio.wait_for(Catalog(zero([tmp_path]), engine).find("images", "t.csv"), 5)
    finally:
        engine.close()
