"""Imaris files against h5py."""

import h5py
import numpy as np
import pytest
from hdf5_tools import CORPUS, read, thawed, whole

from s3facade.core.errors import BadSource, Unsupported
from s3facade.readers.hdf5.imaris import ImarisReader

RNG = np.random.default_rng(6)


def letters(text):
    return np.array([c.encode() for c in text], "S1")


def imaris(path, *, times=2, channels=2, size=(9, 40, 50), unit="um", drop=(), extra=None, dtype="u2"):
    """With data padded to whole chunks, as Imaris has them."""
    with h5py.File(path, "w", libver="latest") as file:
        for level in range(2):
            true = size if not level else tuple(max(1, n // 2) for n in size)
            stored = tuple(-(-n // m) * m for n, m in zip(true, (4, 16, 16), strict=True))
            for t in range(times):
                for c in range(channels):
                    name = f"DataSet/ResolutionLevel {level}/TimePoint {t}/Channel {c}"
                    if (level, t, c) in drop:
                        continue
                    group = file.create_group(name)
                    for axis, n in zip("ZYX", true, strict=True):
                        group.attrs[f"ImageSize{axis}"] = letters(str(n))
                    data = RNG.integers(0, 999, stored).astype(dtype)
                    group.create_dataset("Data", data=data, chunks=(4, 16, 16), compression="gzip")
        image = file.create_group("DataSetInfo/Image")
        told = {"Name": "Kidney", "Unit": unit, "ExtMin0": "10", "ExtMax0": "35", "ExtMin1": "-20", "ExtMax1": "0",
                "ExtMin2": "0", "ExtMax2": "18", "RecordingDate": "2020-01-02 03:04:05.678", "LensPower": "63x",
                "NumericalAperture": "1.4", **(extra or {})}  # fmt: skip
        for key, value in told.items():
            image.attrs[key] = letters(value)
        info = file.create_group("DataSetInfo/TimeInfo")
        for t in range(times):
            info.attrs[f"TimePoint{t + 1}"] = letters(f"2020-01-02 03:04:{5 + 10 * t:02}.000")
        for c in range(channels):
            group = file.create_group(f"DataSetInfo/Channel {c}")
            for key, value in {"Name": f"dye {c}", "Color": "1.0 0.5 0.0", "ColorRange": "3.0 250.0",
                               "LSMEmissionWavelength": "520", "LSMExcitationWavelength": "488.5"}.items():  # fmt: skip
                group.attrs[key] = letters(value)
    return path


def check(path, raster, times, channels):
    with h5py.File(path, "r") as file:
        for level in range(len(raster.spec.levels)):
            found = whole(raster, level)
            size = found.shape[-3:]
            found = found.reshape(times, channels, *size)
            for t in range(times):
                for c in range(channels):
                    data = file[f"DataSet/ResolutionLevel {level}/TimePoint {t}/Channel {c}/Data"]
                    np.testing.assert_array_equal(found[t, c], data[tuple(slice(n) for n in size)])


@pytest.mark.parametrize(("times", "channels"), [(1, 1), (1, 3), (3, 1), (2, 2), (11, 1)])
def test_levels_times_and_channels(tmp_path, times, channels):
    path = imaris(tmp_path / "a.ims", times=times, channels=channels)
    (raster,) = read(path, reader=ImarisReader())
    assert raster.spec.levels[0].shape[-3:] == (9, 40, 50)
    assert raster.spec.levels[1].shape[-3:] == (4, 20, 25)
    assert raster.spec.names == ("t",) * (times > 1) + ("c",) * (channels > 1) + ("z", "y", "x")
    check(path, raster, times, channels)
    check(path, thawed(path, [raster], ImarisReader())[0], times, channels)


def test_metadata(tmp_path):
    path = imaris(tmp_path / "a.ims")
    (raster,) = read(path, reader=ImarisReader())
    spec = raster.spec
    assert spec.levels[0].scale == pytest.approx((10, 1, 2, 0.5, 0.5))
    assert spec.levels[0].origin == pytest.approx((0, 0, 1, -19.75, 10.25))
    assert spec.levels[1].scale == pytest.approx((10, 1, 4, 1, 1))
    assert spec.levels[1].origin == pytest.approx((0, 0, 2, -19.5, 10.5))
    channel = spec.channels[1]
    assert (channel.name, channel.color, channel.window) == ("dye 1", "FF8000", (3.0, 250.0))
    assert (channel.emission, channel.excitation) == (520, 488.5)
    assert spec.attrs["name"] == "Kidney"
    assert spec.attrs["acquired"] == "2020-01-02T03:04:05.678000"
    assert spec.attrs["objective"] == {"magnification": 63, "na": 1.4}
    assert spec.attrs["original"]["Image"]["Unit"] == "um"


@pytest.mark.parametrize(("unit", "factor"), [("nm", 1e-3), ("mm", 1e3), ("", 1.0)])
def test_units(tmp_path, unit, factor):
    (raster,) = read(imaris(tmp_path / "a.ims", unit=unit), reader=ImarisReader())
    assert raster.spec.levels[0].scale[-1] == pytest.approx(0.5 * factor)
    (raster,) = read(imaris(tmp_path / "a.ims", unit="ell"), reader=ImarisReader())
    assert raster.spec.axes[-1].unit is None
    assert "'ell'" in raster.spec.attrs["notes"][0]


@pytest.mark.parametrize("drop", [{(1, 1, 0)}, {(0, 0, 1)}, {(0, 1, 0), (0, 1, 1)}, {(1, 0, 0)}])
def test_what_is_missing_is_told(tmp_path, drop):
    with pytest.raises(BadSource, match="incomplete"):
        read(imaris(tmp_path / "a.ims", drop=drop), reader=ImarisReader())


@pytest.mark.parametrize("wrong", ["x", "0", "-3", "1e9", "nan", "3.5"])
def test_sizes_that_are_wrong(tmp_path, wrong):
    path = imaris(tmp_path / "a.ims")
    with h5py.File(path, "r+") as file:
        file["DataSet/ResolutionLevel 0/TimePoint 0/Channel 0"].attrs["ImageSizeX"] = letters(wrong)
    with pytest.raises(BadSource, match="ImageSizeX"):
        read(path, reader=ImarisReader())


def test_under_another_name_and_what_is_none(tmp_path):
    path = imaris(tmp_path / "a.h5")
    check(path, read(path)[0], 2, 2)
    with h5py.File(tmp_path / "b.ims", "w") as file:
        file["x"] = np.zeros((20, 30))
    with pytest.raises(Unsupported, match="Imaris"):
        read(tmp_path / "b.ims", reader=ImarisReader())
    with pytest.raises(Unsupported, match="no option"):
        read(path, {"a": 1}, ImarisReader())


def test_a_real_one():
    path = CORPUS / "Minimal_IMS_File.ims"
    assert ImarisReader().sniff(path.read_bytes()[:4096], "Minimal_IMS_File.IMS")
    (raster,) = read(path, reader=ImarisReader())
    assert raster.spec.names == ("y", "x")
    assert raster.spec.levels[0].scale == pytest.approx((7 / 128, 7 / 128))
    assert raster.spec.levels[0].origin == pytest.approx((3 + 3.5 / 128, 3 + 3.5 / 128))
    with h5py.File(path, "r") as file:
        data = file["DataSet/ResolutionLevel 0/TimePoint 0/Channel 0/Data"][0]
    np.testing.assert_array_equal(whole(raster), data)


def test_sizes_that_only_the_information_on_the_image_states(tmp_path):
    """Levels then have no size; what is stored of the finest one is not all of the image."""
    path = imaris(tmp_path / "a.ims", times=1, channels=1, extra={"X": "50", "Y": "40", "Z": "9"})
    with h5py.File(path, "r+") as file:
        for level in range(2):
            group = file[f"DataSet/ResolutionLevel {level}/TimePoint 0/Channel 0"]
            for axis in "XYZ":
                del group.attrs[f"ImageSize{axis}"]
    (raster,) = read(path, reader=ImarisReader())
    assert [found.shape for found in raster.spec.levels] == [(9, 40, 50)]
    assert raster.spec.levels[0].scale == (2.0, 0.5, 0.5)
    assert "left out" in raster.spec.attrs["notes"][0]
    check(path, raster, 1, 1)


def test_an_extent_that_is_no_number_of_this_world(tmp_path):
    (raster,) = read(imaris(tmp_path / "a.ims", extra={"ExtMax0": "1e308", "ExtMin0": "-1e308"}), reader=ImarisReader())
    (x,) = (a for a in raster.spec.axes if a.name == "x")
    assert (x.unit, raster.spec.levels[0].scale[-1], raster.spec.levels[0].origin[-1]) == (None, 1.0, 0.0)
