"""Filters: the law, scipy and scikit-image on the whole image, and physical sizes against the Gaussian itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.ndimage
import SimpleITK
import skimage.filters
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.extents import extents
from s3facade.core.image import derive
from s3facade.testing import check_identities, check_law, images, in_memory, whole
from s3facade.transforms.filters.gaussian import Gaussian, Unsharp
from s3facade.transforms.filters.gradient import LaplaceOfGaussian, Sobel
from s3facade.transforms.filters.median import Median

EDGES = ["nearest", "reflect", "mirror", "constant"]
STACK = in_memory(
    np.random.default_rng(3).integers(0, 4000, (2, 7, 20, 23), np.uint16),
    axes="czyx",
    scale=(1, 2.0, 0.5, 0.25),
    units=True,
)
CASES = [
    Gaussian(extents("1 px")),
    Gaussian(extents("1.2 um"), approximate=True),
    Gaussian(extents({"x": "2.5 px"}), dtype="float32"),
    Unsharp(extents({"y": "1 px", "x": "1 px"}), amount=1.5),
    Unsharp(extents("0.7 um"), approximate=True),
    Sobel(),
    Sobel("yx", per="um", approximate=True),
    LaplaceOfGaussian(extents("1 px")),
    LaplaceOfGaussian(extents({"y": "1 um"}), per="um", approximate=True),
    Median(),
    Median(extents("1 px"), approximate=True),
    Median(extents({"x": "1.1 um"})),
    Median(extents({"y": "2 px", "x": "2 px"})),
]


@pytest.mark.parametrize("case", CASES, ids=str)
@settings(max_examples=25)
@given(st.data())
def test_the_law(case, data):
    case = replace(case, edges=data.draw(st.sampled_from(EDGES)))
    try:
        image = check_law(case, data.draw(images()), data)
    except Unsupported:
        reject()
    assert len(image.spec.levels) == 1 or case.approximate


def test_every_option_counts():
    two = extents("2 px")
    check_identities(
        [
            Gaussian(two),
            Gaussian(extents("2 um")),
            Gaussian(two, "mirror"),
            Gaussian(two, dtype="float32"),
            Gaussian(two, approximate=True),
            Unsharp(two),
            Unsharp(two, 2.0),
            Sobel(),
            Sobel("yx"),
            Sobel(per="um"),
            LaplaceOfGaussian(two),
            LaplaceOfGaussian(two, per="um"),
            Median(two),
            Median(),
        ],
        STACK,
    )


@pytest.mark.parametrize("edges", EDGES)
@pytest.mark.parametrize("sigma", ["1.5 px", "0.8 um"])
def test_gaussian_is_that_of_scipy(sigma, edges):
    got = whole(derive(STACK, Gaussian(extents(sigma), edges, "float32")))
    sigmas = (0, 1.5, 1.5, 1.5) if "px" in sigma else (0, 0.4, 1.6, 3.2)
    source = whole(STACK).astype(np.float32)
    np.testing.assert_array_equal(got, scipy.ndimage.gaussian_filter(source, sigmas, mode=edges))


def test_integers_are_rounded():
    exact = scipy.ndimage.gaussian_filter(whole(STACK).astype(np.float64), (0, 1, 1, 1), mode="nearest")
    got = whole(derive(STACK, Gaussian(extents("1 px"))))
    assert got.dtype == np.uint16
    assert np.abs(got - exact).max() <= 0.5 + 1e-3


def test_a_point_spreads_as_far_as_the_option_says():
    """In µm, whatever the voxels: the variance along each axis is sigma²; SimpleITK's discrete kernel is near."""
    point = np.zeros((31, 41, 61), np.float32)
    point[15, 20, 30] = 1
    scale = (1.0, 0.7, 0.4)
    image = in_memory(point, axes="zyx", scale=scale, units=True)
    got = whole(derive(image, Gaussian(extents("2.4 um"))))
    for axis, step in enumerate(scale):
        profile = got.sum(tuple({0, 1, 2} - {axis}))
        at = (np.arange(profile.size) - profile.size // 2) * step
        assert (profile * at**2).sum() == pytest.approx(2.4**2, rel=0.01)
    assert got.max() == pytest.approx(np.prod(scale) / (2.4**2 * 2 * np.pi) ** 1.5, rel=0.01)
    volume = SimpleITK.GetImageFromArray(point)
    volume.SetSpacing(scale[::-1])
    itk = SimpleITK.DiscreteGaussian(volume, variance=[2.4**2] * 3, maximumKernelWidth=64, maximumError=[0.001] * 3)
    np.testing.assert_allclose(got, SimpleITK.GetArrayFromImage(itk), atol=0.05 * got.max())


def test_unsharp_is_that_of_scikit_image():
    source = whole(STACK).astype(np.float64)
    image = in_memory(source, axes="czyx")
    got = whole(derive(image, Unsharp(extents("2 px"), 0.7, "reflect")))
    expected = skimage.filters.unsharp_mask(source, 2, 0.7, preserve_range=True, channel_axis=0)
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_sharpening_ends_at_the_range_of_integers():
    steps = np.repeat(np.array([[0, 255]], np.uint8), 8, axis=1)
    got = whole(derive(in_memory(steps), Unsharp(extents("2 px"), 5.0)))
    assert (got.min(), got.max()) == (0, 255)


@pytest.mark.parametrize("axes", ["yx", "zyx"])
def test_sobel_is_that_of_scikit_image(axes):
    source = np.random.default_rng(0).random((6, 9, 11))
    got = whole(derive(in_memory(source, axes="zyx"), Sobel(axes, edges="reflect")))
    if axes == "zyx":
        # scikit-image takes the mean of the squares, and 2 for a ramp of 1.
        expected = skimage.filters.sobel(source, mode="reflect") * np.sqrt(3) / 2
    else:
        expected = np.stack([skimage.filters.sobel(plane, mode="reflect") / np.sqrt(2) for plane in source])
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_a_slope_is_the_same_per_micrometre_along_every_axis():
    z, y, x = np.indices((9, 9, 9)).astype(np.float64)
    for ramp in (z * 2.0, y * 0.5, x * 0.25):
        image = in_memory(ramp * 3, axes="zyx", scale=(2.0, 0.5, 0.25), units=True)
        assert whole(derive(image, Sobel(per="um")))[4, 4, 4] == pytest.approx(3)
        bent = in_memory(ramp**2, axes="zyx", scale=(2.0, 0.5, 0.25), units=True)
        got = whole(derive(bent, LaplaceOfGaussian(extents("0.6 px"), per="um")))
        assert got[4, 4, 4] == pytest.approx(2, rel=1e-6)


def test_laplace_of_gaussian_is_that_of_scipy_but_for_flat_regions():
    source = np.random.default_rng(0).random((2, 30, 31)) - 0.5
    got = whole(derive(in_memory(source, axes="cyx"), LaplaceOfGaussian(extents("2 px"), edges="mirror")))
    expected = np.stack([scipy.ndimage.gaussian_laplace(plane, 2, mode="mirror") for plane in source])
    np.testing.assert_allclose(got, expected, atol=5e-3 * np.abs(expected).max())
    flat = in_memory(np.full((20, 20), 60000, np.uint16))
    assert np.abs(whole(derive(flat, LaplaceOfGaussian(extents("2 px"))))).max() < 0.01


@pytest.mark.parametrize("edges", EDGES)
@pytest.mark.parametrize("radius", [{"y": "1 px", "x": "1 px"}, {"y": "2 px"}, {"z": "1 px", "y": "1 px", "x": "2 px"}])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32", "float64"])
def test_median_is_that_of_scipy(radius, edges, dtype):
    source = (whole(STACK) % 251).astype(dtype)
    got = whole(derive(in_memory(source, axes="czyx"), Median(extents(radius), edges)))
    size = [1, *(2 * int(radius.get(n, "0 px")[0]) + 1 for n in "zyx")]
    np.testing.assert_array_equal(got, scipy.ndimage.median_filter(source, size, mode=edges))


def test_medians_of_large_integers_are_exact():
    source = np.array([[2**60, 2**60 + 1, 2**60 + 2]], np.int64)
    assert whole(derive(in_memory(source), Median(extents({"x": "1 px"})))).tolist() == [[2**60, 2**60 + 1, 2**60 + 2]]


@settings(max_examples=20)
@given(st.integers(0, 3), st.integers(0, 3), st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_medians_of_every_box(ry, rx, height, width, seed):
    source = np.random.default_rng(seed).integers(0, 30, (height, width), np.uint8)
    radius = tuple((name, float(r), "px") for name, r in (("y", ry), ("x", rx)) if r)
    got = whole(derive(in_memory(source), Median(radius)))
    size = (2 * ry + 1, 2 * rx + 1)
    np.testing.assert_array_equal(got, scipy.ndimage.median_filter(source, size, mode="nearest"))


@pytest.mark.parametrize("edges", EDGES)
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint64", "float32", "float64"])
def test_medians_of_large_boxes_are_those_of_scipy(edges, dtype):
    source = np.random.default_rng(5).integers(0, 120, (3, 30, 41)).astype(dtype)
    got = whole(derive(in_memory(source), Median(extents({"z": "1 px", "y": "4 px", "x": "5 px"}), edges)))
    np.testing.assert_array_equal(got, scipy.ndimage.median_filter(source, (3, 9, 11), mode=edges))


def test_medians_of_the_largest_boxes_end():
    source = np.random.default_rng(5).integers(0, 4000, (128, 128), np.uint16)
    got = whole(derive(in_memory(source), Median(extents("49 px"))))
    assert got[60, 60] == np.median(source[11:110, 11:110])


@given(st.data())
def test_the_law_for_large_boxes(data):
    case = Median(extents({"y": "4 px", "x": "4 px"}), data.draw(st.sampled_from(EDGES)))
    check_law(case, data.draw(images(dtypes=["uint8", "int16", "uint64", "float32"])), data)


@pytest.mark.parametrize("radius", ["1 px", "2 px", "4 px"])
def test_a_median_with_nan_is_nan(radius):
    source = np.arange(81, dtype=np.float32).reshape(9, 9)
    source[4, 4] = np.nan
    got = whole(derive(in_memory(source), Median(extents(radius))))
    reach = int(radius[0])
    assert np.isnan(got).sum() == (2 * reach + 1) ** 2
    assert np.isnan(got[4 - reach, 4 + reach])


def test_planes_of_time_and_channels_are_filtered_apart():
    source = np.zeros((3, 2, 9, 9), np.float32)
    source[1, 1, 4, 4] = 1
    for case in CASES:
        if "um" in str(case):
            continue
        got = whole(derive(in_memory(source, axes="tcyx"), case))
        assert not got[[0, 0, 1, 2, 2], [0, 1, 0, 0, 1]].any()


def test_options_are_written_with_units():
    read = TypeAdapter(Gaussian).validate_python
    assert read({"sigma": "2 um"}) == Gaussian((("", 2.0, "um"),))
    assert read({"sigma": {"y": "3 px", "x": "500 nm"}}).sigma == (("y", 3.0, "px"), ("x", 0.5, "um"))
    assert TypeAdapter(Median).validate_python({}) == Median()
    for wrong in ("2", "2 furlong", "-1 px", {}, {"c": "1 px"}):
        with pytest.raises(ValidationError):
            read({"sigma": wrong})


@pytest.mark.parametrize(
    ("case", "said"),
    [
        (Gaussian(extents("2 um")), "pixel_size"),
        (Gaussian(extents({"z": "2 px"})), "axis z"),
        (Gaussian(extents("2 px"), dtype="cat"), "no data type"),
        (Unsharp(extents("2 px"), -1.0), "amount"),
        (Sobel("zyx"), "axes"),
        (Sobel(per="um"), "pixel_size"),
        (Gaussian(extents("1000000000 px")), "check its unit"),
        (Unsharp(extents({"y": "1000000000 px"})), "check its unit"),
        (LaplaceOfGaussian(extents("1000000000 px")), "check its unit"),
        (Median(extents("100 px")), "check its unit"),
        (Median(extents("1000000000 px")), "check its unit"),
    ],
)
def test_what_does_not_fit_is_named(case, said):
    with pytest.raises(Unsupported, match=said):
        derive(in_memory(np.zeros((4, 4), np.uint8)), case)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_labels_and_booleans_are_refused(case):
    for image in (
        in_memory(np.zeros((4, 4), np.uint8), units=True, categorical=True),
        in_memory(np.zeros((4, 4), np.bool_), units=True),
    ):
        with pytest.raises(Unsupported, match=r"labels|bool"):
            derive(image, case)


def test_nan_is_no_integer():
    source = np.array([[np.nan, 1.0, 2.0]], np.float32)
    with pytest.raises(BadSource, match="not a number"):
        whole(derive(in_memory(source), Gaussian(extents("1 px"), dtype="uint8")))
