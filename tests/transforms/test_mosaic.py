"""Mosaics against an assembly voxel by voxel."""

from __future__ import annotations

import time

import numpy as np
import pytest
from coordinates import located, spread
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from s3facade.core.errors import Unsupported
from s3facade.core.image import combine, derive
from s3facade.core.region import Region
from s3facade.core.spec import Level, Spec
from s3facade.testing import check_identities, check_law, in_memory, whole
from s3facade.transforms.combining.mosaic import Mosaic
from s3facade.transforms.pyramids.downsample import AddLevel


def mosaic(**options):
    return TypeAdapter(Mosaic).validate_python(options)


def tile(array, *corner, scale=0.5, axes=None):
    """A tile whose first voxel is at ``corner``, in voxels."""
    rest = (0,) * (array.ndim - len(corner))
    return in_memory(
        array, axes=axes, units=True, scale=(scale,) * array.ndim, origin=[scale * c for c in (*rest, *corner)]
    )


def assembled(arrays, corners, blend, value):
    """Voxel by voxel; corners are whole and start at 0."""
    shape = np.max([np.add(c, a.shape) for a, c in zip(arrays, corners, strict=True)], 0)
    out = np.empty(shape, arrays[0].dtype)
    for at in np.ndindex(*shape):
        found = []
        for a, c in zip(arrays, corners, strict=True):
            i = np.subtract(at, c)
            if (i >= 0).all() and (i < a.shape).all():
                edge = np.minimum(i + 0.5, np.array(a.shape) - i - 0.5)
                found.append((a[tuple(i)], float(np.prod(edge))))
        values = [v for v, _ in found]
        weights = [1.0 if blend == "mean" else w for _, w in found]
        if not found:
            out[at] = value
        elif blend == "first":
            out[at] = values[0]
        elif blend == "max":
            out[at] = max(values)
        else:
            mean = sum(float(v) * w for v, w in zip(values, weights, strict=True)) / sum(weights)
            out[at] = np.rint(mean) if arrays[0].dtype.kind in "iu" else mean
    return out


corners2 = st.tuples(st.integers(0, 9), st.integers(0, 9))
sizes = st.tuples(st.integers(1, 7), st.integers(1, 7))


blends = st.sampled_from(["first", "max", "mean", "linear"])
dtypes = st.sampled_from(["uint8", "int16", "float32", "float64"])


@settings(max_examples=50)
@given(st.lists(st.tuples(corners2, sizes), min_size=1, max_size=5), blends, dtypes, st.data())
def test_tiles_are_put_together(places, blend, dtype, data):
    rng = np.random.default_rng(len(places))
    arrays = [rng.integers(0, 120, size).astype(dtype) for _, size in places]
    corners = np.array([corner for corner, _ in places])
    if len({tuple(c) for c in corners.tolist()}) == 1 and len(places) > 1:
        corners[0] += 1
    images = [tile(a, *(c + 40)) for a, c in zip(arrays, corners, strict=True)]
    made = check_law(mosaic(blend=blend, value=7), images, data)
    low = corners.min(0)
    expected = assembled(arrays, corners - low, blend, 7)
    if dtype == "float64":
        np.testing.assert_allclose(whole(made), expected, rtol=1e-12)
    else:
        np.testing.assert_array_equal(whole(made), expected)
    assert made.spec.levels[0].origin == tuple(0.5 * (low + 40))


@settings(max_examples=30)
@given(st.sampled_from(["czyx", "tczyx", "zyx"]), st.sampled_from(["first", "max", "linear"]), st.data())
def test_tiles_of_many_axes(axes, blend, data):
    rng = np.random.default_rng(3)
    shape = [2] * (len(axes) - 3)
    arrays = [rng.integers(0, 99, (*shape, *size)).astype(np.uint16) for size in ((3, 5, 6), (2, 4, 7))]
    images = [tile(a, *c, axes=axes) for a, c in zip(arrays, ((10, 20, 30), (9, 22, 34)), strict=True)]
    made = check_law(mosaic(blend=blend), images, data)
    for index in np.ndindex(*shape):
        expected = assembled([a[index] for a in arrays], [(1, 0, 0), (0, 2, 4)], blend, 0)
        np.testing.assert_array_equal(whole(made)[index], expected)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.floats(0, 12), st.floats(0, 12)), min_size=2, max_size=5, unique=True), blends, st.data())
