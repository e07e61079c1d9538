"""Codecs that damaged files crash, and the process that is lost to them."""

from __future__ import annotations

import contextlib
import random

import imagecodecs
import numpy as np
import pytest
from czi_writer import Writer
from vendor_tools import whole

from s3facade.core.errors import BadSource
from s3facade.core.region import Region
from s3facade.engine.engine import Engine, EngineLimits
from s3facade.readers.czi.reader import CziReader
from s3facade.stores.local import LocalFile

IMAGES = [np.add.outer(np.arange(60) * k, np.arange(70) * 7).astype("u2") for k in (31, 17)]


def written(path, change=lambda data: data):
    writer = Writer()
    for t, image in enumerate(IMAGES):
        writer.add(change(imagecodecs.jpegxr_encode(image)), 1, 4, X=(0, 70), Y=(0, 60), T=t)
    return writer.write(path)


@pytest.fixture
def engine():
    made = Engine({"czi": CziReader()}.__getitem__, EngineLimits(deadline=30, isolated=1))
    yield made
    made.close()


def test_jpeg_xr_is_decoded_in_a_process_of_its_own(engine, tmp_path):
    path = written(tmp_path / "a.czi")
    (raster,) = CziReader().open(LocalFile.open(path), {})
    assert raster.fragile
    np.testing.assert_array_equal(whole(raster), IMAGES)
    (image,) = engine.rasters.describe(str(path), "czi", {})
    assert image.spec.levels == raster.spec.levels
    assert type(engine.rasters.get(image)).__name__ == "IsolatedRaster"
    np.testing.assert_array_equal(engine.read(image, 0, Region((0, 0, 0), (2, 60, 70))), IMAGES)


def test_other_codecs_are_not(engine, tmp_path):
    writer = Writer()
    writer.add(IMAGES[0].tobytes(), 1, 0, X=(0, 70), Y=(0, 60))
    (image,) = engine.rasters.describe(str(writer.write(tmp_path / "a.czi")), "czi", {})
    assert type(engine.rasters.get(image)).__name__ == "CziRaster"


def test_a_crash_of_the_codec_is_an_error_of_the_file(engine, tmp_path):
    """Many bytes are changed behind the head, so that the codec gets to see them; some of that ends its process."""
    for seed in range(4):
        rng = random.Random(seed)

        def change(data, rng=rng):
            out = bytearray(data)
            for _ in range(60):
                out[rng.randrange(out.index(b"WMPHOTO") + 20, len(out))] = rng.randrange(256)
            return bytes(out)

        path = written(tmp_path / f"{seed}.czi", change)
        (image,) = engine.rasters.describe(str(path), "czi", {})
        with contextlib.suppress(BadSource):
            engine.read(image, 0, Region((0, 0, 0), (2, 60, 70)))
    good = written(tmp_path / "good.czi")
    (image,) = engine.rasters.describe(str(good), "czi", {})
    np.testing.assert_array_equal(engine.read(image, 0, Region((0, 0, 0), (2, 60, 70))), IMAGES)
