"""ND2 files: pixels and metadata against the library nd2, real files and such as are made here."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from nd2_writer import DEPTH, POSITION, TIME, lite, loop, write
from vendor_tools import SAMPLES, damaged, opened, survives, thawed, whole

from s3facade.core.errors import BadSource, SourceError, Unsupported
from s3facade.readers.nd2.reader import Nd2Reader
from s3facade.readers.nd2.variant import tree
from s3facade.testing.readers import ReaderContract

nd2 = pytest.importorskip("nd2")
RNG = np.random.default_rng(5)


def frames(count, shape=(20, 30, 1), dtype=np.uint16):
    return [RNG.integers(0, 250, shape).astype(dtype) for _ in range(count)]


def from_nd2(path, position=None):
    """The library's array, in the order of our axes."""
    with nd2.ND2File(path) as file:
        array, names = np.asarray(file.asarray()), list(file.sizes)
    if position is not None and "P" in names:
        array = array.take(position, names.index("P"))
        names.remove("P")
    order = sorted(range(array.ndim), key=lambda k: "TCSZYX".index(names[k]))
    if "S" in names:
        # The library leaves blue, green, red as they are stored.
        array = np.flip(array, names.index("S"))
    return array.transpose(order)


def check(path, positions=(None,)):
    rasters = opened(Nd2Reader, path)
    assert len(rasters) == len(positions)
    for raster, again, position in zip(rasters, thawed(Nd2Reader, rasters), positions, strict=True):
        expected = from_nd2(path, position).reshape(raster.spec.levels[0].shape)
        np.testing.assert_array_equal(whole(raster), expected)
        np.testing.assert_array_equal(whole(again), expected)
    return rasters


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("pad", [0, 4])
@pytest.mark.parametrize(("channels", "samples", "dtype"), [(1, 1, "u1"), (2, 1, "u2"), (1, 3, "u1"), (1, 1, "f4")])
def test_frames(tmp_path, old, compressed, pad, channels, samples, dtype):
    made = frames(6, (20, 30, channels * samples), dtype)
    experiment = loop(TIME, 3, loop(DEPTH, 2))
    path = write(
        tmp_path / "a.nd2", made, channels=channels, samples=samples, pad=pad, compressed=compressed,
        experiment=experiment, old=old, times=[0.0, 100.0, 2000.0, 2100.0, 4000.0, 4100.0],
    )  # fmt: skip
    (raster,) = check(path)
    assert raster.spec.levels[0].scale[0] == pytest.approx(2.0)
    assert raster.spec.attrs["codec"] == ("deflate" if compressed else "raw")
    if samples == 3:
        assert [c.name for c in raster.spec.channels] == ["Red", "Green", "Blue"]
        np.testing.assert_array_equal(whole(raster)[1, :, 1], made[3].transpose(2, 0, 1)[::-1])


@pytest.mark.parametrize("order", [(POSITION, TIME, DEPTH), (TIME, POSITION, DEPTH), (TIME, DEPTH, POSITION)])
def test_positions_are_images(tmp_path, order):
    counts = {POSITION: 3, TIME: 2, DEPTH: 4}
    experiment = None
    for kind in reversed(order):
        experiment = loop(kind, counts[kind], experiment)
    path = write(tmp_path / "a.nd2", frames(24), experiment=experiment)
    rasters = check(path, positions=(0, 1, 2))
    assert [r.spec.attrs["name"] for r in rasters] == ["#0", "#1", "#2"]
    assert rasters[2].spec.attrs["positions"] == [{"x": 20.0, "y": 5.0, "z_position": 1.0}]
    assert rasters[0].spec.names == ("t", "z", "y", "x")
    assert rasters[0].spec.levels[0].scale == (2.0, 0.5, 0.25, 0.25)


def test_metadata(tmp_path):
    path = write(tmp_path / "a.nd2", frames(1, (20, 30, 3)), channels=3)
    (raster,) = check(path)
    spec = raster.spec
    with nd2.ND2File(path) as file:
        theirs = file.metadata.channels
    assert [c.name for c in spec.channels] == [c.channel.name for c in theirs]
    assert [c.emission for c in spec.channels] == [c.channel.emissionLambdaNm for c in theirs]
    assert [c.color for c in spec.channels] == ["07FF00", "FF0000", "0000FF"]
    assert spec.attrs["acquired"] == "2023-02-25T00:00:00Z"
    assert spec.attrs["objective"] == {"name": "Plan Fluor 20x DIC", "magnification": 20.0, "na": 0.75}
    assert spec.levels[0].scale == (1.0, 0.25, 0.25)
    assert [a.unit for a in spec.axes] == [None, "micrometer", "micrometer"]


