"""MRC and CCP4 against mrcfile."""

import bz2
import gzip
import warnings

import mrcfile
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiff_tools import whole
from volume_tools import damage, one, same, samples, survives

from s3facade.core.errors import BadSource, Unsupported
from s3facade.readers.volumes.mrc import MrcReader
from s3facade.stores.local import LocalFile

READER = MrcReader()
FIELDS = {"nx": 0, "nz": 8, "mode": 12, "mx": 28, "mz": 36, "map": 64, "ispg": 88, "nsymbt": 92, "origin": 196}


def write(path, values, order="<", voxel=2.0, **words):
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(values)
        file.voxel_size = voxel
    data = bytearray(path.read_bytes())
    if order == ">":
        data[:1024] = np.frombuffer(bytes(data[:1024]), "<u4").astype(">u4").tobytes()
        # Words of text stay as they are.
        original = path.read_bytes()
        for at, n in ((104, 4), (208, 4), (224, 800)):
            data[at : at + n] = original[at : at + n]
        data[212:216] = b"\x11\x11\0\0"
        data[1024:] = values.astype(values.dtype.newbyteorder(">")).tobytes()
    for name, value in words.items():
        new = np.asarray(value, order + ("f4" if name == "origin" else "i4")).tobytes()
        data[FIELDS[name] : FIELDS[name] + len(new)] = new
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("path", samples("mrc", "EMD-3197.map", "emd_3197.map.gz"))
def test_real_files(path):
    with mrcfile.open(path) as file:
        raster = one(READER, path)
        same(raster, file.data)
        assert raster.spec.levels[0].scale == pytest.approx([float(file.voxel_size[a]) * 1e-4 for a in "zyx"])
        # What mrcfile calls nstart is in pixels.
        first = [int(file.nstart[a]) * float(file.voxel_size[a]) * 1e-4 for a in "zyx"]
        assert raster.spec.levels[0].origin == pytest.approx(first)
        assert raster.spec.channels[0].window == (float(file.header.dmin), float(file.header.dmax))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("number", ["i1", "i2", "u2", "f4", "f2"])
@pytest.mark.parametrize("shape", [(7, 5), (3, 7, 5)])
def test_types_and_orders(tmp_path, order, number, shape):
    values = np.random.default_rng(0).integers(0, 100, shape).astype(number)
    path = write(tmp_path / "a.mrc", values, order=order)
    raster = one(READER, path)
    with mrcfile.open(path) as file:
        same(raster, file.data.reshape(raster.spec.levels[0].shape))
    assert raster.spec.dtype == np.dtype(number)
    assert raster.spec.levels[0].scale[1:] == pytest.approx((2e-4, 2e-4))


@pytest.mark.parametrize("axes", [(1, 2, 3), (3, 2, 1), (2, 1, 3), (3, 1, 2)])
def test_order_of_axes(tmp_path, axes):
    values = np.random.default_rng(0).normal(size=(3, 7, 5)).astype("f4")
    path = write(tmp_path / "a.map", values, map=axes, voxel=(1.0, 2.0, 3.0))
    raster = one(READER, path)
    names = ["xyz"[a - 1] for a in axes][::-1]
    same(raster, values.transpose([names.index(a) for a in "zyx"]))


def test_stacks(tmp_path):
    values = np.random.default_rng(0).normal(size=(6, 7, 5)).astype("f4")
    raster = one(READER, write(tmp_path / "a.mrc", values, ispg=401, mz=2))
    assert raster.spec.names == ("t", "z", "y", "x")
    same(raster, values.reshape(3, 2, 7, 5))
    raster = one(READER, write(tmp_path / "a.mrcs", values, ispg=0, mz=1))
    assert [a.unit for a in raster.spec.axes] == [None, "micrometer", "micrometer"]
    same(raster, values)
    with pytest.raises(BadSource, match="stack"):
        READER.open(LocalFile.open(write(tmp_path / "a.mrc", values, ispg=401, mz=4)), {})


