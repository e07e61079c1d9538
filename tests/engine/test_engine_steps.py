"""Pipelines in the engine, with its caches and its blocks, against the smallest interpreter."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest
from arrays import ARRAY, ArrayRaster, engine_of
from hypothesis import given, settings
from hypothesis import strategies as st

from s3facade.core.extents import extents
from s3facade.core.image import apply_step
from s3facade.core.region import Region
from s3facade.testing import in_memory, whole
from s3facade.transforms.filters.gaussian import Gaussian, Unsharp
from s3facade.transforms.filters.gradient import LaplaceOfGaussian, Sobel
from s3facade.transforms.filters.median import Median
from s3facade.transforms.pyramids.pyramid import pyramid
from s3facade.transforms.pyramids.shrink import Downsample
from s3facade.transforms.values.lut import Lut
from s3facade.transforms.values.rescale import Rescale
from s3facade.transforms.values.threshold import Threshold
from s3facade.transforms.values.tone import Gamma
from s3facade.transforms.values.windows import windows

CHAINS = {
    "median of a gaussian": [Gaussian(extents("1.5 px")), Median()],
    "percentiles": [Rescale(percentiles=(1.0, 99.0))],
    "threshold": [Unsharp(extents("1 px")), Threshold(percentile=80.0)],
    "colours": [Rescale(windows([0, 40000])), Gamma(0.7), Lut("fire")],
    "small and sharp": [Downsample(method="gaussian"), LaplaceOfGaussian(extents("1 px")), Sobel()],
}


@pytest.mark.parametrize("chain", CHAINS)
@settings(max_examples=15)
@given(st.data())
def test_regions_of_every_level(chain, data):
    block = data.draw(st.tuples(st.integers(3, 40), st.integers(3, 40)))
    engine, opened = engine_of(ArrayRaster(ARRAY, block))
    image = pyramid(reduce(apply_step, CHAINS[chain], opened), smallest=16)
    plain = pyramid(reduce(apply_step, CHAINS[chain], in_memory(ARRAY)), smallest=16)
    for number, level in enumerate(image.spec.levels):
        start = tuple(data.draw(st.integers(0, n - 1)) for n in level.shape)
        stop = tuple(data.draw(st.integers(a + 1, n)) for a, n in zip(start, level.shape, strict=True))
        box = Region(start, stop)
        np.testing.assert_array_equal(engine.read(image, number, box), whole(plain, number)[box.slices()])
    engine.close()
