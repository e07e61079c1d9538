"""When the files of an image are looked at, and by whom: the event loop must not wait for thousands of them."""

import threading
import time
from pathlib import Path
from typing import Any, cast

import pytest

from s3facade.catalog.images import mount as module
from s3facade.catalog.images.mount import LONG, Mount
from s3facade.catalog.images.recipe import FileRecipe
from s3facade.core.image import Source
from s3facade.core.keyspace import Dir
from s3facade.stores.local import describe


def opened(folder: Path, count: int) -> Mount:
    made = Mount(cast(Any, None), FileRecipe("", ""), cast(Any, None), {})
    for n in range(count):
        (folder / str(n)).write_bytes(b"x")
    made._stated().sources = tuple(describe(str(folder / str(n))) for n in range(count))
    made._stated().node = Dir({})
    return made


def test_a_look_at_many_files_is_left_to_a_thread(tmp_path: Path) -> None:
    mount = opened(tmp_path, LONG + 1)
    now = time.monotonic()
    assert not mount.fresh(now)
    assert mount.peek(now) is None
    assert mount._stated().node is not None
    assert mount.fresh(now, wait=True)
    assert mount.fresh(time.monotonic())
    (tmp_path / "7").write_bytes(b"changed")
    later = time.monotonic() + 2
    assert not mount.fresh(later)
    mount._stated().checked = 0.0
    assert not mount.fresh(later, wait=True)
    assert mount._stated().node is None


def test_few_files_are_looked_at_at_once(tmp_path: Path) -> None:
    mount = opened(tmp_path, 3)
    assert mount.fresh(time.monotonic())
    (tmp_path / "1").write_bytes(b"changed")
    assert not mount.fresh(time.monotonic())


@pytest.mark.parametrize("ago", [0.0, 3600.0])
def test_while_somebody_looks_only_what_was_true_just_now_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ago: float
) -> None:
    mount = opened(tmp_path, LONG + 1)
    begun, go = threading.Event(), threading.Event()

    def slow(_: Source) -> bool:
        begun.set()
        return go.wait(10)

    monkeypatch.setattr(module, "unchanged", slow)
    mount._stated().checked = time.monotonic() - ago
    thread = threading.Thread(target=lambda: mount.fresh(time.monotonic(), wait=True))
    thread.start()
    try:
        assert begun.wait(10)
        assert mount.fresh(time.monotonic()) == (ago == 0.0)
    finally:
        go.set()
        thread.join()
    assert mount.fresh(time.monotonic())
