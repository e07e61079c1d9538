"""Arithmetic, masks and corrections against numpy, with axes that one of the images lacks."""

from __future__ import annotations

import numpy as np
import pytest
from coordinates import located, positions
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.image import combine, derive
from s3facade.core.region import Region
from s3facade.core.spec import Channel
from s3facade.testing import check_identities, check_law, images, in_memory, whole
from s3facade.transforms.combining.arithmetic import Arithmetic, ChannelArithmetic
from s3facade.transforms.combining.correct import Background, FlatField
from s3facade.transforms.combining.mask import Mask
from s3facade.transforms.pyramids.downsample import AddLevel

NUMBERS = ("uint8", "int16", "uint16", "int32", "uint32", "float32")
OPERATIONS = ("add", "subtract", "difference", "multiply", "divide", "share", "max", "min", "weighted")


def made(kind, **options):
    return TypeAdapter(kind).validate_python({"image": "other", **options})


def zeros(*shape, dtype=np.uint8, **options):
    return in_memory(np.zeros(shape, dtype), **options)


def exact(operation, a, b, weights=(1.0, 1.0)):
    a, b = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(all="ignore"):
        return {
            "add": lambda: a + b, "subtract": lambda: a - b, "difference": lambda: np.abs(a - b),
            "multiply": lambda: a * b, "divide": lambda: a / b, "share": lambda: a / (a + b),
            "max": lambda: np.maximum(a, b), "min": lambda: np.minimum(a, b),
            "weighted": lambda: weights[0] * a + weights[1] * b,
        }[operation]()  # fmt: skip


def saturated(values, dtype):
    if np.dtype(dtype).kind == "f":
        return values.astype(dtype)
    info = np.iinfo(dtype)
    return np.clip(np.rint(values), info.min, info.max).astype(dtype)


def other_for(image, data, dtypes=NUMBERS, **options):
    """An image of the same voxels that lacks some axes, or has them once."""
    names = image.spec.names
    axes = [n for n in names if n in "yx" or data.draw(st.booleans())]
    shape = [image.spec.length(n) if n in "yx" or data.draw(st.booleans()) else 1 for n in axes]
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    array = rng.integers(0, 120, shape).astype(data.draw(st.sampled_from(dtypes)))
    level = image.spec.levels[0]
    at = [names.index(n) for n in axes]
    scale, origin = ([values[i] for i in at] for values in (level.scale, level.origin))
    units = any(a.unit for a in image.spec.axes)
    return in_memory(array, axes="".join(axes), scale=scale, origin=origin, units=units, **options)


def as_axes(image, other):
    array = other.options["levels"][0]
    return array.reshape([dict(zip(other.spec.names, array.shape, strict=True)).get(n, 1) for n in image.spec.names])


@settings(max_examples=150)
@given(images(dtypes=NUMBERS), st.sampled_from(OPERATIONS), st.sampled_from(["float64", None]), st.data())
def test_arithmetic_is_numpys(image, operation, wide, data):
    other = other_for(image, data)
    weights = (0.25, -2.0)
    step = made(Arithmetic, operation=operation, weights=weights, dtype=wide)
    a, b = image.options["levels"][0], as_axes(image, other)
    expected = exact(operation, a, b, weights)
    result = combine([image, other], step)
    if operation in {"divide", "share"} and not wide:
        assert result.spec.dtype in (np.float32, np.float64)
        check_law(step, [image, other], data)
        np.testing.assert_allclose(whole(result), expected, rtol=3e-7)
    else:
        check_law(step, [image, other], data)
        np.testing.assert_array_equal(whole(result), saturated(expected, result.spec.dtype))


def test_long_integers_are_chosen_not_computed():
    top = 2**63 - 1
    images = [in_memory(np.array([[top, 1]]), axes="yx"), in_memory(np.array([[top - 1, 2]]), axes="yx")]
    assert whole(combine(images, made(Arithmetic, operation="max"))).tolist() == [[top, 2]]
    with pytest.raises(Unsupported, match="int64 are too long"):
        combine(images, made(Arithmetic))


