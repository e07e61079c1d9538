"""Which datasets of an HDF5 file are images, and what their dimensions are."""

import json

import h5py
import numpy as np
import pytest
from hdf5_tools import read, thawed, whole

from s3facade.core.errors import BadSource, SourceDenied, SourceNotFound, Unsupported

RNG = np.random.default_rng(3)


def made(path, attrs=None, **arrays):
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name.replace("__", "/")] = array
        for name, values in (attrs or {}).items():
            file[name].attrs.update(values)
    return path


def some(*shape, dtype="u2"):
    return RNG.integers(0, 200, shape).astype(dtype)


def tags(keys):
    return {"axistags": json.dumps({"axes": [{"key": k, "typeFlags": 2, "resolution": 0} for k in keys]})}


@pytest.mark.parametrize(
    ("shape", "dtype", "names"),
    [((20, 30), "u2", "yx"), ((5, 20, 30), "u2", "zyx"), ((1, 20, 30), "u2", "zyx"), ((1, 1, 5, 20, 30), "f4", "zyx"),
     ((20, 30, 3), "u1", "cyx"), ((20, 30, 4), "u1", "cyx"), ((1, 20, 30, 3), "u1", "cyx"), ((20, 30, 3), "u2", "zyx")],
)  # fmt: skip
def test_the_usual_dimensions_are_noted(tmp_path, shape, dtype, names):
    array = some(*shape, dtype=dtype)
    (raster,) = read(made(tmp_path / "a.h5", x=array))
    assert raster.spec.names == tuple(names)
    assert "`axes`" in raster.spec.attrs["notes"][0]
    assert {a.unit for a in raster.spec.axes} == {None}
    expected = array.transpose(*range(array.ndim - 3), -1, -3, -2) if names == "cyx" else array
    np.testing.assert_array_equal(whole(raster), expected.reshape(whole(raster).shape))
    if names == "cyx":
        assert [c.name for c in raster.spec.channels][:3] == ["Red", "Green", "Blue"]


@pytest.mark.parametrize("shape", [(2, 3, 20, 30), (2, 3, 4, 20, 30), (2, 2, 3, 4, 20, 30)])
def test_more_dimensions_have_to_be_named(tmp_path, shape):
    path = made(tmp_path / "a.h5", vol__raw=some(*shape))
    with pytest.raises(Unsupported, match=r"`dataset: /vol/raw` and `axes`"):
        read(path)


@pytest.mark.parametrize(
    ("axes", "shape"),
    [("tczyx", (2, 3, 4, 20, 30)), ("xyz", (20, 30, 5)), ("yxc", (20, 30, 2)), ("cyxz", (2, 20, 30, 4)),
     (".zyx", (1, 4, 20, 30)), ("TCYX", (2, 3, 20, 30))],
)  # fmt: skip
@pytest.mark.parametrize("chunks", [None, True])
def test_dimensions_as_the_operator_names_them(tmp_path, axes, shape, chunks):
    array = some(*shape)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=array, chunks=chunks)
    (raster,) = read(tmp_path / "a.h5", {"dataset": "/x", "axes": axes})
    letters = axes.lower()
    order = sorted((k for k, a in enumerate(letters) if a != "."), key=lambda k: "tczyx".index(letters[k]))
    rest = [k for k, a in enumerate(letters) if a == "."]
    expected = array.transpose(*rest, *order)
    np.testing.assert_array_equal(whole(raster), expected.reshape(expected.shape[len(rest) :]))


@pytest.mark.parametrize("options", [{"axes": "yx"}, {"axes": "tzyq"}, {"axes": "..zyx"}, {"axes": 3}, {"axes": ""},
                                     {"dataset": 3}, {"dataset": "y"}, {"dataset": "no*"}, {"level": 1}])  # fmt: skip
def test_options_that_do_not_fit(tmp_path, options):
    with pytest.raises(Unsupported):
        read(made(tmp_path / "a.h5", x=some(5, 20, 30)), options)


def test_several_images_by_path(tmp_path):
    path = made(tmp_path / "a.h5", b=some(20, 30), a__z=some(4, 20, 30), table=some(500, 3), line=some(100))
    rasters = read(path)
    assert [r.spec.attrs["name"] for r in rasters] == ["a/z", "b"]
    assert len(thawed(path, rasters)) == 2
    assert [r.spec.attrs["name"] for r in read(path, {"dataset": ["b", "/a/*"]})] == ["b", "a/z"]
    assert [r.spec.attrs["name"] for r in read(path, {"dataset": "table"})] == ["table"]
    assert [r.spec.attrs["name"] for r in read(path, {"axes": "tyx"})] == ["a/z"]


