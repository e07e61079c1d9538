"""Images in a row: sections with gaps, joined series, merged channels."""

from __future__ import annotations

import time

import numpy as np
import pytest
from coordinates import located, spread
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from s3facade.core.errors import Unsupported
from s3facade.core.image import combine, derive
from s3facade.core.region import Region
from s3facade.core.spec import Channel
from s3facade.testing import check_identities, check_law, in_memory, whole
from s3facade.transforms.combining.merge import Merge
from s3facade.transforms.combining.mosaic import Mosaic
from s3facade.transforms.combining.stack import Stack
from s3facade.transforms.geometry.metadata import Metadata
from s3facade.transforms.pyramids.downsample import AddLevel


def stack(index=(), **options):
    return TypeAdapter(Stack).validate_python({**options, "index": index})


def sections(*numbers, shape=(5, 6), **options):
    return [in_memory(np.full(shape, n, np.uint8), units=True, **options) for n in numbers]


def planes(image, level=0):
    return whole(image, level)[:, 0, 0].tolist()


@given(st.lists(st.integers(0, 12), min_size=1, max_size=6, unique=True), st.sampled_from(["nearest", "constant"]),
       st.integers(1, 3), st.data())  # fmt: skip
def test_sections_stand_where_their_numbers_say(numbers, missing, step, data):
    numbers = [n * step for n in numbers]
    images = [derive(image, AddLevel((2, 2))) for image in sections(*numbers)]
    made = check_law(stack(numbers, missing=missing, step=step, value=99, spacing="50 um"), images, data)
    slots = range(min(numbers), max(numbers) + 1, step)
    nearest = [min(numbers, key=lambda k, n=n: (abs(k - n), k)) for n in slots]
    expected = [n if n in numbers else 99 for n in slots] if missing == "constant" else nearest
    for level in (0, 1):
        assert planes(made, level) == expected
    assert [level.scale for level in made.spec.levels] == [(50, 1, 1), (50, 2, 2)]
    assert [level.origin for level in made.spec.levels] == [(0, 0, 0), (0, 0.5, 0.5)]
    assert made.spec.axes[0].unit == "micrometer"


def test_gaps_are_an_error_by_default():
    with pytest.raises(Unsupported, match="no image 3, 4, 5; write `missing"):
        combine(sections(1, 2, 6), stack((1, 2, 6)))
    with pytest.raises(Unsupported, match="3, 4, 5, 6, 7, 8, 9, 10 and 9 more"):
        combine(sections(1, 2, 20), stack((1, 2, 20)))
    assert planes(combine(sections(2, 6, 4), stack((2, 6, 4), step=2))) == [2, 4, 6]


def test_the_ends_may_be_missing_or_cut():
    images = sections(3, 4, 5, 9)
    assert planes(combine(images, stack((3, 4, 5, 9), start=1, stop=7, missing="constant"))) == [0, 0, 3, 4, 5, 0]
    assert planes(combine(images, stack((3, 4, 5, 9), start=4, stop=6))) == [4, 5]
    assert planes(combine(sections(1, 2), stack((0.5, 0.75), step=0.25))) == [1, 2]
    assert planes(combine(sections(8, 10), stack(("008", "010"), missing="nearest"))) == [8, 8, 10]
    assert planes(combine(sections(1, 2), stack(("b", "a")))) == [1, 2], "names have no gaps"


