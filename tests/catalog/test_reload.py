"""Another configuration beside the one that is shown: what they have in common stays open, the rest is as it says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

from s3facade import registry
from s3facade.catalog.catalog import Catalog, Found
from s3facade.config.load import load
from s3facade.config.settings import Settings
from s3facade.core.errors import ConfigError, NoSuchBucket, NoSuchKey
from s3facade.core.image import Opened
from s3facade.engine.engine import Engine, EngineLimits
from s3facade.engine.rasters import Rasters
from s3facade.reload import Board, News, Written


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(registry.reader, EngineLimits(memory=64 << 20))
    yield engine
    engine.close()


@pytest.fixture
def described(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths of files that were opened."""
    asked: list[str] = []
    describe = Rasters.describe

    def counted(self: Rasters, path: str, reader: str, options: dict[str, object], **more: bool) -> list[Opened]:
        asked.append(path)
        return describe(self, path, reader, options, **more)

    monkeypatch.setattr(Rasters, "describe", counted)
    return asked


def config(root: Path, text: str) -> Settings:
    (root / "c.yaml").write_text(text)
    return load(root / "c.yaml")


def view(path: str, extra: str = "") -> str:
    return f"{{type: ome-zarr, from: all, path: '{path}'{extra}}}"


def text(*views: str, name: str = "lab", more: str = "") -> str:
    return f"sources: {{all: {{files: '*.tif'}}}}\nbuckets: {{{name}: {{views: [{', '.join(views)}]}}{more}}}\n"


def listed(catalog: Catalog, bucket: str = "lab") -> dict[str, str]:
    page = catalog.page_now(bucket, "", "", "", 1000)
    return {item.key: item.etag for item in page if isinstance(item, Found)}


def reload(catalog: Catalog, settings: Settings) -> None:
    catalog.adopt(catalog.planned(settings))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for n in range(3):
        tifffile.imwrite(tmp_path / f"{n}.tif", np.full((16, 16), n, np.uint8))
    return tmp_path


def test_what_did_not_change_is_not_opened_again(root: Path, engine: Engine, described: list[str]) -> None:
    catalog = Catalog(config(root, text(view("{stem}"))), engine)
    before = listed(catalog)
    assert len(described) == 3
    reload(catalog, config(root, "# Another line, and a second view.\n" + text(view("{stem}"), view("b/{stem}"))))
    assert len(described) == 3
    after = listed(catalog)
    assert {key: after[key] for key in before} == before
    assert len(after) == 2 * len(before)
    assert len(described) == 6


def test_another_layout_is_another_image(root: Path, engine: Engine) -> None:
    catalog = Catalog(config(root, text(view("{stem}"))), engine)
    before = listed(catalog)
    reload(catalog, config(root, text(view("{stem}", ", chunks: 8, shards: false"))))
    after = listed(catalog)
    assert after.keys() != before.keys()
    assert after["0/0/zarr.json"] != before["0/0/zarr.json"]


def test_steps_on_other_lines_are_the_same_steps(root: Path, engine: Engine, described: list[str]) -> None:
    steps = "images: {half: {from: all, steps: [{crop: {x: [0, 8]}}]}}\n"
    whole = steps + text(view("{stem}").replace("from: all", "from: half"))
    catalog = Catalog(config(root, whole), engine)
    before = listed(catalog)
    reload(catalog, config(root, "# One.\n# Two.\n" + whole))
    assert listed(catalog) == before
    assert len(described) == 3


def test_buckets_come_and_go(root: Path, engine: Engine) -> None:
    catalog = Catalog(config(root, text(view("{stem}"))), engine)
    reload(catalog, config(root, text(view("{stem}"), name="other", more=", third: {views: [" + view("x") + "]}")))
    assert [b.name for b in catalog.buckets()] == ["other", "third"]
    with pytest.raises(NoSuchBucket):
        catalog.page_now("lab", "", "", "", 10)
    assert listed(catalog, "other")
    tifffile.imwrite(root / "new.tif", np.zeros((16, 16), np.uint8))
    assert catalog.find_now("other", "new/zarr.json").file.size, "new buckets are looked at again, too"


