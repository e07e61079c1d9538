"""Files that are opened one after the other: their beginnings are fetched together."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from conformance.remote import BUCKET, counting
from s3facade.stores import files
from s3facade.stores.known import Listing
from s3facade.stores.readahead import Readahead
from s3facade.stores.transport import Stat

NAMES = [f"s{i:03}.dcm" for i in range(60)]


def listing(names: list[str], tag: str = "t") -> Listing:
    return Listing({name: Stat(10, 0, '"x"') for name in names}, (), 0.0, tag)


def test_a_walk_is_seen_after_a_few_steps_and_everything_is_asked_for_once() -> None:
    ahead, folder = Readahead(8), listing(NAMES)
    asked = [name for walked in NAMES for name in ahead.after("f/", walked, folder)]
    assert asked == NAMES[3:]


def test_no_order_is_no_walk() -> None:
    ahead, folder = Readahead(8), listing(NAMES)
    for i in (0, 30, 2, 50, 7, 41):
        assert not ahead.after("f/", NAMES[i], folder)
    for _ in range(5):
        assert not ahead.after("f/", NAMES[20], folder)
    for i in (40, 39, 38, 37):
        assert not ahead.after("f/", NAMES[i], folder), "backwards"


def test_other_kinds_of_files_are_passed_over_and_not_asked_for() -> None:
    ahead = Readahead(8)
    both = sorted([*NAMES, *(name.replace("dcm", "txt") for name in NAMES)])
    asked = {name for walked in NAMES for name in ahead.after("f/", walked, listing(both))}
    assert asked
    assert all(name.endswith(".dcm") for name in asked)


def test_a_folder_that_has_changed_is_walked_anew() -> None:
    ahead = Readahead(8)
    for name in NAMES[:10]:
        ahead.after("f/", name, listing(NAMES))
    assert not ahead.after("f/", NAMES[10], listing(NAMES[5:], "other"))


@pytest.mark.parametrize("size", [3000, 2_000_000])
def test_many_files_do_not_cost_a_wait_each(tmp_path: Path, size: int) -> None:
    for i, name in enumerate(NAMES):
        (tmp_path / name).write_bytes(bytes([i]) * size)
    latency = 0.1
    with counting(tmp_path, latency) as server:
        store = files.store(f"{BUCKET}:/{NAMES[0]}")
        store.folder("")
        begun = time.monotonic()
        for i, name in enumerate(NAMES):
            file = files.file(files.describe(f"{BUCKET}:/{name}"))
            assert file.pread(0, 100) == bytes([i]) * 100
        assert time.monotonic() - begun < latency * len(NAMES) * 0.6
        assert len(server.asked) == 1 + len(NAMES), "and each is read once"
