"""Sizes, positions and names stated anew."""

from __future__ import annotations

import numpy as np
import pytest
from coordinates import located, positions, spread
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from s3facade.core.errors import Unsupported
from s3facade.core.image import derive
from s3facade.core.spec import Channel
from s3facade.testing import check_identities, check_law, images, in_memory, whole
from s3facade.transforms.geometry.metadata import Metadata


def made(**options):
    return TypeAdapter(Metadata).validate_python(options)


def described(image, **options):
    return derive(image, made(**options))


@given(images(), st.data())
def test_voxels_stay(image, data):
    result = check_law(made(pixel_size={"y": "2 um", "x": "300 nm"}, name="n"), image, data)
    np.testing.assert_array_equal(whole(result), image.options["levels"][0])
    assert result.spec.levels[0].scale[-2:] == pytest.approx((2.0, 0.3))
    assert {a.unit for a in result.spec.axes[-2:]} == {"micrometer"}


def test_one_length_is_that_of_y_and_x():
    image = in_memory(np.zeros((2, 3, 3)), axes="zyx")
    result = described(image, pixel_size="0.5 um")
    assert [a.unit for a in result.spec.axes] == [None, "micrometer", "micrometer"]
    assert result.spec.levels[0].scale == (1, 0.5, 0.5)


def test_coarser_levels_stay_over_the_finest():
    image = located("x", (9, 26), factors=((2, 2), (2, 2)), scale=(1, 0.5), origin=(0, 40), units=True)
    bigger = described(image, pixel_size={"x": "2 um"})
    moved = described(image, origin={"x": "-3 um"})
    counted = described(image, drop=["pixel_size"])
    for k in range(3):
        np.testing.assert_allclose(40 + (whole(bigger, k) - 40) * 4, spread(bigger, k, "x"))
        np.testing.assert_allclose(whole(moved, k) - 43, spread(moved, k, "x"))
        np.testing.assert_allclose((whole(counted, k) - 40) / 0.5, spread(counted, k, "x"))
    assert [a.unit for a in counted.spec.axes] == [None, None]
    assert positions(described(image, pixel_size={"x": "2 um"}, origin={"x": "7 um"}), 0, "x")[:2].tolist() == [7, 9]


def test_time_and_names():
    image = in_memory(np.zeros((2, 2, 3, 3), np.uint8), axes="tcyx", name="old", ome_xml="<OME/>", positions=[], a=1)
    result = described(
        image,
        pixel_size={"t": "2 min"},
        name="new",
        channel_names=["a", "b"],
        channel_colors=["ff0000", "#00FF00"],
        categorical=True,
        drop=["a"],
    )
    assert result.spec.axes[0].unit == "second"
    assert result.spec.levels[0].scale[0] == 120
    assert result.spec.channels == (Channel("a", "FF0000"), Channel("b", "00FF00"))
    assert result.spec.attrs == {"name": "new", "categorical": True, "positions": []}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"pixel_size": {"z": "1 um"}}, "no axis z"),
        ({"origin": {"y": "1 um"}}, "needs a size"),
        ({"channel_names": ["a", "b"]}, "2 entries; the image has 1"),
        ({"channel_colors": ["red"]}, "RRGGBB"),
        ({"categorical": True}, "whole numbers"),
    ],
)
def test_says_what_is_wrong(options, told):
    with pytest.raises(Unsupported, match=told):
        described(in_memory(np.zeros((3, 3))), **options)


def test_sizes_have_units():
    for wrong in ({"pixel_size": "0.5"}, {"pixel_size": {"x": "0 um"}}, {"pixel_size": {"w": "1 um"}}):
        with pytest.raises(ValidationError):
            made(**wrong)
    with pytest.raises(Unsupported, match="greater than zero"):
        described(in_memory(np.zeros((2, 3, 3)), axes="tyx"), pixel_size={"t": "0 s"})


def test_every_option_counts():
    image = in_memory(np.zeros((3, 3), np.uint8), units=True, a=1)
    options = [{}, {"name": "a"}, {"pixel_size": "2 um"}, {"pixel_size": {"x": "2 um"}}, {"categorical": True},
               {"origin": {"x": "2 um"}}, {"channel_names": ["a"]},
               {"channel_colors": ["FF0000"]}, {"drop": ["a"]}]  # fmt: skip
    check_identities([made(**each) for each in options], image)