def test_nothing_wraps_and_an_offset_keeps_noise():
    a, b = in_memory(np.array([[5, 250]], np.uint8)), in_memory(np.array([[9, 10]], np.uint8))
    assert whole(combine([a, b], made(Arithmetic))).tolist() == [[0, 240]]
    assert whole(combine([a, b], made(Arithmetic, offset=100))).tolist() == [[96, 255]]
    assert whole(combine([a, b], made(Arithmetic, operation="add", dtype="uint16"))).tolist() == [[14, 260]]
    assert whole(combine([a, b], made(Background, offset=10))).tolist() == [[6, 250]]


def test_what_is_not_a_number_is_not_made_one():
    a, b = in_memory(np.array([[0, 5]], np.uint8)), in_memory(np.array([[0, 0]], np.uint8))
    np.testing.assert_array_equal(whole(combine([a, b], made(Arithmetic, operation="divide"))), [[np.nan, np.inf]])
    with pytest.raises(BadSource, match="not a number"):
        whole(combine([a, b], made(Arithmetic, operation="divide", dtype="uint8")))


def test_levels_are_those_of_the_result_unless_approximate():
    images = [derive(in_memory(np.full((8, 8), n, np.uint8)), AddLevel((2, 2))) for n in (7, 2)]
    assert len(combine(images, made(Arithmetic)).spec.levels) == 1
    both = combine(images, made(Arithmetic, approximate=True))
    assert whole(both, 1).tolist() == [[5] * 4] * 4
    assert (
        len(combine([images[0], in_memory(np.zeros((8, 8), np.uint8))], made(Arithmetic, approximate=True)).spec.levels)
        == 1
    )


@given(images(axes=("cyx", "tczyx"), dtypes=NUMBERS), st.sampled_from(OPERATIONS), st.data())
def test_channels_are_computed_as_images_are(image, operation, data):
    numbers = [data.draw(st.integers(0, image.spec.length("c") - 1)) for _ in range(2)]
    step = TypeAdapter(ChannelArithmetic).validate_python({"channels": numbers, "operation": operation, "name": "r"})
    result = check_law(step, image, data)
    c = image.spec.names.index("c")
    a, b = (image.options["levels"][0].take([n], c) for n in numbers)
    expected = exact(operation, a, b)
    if operation in {"divide", "share"}:
        np.testing.assert_allclose(whole(result), expected, rtol=3e-7)
    else:
        np.testing.assert_array_equal(whole(result), saturated(expected, image.spec.dtype))
    assert result.spec.channels == (Channel("r"),)


@settings(max_examples=100)
@given(images(), st.booleans(), st.data())
def test_a_mask_of_the_same_voxels(image, invert, data):
    other = other_for(image, data, ("bool", "uint8", "int32"))
    step = made(Mask, invert=invert, value=1)
    result = check_law(step, [image, other], data)
    shown = np.broadcast_to((as_axes(image, other) != 0) ^ invert, image.spec.levels[0].shape)
    np.testing.assert_array_equal(
        whole(result), np.where(shown, image.options["levels"][0], 1).astype(image.spec.dtype)
    )


@settings(max_examples=50)
@given(
    st.sampled_from([0.3, 0.5, 1.0, 2.7]), st.sampled_from([0.4, 1.0, 1.7]), st.floats(-9, 9), st.booleans(), st.data()
)
def test_a_mask_of_other_voxels_lies_where_it_says(fine, coarse, start, invert, data):
    """Compared by position, voxel by voxel."""
    image = in_memory(np.arange(12 * 17).reshape(12, 17) + 1, units=True, scale=(fine, 0.5), origin=(3, 1))
    rng = np.random.default_rng(7)
    array = rng.integers(0, 2, (9, 11)).astype(np.uint8)
    mask = in_memory(array, units=True, scale=(coarse, 0.7), origin=(start, 0))
    ends = start - coarse / 2, start + 8.5 * coarse
    assume(ends[0] < 3 + 11.5 * fine and ends[1] > 3 - fine / 2)
    result = check_law(made(Mask, invert=invert), [image, mask], data)
    got = whole(result)
    for (i, j), value in np.ndenumerate(image.options["levels"][0]):
        at = ((3 + fine * i - start) / coarse, (1 + 0.5 * j) / 0.7)
        if any(abs(p % 1 - 0.5) < 1e-5 for p in at):
            continue
        y, x = (round(p) for p in at)
        inside = 0 <= y < 9 and 0 <= x < 11 and array[y, x] != 0
        assert got[i, j] == (value if inside ^ invert else 0)


