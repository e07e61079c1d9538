"""Crops, flips, turns and permutations: the law, numpy as oracle, and true positions at every level."""

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
from s3facade.transforms.geometry.axes import Flip, Permute, Rotate90
from s3facade.transforms.geometry.crop import Crop
from s3facade.transforms.geometry.places import Place, place
from s3facade.transforms.geometry.select import Select

SCALE, ORIGIN = (3.0, 0.5, 0.25), (10.0, -7.5, 100.0)
HALVES = ((1, 2, 2), (1, 2, 2))


def made(kind, options):
    return TypeAdapter(kind).validate_python(options)


def stored(image):
    return image.options["levels"]


def edge_of(image, axis, written):
    """Where an edge of a box is, by the rules of the documentation."""
    first, step = positions(image, 0, axis)[0], image.spec.levels[0].scale[image.spec.axis(axis)]
    if isinstance(written, int):
        return first + step * (written - 0.5)
    if written.endswith("%"):
        return first + step * (float(written[:-1]) / 100 * image.spec.length(axis) - 0.5)
    return float(written.removesuffix(" um"))


def volume(axis, shape=(4, 23, 38), factors=HALVES):
    return located(axis, shape, factors=factors, scale=SCALE, origin=ORIGIN, units=True)


@given(images(), st.data())
def test_a_crop_is_a_slice(image, data):
    shape = dict(zip(image.spec.names, image.spec.levels[0].shape, strict=True))
    ends = {name: st.lists(st.integers(0, n), min_size=2, max_size=2, unique=True) for name, n in shape.items()}
    box = {name: sorted(data.draw(pair)) for name, pair in ends.items() if data.draw(st.booleans())}
    cropped = check_law(made(Crop, box), image, data)
    index = tuple(slice(*box.get(name, (None, None))) for name in image.spec.names)
    np.testing.assert_array_equal(whole(cropped), stored(image)[0][index])
    first, last = box.get("c", (0, len(image.spec.channels)))
    assert cropped.spec.channels == image.spec.channels[first:last]


@pytest.mark.parametrize("axis", ["y", "x"])
@pytest.mark.parametrize("box", [{"x": [3, 31], "y": [1, 20]}, {"x": ["101 um", "107.3 um"]}, {"y": ["13%", "85%"]}])
def test_a_crop_stays_in_place_at_every_level(axis, box):
    image = volume(axis)
    cropped = derive(image, made(Crop, box))
    assert len(cropped.spec.levels) == 3
    for k in range(3):
        np.testing.assert_allclose(whole(cropped, k), spread(cropped, k, axis))
        low, high = (edge_of(image, axis, end) for end in box[axis]) if axis in box else (-np.inf, np.inf)
        inside = positions(image, k, axis)
        inside = inside[(inside >= low - 1e-6) & (inside < high - 1e-6)]
        np.testing.assert_allclose(positions(cropped, k, axis), inside)


def test_an_aligned_crop_is_the_crop_of_each_level():
    array = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    image = in_memory(array, array[::2, ::2].copy(), array[::4, ::4].copy(), units=True)
    cropped = derive(image, made(Crop, {"y": [8, 40], "x": [12, 64]}))
    assert [level.shape for level in cropped.spec.levels] == [(32, 52), (16, 26), (8, 13)]
    np.testing.assert_array_equal(whole(cropped, 2), array[8:40:4, 12:64:4])
    np.testing.assert_allclose([level.origin for level in cropped.spec.levels], [(8, 12), (8.5, 12.5), (9.5, 13.5)])


def test_levels_without_a_voxel_in_the_box_are_left_out():
    image = volume("x")
    assert len(derive(image, made(Crop, {"x": [4, 5]})).spec.levels) == 1
    assert len(derive(image, made(Crop, {"x": [4, 6]})).spec.levels) == 2


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"t": [0, 1]}, "no axis t"),
        ({"x": [5, 5]}, "is empty"),
        ({"x": [40, 60]}, "38 voxels, from 99.875 um to 109.375 um"),
        ({"x": ["0 um", "5 um"]}, "holds no voxel"),
        ({"x": ["1 s", "2 s"]}, "a unit that fits"),
    ],
)
def test_a_crop_says_what_is_wrong(options, told):
    with pytest.raises(Unsupported, match=told):
        derive(volume("x"), made(Crop, options))