def test_recording_that_ended_early(tmp_path):
    made = frames(6)
    made[4] = None
    path = write(tmp_path / "a.nd2", made, experiment=loop(TIME, 3, loop(DEPTH, 2)))
    (raster,) = opened(Nd2Reader, path)
    np.testing.assert_array_equal(whole(raster), np.array(made[:4])[..., 0].reshape(2, 2, 20, 30))
    assert "2 of 3 steps along t" in raster.spec.attrs["notes"][0]


def test_positions_never_reached_are_no_images(tmp_path):
    made = [*frames(3), None, None, None]
    path = write(tmp_path / "a.nd2", made, experiment=loop(POSITION, 2, loop(TIME, 3)))
    assert len(opened(Nd2Reader, path)) == 1
    made = [None, *frames(1)]
    with pytest.raises(BadSource, match="no complete image"):
        opened(Nd2Reader, write(tmp_path / "b.nd2", made, experiment=loop(TIME, 2)))


def test_frames_without_a_loop_lie_along_t(tmp_path):
    (raster,) = opened(Nd2Reader, write(tmp_path / "a.nd2", frames(3)))
    assert raster.spec.levels[0].shape == (3, 20, 30)
    assert "along t" in raster.spec.attrs["notes"][0]


def test_irregular_times_have_no_step(tmp_path):
    path = write(tmp_path / "a.nd2", frames(3), experiment=loop(TIME, 3), times=[0.0, 1000.0, 5000.0])
    (raster,) = opened(Nd2Reader, path)
    assert raster.spec.axes[0].unit is None
    assert [p["seconds"] for p in raster.spec.attrs["times"]] == [0.0, 1.0, 5.0]


def test_the_binary_form_of_metadata():
    value = {"a": 1, "b": [1.5, "x"], "c": {"d": True, "e": b"\1\2"}}
    assert tree(lite("Root", value)) == {"Root": {"a": 1, "b": [1.5, "x"], "c": {"d": True, "e": [1, 2]}}}


def test_old_files_of_jpeg_2000_are_refused_by_name(tmp_path):
    data = b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(500)
    (tmp_path / "a.nd2").write_bytes(data)
    assert Nd2Reader().sniff(data, "a.nd2")
    assert not Nd2Reader().sniff(data, "a.jp2")
    with pytest.raises(Unsupported, match="JPEG 2000"):
        opened(Nd2Reader, tmp_path / "a.nd2")


@pytest.mark.parametrize("options", [{"position": 1}])
def test_options_are_refused(tmp_path, options):
    with pytest.raises(Unsupported, match="'position'"):
        opened(Nd2Reader, write(tmp_path / "a.nd2", frames(1)), **options)


def test_cut_short(tmp_path):
    path = write(tmp_path / "a.nd2", frames(2), experiment=loop(TIME, 2))
    data = path.read_bytes()
    for n in range(0, len(data) - 1, 997):
        path.write_bytes(data[:n])
        with pytest.raises(SourceError):
            [whole(r) for r in opened(Nd2Reader, path)]


def test_damaged_files(tmp_path):
    raw = write(tmp_path / "a.nd2", frames(4, (20, 30, 2)), channels=2, experiment=loop(POSITION, 2, loop(TIME, 2)))
    packed = write(tmp_path / "b.nd2", frames(3), compressed=True, experiment=loop(TIME, 3), old=True)
    data = [raw.read_bytes(), packed.read_bytes()]
    places = [d.find(b"ImageAttributes") for d in data]
    for seed in range(300):
        first = data[seed % 2]
        # metadata are a small part of a file: every other copy is damaged there only
        if seed % 4 < 2:
            at = places[seed % 2]
            copy = first[:at] + damaged(first[at:], seed)[: len(first) - at].ljust(len(first) - at, b"\0")
        else:
            copy = damaged(first, seed)
        (tmp_path / "c.nd2").write_bytes(copy)
        survives(Nd2Reader, tmp_path / "c.nd2")


@pytest.mark.skipif(not (SAMPLES / "nd2").is_dir(), reason="the samples are not there")
def test_real_files():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in sorted((SAMPLES / "nd2").iterdir()):
            (raster,) = check(path)
            with nd2.ND2File(path) as file:
                assert raster.spec.levels[0].scale[-1] == pytest.approx(file.voxel_size().x)
                assert [c.name for c in raster.spec.channels] == [c.channel.name for c in file.metadata.channels]
                emission = [c.channel.emissionLambdaNm for c in file.metadata.channels]
                assert [c.emission for c in raster.spec.channels] == emission


class TestPromises(ReaderContract):
    reader = Nd2Reader
    samples = sorted((SAMPLES / "nd2").glob("*.nd2"))
