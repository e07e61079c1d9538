"""Projections and coarser images: the law, numpy as oracle, memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from s3facade.core.errors import Unsupported
from s3facade.core.image import apply_step
from s3facade.core.region import Region
from s3facade.core.spec import Channel
from s3facade.engine.needs import cost
from s3facade.testing import check_identities, check_law, images, in_memory, whole
from s3facade.transforms.filters.project import Project
from s3facade.transforms.pyramids.downsample import AddLevel
from s3facade.transforms.pyramids.shrink import Downsample, factors

DEEP = in_memory(
    np.random.default_rng(1).integers(0, 256, (2, 3, 9, 10, 11), np.uint8),
    axes="tczyx",
    channels=[Channel("a", "FF0000", (0, 9)), Channel("b", None, (0, 9)), Channel("c", None, (0, 9))],
    times=[1, 2],
)


@pytest.mark.parametrize("method", ["max", "min", "mean", "sum"])
@settings(max_examples=60)
@given(st.data())
def test_the_law_of_projections(method, data):
    case = Project(method, data.draw(st.sampled_from("ztc")), data.draw(st.booleans()))
    try:
        check_law(case, data.draw(images(axes=["zyx", "tyx", "cyx", "tczyx"])), data)
    except Unsupported:
        reject()


@pytest.mark.parametrize("along", ["z", "t", "c"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "float32"])
def test_numpy_says_the_same(along, dtype):
    source = whole(DEEP).astype(dtype) - (100 if dtype == "int16" else 0)
    source = source.astype(dtype)
    axis = "tcz".index(along)
    for method in ("max", "min", "mean", "sum"):
        image = apply_step(in_memory(source, axes="tczyx"), Project(method, along))
        expected = getattr(np, method)(source.astype(np.float64), axis=axis)
        if method == "mean" and dtype != "float32":
            expected = np.rint(expected)
        np.testing.assert_allclose(whole(image), expected, rtol=1e-7)
        assert along not in image.spec.names


def test_sums_have_room():
    for dtype, depth, expected in [("uint8", 9, "uint32"), ("uint16", 65538, "uint64"), ("int16", 9, "int32")]:
        top = np.iinfo(dtype).max
        image = apply_step(in_memory(np.full((depth, 1, 1), top, dtype), axes="zyx"), Project("sum"))
        assert image.spec.dtype == expected
        assert whole(image).item() == depth * int(top)


def test_what_stays_true_is_kept():
    spec = apply_step(DEEP, Project("max", "z")).spec
    assert [c.name for c in spec.channels] == ["a", "b", "c"]
    spec = apply_step(DEEP, Project("max", "c")).spec
    assert spec.channels == (Channel(None, None, (0, 9)),)
    assert "times" not in apply_step(DEEP, Project("max", "t")).spec.attrs
    assert apply_step(DEEP, Project("sum", "z")).spec.channels[0].window is None


def test_a_deep_volume_is_read_in_slabs(monkeypatch):
    monkeypatch.setattr("s3facade.transforms.filters.project.SLAB", 500)
    volume = in_memory(np.random.default_rng(0).random((90, 10, 10)), axes="zyx", block=(4, 10, 10))
    image = apply_step(volume, Project("mean"))
    needs = image.combination.needs([volume.spec], 0, Region((0, 0), (10, 10)))
    assert [need.region.shape[0] for _, need in needs] == [4] * 22 + [2]
    np.testing.assert_allclose(whole(image), whole(volume).mean(0))


@pytest.mark.parametrize(
    ("image", "case", "said"),
    [
        (in_memory(np.zeros((4, 4), np.uint8)), Project(), "does not have"),
        (in_memory(np.zeros((2, 4, 4), np.uint8), axes="zyx", categorical=True), Project("mean"), "Labels"),
        (in_memory(np.zeros((2, 4, 4), np.bool_), axes="zyx"), Project("sum"), "cast"),
        (in_memory(np.zeros((2, 4, 4), np.int64), axes="zyx"), Project("sum"), "32 bits"),
        (in_memory(np.zeros((2, 4, 4), np.complex64), axes="zyx"), Project(), "order"),
        (in_memory(np.zeros((4, 4), np.uint8)), Downsample(factors({"z": 2})), "axis z"),
        (in_memory(np.zeros((4, 4), np.uint8), categorical=True), Downsample(method="gaussian"), "mode"),
    ],
)
def test_what_does_not_fit_is_named(image, case, said):
    with pytest.raises(Unsupported, match=said):
        apply_step(image, case)


@pytest.mark.parametrize("method", ["mean", "gaussian", "nearest", "mode"])
@settings(max_examples=25)
@given(st.data())
def test_the_law_of_coarser_images(method, data):
    image = data.draw(images(dtypes=["uint8", "int32", "float32"]))
    by_axis = {n: data.draw(st.integers(1, 3)) for n in image.spec.names if n in "zyx"}
    made = check_law(Downsample(factors(by_axis), method), image, data)
    assert len(made.spec.levels) == 1


def test_coarser_images_equal_the_levels_of_a_pyramid():
    by_axis = (1, 1, 3, 2, 2)
    for method in ("mean", "nearest", "mode"):
        got = apply_step(DEEP, Downsample(factors({"z": 3, "y": 2, "x": 2}), method))
        level = apply_step(DEEP, AddLevel(by_axis, method))
        np.testing.assert_array_equal(whole(got), whole(level, 1))
        assert got.spec.levels == level.spec.levels[1:]


def test_gaussian_reduction_is_that_of_scipy():
    source = np.random.default_rng(0).random((33, 34))
    got = apply_step(in_memory(source), Downsample(factors(3), "gaussian"))
    expected = scipy.ndimage.gaussian_filter(source, 1.5, mode="nearest")[:31:3, :31:3]
    np.testing.assert_allclose(whole(got), expected[:11, :11])
    assert got.spec.levels[0].origin == (0.0, 0.0)
    assert got.spec.levels[0].scale == (3.0, 3.0)


def test_labels_get_the_most_frequent_value():
    source = np.array([[1, 1, 5, 7], [1, 9, 7, 7]], np.uint8)
    assert whole(apply_step(in_memory(source, categorical=True), Downsample())).tolist() == [[1, 7]]


def test_options():
    read = TypeAdapter(Downsample).validate_python
    assert read({"factors": "4"}).factors == (("y", 4), ("x", 4))
    assert read({"factors": {"z": 2, "x": "3"}, "method": "mode"}).factors == (("z", 2), ("x", 3))
    for wrong in ("0", "1.5", {}, {"c": 2}):
        with pytest.raises(ValidationError):
            read({"factors": wrong})
    two = factors(2)
    check_identities([Downsample(two), Downsample(two, "mode"), Downsample(factors(3))], DEEP)
    check_identities([Project(m, a) for m in ("max", "min", "mean", "sum") for a in "ztc"], DEEP)


def test_the_memory_of_a_deep_volume_is_that_of_a_slab():
    volume = in_memory(np.zeros((1, 1, 1), np.uint16), axes="zyx")
    level = replace(volume.spec.levels[0], shape=(4000, 512, 512), block=(1, 512, 512))
    deep = replace(volume, spec=replace(volume.spec, levels=(level,)))
    assert cost(apply_step(deep, Project("mean")), 0, Region((0, 0), (512, 512))) < 40e6
