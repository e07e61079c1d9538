"""HDF5 against h5py: every filter, layout and type that a dataset can have."""

import h5py
import hdf5plugin
import numpy as np
import pytest
from hdf5_tools import CORPUS, read, thawed, whole, written

from s3facade.core.errors import BadSource, Unsupported
from s3facade.readers.hdf5.reader import Hdf5Reader

RNG = np.random.default_rng(7)
WALK = np.cumsum(RNG.integers(-3, 4, 20 * 40 * 50)).reshape(20, 40, 50) + 700


def same(path, name="data", options=None):
    """The only image of a file equals what h5py reads, frozen or not."""
    (raster,) = read(path, options)
    with h5py.File(path, "r") as file:
        expected = file[name][()]
    for one in (raster, *(thawed(path, [raster]) or [raster])):
        found = whole(one)
        assert found.dtype == expected.dtype.newbyteorder("=")
        np.testing.assert_array_equal(found, expected.reshape(found.shape))
        assert one.spec == raster.spec
    return raster


FILTERS = {
    "none": {},
    "gzip": {"compression": "gzip"},
    "gzip shuffle": {"compression": "gzip", "shuffle": True},
    "lzf": {"compression": "lzf"},
    "lzf shuffle fletcher": {"compression": "lzf", "shuffle": True, "fletcher32": True},
    "szip": {"compression": "szip", "compression_opts": ("nn", 8)},
    "fletcher": {"fletcher32": True},
    "scaleoffset": {"scaleoffset": 0},
    "scaleoffset gzip": {"scaleoffset": 0, "compression": "gzip", "shuffle": True},
    "zstd": hdf5plugin.Zstd(),
    "lz4": hdf5plugin.LZ4(),
    "blosc": hdf5plugin.Blosc("lz4", 5, 1),
    "bitshuffle": hdf5plugin.Bitshuffle(cname="lz4"),
    "bitshuffle zstd": hdf5plugin.Bitshuffle(cname="zstd"),
    "bzip2": hdf5plugin.BZip2(),
    "blosc2": hdf5plugin.Blosc2("lz4"),
    "blosc2 zstd": hdf5plugin.Blosc2("zstd", 5, 2),
}


@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2", "<i4", ">i8", "<f4", ">f8"])
@pytest.mark.parametrize("name", FILTERS)
def test_filters(tmp_path, name, dtype):
    create = dict(FILTERS[name])
    if "scaleoffset" in create and "f" in dtype:
        create["scaleoffset"] = 2
    if create.get("compression") == "szip" and dtype == ">i8":
        pytest.skip("szip takes no numbers of eight bytes")
    array = WALK.astype(dtype) / 7 if "f" in dtype else WALK
    raster = same(written(tmp_path / "a.h5", array.astype(dtype), chunks=(8, 16, 32), **create))
    assert raster.spec.levels[0].block == (8, 16, 32)
    assert raster.chunks(0) is not None


@pytest.mark.parametrize("dtype", ["i1", "u1", "<i2", ">i2", "<u4", "<i4", "<u8", ">i8", "<i8"])
@pytest.mark.parametrize("spread", [0, 1, 3, 100, 30_000, 1 << 20, 1 << 31, 1 << 40, 1 << 62])
def test_scale_offset_of_integers(tmp_path, dtype, spread):
    """With and without a fill value among the numbers, from no bits to all."""
    info = np.iinfo(dtype)
    low, high = max(info.min, -spread), min(info.max, spread)
    array = RNG.integers(low, high, (33, 47), dtype=np.dtype(dtype).newbyteorder("="), endpoint=True).astype(dtype)
    for create in ({}, {"fillvalue": high}, {"fillvalue": 5}):
        same(written(tmp_path / "a.h5", array, chunks=(16, 20), scaleoffset=0, **create))


@pytest.mark.parametrize("bits", [1, 5, 8, 12, 16])
def test_scale_offset_of_chosen_bits(tmp_path, bits):
    array = (WALK[0] % (1 << min(bits, 15))).astype("<u2")
    same(written(tmp_path / "a.h5", array, chunks=(16, 20), scaleoffset=bits))


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8"])
@pytest.mark.parametrize("digits", [0, 1, 3, 6])
def test_scale_offset_of_floats(tmp_path, dtype, digits):
    array = RNG.normal(0, 90, (33, 47)).astype(dtype)
    array[3, 4:9] = 7.5
    for create in ({}, {"fillvalue": 7.5}):
        same(written(tmp_path / "a.h5", array, chunks=(16, 20), scaleoffset=digits, **create))


