"""DigitalMicrograph against what nionswift-io writes and reads."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nionswift_plugin.DM_IO import dm3_image_utils, parse_dm3
from volume_tools import damage, one, opened, same, samples, survives

from s3facade.core.errors import BadSource, Unsupported
from s3facade.readers.volumes.dm import DigitalMicrographReader
from s3facade.stores.local import LocalFile

READER = DigitalMicrographReader()
NAMES = [f"ref_{a}.{v}" for a in ("F_0_2", "F_1_2", "T_0_1") for v in ("dm3", "dm4")]


def entry(array, units=(), steps=None, tags=None, name=None):
    data = dm3_image_utils.ndarray_to_imagedatadict(array)
    steps = steps or [(0.0, 1.0)] * array.ndim
    given = [
        {"Origin": float(o), "Scale": float(s), "Units": u}
        for (o, s), u in zip(steps, (*units, *[""] * array.ndim), strict=False)
    ]
    data["Calibrations"] = {"Dimension": given}
    return {"ImageData": data, **({"ImageTags": tags} if tags else {}), **({"Name": name} if name else {})}


def write(path, version, *entries, **more):
    out = io.BytesIO()
    parse_dm3.dm_write_header(out, version, {"ImageList": list(entries), **more})
    path.write_bytes(out.getvalue())
    return path


@pytest.mark.parametrize("path", samples("dm", *NAMES))
def test_real_files(path):
    with path.open("rb") as file:
        theirs = dm3_image_utils.load_image(file)
    raster = one(READER, path)
    moved = theirs.data
    if theirs.datum_dimension_count == 1 and theirs.collection_dimension_count == 2:
        moved = np.moveaxis(moved, 2, 0)
    elif theirs.datum_dimension_count == 1 and path.stem == "ref_T_0_1":
        # A sequence of spectra: nionswift puts the energy last.
        moved = theirs.data.T
    same(raster, moved.reshape(raster.spec.levels[0].shape))
    assert raster.spec.attrs["acquired"].startswith("20")


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("number", ["i2", "f4", "u1", "i4", "i1", "u2", "u4", "f8"])
@pytest.mark.parametrize("shape", [(7, 5), (3, 70, 50), (2, 3, 7, 5)])
def test_types_and_shapes(tmp_path, version, number, shape):
    array = np.random.default_rng(0).integers(0, 100, shape).astype(number)
    given = entry(array.view("i1") if number == "u1" else array, ("nm", "nm"), [(2, 0.5)] * 4)
    if number in ("i1", "u1"):
        given["ImageData"]["DataType"] = 9 if number == "i1" else 6
    path = write(tmp_path / f"a.dm{version}", version, given)
    raster = one(READER, path)
    assert raster.spec.dtype == np.dtype(number)
    same(raster, array)
    assert raster.spec.levels[0].scale[-2:] == pytest.approx((0.5e-3, 0.5e-3))
    assert raster.spec.levels[0].origin[-2:] == pytest.approx((-1e-3, -1e-3))


@pytest.mark.parametrize("version", [3, 4])
def test_colours(tmp_path, version):
    array = np.random.default_rng(0).integers(0, 255, (7, 5, 3)).astype("u1")
    packed = np.dstack([array[..., ::-1], np.zeros((7, 5), "u1")]).copy().view("<i4")[..., 0]
    given = entry(packed)
    given["ImageData"]["DataType"] = 23
    raster = one(READER, write(tmp_path / "a.dm3", version, given))
    assert [c.name for c in raster.spec.channels] == ["Red", "Green", "Blue"]
    same(raster, array.transpose(2, 0, 1))


def test_units_that_are_no_lengths(tmp_path):
    array = np.zeros((7, 5), "f4")
    raster = one(READER, write(tmp_path / "a.dm3", 3, entry(array, ("1/nm", "µm"), [(0, 2), (0, 3)])))
    assert [a.unit for a in raster.spec.axes] == ["micrometer", None]
    assert raster.spec.levels[0].scale == (3, 1)
    assert "1/nm" in raster.spec.attrs["notes"][0]


@pytest.mark.parametrize(
    ("unit", "tags", "axis"),
    [
        ("nm", None, "z"),
        ("eV", None, "c"),
        ("s", None, "t"),
        ("", None, "z"),
        ("", {"Meta Data": {"Format": "Spectrum image"}}, "c"),
        ("", {"Meta Data": {"IsSequence": True}}, "t"),
    ],
)
def test_the_third_dimension(tmp_path, unit, tags, axis):
    array = np.random.default_rng(0).normal(size=(3, 7, 5)).astype("f4")
    raster = one(READER, write(tmp_path / "a.dm4", 4, entry(array, ("nm", "nm", unit), [(0, 2)] * 3, tags)))
    assert raster.spec.names == (axis, "y", "x")
    assert raster.spec.levels[0].scale[0] == pytest.approx({"nm": 2e-3, "s": 2}.get(unit, 1))
    same(raster, array)


def test_thumbnails_are_left_out(tmp_path):
    small, large, other = np.zeros((4, 4), "i4"), np.ones((30, 40), "f4"), np.ones((9, 9), "u2")
    path = write(
        tmp_path / "a.dm3", 3, entry(small), entry(large, name="one"), entry(other), Thumbnails=[{"ImageIndex": 0}]
    )
    found = opened(READER, path)
    assert [r.spec.levels[0].shape for r in found] == [(30, 40), (9, 9)]
    assert found[0].spec.attrs["name"] == "one"


@pytest.mark.parametrize(("array", "says"), [(np.zeros((4, 4), "c8"), "complex"), (np.zeros(9, "f4"), "spectrum")])
def test_refused(tmp_path, array, says):
    with pytest.raises(Unsupported, match=says):
        READER.open(LocalFile.open(write(tmp_path / "a.dm3", 3, entry(array))), {})


def test_cut_short(tmp_path):
    path = write(tmp_path / "a.dm3", 3, entry(np.ones((300, 400), "f4")))
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(BadSource, match="cut short"):
        READER.open(LocalFile.open(path), {})


@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from([3, 4]))
def test_damaged(tmp_path_factory, data, version):
    path = tmp_path_factory.getbasetemp() / "bad.dm3"
    good = write(path, version, entry(np.ones((8, 9), "f4"), ("nm", "nm"), name="one")).read_bytes()
    bad = data.draw(damage(good))
    READER.sniff(bad[:4096], "bad.dm3")
    survives(READER, path, bad)
