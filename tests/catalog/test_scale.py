"""What is done for many files: counted, not timed."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from s3facade import registry
from s3facade.catalog import buckets
from s3facade.catalog.catalog import Catalog, Found
from s3facade.catalog.contents import Plan
from s3facade.catalog.images import mount as mounts
from s3facade.catalog.sources.walk import Files
from s3facade.config.load import load
from s3facade.core.errors import BadSource, NoSuchKey, SourceChanged
from s3facade.engine.engine import Engine, EngineLimits
from s3facade.engine.index import Index

FOLDERS, EACH = 12, 5
CONFIG = """
sources: {all: {files: 'tree/{animal}/{name}.tif'}}
buckets: {lab: {views: [{type: ome-zarr, from: all, path: '{animal}/{name}.zarr'}]}}
"""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = made(tmp_path)
    yield engine
    engine.close()


def made(root: Path) -> Engine:
    return Engine(registry.reader, EngineLimits(memory=64 << 20), None, Index(str(root / "index"), 64 << 20))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for animal in range(FOLDERS):
        folder = tmp_path / f"tree/m{animal:02}"
        folder.mkdir(parents=True)
        for n in range(EACH):
            image(folder / f"{n}.tif")
        age(folder)
    age(tmp_path / "tree")
    (tmp_path / "c.yaml").write_text(CONFIG)
    return tmp_path


def image(path: Path, value: int = 0) -> None:
    tifffile.imwrite(path, np.full((16, 16), value, np.uint8))
    age(path)


def age(path: Path) -> None:
    """As if it had been there for a while: what is new is looked at more often."""
    old = time.time() - 1000
    os.utime(path, (old, old))


def opened(root: Path, engine: Engine) -> Catalog:
    return Catalog(load(root / "c.yaml"), engine)


def work(catalog: Catalog) -> tuple[int, int]:
    """Folders that were listed so far, and files whose beginning was read."""
    files: Files = catalog._state._planner.files
    return files.snapshot.listed, files.recogniser.sniffed


def etags(catalog: Catalog) -> dict[str, str]:
    return {i.key: i.etag for i in catalog.page_now("lab", "", "", "", 10_000) if isinstance(i, Found)}


def rested(catalog: Catalog) -> None:
    catalog._state._rested.clear()


def test_one_folder_is_listed_for_one_new_file(root: Path, engine: Engine) -> None:
    catalog = opened(root, engine)
    assert work(catalog) == (FOLDERS + 1, FOLDERS * EACH)
    before = etags(catalog)
    tifffile.imwrite(root / "tree/m03/new.tif", np.zeros((16, 16), np.uint8))
    rested(catalog)
    after = etags(catalog)
    assert work(catalog) == (FOLDERS + 2, FOLDERS * EACH + 1)
    assert {key: after[key] for key in before} == before
    assert {key.split(".zarr")[0] for key in after.keys() - before.keys()} == {"m03/new"}
    (root / "tree/m03/new.tif").unlink()
    rested(catalog)
    assert etags(catalog) == before
    assert work(catalog) == (FOLDERS + 3, FOLDERS * EACH + 1)


def test_a_new_folder_and_one_that_goes(root: Path, engine: Engine) -> None:
    catalog = opened(root, engine)
    before = etags(catalog)
    (root / "tree/m99").mkdir()
    image(root / "tree/m99/0.tif")
    rested(catalog)
    assert {key.split("/")[0] for key in etags(catalog).keys() - before.keys()} == {"m99"}
    (root / "tree/m99/0.tif").unlink()
    (root / "tree/m99").rmdir()
    rested(catalog)
    assert etags(catalog) == before


def test_a_restart_lists_nothing_and_reads_nothing(root: Path, engine: Engine) -> None:
    before = etags(opened(root, engine))
    engine.close()
    again = made(root)
    try:
        catalog = opened(root, again)
        assert work(catalog) == (0, 0)
        assert etags(catalog) == before
        catalog.rescan()
        assert work(catalog) == (FOLDERS + 1, 0), "a thorough look compares every file, and reads none"
    finally:
        again.close()


def test_what_changed_while_nobody_looked_is_found(root: Path, engine: Engine) -> None:
    before = etags(opened(root, engine))
    engine.close()
    image(root / "tree/m00/new.tif")
    (root / "tree/m01/0.tif").unlink()
    tifffile.imwrite(root / "tree/m02/0.tif", np.ones((16, 16), np.uint8))
    again = made(root)
    try:
        catalog = opened(root, again)
        after = etags(catalog)
        changed = {key for key in after.keys() & before.keys() if after[key] != before[key]}
        assert {key.split(".zarr")[0] for key in changed} == {"m02/0"}
        assert {key.split(".zarr")[0] for key in after.keys() - before.keys()} == {"m00/new"}
        assert {key.split(".zarr")[0] for key in before.keys() - after.keys()} == {"m01/0"}
    finally:
        again.close()


def test_another_format_in_the_same_place_is_found_by_a_thorough_look(root: Path, engine: Engine) -> None:
    catalog = opened(root, engine)
    path = root / "tree/m00/0.tif"
    inode = path.stat().st_ino
    with path.open("r+b") as file:
        file.truncate()
        file.write(b"no image at all, whatever it is called")
    assert path.stat().st_ino == inode
    catalog.rescan()
    assert work(catalog)[1] == FOLDERS * EACH + 1
    with path.open("r+b") as file:
        file.truncate()
        file.write((root / "tree/m00/1.tif").read_bytes())
    # It claims to be an image and was none: it is asked for at each look.
    rested(catalog)
    assert catalog.page_now("lab", "m00/0.zarr/", "", "", 10)
    assert work(catalog)[1] == FOLDERS * EACH + 2


def test_a_file_that_grows_is_no_damaged_one(root: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = opened(root, engine)
    data = (root / "tree/m00/0.tif").read_bytes()
    path = root / "tree/m00/half.tif"
    path.write_bytes(data[:100])
    rested(catalog)
    monkeypatch.setattr("s3facade.catalog.images.mount.time.sleep", lambda _: path.write_bytes(data[:200]))
    with pytest.raises(SourceChanged, match="being written"):
        catalog.find_now("lab", "m00/half.zarr/zarr.json")
    path.write_bytes(data)
    assert catalog.find_now("lab", "m00/half.zarr/zarr.json").file.size
    assert not catalog.broken()


def test_one_that_was_written_and_is_damaged_is(root: Path, engine: Engine) -> None:
    catalog = opened(root, engine)
    (root / "tree/m00/half.tif").write_bytes((root / "tree/m00/0.tif").read_bytes()[:100])
    rested(catalog)
    with pytest.raises(BadSource):
        catalog.find_now("lab", "m00/half.zarr/zarr.json")


def test_looking_is_not_done_more_often_than_it_may_cost(
    root: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = opened(root, engine)
    watch = catalog._state.now["lab"].plan.watch
    looks = []

    def slow() -> bool:
        looks.append(time.monotonic())
        time.sleep(0.01)
        return False

    monkeypatch.setattr(type(watch), "moved", lambda _: slow())
    rested(catalog)
    for _ in range(50):
        with pytest.raises(NoSuchKey):
            catalog.find_now("lab", "nothing")
    assert len(looks) == 1


def test_images_that_nobody_asks_for_are_forgotten_and_found_the_same(
    root: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounts, "KEPT", mounts.Kept(7))
    catalog = opened(root, engine)
    before = etags(catalog)
    every = list(catalog._state.now["lab"].plan.mounts.values())
    assert sum(m.spec is not None for m in every) <= 7
    assert all(m.opened for m in every)
    found = catalog.find_now("lab", "m00/0.zarr/zarr.json")
    assert catalog.current(found)
    assert etags(catalog) == before
    assert not catalog.current(found), "it was let go of meanwhile: whoever holds it asks again"
    assert catalog.find_now("lab", "m00/0.zarr/zarr.json").etag == found.etag
    assert catalog.unopened() == 0


def test_one_that_is_asked_for_stays(root: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "KEPT", mounts.Kept(7))
    catalog = opened(root, engine)
    mount = catalog._state.now["lab"].plan.mounts["m00/0.zarr"]
    for animal in range(FOLDERS):
        assert catalog.find_now("lab", "m00/0.zarr/zarr.json")
        catalog.page_now("lab", f"m{animal:02}/1.zarr/", "", "", 10)
    assert mount.spec is not None


def test_mounts_that_were_never_opened_are_light(root: Path, engine: Engine) -> None:
    catalog = opened(root, engine)
    for mount in catalog._state.now["lab"].plan.mounts.values():
        assert not hasattr(mount, "__dict__")
        assert mount._state is None
    assert len({id(m.layout) for m in catalog._state.now["lab"].plan.mounts.values()}) == 1


def test_a_plan_that_shows_the_same_keeps_the_key_space(root: Path, engine: Engine) -> None:
    catalog = opened(root, engine)
    tree, generation = catalog._state.now["lab"].root, catalog.generation
    catalog.rescan()
    assert catalog._state.now["lab"].root is tree
    assert catalog.generation == generation


def test_nobody_waits_for_the_plan_of_a_large_bucket(
    root: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = opened(root, engine)
    before = etags(catalog)
    monkeypatch.setattr(buckets, "MANY", 10)
    go, plan = threading.Event(), catalog._state._planner.plan

    def slow(*args: Any, **more: Any) -> Plan:
        assert go.wait(10)
        return plan(*args, **more)

    monkeypatch.setattr(catalog._state._planner, "plan", slow)
    image(root / "tree/m00/new.tif")
    rested(catalog)
    for _ in range(3):
        assert etags(catalog) == before
    go.set()
    until = time.monotonic() + 10
    while etags(catalog) == before:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert before.items() < etags(catalog).items()