@pytest.mark.parametrize(
    "dtype", ["?", "i1", "u1", "<i2", ">u2", "<u4", ">i4", "<u8", ">i8", "<f2", ">f2", "<f4", ">f4", "<f8", ">f8"]
)
@pytest.mark.parametrize("chunks", [None, (5, 16, 20)])
def test_types(tmp_path, dtype, chunks):
    array = (WALK % 2 if dtype == "?" else WALK).astype(dtype)
    same(written(tmp_path / "a.h5", array, chunks=chunks))


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("userblock", [0, 512, 2048])
@pytest.mark.parametrize(
    "create",
    [{}, {"chunks": (20, 40, 50)}, {"chunks": (4, 40, 50)}, {"chunks": (4, 9, 8), "maxshape": (None, 40, 50)},
     {"chunks": (4, 9, 8), "maxshape": (None, None, 50)}],
)  # fmt: skip
def test_layouts(tmp_path, libver, userblock, create):
    """All kinds of indices of chunks."""
    array = WALK.astype("<u2")
    same(written(tmp_path / "a.h5", array, userblock=userblock, libver=libver, **create))
    if create:
        same(written(tmp_path / "a.h5", array, userblock=userblock, libver=libver, compression="gzip", **create))


@pytest.mark.parametrize(
    ("array", "chunks"),
    [(np.arange(50 * 130 * 170, dtype="u2").reshape(50, 130, 170), (50, 130, 170)),
     (np.arange(50 * 130 * 170, dtype=">u4").reshape(50, 130, 170), (33, 129, 170)),
     (np.zeros((700, 900), "u2"), (300, 500)), (np.full((700, 900), 7, "u2"), (300, 500)),
     (np.arange(630_000, dtype="f8").reshape(700, 900), (300, 500))],
)  # fmt: skip
def test_blosc2_in_blocks_of_several_dimensions(tmp_path, array, chunks):
    same(written(tmp_path / "a.h5", array, chunks=chunks, **hdf5plugin.Blosc2("zstd", 1)))


@pytest.mark.parametrize("fill", [None, 9])
@pytest.mark.parametrize("userblock", [0, 512])
@pytest.mark.parametrize("chunks", [None, (4, 9, 8)])
def test_never_written(tmp_path, fill, userblock, chunks):
    path = written(
        tmp_path / "a.h5", shape=(9, 20, 30), dtype="<i2", chunks=chunks, fillvalue=fill, userblock=userblock
    )
    same(path)
    with h5py.File(path, "r+") as file:
        file["data"][2:5, 10:12, 4] = 77
    same(path)


def test_resized(tmp_path):
    path = written(tmp_path / "a.h5", WALK.astype("u2"), chunks=(4, 9, 8), maxshape=(None, None, None))
    for shape in ((30, 40, 50), (7, 17, 19), (9, 41, 33)):
        with h5py.File(path, "r+") as file:
            file["data"].resize(shape)
        same(path)


def test_chunks_whose_filters_were_skipped(tmp_path):
    path = written(tmp_path / "a.h5", WALK.astype("u2"), chunks=(5, 40, 50), compression="gzip", shuffle=True)
    plain = WALK[5:10].astype("<u2")
    shuffled = np.ascontiguousarray(plain.view("u1").reshape(-1, 2).T).tobytes()
    with h5py.File(path, "r+") as file:
        file["data"].id.write_direct_chunk((5, 0, 0), plain.tobytes(), filter_mask=3)
        file["data"].id.write_direct_chunk((10, 0, 0), shuffled, filter_mask=2)
    same(path)
    noise = RNG.integers(0, 65535, (20, 40, 50)).astype("u2")
    same(written(tmp_path / "b.h5", noise, chunks=(5, 40, 50), compression="lzf"))


