"""Every file of the corpus as OME-TIFF, PNG and precomputed, as other libraries read what comes out."""

from __future__ import annotations

import asyncio
import io
import math
import os
from collections import Counter
from pathlib import Path

import imagecodecs
import numpy as np
import ome_types
import pytest
import tensorstore as ts
import tifffile

from conformance.formats.corpus import root
from s3facade import registry
from s3facade.core.errors import SourceError
from s3facade.core.image import Dataset
from s3facade.core.keyspace import File, scan
from s3facade.core.region import Region
from s3facade.engine.engine import Engine
from s3facade.layouts.ome_tiff import OmeTiff
from s3facade.layouts.png import Png
from s3facade.layouts.precomputed import Precomputed
from s3facade.transforms.pyramids.flat import flattened
from s3facade.transforms.pyramids.pyramid import pyramid

MOST = 40_000_000
"""Bytes of voxels of a file that is looked at."""
IMAGES = 5
"""Of a file that are looked at."""


@pytest.fixture(scope="module")
def engine():
    made = Engine(registry.reader)
    yield made
    made.close()


def _images(engine: Engine, path: Path) -> list:
    """The first images of a file; none where it is no image, does not open, or is large."""
    with path.open("rb") as stream:
        head = stream.read(4096)
    names = (name for name, reader in registry.readers() if name != "bioformats" and reader.sniff(head, path.name))
    name = next(names, None)
    if name is None:
        return []
    try:
        found = engine.rasters.describe(str(path), name, {})[:IMAGES]
    except SourceError:
        return []
    finest = ((*i.spec.levels[0].shape, i.spec.dtype.itemsize) for i in found)
    return [] if sum(map(math.prod, finest)) > MOST else list(found)


@pytest.fixture(scope="module")
def corpus(engine):
    """Images by file."""
    folder = root()
    if folder is None:
        if os.environ.get("CI"):
            pytest.fail("no corpus: set S3FACADE_CORPUS to a folder of real images")
        pytest.skip("no corpus")
    found = {path: _images(engine, path) for path in sorted(folder.rglob("*")) if path.is_file()}
    return {path: images for path, images in found.items() if images}


def _bytes(engine: Engine, file: File) -> bytes:
    async def streamed() -> bytes:
        obj = file.body()
        return b"".join([bytes(piece) async for piece in engine.stream(obj, 0, obj.size)])

    data = asyncio.run(streamed())
    assert len(data) == file.size
    return data


def _level(engine, image, level):
    return engine.read(image, level, Region.whole(image.spec.levels[level].shape))


def _dataset(images):
    named = {str(n): image for n, image in enumerate(images)} if len(images) > 1 else {"": images[0]}
    return Dataset(named, recipe={"digest": "d", "steps": []})


@pytest.mark.filterwarnings("ignore")
def test_ome_tiff(engine, corpus):
    refused, read = Counter(), 0
    for path, images in corpus.items():
        shown = [pyramid(flattened(image), planes=True) for image in images]
        try:
            data = _bytes(engine, OmeTiff().build(_dataset(shown)))
        except SourceError as error:
            refused[error.public] += 1
            continue
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            ome_types.from_xml(file.ome_metadata, validate=True)
            assert len(file.series) == len(shown), path
            for series, image in zip(file.series, shown, strict=True):
                assert len(series.levels) == len(image.spec.levels), path
                for n, level in enumerate(series.levels):
                    expected = _level(engine, image, n)
                    if series.axes.endswith("S"):
                        expected = np.moveaxis(expected, image.spec.axis("c"), -1)
                    np.testing.assert_array_equal(level.asarray().squeeze(), expected.squeeze(), str(path))
        read += 1
    assert read > 30 * sum(refused.values()), refused


@pytest.mark.filterwarnings("ignore")
def test_png(engine, corpus):
    read = 0
    for path, images in corpus.items():
        try:
            data = _bytes(engine, Png().build(Dataset({"": images[0]})))
        except SourceError:
            continue
        expected = _level(engine, images[0], 0).squeeze()
        axis = images[0].spec.axis("c")
        if expected.ndim == 3:
            expected = np.moveaxis(expected, axis, -1)
        np.testing.assert_array_equal(imagecodecs.png_decode(data).squeeze(), expected, str(path))
        read += 1
    assert read > 50


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("sharded", [False, True])
def test_precomputed(engine, corpus, tmp_path, sharded):
    read = 0
    for number, (path, images) in enumerate(corpus.items()):
        image = pyramid(images[0])
        try:
            tree = Precomputed(thickness=1.0, sharded=sharded).build(Dataset({"": image}))
            folder = tmp_path / str(number)
            for entry in scan(tree, resolve=lambda node: node):
                place = folder / entry.key
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(_bytes(engine, entry.file))
        except SourceError:
            continue
        for n in range(len(image.spec.levels)):
            store = {"driver": "neuroglancer_precomputed", "kvstore": f"file://{folder}/", "scale_index": n}
            found = ts.open(store, read=True).result().read().result().transpose(3, 2, 1, 0)
            np.testing.assert_array_equal(found.squeeze(), _level(engine, image, n).squeeze(), str(path))
        read += 1
    assert read > 50
