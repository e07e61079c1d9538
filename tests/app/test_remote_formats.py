"""Every format that there is a sample of: from S3 storage the same voxels as from this machine, in few requests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from conformance.remote import BUCKET, Counting, counting, measure, register
from s3facade import registry
from s3facade.catalog.sources.remote import guess, recognised
from s3facade.core.errors import SourceError
from s3facade.core.region import Region
from s3facade.engine.engine import Engine
from s3facade.engine.index import Index
from s3facade.stores import files

CORPUS = Path(__file__).parents[1] / "corpus"
FILES = sorted(
    p.relative_to(CORPUS).as_posix()
    for p in CORPUS.rglob("*")
    if p.is_file() and p.suffix not in (".md", ".txt", ".py")
)


@pytest.fixture(scope="module")
def server() -> Iterator[Counting]:
    with counting(CORPUS) as running:
        yield running


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    made = Engine(registry.reader)
    yield made
    made.close()


def voxels(engine: Engine, path: str, reader: str) -> list[tuple[object, list[np.ndarray]]]:
    images = engine.rasters.describe(path, reader, {})
    return [
        ((i.spec.axes, i.spec.levels), [engine.read(i, n, Region.whole(v.shape)) for n, v in enumerate(i.spec.levels)])
        for i in images
    ]


@pytest.mark.parametrize("name", FILES)
def test_the_same_voxels(name: str, server: Counting, engine: Engine) -> None:
    here, there = str(CORPUS / name), f"{BUCKET}:/{name}"
    with open(here, "rb") as file:
        head = file.read(4096)
    reader = next((n for n, r in registry.readers() if r.sniff(head, Path(name).name)), "")
    assert recognised(there) == reader
    assert guess(there) in (reader, "")
    if not reader or registry.absent(reader):
        pytest.skip("no image, or no library for it")
    try:
        expected = voxels(engine, here, reader)
    except SourceError as error:
        with pytest.raises(type(error)):
            voxels(engine, there, reader)
        return
    found = voxels(engine, there, reader)
    assert [about for about, _ in found] == [about for about, _ in expected]
    for (_, mine), (_, theirs) in zip(found, expected, strict=True):
        for a, b in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_pyramid_opens_in_few_requests(server: Counting) -> None:
    opened, chunk = measure(CORPUS / "cog_hirise_mars.tif")
    assert opened <= 5
    assert chunk <= 1


def test_what_was_parsed_once_costs_no_request_but_one(tmp_path: Path) -> None:
    with counting(CORPUS) as server:
        for requests in (2, 1):
            index = Index(str(tmp_path / "index"), 16 << 20)
            engine = Engine(registry.reader, index=index)
            register(server, str(tmp_path))
            server.asked.clear()
            engine.rasters.describe(f"{BUCKET}:/cog_hirise_mars.tif", "tiff", {})
            assert len(server.asked) == requests, "the second time it is asked only whether it is the same"
            engine.close()


def test_a_reader_in_a_process_of_its_own_gets_the_whole_file(engine: Engine) -> None:
    place = f"{BUCKET}:/cog_hirise_mars.tif"
    with counting(CORPUS) as server:
        (expected,) = engine.rasters.describe(place, "tiff", {})
        (image,) = engine.rasters.describe(place, "tiff", {}, isolated=True)
        assert [m.path for m in image.members] == [place]
        assert files.unchanged(image.members[0])
        asked = len(server.asked)
        last = len(image.spec.levels) - 1
        box = Region.whole(image.spec.levels[last].shape)
        found = engine.read(image, last, box)
        assert len(server.asked) == asked, "it is here"
        np.testing.assert_array_equal(found, engine.read(expected, last, box))


def test_waits_for_chunks_are_waited_at_once(tmp_path: Path) -> None:
    import time

    import tifffile

    pixels = np.arange(2048 * 2048, dtype=np.uint16).reshape(2048, 2048)
    tifffile.imwrite(tmp_path / "a.tif", np.ascontiguousarray(pixels), tile=(128, 128))
    with counting(tmp_path, 0.1) as server:
        engine = Engine(registry.reader)
        (image,) = engine.rasters.describe(f"{BUCKET}:/a.tif", "tiff", {})
        files.store(f"{BUCKET}:/").blocks.empty()
        server.asked.clear()
        begun = time.monotonic()
        # A column of 16 tiles, 512 KiB apart in the file: none of them shares a request with another.
        np.testing.assert_array_equal(engine.read(image, 0, Region((0, 0), (2048, 128))), pixels[:, :128])
        assert len(server.asked) == 16
        assert time.monotonic() - begun < 1.2, "16 times 0.1 s one after the other"
        engine.close()