def test_a_mask_at_coarser_levels():
    image = located("x", (16, 64), factors=((2, 2), (2, 2)), scale=(1, 0.5), origin=(0, 20), units=True)
    array = np.zeros((16, 64), np.uint8)
    array[:, 16:40] = 1
    mask = in_memory(array, array[::2, ::2].copy(), units=True, scale=(1, 0.5), origin=(0, 20))
    step = made(Mask, approximate=True, value=-1)
    masked = combine([image, mask], step)
    assert [need.level for _, need in step.needs([image.spec, mask.spec], 2, Region((0, 0), (4, 16)))] == [2, 1]
    for k in range(3):
        x = positions(masked, k, "x")
        inside = (x > 28 - 0.25) & (x < 40 - 0.25)
        np.testing.assert_allclose(whole(masked, k)[0], np.where(inside, x, -1))
    assert len(combine([image, mask], made(Mask)).spec.levels) == 1


@settings(max_examples=40)
@given(images(dtypes=("uint8", "int16")), st.data())
def test_the_law_holds_at_every_level(image, data):
    for step in (made(Arithmetic, approximate=True, operation="weighted"), made(Mask, approximate=True)):
        result = check_law(step, [image, image], data)
        assert len(result.spec.levels) == len(image.spec.levels)


def test_a_thumbnail_masks_a_stack():
    stack = in_memory(np.ones((2, 5, 8, 8), np.uint16), axes="czyx", units=True)
    thumbnail = in_memory(np.array([[0, 1], [1, 1]], np.uint8), units=True, scale=(4, 4), origin=(1.5, 1.5))
    got = whole(combine([stack, thumbnail], made(Mask)))
    assert (got[:, :, :4, :4] == 0).all()
    assert got.sum() == 2 * 5 * 48


@settings(max_examples=50)
@given(images(axes=("yx", "cyx", "zyx", "tczyx"), dtypes=("uint8", "uint16", "float32")), st.booleans(), st.booleans(),
       st.sampled_from([None, 100.0]), st.data())  # fmt: skip
def test_a_flat_field_is_taken_out(image, colours, darkened, gain, data):
    y, x = image.spec.levels[0].shape[-2:]
    c = image.spec.length("c") if colours and "c" in image.spec.names else 0
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    light = rng.integers(5, 200, (c, y, x) if c else (y, x)).astype(np.uint16)
    noise = rng.integers(0, 20, (y, x)).astype(np.uint16)
    flat, dark = in_memory(light, axes="cyx" if c else "yx"), in_memory(noise)
    step = made(FlatField, gain=gain, value=3, **({"dark": "d"} if darkened else {}))
    result = check_law(step, [image, flat, dark] if darkened else [image, flat], data)
    bright = light.astype(float) - (noise if darkened else 0)
    mean = gain or bright.mean((-2, -1), keepdims=True)
    shape = [c if n == "c" and c else image.spec.length(n) if n in "yx" else 1 for n in image.spec.names]
    source = image.options["levels"][0].astype(float)
    with np.errstate(all="ignore"):
        values = (source - (noise if darkened else 0)) * (mean / bright).reshape(shape)
    expected = saturated(np.where((bright <= 0).reshape(shape), 3, values), image.spec.dtype)
    np.testing.assert_allclose(whole(result), expected, atol=1e-12, rtol=1e-6 if image.spec.dtype.kind == "f" else 0)


