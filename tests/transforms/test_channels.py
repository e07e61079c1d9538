"""Channels: selected, reordered, described anew."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from s3facade.core.errors import Unsupported
from s3facade.core.image import derive
from s3facade.core.region import Region
from s3facade.core.spec import Channel
from s3facade.testing import check_identities, check_law, images, in_memory, whole
from s3facade.transforms.geometry.channels import Channels, Pick


def made(*pick):
    return TypeAdapter(Channels).validate_python({"pick": pick})


def named(*names):
    array = np.arange(len(names) * 12, dtype=np.uint16).reshape(len(names), 3, 4)
    return in_memory(array, axes="cyx", channels=[Channel(name) for name in names], ome_xml="<OME/>", name="n")


@given(images(), st.data())
def test_channels_are_picked_in_order(image, data):
    count = len(image.spec.channels)
    most = 5 if "c" in image.spec.names else 1
    pick = data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=most))
    picked = check_law(made(*map(str, pick)), image, data)
    axis = image.spec.axis("c")
    for k, array in enumerate(image.options["levels"]):
        np.testing.assert_array_equal(whole(picked, k), array if axis is None else array.take(pick, axis))
    assert picked.spec.channels == tuple(image.spec.channels[n] for n in pick)


def test_numbers_come_before_names():
    image = named("DAPI", "488", "0")
    picked = derive(image, made("488", "DAPI", "0", 2))
    assert [c.name for c in picked.spec.channels] == ["488", "DAPI", "DAPI", "0"]
    assert picked.spec.attrs == {"name": "n"}


def test_channels_are_described_anew():
    entry = {"channel": "DAPI", "name": "nuclei", "color": "#00ff7f", "window": ["0", "4095"], "active": "false"}
    picked = derive(named("GFP", "DAPI"), made(entry, {"channel": 0, "color": "FF0000"}))
    assert picked.spec.channels == (Channel("nuclei", "00FF7F", (0, 4095), active=False), Channel("GFP", "FF0000"))


def test_one_channel_without_an_axis_may_be_named():
    image = in_memory(np.zeros((3, 4)))
    assert derive(image, made({"channel": 0, "name": "a"})).spec.channels == (Channel("a"),)


def test_only_what_is_shown_is_read():
    image = named(*"abcdef")
    transform = made(5, 0)
    needed = [transform.need(image.spec, 0, Region((c, 0, 0), (c + 1, 3, 4))).region.start[0] for c in (0, 1)]
    assert needed == [5, 0]


@pytest.mark.parametrize(
    ("pick", "told"),
    [
        ((), "at least one"),
        (("GFP",), "no channel 'GFP'.*'a', 'b', 'b'"),
        (("b",), "several channels 'b'"),
        ((3,), "no channel '3'"),
        (({"channel": 0, "color": "green"},), "RRGGBB"),
        (({"channel": 0, "window": [3, 3]},), "smaller one first"),
    ],
)
def test_says_what_is_wrong(pick, told):
    with pytest.raises(Unsupported, match=told):
        derive(named("a", "b", "b"), made(*pick))


def test_every_option_counts():
    entries = [{"name": "n"}, {"color": "FF0000"}, {"window": (0.0, 1.0)}, {"active": False}, {}]
    steps = [Channels((Pick(0, **entry),)) for entry in entries]
    check_identities([*steps, Channels((1,)), Channels((1, 0)), Channels((0, 1))], named("a", "b"))