@pytest.mark.parametrize(
    ("index", "options", "told"),
    [
        ((1, 1), {}, "two images have the number 1"),
        ((1, 2.5), {}, "2.5 is none of 1, 2"),
        ((1, 2), {"start": 5}, "no image has a number from 5"),
        ((1, 2), {"step": 0}, "greater than zero"),
        ((1, 20240101), {}, "no image 2, 3, 4, 5, 6, 7, 8, 9 and 20240091 more"),
        ((1, 20240101), {"missing": "constant"}, "2 images for 20240101 places"),
        (("a", "b"), {"missing": "nearest"}, "by numbers"),
        ((1, 2), {"spacing": "5 s"}, "write a length"),
        ((1, 2), {"spacing": "-5 um"}, "greater than zero"),
        ((1, 2), {"origin": "5 um"}, "needs a `spacing`"),
        ((1, 3), {"missing": "constant", "value": 256}, "none that voxels of type uint8"),
        ((1, 2), {"along": "t", "spacing": "5 um"}, "write a time"),
        ((1, 2), {"along": "c", "spacing": "5 um"}, "leave it out"),
    ],
)
def test_says_what_is_wrong(index, options, told):
    with pytest.raises(Unsupported, match=told):
        combine(sections(1, 2), stack(index, **options))


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (in_memory(np.zeros((5, 6), np.uint16), units=True), r"image 7 .*image 8 \(b\).*uint8 and uint16.*cast"),
        (in_memory(np.zeros((5, 7), np.uint8), units=True), "6 and 7 voxels along x"),
        (in_memory(np.zeros((2, 5, 6), np.uint8), axes="tyx", units=True), "yx and tyx"),
        (in_memory(np.zeros((5, 6), np.uint8)), "only one of them states a size along y"),
        (in_memory(np.zeros((5, 6), np.uint8), units=True, scale=(1, 1.2)), "voxels along x are 1 and 1.2"),
        (in_memory(np.zeros((5, 6), np.uint8), units=True, origin=(0, 3)), "begin at 0 and 3"),
    ],
)
def test_names_the_image_that_differs(other, told):
    (first,) = sections(1)
    named = in_memory(other.options["levels"][0], axes="".join(other.spec.names), name="b")
    named = type(named)(named.source, "memory", 0, other.spec, options=named.options)
    object.__setattr__(named.spec, "attrs", {"name": "b"})
    with pytest.raises(Unsupported, match=told):
        combine([first, named], stack((7, 8)))


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.sampled_from("ztc"), st.data())
def test_images_are_joined_along_an_axis_they_have(lengths, along, data):
    arrays = [np.full((n, 4, 6), i, np.int16) for i, n in enumerate(lengths)]
    images = [in_memory(a, axes=f"{along}yx", channels=(Channel(f"{i}"),) * (len(a) if along == "c" else 1))
              for i, a in enumerate(arrays)]  # fmt: skip
    made = check_law(stack(along=along), images, data)
    np.testing.assert_array_equal(whole(made), np.concatenate(arrays))


def test_joined_volumes_stay_in_place_at_levels_that_end_where_they_end():
    halves = [located("z", (n, 8, 8), scale=(2.0, 1, 1), origin=(o, 0, 0), units=True, factors=((2, 2, 2),) * 2)
              for n, o in ((6, 3.0), (5, 15.0))]  # fmt: skip
    made = combine(halves, stack())
    assert [level.shape for level in made.spec.levels] == [(11, 8, 8), (5, 4, 4)], "6 is no multiple of 4"
    for k in range(2):
        np.testing.assert_allclose(whole(made, k), spread(made, k, "z"))


