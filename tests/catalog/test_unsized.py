"""Listings of objects whose sizes only computing tells."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

from s3facade import registry
from s3facade.catalog import catalog as module
from s3facade.catalog.catalog import Catalog, Found, Page
from s3facade.config.load import load
from s3facade.core.errors import SourceUnavailable, TooCostly
from s3facade.engine.engine import Engine, EngineLimits
from s3facade.engine.evaluate import Evaluator

PIXELS = np.random.default_rng(2).poisson(20, (512, 512)).astype(np.uint16)
PREFIX = "a.ome.zarr/0/c/"


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(registry.reader, EngineLimits(memory=64 << 20))
    yield engine
    engine.close()


def catalog_of(folder: Path, engine: Engine, sizes: str = "compute") -> Catalog:
    tifffile.imwrite(folder / "a.tif", PIXELS, tile=(128, 128), compression="zlib")
    (folder / "c.yaml").write_text(
        "sources: {all: {files: '{name}.tif'}}\n"
        f"buckets: {{images: {{list_sizes: {sizes}, views: "
        "[{type: ome-zarr, from: all, path: '{name}.ome.zarr', chunks: 128, codec: gzip}]}}\n"
    )
    return Catalog(load(folder / "c.yaml"), engine)


def keys(page: Page) -> list[str]:
    return [item if isinstance(item, str) else item.key for item in page.items]


async def every(catalog: Catalog, prefix: str, limit: int) -> list[Found | str]:
    found: list[Found | str] = []
    bound = ""
    while True:
        page = await catalog.page("images", prefix, bound, "", limit)
        assert len(page.items) <= limit
        assert all(isinstance(item, Found) and item.file.size is not None for item in page.items)
        found += page.items
        if page.last is None:
            return found
        assert isinstance(page.last, Found)
        assert page.last.key >= bound
        bound = page.last.key + "\0"


async def test_a_page_ends_when_its_time_is_up_and_the_next_goes_on(
    tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = catalog_of(tmp_path, engine)
    monkeypatch.setattr(module, "MEASURE", 0.0)
    page = await catalog.page("images", PREFIX, "", "", 1000)
    assert (keys(page), page.tired) == ([PREFIX + "0/0"], True)
    found = await every(catalog, PREFIX, 1000)
    assert [item.key for item in found if isinstance(item, Found)] == [
        f"{PREFIX}{y}/{x}" for y in range(4) for x in range(4)
    ]
    # Now everything is known, and one page has it all.
    page = await catalog.page("images", PREFIX, "", "", 1000)
    assert (len(page.items), page.last, page.tired) == (16, None, False)
    for item in found:
        assert isinstance(item, Found)
        obj = item.file.body()
        data = b"".join([bytes(b) async for b in engine.stream(obj, 0, obj.size)])
        assert len(data) == item.file.size


async def test_common_prefixes_need_no_sizes(tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = catalog_of(tmp_path, engine)

    def never(*_: object) -> None:
        raise AssertionError("nothing is to be decoded")

    monkeypatch.setattr(Evaluator, "_decode", never)
    assert keys(await catalog.page("images", "a.ome.zarr/0/", "", "/", 1000)) == [
        "a.ome.zarr/0/c/",
        "a.ome.zarr/0/zarr.json",
    ]
    assert keys(await catalog.page("images", PREFIX, "", "/", 1000)) == [f"{PREFIX}{y}/" for y in range(4)]
    assert [i.file.size for i in catalog.page_now("images", PREFIX, "", "", 5) if isinstance(i, Found)] == [None] * 5


async def test_what_is_left_out_is_where_the_next_page_begins(tmp_path: Path, engine: Engine) -> None:
    catalog = catalog_of(tmp_path, engine, "omit")
    page = await catalog.page("images", PREFIX, "", "", 4)
    assert (keys(page), page.tired) == ([], False)
    assert isinstance(page.last, Found)
    assert page.last.key == PREFIX + "0/3"
    for at in ("1/2", "3/3"):
        await engine.size((await catalog.find("images", PREFIX + at)).file.body())
    for limit in (1, 3, 16, 1000):
        found = await every(catalog, PREFIX, limit)
        assert [i.key for i in found if isinstance(i, Found)] == [PREFIX + "1/2", PREFIX + "3/3"]


async def test_a_damaged_chunk_is_left_out_and_named(
    tmp_path: Path, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    catalog = catalog_of(tmp_path, engine)
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        offset = tif.pages[0].dataoffsets[5]  # type: ignore[union-attr]
    with (tmp_path / "a.tif").open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * 64)
    with caplog.at_level(logging.WARNING):
        found = await every(catalog, PREFIX, 1000)
    assert len(found) == 15
    assert PREFIX + "1/1" not in [i.key for i in found if isinstance(i, Found)]
    assert f"{PREFIX}1/1" in caplog.text


@pytest.mark.parametrize("error", [SourceUnavailable, TooCostly])
async def test_what_passes_ends_a_page_and_is_told_by_the_next(
    tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    catalog = catalog_of(tmp_path, engine)
    read = Evaluator.read

    def failing(self: Evaluator, image: object, level: int, region: object, work: object) -> object:
        if getattr(region, "start", None) == (128, 0):
            raise error("not now")
        return read(self, image, level, region, work)  # type: ignore[arg-type]

    monkeypatch.setattr(Evaluator, "read", failing)
    page = await catalog.page("images", PREFIX, "", "", 1000)
    assert (keys(page), page.tired) == ([f"{PREFIX}0/{x}" for x in range(4)], True)
    with pytest.raises(error, match="not now"):
        await catalog.page("images", PREFIX, PREFIX + "0/3\0", "", 1000)
