"""Transforms of values: the law, numpy and scikit-image as oracles, and what happens at the ends of ranges."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.color
import skimage.exposure
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from s3facade.core.errors import BadSource, SourceNotFound, Unsupported
from s3facade.core.image import apply_step, derive, sources
from s3facade.core.region import Region
from s3facade.core.spec import Channel
from s3facade.testing import check_identities, check_law, images, in_memory, read, whole
from s3facade.transforms.resampling.levels_kept import KeepLevels
from s3facade.transforms.values.colour import STAINS, ColourDeconvolution, Grey
from s3facade.transforms.values.lut import Lut
from s3facade.transforms.values.rescale import Rescale
from s3facade.transforms.values.statistics import Percentiles, percentiles
from s3facade.transforms.values.tables import NAMES, named, parsed
from s3facade.transforms.values.threshold import Threshold
from s3facade.transforms.values.tone import Clip, Gamma, Invert
from s3facade.transforms.values.windows import windows

RNG = np.random.default_rng(5)
TWO = in_memory(
    RNG.integers(0, 4000, (2, 3, 20, 23), np.uint16),
    axes="czyx",
    channels=[Channel("a", "FF0000", (100.0, 3000.0)), Channel("b", None, (0.0, 500.0))],
)
PAINT = in_memory(RNG.integers(1, 256, (3, 40, 50), np.uint8), axes="cyx")
ANY = [
    Rescale(windows([-3.5, 200])),
    Rescale(windows([10, 90]), range=(255.0, 0.0), approximate=True),
    Rescale(percentiles=(5.0, 95.0), dtype="uint16"),
    Rescale(percentiles=(0.0, 100.0), dtype="float32", approximate=True),
    Gamma(0.5, (0.0, 100.0)),
    Gamma(2.2, approximate=True),
    Invert(),
    Invert((0.0, 100.0), approximate=True),
    Clip((3.0, 77.0)),
    Clip((-1e9, 1e9), approximate=True),
    Threshold(60.5),
    Threshold(60, below=True, approximate=True),
    Threshold(percentile=70.0),
    Lut("fire", window=windows([0, 100])),
    Lut("viridis", window=windows([-20, 100]), approximate=True),
    Grey(),
    Grey("rec709", approximate=True),
    ColourDeconvolution("H&E", white=255.0),
    ColourDeconvolution("H&E&DAB", output="brightness", white=1e4, approximate=True),
]


@pytest.mark.parametrize("case", ANY, ids=str)
@settings(max_examples=25)
@given(st.data())
def test_the_law(case, data):
    drawn = images()
    if isinstance(case, Grey | ColourDeconvolution):
        drawn = images(axes=["cyx", "tcyx", "tczyx"]).filter(lambda i: i.spec.length("c") == 3)
    if isinstance(case, Lut):
        drawn = images(axes=["yx", "zyx", "tyx", "cyx", "tcyx"]).filter(lambda i: i.spec.length("c") == 1)
    try:
        image = check_law(case, data.draw(drawn), data)
    except Unsupported:
        reject()
    assert len(image.spec.levels) == 1 or case.approximate


def test_every_option_counts():
    w = windows([0, 9])
    check_identities(
        [
            *(Rescale(), Rescale(w), Rescale(percentiles=(1, 99)), Rescale(percentiles=(1, 98))),
            *(Rescale(range=(0, 9)), Rescale(dtype="int8"), Rescale(approximate=True)),
            *(Gamma(1), Gamma(2), Gamma(2, (0, 9)), Invert(), Invert((0, 9)), Clip((0, 9)), Clip((0, 8))),
            *(Threshold(1), Threshold(2), Threshold(2, below=True), Threshold(percentile=2), Threshold(percentile=3)),
        ],
        TWO,
    )
    check_identities([Grey(), Grey("rec709"), *map(ColourDeconvolution, STAINS)], PAINT)
    one = derive(PAINT, Grey())
    check_identities([*map(Lut, NAMES), Lut("fire", window=w)], one)


def test_rescale_is_that_of_scikit_image():
    for channel, window in enumerate([(100, 3000), (0, 500)]):
        source = whole(TWO)[channel]
        expected = skimage.exposure.rescale_intensity(source.astype(float), window, (0, 255))
        np.testing.assert_array_equal(whole(apply_step(TWO, Rescale()))[channel], np.rint(expected).astype(np.uint8))


def test_percentiles_are_those_of_the_whole_channel():
    image = apply_step(TWO, Rescale(percentiles=(1, 99.8), dtype="float32"))
    got = whole(image)
    for channel in (0, 1):
        source = whole(TWO)[channel].astype(float)
        low, high = np.percentile(source, [1, 99.8])
        np.testing.assert_allclose(got[channel], np.clip((source - low) / (high - low), 0, 1), rtol=1e-6)
    assert image.spec.channels[0] == Channel("a", "FF0000", (0.0, 1.0))
    one = read(image, 0, Region((1, 0, 3, 4), (2, 1, 5, 9)))
    np.testing.assert_array_equal(one, got[1:2, :1, 3:5, 4:9])


def test_percentiles_come_from_the_coarsest_level():
    fine, coarse = RNG.random((1, 64, 64)), np.linspace(5, 6, 1024).reshape(1, 32, 32)
    image = percentiles(in_memory(fine, coarse, axes="cyx"), (0.0, 50.0, 100.0))
    np.testing.assert_allclose(whole(image), [[[5, 5.5, 6]]])
    assert image.transform.keep


def test_large_images_are_reduced_before(monkeypatch):
    monkeypatch.setattr("s3facade.transforms.values.statistics.MOST", 100)
    image = percentiles(in_memory(np.full((2, 5, 64, 33), 7, np.uint8), axes="czyx"), (50.0,))
    assert np.prod(image.parent.spec.levels[-1].shape[1:]) <= 100
    np.testing.assert_array_equal(whole(image), np.full((2, 1, 1), 7.0))


def test_values_that_are_not_finite_do_not_count():
    source = np.array([[np.nan, 1, 2, 3, np.inf]], np.float32)
    np.testing.assert_array_equal(whole(percentiles(in_memory(source), (0.0, 100.0))), [[1, 3]])
    with pytest.raises(BadSource, match="no percentiles"):
        whole(percentiles(in_memory(source[:, :1]), (50.0,)))
    assert Percentiles((50.0,)).spec(in_memory(source).spec).dtype == np.float64


def test_a_channel_of_one_value_is_black():
    got = whole(apply_step(in_memory(np.full((5, 5), 9, np.uint16)), Rescale(percentiles=(1, 99))))
    assert not got.any()


@pytest.mark.parametrize("gamma", [0.4, 1.0, 2.2])
def test_gamma_is_that_of_scikit_image(gamma):
    source = in_memory(RNG.random((30, 31)))
    np.testing.assert_allclose(
        whole(derive(source, Gamma(gamma))), skimage.exposure.adjust_gamma(whole(source), gamma), rtol=1e-12
    )
    table = in_memory(np.arange(256, dtype=np.uint8).reshape(16, 16))
    expected = np.rint(255 * (np.arange(256) / 255) ** gamma).reshape(16, 16)
    np.testing.assert_array_equal(whole(derive(table, Gamma(gamma))), expected)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "uint64", "int64"])
def test_inverting_twice_changes_nothing(dtype):
    info = np.iinfo(dtype)
    source = np.array([[info.min, info.max, 3]], dtype)
    once = derive(in_memory(source), Invert())
    assert whole(once)[0].tolist() == [info.max, info.min, info.max + info.min - 3]
    np.testing.assert_array_equal(whole(derive(once, Invert())), source)


def test_clipping_keeps_what_is_inside():
    source = np.array([[-5, 0, 7, 300]], np.int16)
    assert whole(derive(in_memory(source), Clip((-1, 1e6)))).tolist() == [[-1, 0, 7, 300]]
    floats = np.array([[-5, np.nan, 0.5]], np.float32)
    np.testing.assert_array_equal(whole(derive(in_memory(floats), Clip((0, 1)))), [[0, np.nan, 0.5]])
    with pytest.raises(Unsupported, match="whole"):
        derive(in_memory(source), Clip((0.5, 1)))


def test_halves_go_to_the_even_neighbour_and_ends_saturate():
    source = in_memory(np.array([[0.5, 1.5, 2.5, -3, 1e9]]))
    got = whole(apply_step(source, Rescale(windows([0, 255]))))
    assert got.tolist() == [[0, 2, 2, 0, 255]]


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        (2, "uint8", [0, 1, 1]),
        (2.5, "uint8", [0, 0, 1]),
        (-1, "uint8", [1, 1, 1]),
        (300, "uint8", [0, 0, 0]),
        (2.5, "float32", [0, 0, 1]),
    ],
)
def test_thresholds(value, dtype, expected):
    source = in_memory(np.array([[1, 2, 3]], dtype))
    image = apply_step(source, Threshold(value))
    assert whole(image).tolist() == [expected]
    assert whole(apply_step(source, Threshold(value, below=True))).tolist() == [[1 - v for v in expected]]
    assert image.spec.attrs["categorical"] is True
    assert image.spec.dtype == np.uint8


def test_thresholds_of_large_integers_are_exact():
    source = in_memory(np.array([[2**60, 2**60 + 1]], np.uint64))
    assert whole(apply_step(source, Threshold(float(2**60)))).tolist() == [[1, 1]]
    nan = in_memory(np.array([[np.nan, 1.0]]))
    assert whole(apply_step(nan, Threshold(0.5))).tolist() == [[0, 1]]
    assert whole(apply_step(nan, Threshold(0.5, below=True))).tolist() == [[0, 0]]


def test_large_integers_are_options_as_they_are_written():
    image = in_memory(np.array([[0, 2**53, 2**53 + 1, 2**64 - 1]], np.uint64))
    clip = TypeAdapter(Clip).validate_python({"range": [2**53 + 1, 2**64 - 1]})
    assert whole(derive(image, clip)).tolist() == [[2**53 + 1, 2**53 + 1, 2**53 + 1, 2**64 - 1]]
    above = TypeAdapter(Threshold).validate_python({"value": 2**53 + 1})
    assert whole(above.build(image)).tolist() == [[0, 0, 1, 1]]
    for step in (Clip((0, 10**400)), Clip((0, 1e309)), Threshold(10**400)):
        with pytest.raises(Unsupported):
            apply_step(image, step)


def test_a_percentile_as_threshold_marks_that_share():
    got = whole(apply_step(TWO, Threshold(percentile=90.0)))
    for channel in (0, 1):
        assert got[channel].mean() == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(("weights", "oracle"), [("rec601", None), ("rec709", skimage.color.rgb2gray)])
def test_luminance(weights, oracle):
    source = RNG.random((3, 7, 9))
    got = whole(derive(in_memory(source, axes="cyx"), Grey(weights)))
    expected = np.tensordot([0.299, 0.587, 0.114], source, 1)
    if oracle is not None:
        # scikit-image's weights have four decimals, too, but 0.2125 for red and 0.7154 for green.
        expected = oracle(np.moveaxis(source, 0, -1))
    np.testing.assert_allclose(got, expected, atol=3e-4)
    flat = in_memory(np.full((3, 4, 4), 255, np.uint8), axes="cyx")
    assert (whole(derive(flat, Grey(weights))) == 255).all()


@pytest.mark.parametrize(
    ("name", "oracle", "count"),
    [
        ("H&E&DAB", "hed", 3),
        ("H-DAB", "hdx", 2),
        ("H-AEC", "hax", 2),
        ("H-PAS", "hpx", 2),
        ("FastRed-FastBlue-DAB", "rbd", 3),
        ("Feulgen-LightGreen", "fgx", 2),
        ("Giemsa", "bex", 2),
        ("MethylGreen-DAB", "gdx", 2),
        ("Azan", "bro", 3),
        ("Masson", "bpx", 2),
        ("AlcianBlue-H", "ahx", 2),
    ],
)
def test_stains_are_those_of_scikit_image(name, oracle, count):
    got = whole(derive(PAINT, ColourDeconvolution(name)))
    rows = np.array(getattr(skimage.color, f"rgb_from_{oracle}"))
    if count == 2:
        rows[2] = np.cross(rows[0], rows[1])
    picture = np.moveaxis(whole(PAINT), 0, -1)
    # Theirs are cut off at 0, count in natural logarithms of 1e-6, and know stains by vectors of any length.
    theirs = skimage.color.separate_stains(picture, np.linalg.inv(rows)) * 6
    ours = np.clip(got, 0, None)
    for stain in range(count):
        expected = theirs[..., stain] * np.linalg.norm(rows[stain])
        np.testing.assert_allclose(ours[stain], expected, atol=2e-5)


def test_a_pure_stain_is_found_and_shown_alone():
    rows = np.array(list(STAINS["H&E"].values()))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    amounts = np.array([[0.0, 0.3, 0.8], [0.4, 0.0, 0.5]])
    glass = 10 ** -np.einsum("sx,sc->cx", amounts, rows)[:, None]
    image = in_memory(glass, axes="cyx")
    got = whole(derive(image, ColourDeconvolution("H&E")))
    np.testing.assert_allclose(got[:2, 0], amounts, atol=1e-6)
    np.testing.assert_allclose(got[2], 0, atol=1e-6)
    own = whole(derive(image, ColourDeconvolution(matrix=tuple(map(tuple, rows * 3)))))
    np.testing.assert_allclose(own, got, atol=1e-6)
    bright = derive(image, ColourDeconvolution("H&E", output="brightness"))
    assert [c.name for c in bright.spec.channels] == ["Hematoxylin", "Eosin", "Residual"]
    np.testing.assert_array_equal(whole(bright)[:2, 0], np.rint(255 * 10**-amounts))


def test_stains_are_shown_in_their_own_colours_and_the_residual_is_not():
    channels = derive(PAINT, ColourDeconvolution("H&E")).spec.channels
    blue, pink = (tuple(bytes.fromhex(c.color)) for c in channels[:2])
    assert blue[2] == 255 > blue[0] > blue[1]
    assert pink[0] == 255 > pink[2] > pink[1]
    assert [c.active for c in channels] == [True, True, False]
    channels = derive(PAINT, ColourDeconvolution("H&E&DAB")).spec.channels
    assert [c.active for c in channels] == [True] * 3
    brown = bytes.fromhex(channels[2].color)
    assert brown[0] == 255 > brown[1] > brown[2]


def test_colours_of_a_table():
    ramp = in_memory(np.array([[0, 50, 100, 150]], np.float32))
    image = apply_step(ramp, Lut("red", window=windows([0, 100])))
    assert whole(image)[:, 0].T.tolist() == [[0, 0, 0], [128, 0, 0], [255, 0, 0], [255, 0, 0]]
    assert [c.name for c in image.spec.channels] == ["Red", "Green", "Blue"]
    assert image.spec.names == ("c", "y", "x")
    stack = apply_step(in_memory(np.zeros((2, 1, 3, 4, 5), np.uint8), axes="tczyx"), Lut("fire"))
    assert (stack.spec.names, stack.spec.levels[0].shape) == (("t", "c", "z", "y", "x"), (2, 3, 3, 4, 5))


def test_every_table_has_256_colours():
    for name in NAMES:
        assert named(name).shape == (256, 3)
    assert named("gray").tolist() == [[i, i, i] for i in range(256)]
    assert named("viridis")[[0, 255]].tolist() == [[0x44, 1, 0x54], [0xFD, 0xE7, 0x25]]


def test_imagej_tables(tmp_path):
    table = RNG.integers(0, 256, (256, 3), np.uint8)
    raw = table.T.tobytes()
    lines = "Index Red Green Blue\n" + "\n".join(f"{i}\t{r}\t{g}\t{b}" for i, (r, g, b) in enumerate(table))
    for data in (raw, b"ICOL" + bytes(28) + raw, lines.encode()):
        np.testing.assert_array_equal(parsed(data), table)
    for bad in (raw[:-1], b"1 2 3\n", lines.replace("\t", "\t9").encode()):
        with pytest.raises(BadSource):
            parsed(bad)
    path = tmp_path / "mine.lut"
    path.write_bytes(raw)
    values = in_memory(np.arange(256, dtype=np.uint8).reshape(16, 16))
    image = apply_step(values, Lut(file=str(path)))
    np.testing.assert_array_equal(whole(image).reshape(3, 256).T, table)
    assert str(path) in {s.path for s in sources(image)}
    path.write_bytes(raw[::-1])
    assert apply_step(values, Lut(file=str(path))).spec.identity != image.spec.identity
    with pytest.raises(SourceNotFound):
        apply_step(values, Lut(file=str(tmp_path / "none.lut")))


@pytest.mark.parametrize(
    ("image", "case", "said"),
    [
        (PAINT, Rescale(), "states no window"),
        (TWO, Rescale(windows([5, 5])), "lower to a higher"),
        (TWO, Rescale(windows([[0, 1]] * 3)), "3 entries for 2 channels"),
        (TWO, Rescale(windows([0, 1]), (1, 99)), "not both"),
        (TWO, Rescale(percentiles=(99, 1)), "rising"),
        (TWO, Rescale(range=(1, 1)), "different ends"),
        (TWO, Rescale(dtype="bool"), "cannot be of type"),
        (TWO, Gamma(0), "greater than 0"),
        (TWO, Clip((3, 1)), "lower to a higher"),
        (TWO, Threshold(), "one of"),
        (TWO, Threshold(1, 2), "one of"),
        (TWO, Threshold(percentile=101), "between 0 and 100"),
        (TWO, Lut("fire"), "one channel"),
        (TWO, Lut("snow"), "fire"),
        (TWO, Lut(), "name of a table"),
        (TWO, Grey(), "red, green and blue"),
        (PAINT, ColourDeconvolution("H&M"), "H&E"),
        (PAINT, ColourDeconvolution(), "takes `stains`"),
        (PAINT, ColourDeconvolution("H&E", white=0), "white"),
        (PAINT, ColourDeconvolution(matrix=((1, 0, 0), (2, 0, 0))), "one plane"),
        (PAINT, KeepLevels(2), "1 levels"),
    ],
)
def test_what_does_not_fit_is_named(image, case, said):
    with pytest.raises(Unsupported, match=said):
        apply_step(image, case)


@pytest.mark.parametrize("case", ANY, ids=str)
def test_labels_are_refused(case):
    with pytest.raises(Unsupported, match="labels"):
        apply_step(in_memory(np.zeros((3, 4, 4), np.uint8), axes="cyx", categorical=True), case)


def test_options_are_written_as_they_are_said():
    read_ = TypeAdapter(Rescale).validate_python
    assert read_({"window": ["0", "4095"]}).window == ((0.0, 4095.0),)
    assert read_({"window": [[0, 1], [2, 3]]}).window == ((0.0, 1.0), (2.0, 3.0))
    assert read_({"percentiles": ["1", "99.8"]}).percentiles == (1.0, 99.8)
    assert TypeAdapter(Lut).validate_python({"name": "fire", "window": [1, 2]}).window == ((1.0, 2.0),)
    assert TypeAdapter(ColourDeconvolution).validate_python({"stains": "H&E"}) == ColourDeconvolution("H&E")


@settings(max_examples=20)
@given(st.data())
def test_some_levels(data):
    image = data.draw(images())
    n = len(image.spec.levels)
    first = data.draw(st.integers(-n, n - 1))
    kept = check_law(KeepLevels(first, 2), image, data)
    np.testing.assert_array_equal(whole(kept), whole(image, first % n))