def test_what_was_planned_is_not_shown_before_it_is_adopted(root: Path, engine: Engine) -> None:
    catalog = Catalog(config(root, text(view("{stem}"))), engine)
    generation = catalog.generation
    planned = catalog.planned(config(root, text(view("b/{stem}"))))
    assert catalog.generation == generation
    assert catalog.find_now("lab", "0/zarr.json")
    catalog.rescan()
    catalog.adopt(planned)
    assert catalog.generation > generation
    with pytest.raises(NoSuchKey):
        catalog.find_now("lab", "0/zarr.json")
    assert catalog.find_now("lab", "b/0/zarr.json")


def test_a_look_that_began_before_does_not_bring_the_old_configuration_back(
    root: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = Catalog(config(root, text(view("{stem}"))), engine)
    state = catalog._state
    planned = catalog.planned(config(root, text(view("b/{stem}"))))
    plan = state._plan

    def overtaken(*args: object, **more: object) -> object:
        made = plan(*args, **more)  # type: ignore[arg-type]
        catalog.adopt(planned)
        return made

    monkeypatch.setattr(state, "_plan", overtaken)
    state.rescan()
    assert catalog.find_now("lab", "b/0/zarr.json")
    with pytest.raises(NoSuchKey):
        catalog.find_now("lab", "0/zarr.json")


def test_what_was_found_stays_what_it_was(root: Path, engine: Engine) -> None:
    catalog = Catalog(config(root, text(view("{stem}"))), engine)
    found = catalog.find_now("lab", "1/zarr.json")
    reload(catalog, config(root, text(view("b/{stem}"))))
    assert not catalog.current(found)
    assert found.file.body().size == found.file.size


def test_what_was_fixed_at_the_start_stays_and_is_named(root: Path) -> None:
    running = config(root, text(view("{stem}")) + "server: {port: 9001}\nlimits: {memory: 256 MB}\n")
    written = Written(running)
    other = text(view("b/{stem}")) + "server: {port: 9002, rescan: 3 s}\nlimits: {memory: 512 MB, workers: 3}\n"
    settings = written.settings(other, 7)
    assert (settings.server.port, settings.server.rescan, settings.limits) == (9001, 3.0, running.limits)
    assert settings.modified == 7
    assert written.fixed(other, 7) == ["limits.memory", "limits.workers", "server.port"]
    assert written.fixed(*written.text()) == []
    store = "stores: {{far: {{url: 's3://a', endpoint: '{}', key: k, secret: {}}}}}\n"
    assert written.fixed(store.format("http://a", "12345678") + other, 7) == written.fixed(other, 7)
    written = Written(config(root, store.format("http://a", "12345678") + text(view("{stem}"))))
    assert written.fixed(store.format("http://a", "87654321") + text(view("{stem}")), 7) == []
    assert written.fixed(store.format("http://b", "12345678") + text(view("{stem}")), 7) == ["stores.far"]
    with pytest.raises(ConfigError):
        written.settings("buckets: [", 7)


def test_a_change_is_noticed_once_it_has_settled(root: Path) -> None:
    (root / "secret").write_text("long enough")
    (root / "secret").chmod(0o600)
    body = text(view("{stem}")) + "access: [{key: A, secret_file: secret, buckets: [lab]}]\n"
    written = Written(config(root, body))
    assert not written.moved()
    (root / "c.yaml").write_text(body + "#\n")
    assert not written.moved(), "somebody may be writing it"
    assert written.moved()
    assert not written.moved()
    (root / "secret").write_text("longer than enough")
    assert not written.moved()
    assert written.moved()
    (root / "c.yaml").unlink()
    assert not written.moved()
    assert written.moved()


def test_news_are_read_whole_or_not_at_all() -> None:
    board = Board()
    assert board.read() == News()
    for number, error in ((1, None), (2, "c.yaml:3: no"), (3, None)):
        news = News("é" * 1000 * number, 5, number, error)
        board.write(news)
        assert board.read() == news
    board.close()