@pytest.mark.parametrize("width", [5, 6])
def test_four_bits(tmp_path, width):
    values = np.random.default_rng(0).integers(0, 16, (3, 2000, width)).astype("u1")
    path = write(tmp_path / "a.mrc", np.zeros((3, 2000, width), "i1"), mode=101)
    low, high = values[..., ::2], np.zeros((3, 2000, (width + 1) // 2), "u1")
    high[..., : width // 2] = values[..., 1::2]
    path.write_bytes(path.read_bytes()[:1024] + (low | high << 4).tobytes())
    same(one(READER, path), values)


def test_imod(tmp_path):
    values = np.arange(24, dtype="i1").reshape(2, 3, 4) - 10
    path = write(tmp_path / "a.st", values, origin=[1, 2, 3])
    assert one(READER, path).spec.levels[0].origin == pytest.approx((3e-4, 2e-4, 1e-4))
    for flags, number in ((0, "u1"), (1, "i1")):
        data = bytearray(path.read_bytes())
        data[152:160] = np.array([1146047817, flags], "<i4").tobytes()
        path.write_bytes(data)
        raster = one(READER, path)
        same(raster, values.view(number))
        assert raster.spec.levels[0].origin == (0, 0, 0)
    colours = np.random.default_rng(0).integers(0, 255, (2, 3, 4, 3)).astype("u1")
    data[12:16] = np.array(16, "<i4").tobytes()
    path.write_bytes(bytes(data[:1024]) + colours.tobytes())
    raster = one(READER, path)
    assert raster.spec.channels[0].color == "FF0000"
    same(raster, colours.transpose(3, 0, 1, 2))


def test_extended_headers_unknown_sizes_and_packing(tmp_path):
    values = np.random.default_rng(0).normal(size=(3, 7, 5)).astype("f4")
    path = write(tmp_path / "a.mrc", values, voxel=0.0, nsymbt=100)
    data = path.read_bytes()
    data = data[:1024] + bytes(100) + data[1024:]
    path.write_bytes(data)
    raster = one(READER, path)
    same(raster, values)
    assert {a.unit for a in raster.spec.axes} == {None}
    for ending, pack in (("gz", gzip.compress), ("bz2", bz2.compress)):
        (tmp_path / f"a.mrc.{ending}").write_bytes(pack(data))
        same(one(READER, tmp_path / f"a.mrc.{ending}"), values)


def test_files_without_the_word_map(tmp_path):
    path = write(tmp_path / "a.rec", np.ones((2, 3, 4), "f4"))
    data = bytearray(path.read_bytes())
    data[208:216] = bytes(8)
    path.write_bytes(data)
    same(one(READER, path), np.ones((2, 3, 4), "f4"))
    assert not READER.sniff(bytes(data), "a.dat")
    data[96:98] = b"\xa0\xc0"
    assert not READER.sniff(bytes(data), "a.mrc"), "DeltaVision"


@pytest.mark.parametrize(
    ("words", "kind", "says"),
    [({"mode": 4}, Unsupported, "complex"), ({"nz": 999}, BadSource, "end"), ({"mode": 7}, BadSource, "mode")],
)
def test_refused(tmp_path, words, kind, says):
    path = write(tmp_path / "a.mrc", np.ones((2, 3, 4), "f4"), **words)
    with pytest.raises(kind, match=says):
        READER.open(LocalFile.open(path), {})


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(["f4", "nibbles"]))
def test_damaged(tmp_path_factory, data, kind):
    path = tmp_path_factory.getbasetemp() / "good.mrc"
    if not path.exists():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            write(path, np.ones((2, 3, 4), "f4"))
    good = bytearray(path.read_bytes())
    if kind == "nibbles":
        good[12] = 101
    bad = data.draw(damage(bytes(good), 230))
    READER.sniff(bad, "bad.mrc")
    survives(READER, tmp_path_factory.getbasetemp() / "bad.mrc", bad)


def test_large_cells_are_read_in_bands(tmp_path):
    values = np.random.default_rng(0).integers(0, 100, (3, 1200, 800)).astype("i2")
    raster = one(READER, write(tmp_path / "a.mrc", values))
    assert raster.chunks(0).block[0] == 1
    np.testing.assert_array_equal(whole(raster), values)
