"""Images of random shapes, types and options in every layout of files, as other libraries read them."""

from __future__ import annotations

import tempfile

import imagecodecs
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_evaluator import render, whole
from test_precomputed_layout import equal, store
from written_tiffs import RGB, RGBA, image_of, read, voxels

from s3facade.core.image import Dataset
from s3facade.core.spec import Channel
from s3facade.layouts.ome_tiff import OmeTiff, Tiff
from s3facade.layouts.png import Png
from s3facade.layouts.precomputed import Precomputed
from s3facade.layouts.tiff_pages import TYPES

small = st.integers(1, 3)
side = st.integers(1, 150)


@st.composite
def images(draw, *, lengths=small, types=TYPES):
    """Any of t, c and z, and colours."""
    names = draw(st.sampled_from(["yx", "zyx", "cyx", "tyx", "czyx", "tcyx", "tzyx", "tczyx"]))
    shape = [draw(lengths) for _ in names[:-2]] + [draw(side), draw(side)]
    dtype = draw(st.sampled_from(types))
    channels = ()
    if "c" in names:
        colours = draw(st.sampled_from([None, RGB, RGBA]))
        if colours is not None:
            shape[names.index("c")] = len(colours)
        channels = colours or [Channel(str(i)) for i in range(shape[names.index("c")])]
    more = {"unit": "micrometer", "scale": tuple(draw(st.sampled_from([1.0, 0.65, 0.0325])) for _ in names)}
    return image_of(tuple(shape), names, dtype, channels=channels, **(more if draw(st.booleans()) else {}))


@settings(max_examples=60)
@given(images(), st.sampled_from([16, 32, 80]), st.sampled_from([None, True]), st.booleans(), st.booleans())
def test_tiff(image, tile, big, pyramid, plain):
    layout = (Tiff if plain else OmeTiff)(tile=tile, bigtiff=big, pyramid=pyramid)
    file = layout.build(Dataset({"": image}))
    data = render(file.body())
    assert len(data) == file.size
    with read(data) as tiff:
        # Without a description, tifffile does not take levels of one row for levels.
        pages = [[page, *(page.pages or ())] for page in tiff.pages]
        levels = list(zip(*pages, strict=True)) if plain else [level.pages for level in tiff.series[0].levels]
        assert len(levels) == (len(image.spec.levels) if pyramid else 1)
        for n, level in enumerate(levels):
            expected = voxels(image, n)
            found = np.stack([page.asarray() for page in level])
            np.testing.assert_array_equal(found.reshape(expected.shape), expected)


@settings(max_examples=60)
@given(images(lengths=st.just(1), types=("uint8", "uint16")))
def test_png(image):
    file = Png().build(Dataset({"": image}))
    data = render(file.body())
    assert len(data) == file.size
    expected = voxels(image, 0)
    np.testing.assert_array_equal(imagecodecs.png_decode(data).reshape(expected.shape), expected)


@settings(max_examples=30)
@given(
    st.lists(st.integers(1, 70), min_size=4, max_size=4).map(lambda n: (1 + n[0] % 3, *n[1:])),
    st.fixed_dictionaries({axis: st.sampled_from([8, 16, 50]) for axis in "xyz"}),
    st.booleans(),
)
def test_precomputed(shape, chunks, sharded):
    image = image_of(shape, "czyx", "u1", smallest=30, unit="micrometer", scale=(1.0, 2.0, 0.5, 0.5))
    with tempfile.TemporaryDirectory() as folder:
        store(Precomputed(chunks=chunks, sharded=sharded), {"": image}, folder)
        equal(folder, image)
    assert whole(image, 0).shape == shape