def test_what_is_left_out_is_told(tmp_path):
    rasters = read(made(tmp_path / "a.h5", a=some(20, 30), b=some(2, 3, 20, 30)))
    assert len(rasters) == 1
    assert "Not shown: '/b'" in rasters[0].spec.attrs["notes"][-1]


def test_datasets_that_name_their_dimensions_come_first(tmp_path):
    path = made(tmp_path / "a.h5", {"p": tags("xyc")}, p=some(30, 20, 2), mask=some(20, 30))
    (raster,) = read(path)
    assert raster.spec.levels[0].shape == (2, 20, 30)


def test_dimension_labels(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("x", data=some(3, 4, 20, 30))
        for dim, label in zip(data.dims, ("time", "z", "y", "x"), strict=True):
            dim.label = label
    assert read(tmp_path / "a.h5")[0].spec.names == ("t", "z", "y", "x")


def test_colour_images_of_the_hdf5_specification(tmp_path):
    attrs = {"CLASS": np.bytes_("IMAGE"), "IMAGE_SUBCLASS": np.bytes_("IMAGE_TRUECOLOR"),
             "INTERLACE_MODE": np.bytes_("INTERLACE_PLANE")}  # fmt: skip
    (raster,) = read(made(tmp_path / "a.h5", {"x": attrs}, x=some(3, 20, 30)))
    assert raster.spec.names == ("c", "y", "x")
    assert raster.spec.channels[2].color == "0000FF"


def test_element_size(tmp_path):
    path = made(tmp_path / "a.h5", {"x": {"element_size_um": [2.0, 0.5, 0.25]}}, x=some(3, 20, 30))
    (raster,) = read(path)
    assert raster.spec.levels[0].scale == (2.0, 0.5, 0.25)
    assert {a.unit for a in raster.spec.axes} == {"micrometer"}


@pytest.mark.parametrize(("shape", "dtype"), [((20, 30), "u2"), ((20, 30, 5), "f8"), ((20, 30, 3), "u1")])
def test_matrices_of_matlab(tmp_path, shape, dtype):
    array = some(*shape, dtype=dtype)
    path = made(tmp_path / "a.mat", {"x": {"MATLAB_class": np.bytes_(dtype)}}, x=array.T)
    (raster,) = read(path)
    assert raster.spec.names == tuple("zyx" if dtype == "f8" else "cyx" if dtype == "u1" else "yx")
    np.testing.assert_array_equal(whole(raster), np.moveaxis(array, -1, 0) if array.ndim == 3 else array)


def test_no_image(tmp_path):
    for arrays in ({}, {"x": some(9)}, {"x": np.array([b"abc"] * 400).reshape(20, 20)}):
        with pytest.raises(Unsupported):
            read(made(tmp_path / "a.h5", **arrays))
    with pytest.raises(Unsupported, match="looks like an image"):
        read(made(tmp_path / "a.h5", x=some(400, 3)))


def test_links(tmp_path):
    (tmp_path / "sub").mkdir()
    other = made(tmp_path / "sub" / "b.h5", vol=some(5, 20, 30))
    path = made(tmp_path / "a.h5", here__x=some(5, 20, 30))
    with h5py.File(path, "r+") as file:
        file["soft"] = h5py.SoftLink("/here/x")
        file["out"] = h5py.ExternalLink("sub/b.h5", "/vol")
        file["up"] = h5py.ExternalLink("../c.h5", "/vol")
        file["abs"] = h5py.ExternalLink(str(other), "/vol")
        file["gone"] = h5py.ExternalLink("d.h5", "/vol")
        file["ring"] = h5py.SoftLink("/ring2")
        file["ring2"] = h5py.SoftLink("/ring")
    assert len(read(path)) == 1
    for name in ("soft", "out"):
        rasters = read(path, {"dataset": name})
        with h5py.File(path, "r") as file:
            for raster in (*rasters, *thawed(path, rasters)):
                np.testing.assert_array_equal(whole(raster), file[name][()])
    assert len(rasters[0].files) == 2
    for name, error in (("up", SourceDenied), ("abs", SourceDenied), ("gone", SourceNotFound), ("ring", BadSource)):
        with pytest.raises(error):
            read(path, {"dataset": name})


def test_groups_that_hold_each_other(tmp_path):
    path = made(tmp_path / "a.h5", g__x=some(20, 30))
    with h5py.File(path, "r+") as file:
        file["g/again"] = file["/"]
        file["same"] = file["g/x"]
    assert len(read(path)) == 1


def nwb(path, shape, *, dimension=None, rate=30.0, stamps=None, deep=False):
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = "2.6.0"
        file["session_start_time"] = "2021-03-04T05:06:07.5+01:00"
        series = file.create_group("acquisition/TwoPhotonSeries")
        series.attrs["neurodata_type"] = "TwoPhotonSeries"
        series["data"] = some(*shape)
        if dimension:
            series["dimension"] = np.array(dimension)
        if rate:
            series["starting_time"] = 0.0
            series["starting_time"].attrs["rate"] = rate
        if stamps is not None:
            series["timestamps"] = np.array(stamps)
        plane = file.create_group("general/optophysiology/plane")
        plane["excitation_lambda"] = 920.0
        plane["indicator"] = "GCaMP6f"
        plane["grid_spacing"] = np.array([1e-6, 2e-6, 5e-6][: 3 if deep else 2])
        plane["grid_spacing"].attrs["unit"] = "meters"
        plane["optical_channel/emission_lambda"] = 510.0
        series["imaging_plane"] = h5py.SoftLink("/general/optophysiology/plane")
        outside = file.create_group("acquisition/behaviour")
        outside.attrs["neurodata_type"] = "ImageSeries"
        outside["data"] = np.zeros((0, 0, 0), "u1")
        outside["external_file"] = np.array([b"a.avi"])
    return path


def test_nwb(tmp_path):
    path = nwb(tmp_path / "a.nwb", (6, 40, 30))
    (raster,) = read(path)
    assert raster.spec.names == ("t", "y", "x")
    assert raster.spec.levels[0].scale == pytest.approx((1 / 30, 2.0, 1.0))
    assert raster.spec.channels[0].emission == 510
    assert raster.spec.channels[0].excitation == 920
    assert raster.spec.channels[0].name == "GCaMP6f"
    assert raster.spec.attrs["acquired"] == "2021-03-04T05:06:07.500000+01:00"
    with h5py.File(path, "r") as file:
        np.testing.assert_array_equal(whole(raster), file["acquisition/TwoPhotonSeries/data"][()].transpose(0, 2, 1))


def test_nwb_in_rows_as_it_says(tmp_path):
    path = nwb(tmp_path / "a.nwb", (4, 40, 30, 5), dimension=[5, 30, 40], rate=None, stamps=[0, 1, 2, 5.0], deep=True)
    (raster,) = read(path)
    assert raster.spec.names == ("t", "z", "y", "x")
    assert raster.spec.levels[0].shape == (4, 40, 30, 5)
    assert raster.spec.attrs["times"][3] == {"t": 3, "seconds": 5.0}
    assert raster.spec.levels[0].scale[1:] == pytest.approx((5.0, 2.0, 1.0))
    (raster,) = read(nwb(tmp_path / "b.nwb", (4, 40, 30), rate=None, stamps=[1, 1.5, 2, 2.5]))
    assert raster.spec.levels[0].scale[0] == pytest.approx(0.5)


@pytest.mark.parametrize("told", [{"rate": 1e-320}, {"rate": 0.0, "stamps": [0.0, 1.0, np.nan]}])
def test_nwb_of_times_that_are_none(tmp_path, told):
    (raster,) = read(nwb(tmp_path / "a.nwb", (3, 40, 30), **told))
    assert (raster.spec.axes[0].unit, raster.spec.levels[0].scale[0]) == (None, 1.0)
    json.dumps(dict(raster.spec.attrs), allow_nan=False)


def test_names_that_are_no_utf_8(tmp_path):
    """As programs of the days of Latin-1 wrote them."""
    array, other = some(20, 30), some(21, 31)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["plain"] = array
        file["plain"].attrs[b"\xb5m"] = 3
        file[b"Gr\xf6\xdfe/\xb5m"] = other
    first, second = read(tmp_path / "a.h5")
    names = [r.spec.attrs["name"] for r in (first, second)]
    assert names == [r"Gr\xf6\xdfe/\xb5m", "plain"]
    np.testing.assert_array_equal(whole(first), other)
    np.testing.assert_array_equal(whole(second), array)
    assert second.spec.attrs["original"]["dataset"] == {r"\xb5m": 3}