def test_compact_is_read_by_the_library(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple((20, 30))
        data = h5py.h5d.create(file.id, b"data", h5py.h5t.STD_U16LE, space, plist)
        data.write(h5py.h5s.ALL, h5py.h5s.ALL, WALK[0, :20, :30].astype("<u2").copy())
    raster = same(path)
    assert raster.chunks(0) is None
    assert "compact" in raster.spec.attrs["reasons"][0]


def test_numbers_of_twelve_bits_are_converted_by_the_library(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        kind = h5py.h5t.STD_I16LE.copy()
        kind.set_precision(12)
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((20, 15))
        space = h5py.h5s.create_simple((20, 30))
        data = h5py.h5d.create(file.id, b"data", kind, space, plist)
        data.write(h5py.h5s.ALL, h5py.h5s.ALL, (WALK[0, :20, :30] - 900).astype("<i2").copy())
    assert same(path).chunks(0) is None


def test_a_filter_of_a_plug_in_only(tmp_path):
    path = written(tmp_path / "a.h5", WALK.astype("<f4"), chunks=(5, 40, 50), **hdf5plugin.Zfp(reversible=True))
    raster = same(path)
    assert raster.chunks(0) is None
    assert "32013 (ZFP)" in raster.spec.attrs["reasons"][0]


def test_a_filter_that_nobody_has(tmp_path, monkeypatch):
    path = written(tmp_path / "a.h5", WALK.astype("<f4"), chunks=(5, 40, 50), **hdf5plugin.Zfp(reversible=True))
    monkeypatch.setattr("s3facade.readers.hdf5.tables._available", lambda code: False)
    with pytest.raises(Unsupported, match=r"32013 \(ZFP\).*hdf5plugin"):
        read(path)


def test_an_open_writer_does_not_hinder(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver="latest") as writer:
        data = writer.create_dataset("data", data=WALK.astype("u2"), chunks=(4, 40, 50), maxshape=(None, 40, 50))
        writer.swmr_mode = True
        data.flush()
        (raster,) = read(path)
        np.testing.assert_array_equal(whole(raster), WALK)


def test_virtual_and_external_are_refused(tmp_path):
    layout = h5py.VirtualLayout(shape=(20, 40, 50), dtype="u2")
    layout[:] = h5py.VirtualSource("../../other.h5", "data", shape=(20, 40, 50))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_virtual_dataset("data", layout)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_dataset("data", (20, 30), "u2", external=[("/etc/passwd", 0, 1200)])
    for name, word in (("a.h5", "virtual"), ("b.h5", "external")):
        with pytest.raises(Unsupported, match=word):
            read(tmp_path / name)
        with pytest.raises(Unsupported, match=word):
            read(tmp_path / name, {"dataset": "data"})


def test_complex_and_compound_are_refused(tmp_path):
    with pytest.raises(Unsupported, match="complex"):
        read(written(tmp_path / "a.h5", np.zeros((20, 30), "c8")))
    with pytest.raises(Unsupported, match="kind of number"):
        read(written(tmp_path / "a.h5", np.zeros((20, 30), [("a", "u1"), ("b", "f4")])))


def test_enumerations_are_categories(tmp_path):
    kind = h5py.enum_dtype({"cell": 1, "rest": 0}, "u1")
    raster = same(written(tmp_path / "a.h5", (WALK[0] % 2).astype("u1"), dtype=kind))
    assert raster.spec.attrs["categorical"] is True


def test_ilastik():
    path = CORPUS / "probabilities-2channels.h5"
    (raster,) = read(path)
    with h5py.File(path, "r") as file:
        np.testing.assert_array_equal(whole(raster), file["exported_data"][()].transpose(2, 0, 1))
    assert raster.spec.names == ("c", "y", "x")
    assert raster.spec.attrs["name"] == "exported_data"
    assert raster.spec.attrs["original"]["dataset"]["drange"] == [0, 255]


def test_it_is_recognised_behind_a_user_block(tmp_path):
    for block in (0, 512, 1024, 2048):
        path = written(tmp_path / "a.h5", WALK.astype("u1"), userblock=block)
        assert Hdf5Reader().sniff(path.read_bytes()[:4096], "a.bin")
    assert not Hdf5Reader().sniff(b"", "a.h5")


def test_a_file_that_is_cut_short(tmp_path):
    path = written(tmp_path / "a.h5", WALK.astype("u2"), chunks=(4, 40, 50))
    data = path.read_bytes()
    for keep in (len(data) - 100, len(data) // 2, 600, 90):
        path.write_bytes(data[:keep])
        with pytest.raises(BadSource):
            read(path)