def test_the_law_holds_at_every_level(corners, blend, data):
    rng = np.random.default_rng(4)
    images = [derive(tile(rng.integers(0, 99, (9, 11)).astype(np.uint8), *c), AddLevel((2, 2))) for c in corners]
    made = check_law(mosaic(blend=blend), images, data)
    assert len(made.spec.levels) == 2


@pytest.mark.parametrize("blend", ["first", "mean"])
@pytest.mark.parametrize("axis", ["y", "x"])
def test_every_level_is_in_place(blend, axis):
    """Voxels hold their position: tiles at whole voxels of the level show exactly where they are."""
    corners = [(-8.0, 100.0), (-8.0, 116.0), (8.0, 108.0)]
    images = [located(axis, (40, 37), scale=(0.5, 0.5), origin=c, units=True, factors=((2, 2),) * 3) for c in corners]
    made = combine(images, mosaic(blend=blend, value=-1000))
    assert len(made.spec.levels) == 4
    for k in range(4):
        got, expected = whole(made, k), spread(made, k, axis)
        np.testing.assert_allclose(np.where(got == -1000, expected, got), expected)
        assert 0.5 < (got != -1000).mean() < 1


def test_no_tile_is_further_from_its_place_than_half_a_voxel():
    rng = np.random.default_rng(5)
    corners = rng.uniform(0, 60, (12, 2))
    images = [located("x", (40, 40), scale=(0.5, 0.5), origin=c.tolist(), units=True, factors=((2, 2),) * 3)
              for c in corners]  # fmt: skip
    made = combine(images, mosaic(value=-1000))
    for k, level in enumerate(made.spec.levels):
        got, expected = whole(made, k), spread(made, k, "x")
        off = np.abs(np.where(got == -1000, expected, got) - expected).max()
        assert off <= level.scale[1] / 2 + 1e-5


def test_a_grid():
    images = [in_memory(np.full((10, 20), n, np.uint8), units=True) for n in range(5)]
    made = combine(images, mosaic(columns=2, overlap="10%"))
    assert made.spec.levels[0].shape == (28, 38)
    assert whole(made)[::9, ::18].tolist() == [[0, 0, 1], [0, 0, 1], [2, 2, 3], [4, 4, 0]]
    snake = whole(combine(images, mosaic(columns=2, overlap=0, snake=True)))
    assert snake[::10, ::20].tolist() == [[0, 1], [3, 2], [4, 0]]
    assert combine(images, mosaic(columns=5, overlap="2 um")).spec.levels[0].shape == (10, 92)


def test_positions_may_be_given():
    images = [in_memory(np.full((2, 3), n, np.uint8), units=True) for n in (1, 2)]
    made = combine(images, mosaic(positions=(("-5 um", "1 um"), ("-4.2 um", "4 um"))))
    assert whole(made).tolist() == [[1, 1, 1, 0, 0, 0], [1, 1, 1, 2, 2, 2], [0, 0, 0, 2, 2, 2]]
    assert made.spec.levels[0].origin == (-5, 1)


def test_positions_in_voxels_need_no_voxel_size():
    images = [in_memory(np.full((2, 3), n, np.uint8)) for n in (1, 2)]
    for positions in (((10, 4), (10.8, 7.3)), (("-3 px", "4px"), ("-2.2 px", "7.3 px"))):
        made = combine(images, mosaic(positions=positions))
        assert whole(made).tolist() == [[1, 1, 1, 0, 0, 0], [1, 1, 1, 2, 2, 2], [0, 0, 0, 2, 2, 2]]
        assert made.spec.levels[0].origin == (0, 0)
    placed = [in_memory(np.full((2, 3), n, np.uint8), units=True, scale=(0.5, 0.5), origin=(5, 9)) for n in (1, 2)]
    made = combine(placed, mosaic(positions=((0, 3), (0, 0))))
    assert whole(made).tolist() == [[2, 2, 2, 1, 1, 1]] * 2
    assert made.spec.levels[0].origin == (5, 7.5), "the first one stays where it is"
    same = combine(placed, mosaic(positions=(("5 um", "9 um"), ("5 um", "7.5 um"))))
    assert (whole(same) == whole(made)).all()
    assert same.spec.levels == made.spec.levels


def test_single_planes_ignore_their_focus():
    images = [tile(np.full((1, 2, 2), n, np.uint8), *corner) for n, corner in ((1, (50, 0, 0)), (2, (57, 0, 2)))]
    made = combine(images, mosaic())
    assert whole(made).tolist() == [[[1, 1, 2, 2]] * 2]
    assert made.spec.levels[0].origin == (25, 0, 0)
    made = combine(images, mosaic(positions=((9, 0, 0), (0, 0, 2))))
    assert whole(made).tolist() == [[[1, 1, 2, 2]] * 2]


