"""DeltaVision against mrc (Talley Lambert's)."""

import mrc
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from volume_tools import damage, one, same, samples, survives

from s3facade.core.errors import BadSource, Unsupported
from s3facade.readers.volumes.deltavision import _HEADER, DeltaVisionReader
from s3facade.readers.volumes.mrc import MrcReader
from s3facade.stores.local import LocalFile

READER = DeltaVisionReader()
SEQUENCES = ["ctz", "tzc", "tcz"]


def made(sequence=0, order="<", kind=6, *, planes=True, counts=(2, 3, 4), **fields):
    """A file of 2 times, 3 wavelengths, 4 sections, and its planes as t, c, z, y, x."""
    t, c, z = counts
    number = np.dtype(order + {0: "u1", 1: "i2", 2: "f4", 4: "c8", 6: "u2", 7: "i4"}[kind])
    values = np.random.default_rng(0).integers(0, 100, (t, c, z, 6, 5)).astype(number)
    header = np.zeros((), _HEADER.newbyteorder(order))
    header["nx"], header["ny"], header["sections"], header["type"] = 5, 6, t * c * z, kind
    header["dvid"], header["times"], header["waves"], header["sequence"] = -16224, t, c, sequence
    header["size"], header["wave"] = (0.1, 0.2, 0.3), (450, 525, 605, 0, 0)
    header["limits1"], header["limits2"] = (1, 99), (2, 98)
    names = SEQUENCES[sequence]
    ordered = values.transpose(["tcz".index(a) for a in names] + [3, 4])
    extended = b""
    if planes:
        header["ints"], header["floats"] = 8, 32
        table = np.zeros((t * c * z, 40), order + "f4")
        for k, row in enumerate(table):
            at = dict(zip(names, np.unravel_index(k, ordered.shape[:3]), strict=True))
            row[8 + 1 : 8 + 5] = 10 * at["t"], 100, 200, 300 + at["z"]
            row[8 + 8], row[8 + 10], row[8 + 11] = 0.05, 400 + at["c"], 500
        extended = table.tobytes().ljust(5120, b"\0")
    header["next"] = len(extended)
    for name, value in fields.items():
        header[name] = value
    return header.tobytes() + extended + ordered.tobytes(), values


@pytest.mark.parametrize("path", samples("deltavision", "toxo.dv"))
def test_real_files(path):
    raster = one(READER, path)
    with mrc.DVFile(path) as file:
        expected = file.asarray(squeeze=False)
        order = [file.axes.index(a) for a in "TCZYX"]
        same(raster, expected.transpose(order).reshape(raster.spec.levels[0].shape))
        size = file.voxel_size
        assert raster.spec.levels[0].scale[-3:] == pytest.approx((size.z, size.y, size.x))
    assert all(c.emission for c in raster.spec.channels)
    assert raster.spec.names in {("c", "z", "y", "x"), ("z", "y", "x")}
    assert not MrcReader().sniff(path.read_bytes()[:4096], path.name)


@pytest.mark.parametrize("sequence", [0, 1, 2])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", [0, 1, 2, 6, 7])
def test_sequences_orders_and_types(tmp_path, sequence, order, kind):
    data, values = made(sequence, order, kind)
    (tmp_path / "a.dv").write_bytes(data)
    raster = one(READER, tmp_path / "a.dv")
    assert raster.spec.names == ("t", "c", "z", "y", "x")
    same(raster, values)
    if order == "<":
        with mrc.DVFile(tmp_path / "a.dv") as file:
            theirs = file.asarray(squeeze=False)
            same(raster, theirs.transpose([file.axes.index(a) for a in "TCZYX"]))
    assert raster.spec.levels[0].scale == pytest.approx((10, 1, 0.3, 0.2, 0.1))
    assert [c.emission for c in raster.spec.channels] == [450, 525, 605]
    assert [c.excitation for c in raster.spec.channels] == [400, 401, 402]
    assert [c.window for c in raster.spec.channels] == [(1, 99), (2, 98), None]
    times = {(p["t"], p["c"], p["z"]): p["seconds"] for p in raster.spec.attrs["times"]}
    assert times[1, 2, 3] == 10
    places = {(p["t"], p["c"], p["z"]): (p["x"], p["y"], p["z_position"]) for p in raster.spec.attrs["positions"]}
    assert places[0, 1, 3] == (100, 200, 303)


def test_without_an_extended_header(tmp_path):
    data, values = made(planes=False, counts=(1, 2, 3), size=(0, 0, 0))
    (tmp_path / "a.r3d").write_bytes(data)
    raster = one(READER, tmp_path / "a.r3d")
    assert raster.spec.names == ("c", "z", "y", "x")
    assert {a.unit for a in raster.spec.axes} == {None}
    assert "times" not in raster.spec.attrs
    same(raster, values[0])


@pytest.mark.parametrize(
    ("fields", "kind", "says"),
    [
        ({"type": 4}, Unsupported, "complex"),
        ({"sequence": 9}, BadSource, "sequence 9"),
        ({"sections": 25}, BadSource, "share out"),
        ({"nx": 5000}, BadSource, "behind the end"),
        ({"next": -5}, BadSource, "extended"),
    ],
)
def test_refused(tmp_path, fields, kind, says):
    data = bytearray(made()[0])
    for name, value in fields.items():
        at = _HEADER.fields[name][1]
        new = np.array(value, _HEADER[name]).tobytes()
        data[at : at + len(new)] = new
    (tmp_path / "a.dv").write_bytes(data)
    with pytest.raises(kind, match=says):
        READER.open(LocalFile.open(tmp_path / "a.dv"), {})


@settings(max_examples=150, deadline=None)
@given(st.data(), st.booleans())
def test_damaged(tmp_path_factory, data, planes):
    bad = data.draw(damage(made(planes=planes)[0], 400))
    READER.sniff(bad[:4096], "bad.dv")
    survives(READER, tmp_path_factory.getbasetemp() / "bad.dv", bad)