def test_no_size_is_made_up():
    plain = in_memory(np.zeros((4, 4)))
    with pytest.raises(Unsupported, match="pixel_size"):
        derive(plain, made(Crop, {"x": ["0 um", "2 um"]}))
    assert derive(plain, made(Crop, {"x": ["25%", "100%"]})).spec.levels[0].shape == (4, 3)


def test_places_are_read_as_written():
    assert place("12") == Place(12.0)
    assert place(12) == Place(12.0)
    assert place("-1.5 nm") == Place(-0.0015, "micrometer")
    assert place("2 mm") == Place(2000.0, "micrometer")
    assert place("1.5 min") == Place(90.0, "second")
    assert place("2h") == Place(7200.0, "second")
    assert place("1e1s") == place("1e1 s") == place("1e4ms") == Place(10.0, "second")
    assert place("1e1m") == Place(1e7, "micrometer")
    assert place("12.5%") == Place(0.125, "fraction")
    for wrong in ("-3", "1.5", "110%", "ten um", "5 kg", ""):
        with pytest.raises(ValueError, match="whole number"):
            place(wrong)
    with pytest.raises(ValidationError):
        made(Crop, {"x": ["5 kg", "6 um"]})
    with pytest.raises(ValidationError):
        made(Crop, {"w": [0, 1]})


@given(images(), st.data())
def test_a_flip_is_numpys(image, data):
    some = [name for name in image.spec.names if name != "c"]
    axes = data.draw(st.lists(st.sampled_from(some), min_size=1, unique=True))
    flipped = check_law(made(Flip, {"axes": axes}), image, data)
    expected = np.flip(stored(image)[0], [image.spec.names.index(name) for name in axes])
    np.testing.assert_array_equal(whole(flipped), expected)
    assert flipped.spec.levels[0].origin == image.spec.levels[0].origin


def test_a_flip_mirrors_at_the_centre_at_every_level():
    image = volume("x")
    flipped = derive(image, Flip(("x", "y")))
    twice_the_centre = positions(image, 0, "x")[[0, -1]].sum()
    for k in range(3):
        np.testing.assert_allclose(whole(flipped, k), twice_the_centre - spread(flipped, k, "x"))
    assert positions(flipped, 2, "x")[0] != positions(image, 2, "x")[0], "38 is no multiple of 4"


@given(images(), st.integers(-4, 7), st.data())
def test_a_quarter_turn_is_numpys(image, times, data):
    names = [name for name in image.spec.names if name in "zyx"]
    pair = data.draw(st.permutations(names))[:2]
    a, b = (image.spec.names.index(name) for name in pair)
    turned = check_law(Rotate90(times, "".join(pair)), image, data)
    np.testing.assert_array_equal(whole(turned), np.rot90(stored(image)[0], times, (a, b)))
    back = derive(turned, Rotate90(-times, "".join(pair)))
    assert [level.shape for level in back.spec.levels] == [level.shape for level in image.spec.levels]
    for k, level in enumerate(image.spec.levels):
        np.testing.assert_allclose(back.spec.levels[k].origin, level.origin, atol=1e-9)


@pytest.mark.parametrize(("times", "sign", "of"), [(1, -1, "x"), (3, 1, "x"), (2, -1, "y"), (0, 1, "y")])
def test_a_turned_image_keeps_its_lower_corner(times, sign, of):
    image = volume(of)
    turned = derive(image, Rotate90(times))
    assert turned.spec.levels[0].scale == ((3.0, 0.25, 0.5) if times % 2 else SCALE)
    edge = [o - s / 2 for o, s in zip(turned.spec.levels[0].origin, turned.spec.levels[0].scale, strict=True)]
    assert edge == [o - s / 2 for o, s in zip(ORIGIN, SCALE, strict=True)]
    for k in range(3):
        got, y = whole(turned, k), spread(turned, k, "y")
        np.testing.assert_allclose(got - sign * y, (got - sign * y).flat[0])
        everything = whole(image, k)
        assert abs(got.mean() - everything.mean()) < 1e-9


