"""Windows and colours."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from plain_evaluator import dump, opened

from s3facade.core.image import Combined, Dataset
from s3facade.core.keyspace import find
from s3facade.core.region import Region
from s3facade.core.spec import Channel
from s3facade.layouts.documents import WIDTH
from s3facade.layouts.multiscales import stored_levels
from s3facade.layouts.ome_zarr import OmeZarr
from s3facade.layouts.omero import measured, omero, sample, type_window, window
from s3facade.transforms.pyramids.pyramid import pyramid


def shown(image):
    return json.loads(dump(OmeZarr().build(Dataset({"": image})))["zarr.json"])["attributes"]["ome"]["omero"]


def test_window_is_measured_on_the_smallest_stored_level():
    fine = np.full((2, 3, 64, 64), 9999, np.uint16)
    coarse = np.zeros((2, 3, 32, 32), np.uint16)
    coarse[0, 1] = np.arange(1024).reshape(32, 32)
    coarse[1, 1] = 500
    channels = shown(pyramid(opened(fine, coarse), smallest=8))["channels"]
    assert channels[0]["window"] == {"min": 0, "max": 65535, "start": 1, "end": 1022}
    assert channels[1]["window"] == {"min": 0, "max": 65535, "start": 0, "end": 65535}


def test_joined_images_count_the_levels_that_all_parts_store():
    parts = tuple(opened(np.zeros((8, 8), "u2"), *[np.zeros((4, 4), "u2")] * n) for n in (1, 0))
    joined = Combined(parts, None, opened(np.zeros((2, 8, 8), "u2"), names="cyx").spec)
    assert stored_levels(joined) == 1
    assert [sample(joined, c).region for c in (0, 1)] == [Region((c, 0, 0), (c + 1, 8, 8)) for c in (0, 1)]


def test_reading_for_windows_is_bounded():
    image = opened(np.broadcast_to(np.uint16(7), (60, 2048, 2048)), names="cyx")
    measured_channels = [c for c in range(60) if sample(image, c) is not None]
    assert measured_channels == list(range(8))
    assert measured(image) == 8 * 2048 * 2048 * 2
    few = {str(n): opened(np.zeros((8, 8), "u2")) for n in range(3)}
    assert OmeZarr().build(Dataset(few)).children["zarr.json"].body().size > 2000
    many = {str(n): image for n in range(3)}
    root = json.loads(find(OmeZarr().build(Dataset(many)), "zarr.json", resolve=None).body().parts[0].data)
    assert "consolidated_metadata" not in root


def test_large_planes_are_not_read():
    image = opened(np.broadcast_to(np.uint16(7), (4096, 4096)))
    tree = OmeZarr().build(Dataset({"": image}))
    document = find(tree, "zarr.json", resolve=None).body().parts[0]
    assert json.loads(document.data)["attributes"]["ome"]["omero"]["channels"][0]["window"]["end"] == 65535


def test_undecodable_pixels_give_the_range_of_the_type_and_the_same_size():
    tree = OmeZarr().build(Dataset({"": opened(np.arange(4096, dtype="f4").reshape(64, 64))}))
    file = find(tree, "zarr.json", resolve=None)
    packed = file.body().parts[0]
    data = packed.pack([measure(None) for _, measure in packed.parts])
    assert len(data) == file.size == packed.nbytes
    measured = json.loads(data)["attributes"]["ome"]["omero"]["channels"][0]["window"]
    assert measured == {"min": 0, "max": 1, "start": 0, "end": 1}


@given(
    st.sampled_from(["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]).flatmap(
        lambda d: hnp.arrays(d, st.integers(0, 3000))
    )
)
def test_windows_are_ordered_short_and_close_to_percentiles(values):
    little = values.astype(values.dtype.newbyteorder("<"))
    low, high, start, end = window(values.dtype, little.tobytes())
    assert low <= start < end <= high
    assert low < high
    assert all(len(json.dumps(v, allow_nan=False)) <= WIDTH for v in (low, high, start, end))
    finite = values[np.isfinite(values)]
    if finite.size and (low, high, start, end) != type_window(values.dtype):
        assert (finite < start).mean() <= 0.001
        assert (finite > end).mean() <= 0.001


def test_windows_of_channels_win():
    image = opened(np.zeros((2, 8, 8), "u2"), names="cyx", channels=[Channel("a", "ABCDEF", (10.0, 99.5)), Channel()])
    first, second = shown(image)["channels"]
    assert first["window"] == {"min": 0, "max": 65535, "start": 10, "end": 99.5}
    assert (first["color"], first["label"], first["active"]) == ("ABCDEF", "a", True)
    assert (second["color"], second["label"]) == ("FF00FF", "Channel 1")


@pytest.mark.parametrize("stated", [(5.0, 5.0), (float("nan"), 1.0), (0.0, float("inf"))])
def test_impossible_windows_of_a_source_are_ignored(stated):
    image = opened(np.zeros((8, 8), "u1"), channels=[Channel(window=stated)])
    assert shown(image)["channels"][0]["window"] == {"min": 0, "max": 255, "start": 0, "end": 255}


def test_rgb_is_fixed():
    channels = [Channel(n) for n in ("Red", "Green", "Blue", "Alpha")]
    entries = shown(opened(np.zeros((4, 8, 8), "u1"), names="cyx", channels=channels))["channels"]
    assert [e["color"] for e in entries] == ["FF0000", "00FF00", "0000FF", "FFFFFF"]
    assert [e["active"] for e in entries] == [True, True, True, False]
    assert {(e["window"]["start"], e["window"]["end"]) for e in entries} == {(0, 255)}


def test_one_channel_is_white_and_many_are_not_all_active():
    one = shown(opened(np.zeros((8, 8), "u1")))
    assert [c["color"] for c in one["channels"]] == ["FFFFFF"]
    assert one["rdefs"] == {"defaultT": 0, "defaultZ": 0, "model": "greyscale"}
    many = shown(opened(np.zeros((9, 8, 8), "u1"), names="cyx", channels=[Channel("only one named")]))
    assert len(many["channels"]) == 9
    assert sum(c["active"] for c in many["channels"]) == 4
    assert many["rdefs"]["model"] == "color"


def test_something_is_always_active():
    off = [Channel(active=False), Channel(active=False)]
    assert any(c["active"] for c in shown(opened(np.zeros((2, 8, 8), "u1"), names="cyx", channels=off))["channels"])


def test_complex_voxels_have_no_window():
    assert omero(opened(np.zeros((8, 8), "c8")), "a", 0) is None
