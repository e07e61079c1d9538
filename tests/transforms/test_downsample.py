"""Computed levels: the law of transforms, tensorstore as oracle, geometry."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import tensorstore as ts
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from s3facade.core.errors import Unsupported
from s3facade.core.region import Region
from s3facade.core.spec import Axis, Level, Spec
from s3facade.transforms.pyramids.downsample import AddLevel
from s3facade.transforms.pyramids.reduce import mean, mode

DTYPES = ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"]


def spec_of(shape, dtype="uint16", names="tczyx", scale=None, origin=None):
    n = len(shape)
    level = Level(tuple(shape), scale or (1.0,) * n, origin or (0.0,) * n, (1,) * n)
    return Spec(tuple(Axis(name) for name in names[-n:]), np.dtype(dtype), (level,))


def whole(transform, source, array):
    shape = transform.spec(source).levels[1].shape
    region = Region.whole(shape)
    need = transform.need(source, 1, region)
    return transform.apply(source, 1, region, np.ascontiguousarray(array[need.region.slices()]))


def tensorstore(array, factors, method):
    return np.asarray(ts.downsample(ts.array(array), factors, method).read().result())


arrays = st.sampled_from(DTYPES).flatmap(
    lambda d: hnp.arrays(
        d,
        hnp.array_shapes(min_dims=2, max_dims=4, min_side=1, max_side=9),
        elements={"allow_nan": False, "allow_infinity": False, "min_value": -1e6, "max_value": 1e6}
        if d.startswith("f")
        else None,
    )
)


@given(arrays, st.sampled_from(["mean", "mode", "nearest"]), st.data())
def test_any_region_equals_the_slice_of_the_whole(array, method, data):
    factors = data.draw(st.tuples(*[st.integers(1, 3)] * array.ndim))
    source = spec_of(array.shape, array.dtype)
    transform = AddLevel(factors, method)
    everything = whole(transform, source, array)
    shape = transform.spec(source).levels[1].shape
    assert everything.shape == shape
    assert everything.dtype == array.dtype
    start = tuple(data.draw(st.integers(0, n - 1)) for n in shape)
    stop = tuple(data.draw(st.integers(a + 1, n)) for a, n in zip(start, shape, strict=True))
    region = Region(start, stop)
    need = transform.need(source, 1, region)
    assert need.level == 0
    assert not need.region.empty
    assert need.region.clip(array.shape) == need.region
    block = np.ascontiguousarray(array[need.region.slices()])
    kept = block.copy()
    np.testing.assert_array_equal(transform.apply(source, 1, region, block), everything[region.slices()])
    np.testing.assert_array_equal(block, kept)


@given(arrays, st.sampled_from(["mean", "mode"]), st.data())
def test_equals_tensorstore_where_blocks_are_whole(array, method, data):
    factors = tuple(data.draw(st.integers(1, 4).filter(lambda f, n=n: f <= n)) for n in array.shape)
    even = np.ascontiguousarray(array[tuple(slice(n // f * f) for n, f in zip(array.shape, factors, strict=True))])
    expected = tensorstore(even, factors, method)
    got = {"mean": mean, "mode": mode}[method](even, factors)
    if method == "mean" and array.dtype.kind == "f":
        # tensorstore sums float32 in float32; where values cancel, only the size of the summands bounds its error.
        atol = float(np.abs(even).max()) * np.finfo(array.dtype).eps * math.prod(factors)
        np.testing.assert_allclose(got, expected, rtol=0, atol=atol)
    else:
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("factors", [(1, 9, 10), (5, 4, 4), (2, 64, 64)])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", "int64", "float32"])
def test_modes_of_large_blocks_are_those_of_numpy(factors, dtype):
    rng = np.random.default_rng(2)
    array = rng.integers(0, 2 if dtype == "bool" else 9, [2 * f for f in factors]).astype(dtype)
    got = mode(array, factors)
    for index in np.ndindex(got.shape):
        block = array[tuple(slice(i * f, (i + 1) * f) for i, f in zip(index, factors, strict=True))]
        values, counts = np.unique(block, return_counts=True)
        assert got[index] == values[counts.argmax()]


@given(arrays.filter(lambda a: a.dtype.kind in "biu"), st.data())
def test_mean_of_integers_is_python_s_round(array, data):
    factors = tuple(data.draw(st.integers(1, n)) for n in array.shape)
    even = array[tuple(slice(n // f * f) for n, f in zip(array.shape, factors, strict=True))]
    got = mean(even, factors)
    count = math.prod(factors)
    for index in product(*map(range, got.shape)):
        block = even[tuple(slice(i * f, (i + 1) * f) for i, f in zip(index, factors, strict=True))]
        quotient, rest = divmod(sum(map(int, block.flat)), count)
        up = 2 * rest > count or (2 * rest == count and quotient % 2)
        assert int(got[index]) == quotient + bool(up)


@pytest.mark.parametrize("dtype", ["uint64", "int64", "uint32", "int8"])
def test_extremes_do_not_overflow(dtype):
    info = np.iinfo(dtype)
    for value in (info.min, info.max):
        block = np.full((4, 4, 4), value, dtype)
        assert (mean(block, (2, 2, 2)) == value).all()
        assert (mean(block[:3, :, :3], (3, 2, 3)) == value).all()


def test_floats_are_summed_wide_and_nan_stays():
    top = np.finfo(np.float32).max
    block = np.array([[top, top, np.nan, 1], [top, top, 1, 1]], np.float32)
    got = mean(block, (2, 2))
    assert got[0, 0] == top
    assert np.isnan(got[0, 1])
    assert mean(np.full((2, 2), 65504, np.float16), (2, 2)).item() == 65504
    assert mean(np.array([[1 + 1j, 3 - 1j]], np.complex64), (1, 2)).item() == 2


def test_geometry_of_a_block_and_of_a_pick():
    source = spec_of((5, 1, 100), scale=(2.0, 0.5, 0.25), origin=(10.0, 0.0, -1.0), names="zyx")
    level = AddLevel((1, 2, 2)).spec(source).levels[1]
    assert (level.shape, level.scale) == ((5, 1, 50), (2.0, 0.5, 0.5))
    assert level.origin == (10.0, 0.0, -0.875)
    picked = AddLevel((1, 2, 2), "nearest").spec(source).levels[1]
    assert picked.origin == source.levels[0].origin
    array = np.arange(500).reshape(5, 1, 100).astype(np.uint16)
    np.testing.assert_array_equal(whole(AddLevel((1, 2, 2), "nearest"), source, array), array[:, :, ::2])


def test_other_levels_pass_through():
    source = AddLevel((2, 2)).spec(spec_of((8, 8)))
    region = Region((1, 0), (2, 3))
    transform = AddLevel((2, 2))
    block = np.zeros((1, 3), np.uint16)
    assert transform.need(source, 1, region).region == region
    assert transform.apply(source, 1, region, block) is block


@pytest.mark.parametrize("transform", [AddLevel((2,)), AddLevel((0, 2)), AddLevel((2, 2), "median")])
def test_refuses_what_does_not_fit(transform):
    with pytest.raises(Unsupported):
        transform.spec(spec_of((8, 8)))