@given(images(), st.data())
def test_a_permutation_is_a_transposition(image, data):
    names = image.spec.names
    new = data.draw(st.permutations(names))
    options = dict(zip(names, new, strict=True))
    permuted = check_law(made(Permute, options), image, data)
    assert permuted.spec.names == names
    np.testing.assert_array_equal(whole(permuted), stored(image)[0].transpose([names.index(n) for n in new]))


def test_a_permutation_takes_sizes_along():
    for axis, to in (("z", "x"), ("y", "z"), ("x", "y")):
        permuted = derive(volume(axis), made(Permute, {"z": "y", "y": "x", "x": "z"}))
        assert permuted.spec.levels[0].scale == (0.5, 0.25, 3.0)
        for k in range(3):
            np.testing.assert_allclose(whole(permuted, k), spread(permuted, k, to))


def test_time_that_was_depth():
    image = located("t", (5, 4, 6), axes="tyx", scale=(2, 1, 1), origin=(7, 0, 0), units=True)
    permuted = derive(image, made(Permute, {"z": "t"}))
    assert permuted.spec.names == ("z", "y", "x")
    assert permuted.spec.axes[0].unit is None
    assert (permuted.spec.levels[0].scale[0], permuted.spec.levels[0].origin[0]) == (1, 0)
    channels = derive(image, made(Permute, {"c": "t"}))
    assert channels.spec.channels == (Channel(),) * 5


@pytest.mark.parametrize(
    ("options", "told"),
    [({"z": "y"}, "z of the image becomes no axis"), ({"t": "x"}, "becomes no axis|needs the axes"),
     ({"z": "c", "t": "z"}, "no axis c"), ({"x": "y"}, "no axis"), ({"t": "z", "z": "z"}, "more than one")],
)  # fmt: skip
def test_a_permutation_says_what_is_wrong(options, told):
    with pytest.raises(Unsupported, match=told):
        derive(volume("x"), made(Permute, options))


@given(images(axes=("czyx", "tczyx", "zyx")), st.data())
def test_a_selection_is_an_index(image, data):
    names = [n for n in "tcz" if n in image.spec.names]
    chosen = data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    at = {name: data.draw(st.integers(0, image.spec.length(name) - 1)) for name in chosen}
    selected = check_law(made(Select, {k: str(v) for k, v in at.items()}), image, data)
    index = tuple(at.get(name, slice(None)) for name in image.spec.names)
    for k, array in enumerate(stored(image)):
        np.testing.assert_array_equal(whole(selected, k), array[index])
    if "c" in at:
        assert selected.spec.channels == (image.spec.channels[at["c"]],)


def test_a_selection_by_position_and_name():
    image = volume("z", (16, 8, 8), factors=((2, 1, 1), (2, 2, 2)))
    for written, index in (("19.1 um", 3), ("50%", 8), ("100%", 15), ("0%", 0), (15, 15)):
        plane = derive(image, made(Select, {"z": written}))
        assert whole(plane)[0, 0] == 10 + 3 * index
        for k in (1, 2):
            assert abs(whole(plane, k)[0, 0] - (10 + 3 * index)) <= 1.5 * 2**k
    named = in_memory(np.zeros((2, 3, 3)), axes="cyx", channels=(Channel("DAPI"), Channel("488", "00FF00")))
    assert derive(named, made(Select, {"c": "488"})).spec.channels == (Channel("488", "00FF00"),)
    for wrong in ({"c": "GFP"}, {"z": 0}, {}):
        with pytest.raises(Unsupported):
            derive(named, made(Select, wrong))
    for wrong in ({"z": 16}, {"z": "100 um"}):
        with pytest.raises(Unsupported, match="no voxel"):
            derive(image, made(Select, wrong))


def test_every_option_counts():
    image = volume("x")
    spans = [Crop(x=(Place(a), Place(b))) for a, b in ((0, 5), (0, 6), (1, 6))]
    check_identities([*spans, Crop(y=(Place(0), Place(5))), Crop(x=(Place(0), Place(5, "fraction")))], image)
    check_identities([Flip(("x",)), Flip(("y",)), Rotate90(), Rotate90(2), Rotate90(1, "zy")], image)
    check_identities([Permute(z="y", y="z"), Permute(x="y", y="x"), Select(z=Place(0)), Select(z=Place(1))], image)