def test_hidden_tiles_are_not_read():
    images = [tile(np.zeros((8, 8), np.uint8), *c) for c in ((0, 0), (0, 4), (0, 5), (1, 5))]
    step, specs = mosaic(), [image.spec for image in images]
    needs = step.needs(specs, 0, Region((0, 0), (8, 12)))
    assert [n for n, _ in needs] == [1, 0]
    assert needs[0][1].region == Region((0, 4), (8, 8)), "only what is not behind the first"
    assert len(mosaic(blend="max").needs(specs, 0, Region((0, 0), (8, 12)))) == 4


def test_nan_gives_way_to_numbers():
    images = [tile(np.array([[np.nan, 1, np.nan]], "f4"), 0, 0), tile(np.array([[5, np.nan]], "f4"), 0, 1)]
    np.testing.assert_array_equal(whole(combine(images, mosaic(blend="max"))), [[np.nan, 5, np.nan]])


def test_thousands_of_tiles():
    n = 100
    first = in_memory(np.zeros((512, 512), np.uint8), units=True).spec
    levels = [Level((512, 512), (1.0, 1.0), (460.0 * y, 460.0 * x), (512, 512)) for y in range(n) for x in range(n)]
    specs = [Spec(first.axes, first.dtype, (level,), first.channels, str(i)) for i, level in enumerate(levels)]
    step = mosaic()
    assert step.spec(specs).levels[0].shape == (460 * 99 + 512,) * 2
    region = Region((20_000, 20_000), (20_512, 20_512))
    start = time.perf_counter()
    for _ in range(10):
        assert len(step.needs(specs, 0, region)) == 4
    assert (time.perf_counter() - start) / 10 < 0.02


@pytest.mark.parametrize(
    ("images", "options", "told"),
    [
        ([in_memory(np.zeros((2, 2)))] * 2, {}, "do not say where"),
        ([in_memory(np.zeros((2, 2)), units=True)] * 2, {}, "at the same place"),
        ([in_memory(np.zeros((2, 2)))] * 2, {"columns": 0}, "at least 1"),
        ([in_memory(np.zeros((2, 2)))] * 2, {"columns": 1, "overlap": 2}, "does not fit"),
        ([in_memory(np.zeros((2, 2)))] * 2, {"columns": 1, "overlap": "2 um"}, "pixel_size"),
        ([in_memory(np.zeros((2, 2))), in_memory(np.zeros((2, 3)))], {"columns": 1}, "several sizes"),
        ([in_memory(np.zeros((2, 2)))] * 2, {"positions": [["0 um", "0 um"]] * 2}, "state their voxel size"),
        ([in_memory(np.zeros((2, 2)), units=True)] * 2, {"positions": [[0, 0], ["0 um", "1 um"]]}, "all of them alike"),
        ([in_memory(np.zeros((2, 2)), units=True)] * 2, {"positions": [["0 um", "0 um"]]}, "1 positions for 2"),
        ([in_memory(np.zeros((2, 2)))], {"columns": 1, "positions": [["0 um", "0 um"]]}, "not both"),
        ([in_memory(np.zeros((2, 2), np.uint64))], {"columns": 1, "blend": "mean"}, "no means of uint64"),
        ([in_memory(np.zeros((2, 2), np.uint8), categorical=True)], {"columns": 1, "blend": "linear"}, "labels"),
        ([in_memory(np.zeros((2, 2), np.uint8))], {"columns": 1, "value": -1}, "value: -1"),
        ([in_memory(np.zeros((2, 2))), in_memory(np.zeros((2, 2)), scale=(1, 2))], {"columns": 1}, "1 and 2 long"),
    ],
)
def test_says_what_is_wrong(images, options, told):
    with pytest.raises(Unsupported, match=told):
        combine(images, mosaic(**options))


def test_every_option_counts():
    images = [tile(np.zeros((4, 4), np.uint8), *c) for c in ((0, 0), (0, 2))]
    options = [{}, {"blend": "max"}, {"columns": 1}, {"columns": 2}, {"columns": 1, "overlap": 1}, {"value": 1},
               {"columns": 1, "snake": True}, {"positions": [["0 um", "0 um"], ["1 um", "1 um"]]}]  # fmt: skip
    check_identities([mosaic(**each) for each in options], images)