def test_the_flat_image_is_read_whole_once():
    image, flat = in_memory(np.full((64, 64), 7, np.uint8)), in_memory(np.full((64, 64), 50, np.uint8), once=1)
    step = made(FlatField)
    region = Region((8, 8), (16, 16))
    specs = [image.spec, flat.spec]
    assert step.needs(specs, 0, region)[1][1].region == Region((0, 0), (64, 64))
    assert (whole(combine([image, flat], step)) == 7).all()
    assert step.needs(specs, 0, region)[1][1].region == region


@pytest.mark.parametrize(
    ("kind", "parents", "options", "told"),
    [
        (Arithmetic, [zeros(4, 4), zeros(4, 5)], {}, "4 and 5 voxels along x"),
        (Arithmetic, [zeros(4, 4), zeros(2, 4, 4)], {}, "axis z of 2 voxels"),
        (Arithmetic, [zeros(4, 4, units=True), zeros(4, 4, units=True, origin=(0, 2))], {}, "begin at 0 and 2"),
        (Arithmetic, [zeros(4, 4, units=True), zeros(4, 4, units=True, scale=(1, 2))], {}, "1 and 2 long"),
        (Arithmetic, [zeros(4, 4), zeros(4, 4, categorical=True)], {}, "labels"),
        (Arithmetic, [zeros(4, 4), zeros(4, 4)], {"dtype": "text"}, "no data type"),
        (Mask, [zeros(4, 4), zeros(4, 5)], {}, "4 voxels along x and 'other' has 5"),
        (Mask, [zeros(4, 4), zeros(4, 4, dtype=np.float32)], {}, "threshold"),
        (Mask, [zeros(4, 4), zeros(4, 4)], {"value": 256}, "value: 256"),
        (Mask, [zeros(4, 4), zeros(3, 4, 4)], {}, "axis z of 3"),
        (Mask, [zeros(4, 4, units=True), zeros(4, 4, units=True, origin=(50, 0))], {}, "nothing in common along y"),
        (FlatField, [zeros(3, 4, 4), zeros(3, 4, 4)], {}, "one plane"),
        (FlatField, [zeros(4, 4), zeros(4, 4)], {"gain": 0}, "greater than zero"),
        (FlatField, [zeros(4, 4), zeros(4, 4), zeros(4, 5)], {"dark": "d"}, "'d'.*4 and 5"),
        (Background, [zeros(4, 4), zeros(5, 4)], {}, "4 and 5 voxels along y"),
    ],
)
def test_says_what_is_wrong(kind, parents, options, told):
    with pytest.raises(Unsupported, match=told):
        combine(parents, made(kind, **options))


def test_corrections_go_by_voxels_not_by_places():
    """A flat image was recorded elsewhere on the stage."""
    image = zeros(4, 4, units=True, origin=(500, 900))
    flat = in_memory(np.ones((4, 4), np.uint8), units=True, origin=(0, 0), scale=(3, 3))
    assert combine([image, flat], made(FlatField)).spec.levels == image.spec.levels
    assert combine([image, flat], made(Background)).spec.levels == image.spec.levels


def test_every_option_counts():
    two = [zeros(4, 4), in_memory(np.ones((4, 4), np.uint8))]
    more = [{}, {"operation": "add"}, {"operation": "weighted"}, {"operation": "weighted", "weights": (1, 2)},
            {"offset": 1}, {"dtype": "float32"}, {"approximate": True}]  # fmt: skip
    check_identities([made(Arithmetic, **each) for each in more], two)
    check_identities([made(Mask, **each) for each in ({}, {"value": 1}, {"invert": True}, {"approximate": True})], two)
    check_identities([made(Background, **each) for each in ({}, {"offset": 1}, {"dtype": "int16"})], two)
    corrected = ({}, {"gain": 2}, {"value": 1}, {"dtype": "float32"})
    check_identities([made(FlatField, **each) for each in corrected], two)
    channels = zeros(2, 4, 4, axes="cyx")
    options = [{}, {"operation": "add"}, {"offset": 1}, {"dtype": "int16"}, {"name": "n"}, {"approximate": True}]
    check_identities([ChannelArithmetic((0, 1), **each) for each in options], channels)
    check_identities([ChannelArithmetic((0, 1)), ChannelArithmetic((1, 0))], channels)
