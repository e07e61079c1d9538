"""Buckets over a store that does not answer, or that another worker knows better."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile

from conformance.remote import BUCKET, Counting, counting
from s3facade import registry, remotes
from s3facade.catalog.across import Across
from s3facade.catalog.catalog import Catalog
from s3facade.config.load import load
from s3facade.core.errors import NoSuchKey, SourceDenied, SourceUnavailable
from s3facade.engine.engine import Engine

PLANE = np.zeros((8, 8), np.uint8)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Counting]:
    for name in ("data/a.tif", "data/b.tif", "near/x.tif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        tifffile.imwrite(tmp_path / name, PLANE)
    with counting(tmp_path / "data") as running:
        yield running


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(registry.reader)
    yield engine
    engine.close()


def catalog(server: Counting, engine: Engine, root: Path, refresh: str) -> Catalog:
    (root / "c.yaml").write_text(
        f"stores: {{{BUCKET}: {{url: 's3://{BUCKET}', endpoint: '{server.url}', anonymous: true, timeout: 1.5 s, "
        f"refresh: {refresh}}}}}\n"
        f"sources: {{far: {{files: '{BUCKET}:*.tif'}}, near: {{files: 'near/*.tif'}}}}\n"
        "buckets:\n"
        "  far-away: {views: [{type: ome-zarr, from: far, path: '{stem}'}]}\n"
        "  near-by: {views: [{type: ome-zarr, from: near, path: '{stem}'}]}\n"
    )
    settings = load(root / "c.yaml")
    remotes.register(settings)
    return Catalog(settings, engine)


def test_what_one_worker_has_seen_no_other_calls_absent(server: Counting, engine: Engine, tmp_path: Path) -> None:
    made = catalog(server, engine, tmp_path, "1 h")
    tifffile.imwrite(tmp_path / "data/new.tif", PLANE)
    with pytest.raises(NoSuchKey):
        made.find_now("far-away", "new/zarr.json")
    # As a worker does that looked a moment ago.
    at = made._state.across.place("far-away")
    made._state.across._told[at : at + 8] = b"anything"
    assert made.find_now("far-away", "new/zarr.json").file.size
    count = len(server.asked)
    with pytest.raises(NoSuchKey):
        made.find_now("far-away", "newer/zarr.json")
    assert len(server.asked) == count, "now it is known, and believed again"


def test_processes_tell_each_other() -> None:
    across = Across()
    across.tell("a", ["x"])
    assert not across.differs("a")
    assert not across.differs("b"), "nothing was ever said about it"
    pid = os.fork()
    if pid == 0:
        across.tell("a", ["x", "y"])
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert across.differs("a")
    across.tell("a", ["y", "x"])
    assert not across.differs("a")


def test_a_listing_is_whole_or_unavailable(server: Counting, engine: Engine, tmp_path: Path) -> None:
    made = catalog(server, engine, tmp_path, "0.3 s")
    assert len(made.page_now("far-away", "", "", "/", 10)) == 2
    assert len(made.page_now("far-away", "", "", "", 10)) > 2
    server.latency = 2.5
    time.sleep(0.8)
    with pytest.raises(SourceUnavailable, match="cannot be reached"):
        made.page_now("far-away", "", "", "", 10)
    server.latency = 0.0


@pytest.mark.parametrize("status", [401, 403])
def test_images_of_a_store_that_refuses_the_server_are_not_left_out(
    server: Counting, engine: Engine, tmp_path: Path, status: int
) -> None:
    made = catalog(server, engine, tmp_path, "0.3 s")
    assert len(made.page_now("far-away", "", "", "", 10)) > 2
    server.status = status
    time.sleep(0.8)
    for _ in range(2):
        with pytest.raises((SourceUnavailable, SourceDenied)):
            made.page_now("far-away", "", "", "", 10)
        made.rescan()
    server.status = 0
    assert len(made.page_now("far-away", "", "", "", 10)) > 2


def test_nobody_waits_for_the_store_of_another_bucket(server: Counting, engine: Engine, tmp_path: Path) -> None:
    made = catalog(server, engine, tmp_path, "0.3 s")
    server.latency = 2.5
    time.sleep(0.4)
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(made.rescan)
        time.sleep(0.2)
        tifffile.imwrite(tmp_path / "near/y.tif", PLANE)
        begun = time.monotonic()
        assert made.find_now("near-by", "y/zarr.json").file.size
        assert time.monotonic() - begun < 0.7
        assert not looking.done()
        server.latency = 0.0
        looking.result()


def test_a_store_that_was_down_at_the_start_is_looked_at_when_it_is_asked_for(
    server: Counting, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("s3facade.catalog.buckets.SOON", 0.3)
    server.latency = 2.5
    made = catalog(server, engine, tmp_path, "1 h")
    with pytest.raises(SourceUnavailable):
        made.find_now("far-away", "a/zarr.json")
    server.latency = 0.0
    until = time.monotonic() + 20
    while True:
        try:
            assert made.find_now("far-away", "a/zarr.json").file.size
            break
        except SourceUnavailable:
            assert time.monotonic() < until
            time.sleep(0.1)
    assert threading.active_count() < 20