def test_planes_of_one_voxel_get_the_spacing():
    images = [in_memory(np.full((1, 4, 4), n, np.uint8), units=True) for n in (1, 3)]
    made = combine(images, stack((1, 3), spacing="5 um", missing="nearest", origin="-10 um"))
    assert (made.spec.levels[0].scale, made.spec.levels[0].origin) == ((5, 1, 1), (-10, 0, 0))
    assert planes(made) == [1, 1, 3]
    with pytest.raises(Unsupported, match="state their size along it"):
        combine([in_memory(np.zeros((1, 4, 4)))] * 2, stack(origin="1 um"))
    with pytest.raises(Unsupported, match="several voxels along z"):
        combine([in_memory(np.zeros((2, 4, 4)))] * 2, stack(spacing="5 um"))
    with pytest.raises(Unsupported, match="how long along z"):
        combine([in_memory(np.zeros((2, 4, 4)))] * 2, stack((1, 3), missing="nearest"))
    with pytest.raises(Unsupported, match=r"image 2 of 2 has no axis z"):
        combine([in_memory(np.zeros((2, 4, 4))), in_memory(np.zeros((4, 4)))], stack())


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=4), st.data())
def test_smaller_sections_are_padded_at_their_far_ends(shapes, data):
    rng = np.random.default_rng(2)
    arrays = [rng.integers(0, 99, (2, 2 * h, 2 * w)).astype(np.int16) for h, w in shapes]
    images = [derive(in_memory(a, axes="cyx", units=True), AddLevel((1, 2, 2))) for a in arrays]
    made = check_law(stack(sizes="pad", value=-5, spacing="2 um"), images, data)
    height, width = np.max([a.shape[1:] for a in arrays], 0)
    expected = np.full((2, len(arrays), height, width), -5)
    for n, a in enumerate(arrays):
        expected[:, n, : a.shape[1], : a.shape[2]] = a
    np.testing.assert_array_equal(whole(made), expected)
    assert made.spec.levels[1].shape == (2, len(arrays), height // 2, width // 2)
    with pytest.raises(Unsupported, match="5 and 7 voxels along y"):
        combine([in_memory(np.zeros((5, 5))), in_memory(np.zeros((7, 5)))], stack())


def test_axes_are_compared_before_levels():
    deep = derive(in_memory(np.zeros((2, 4, 4)), axes="tyx"), AddLevel((1, 2, 2)))
    flat = derive(in_memory(np.zeros((4, 4))), AddLevel((2, 2)))
    for images in ([deep, flat], [flat, deep]):
        with pytest.raises(Unsupported, match="the axes are"):
            combine(images, stack())


def test_ten_thousand_sections():
    image = in_memory(np.ones((8, 8), np.uint8))
    made = combine([image] * 10_000, stack(tuple(range(10_000))))
    region = Region((5000, 0, 0), (5064, 8, 8))
    specs = [parent.spec for parent in made.parents]
    assert len(made.combination.needs(specs, 0, region)) == 64
    start = time.perf_counter()
    for _ in range(10):
        made.combination.needs(specs, 0, region)
    assert (time.perf_counter() - start) / 10 < 0.01


def test_every_option_of_a_stack_counts():
    more = [{"spacing": "5 um"}, {"missing": "nearest"}, {"missing": "constant"}, {"missing": "constant", "value": 1},
            {"spacing": "5 um", "origin": "1 um"}, {"start": 0, "missing": "constant"}, {"stop": 2},
            {"step": 0.5, "missing": "nearest"}, {"sizes": "pad"},
            {"along": "t"}, {"along": "c"}]  # fmt: skip
    check_identities([stack((1, 2), **options) for options in ({}, *more)], sections(1, 2))


@given(st.lists(st.integers(0, 3), min_size=1, max_size=3), st.data())
def test_merged_channels_follow_each_other(counts, data):
    rng = np.random.default_rng(1)
    arrays = [rng.integers(0, 99, (2, n, 3, 4) if n else (2, 3, 4)) for n in counts]
    images = [in_memory(a, axes="tcyx" if n else "tyx", channels=[Channel(f"{i}.{c}") for c in range(n or 1)])
              for i, (a, n) in enumerate(zip(arrays, counts, strict=True))]  # fmt: skip
    merged = check_law(Merge(), images, data)
    expected = np.concatenate([a if a.ndim == 4 else a[:, None] for a in arrays], 1)
    np.testing.assert_array_equal(whole(merged), expected)
    assert [c.name for c in merged.spec.channels] == [f"{i}.{c}" for i, n in enumerate(counts) for c in range(n or 1)]


def test_merged_channels_are_called_as_their_images():
    dapi = in_memory(np.zeros((3, 4)), name="DAPI")
    two = in_memory(np.zeros((2, 3, 4)), axes="cyx", name="GFP")
    own = in_memory(np.zeros((3, 4)), name="third", channels=[Channel("Cy5")])
    merged = combine([dapi, two, own], Merge(colors=("ff0000", "00FF00", "0000FF", "FFFFFF")))
    assert [c.name for c in merged.spec.channels] == ["DAPI", "GFP 0", "GFP 1", "Cy5"]
    assert [c.color for c in merged.spec.channels] == ["FF0000", "00FF00", "0000FF", "FFFFFF"]
    assert "name" not in merged.spec.attrs
    assert [c.name for c in combine([dapi, dapi], Merge(("a", "b"))).spec.channels] == ["a", "b"]
    assert [c.name for c in combine([dapi, dapi], Merge()).spec.channels] == [None, None]
    with pytest.raises(Unsupported, match="1 names for 2 channels"):
        combine([dapi, dapi], Merge(("a",)))
    with pytest.raises(Unsupported, match="do not go together"):
        combine([dapi, in_memory(np.zeros((3, 5)))], Merge())
    check_identities([Merge(), Merge(("a", "b")), Merge((), ("FF0000", "00FF00"))], [dapi, dapi])


@pytest.mark.parametrize("combination", [Merge(), Stack(), Mosaic(columns=2)])
def test_labels_are_not_mixed_with_quantities(combination):
    """The result would be neither: its levels would be means of labels."""
    image, labels = (in_memory(np.zeros((4, 4), np.uint8), **attrs) for attrs in ({}, {"categorical": True}))
    with pytest.raises(Unsupported, match="holds labels"):
        combine([image, labels], combination)
    assert combine([labels, labels], combination).spec.attrs["categorical"] is True
    plain = derive(labels, Metadata(categorical=False))
    assert not combine([image, plain], combination).spec.attrs.get("categorical")
