"""Decoding filters against the libraries that write what they read: HDF5 with its plug-ins, numcodecs, Python."""

import bz2
import gzip
import io
import lzma
import struct
import tracemalloc
import zlib

import h5py
import hdf5plugin
import numcodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3facade.core.portable import Portable
from s3facade.readers.arrays import filters as f

ERRORS = (ValueError, RuntimeError)
NUMCODECS = {
    "zlib": (numcodecs.Zlib(), f.Deflate()),
    "gzip": (numcodecs.GZip(), f.Gzip()),
    "zstd": (numcodecs.Zstd(3), f.Zstd()),
    "lz4": (numcodecs.LZ4(), f.Lz4()),
    "bz2": (numcodecs.BZ2(), f.Bz2()),
    "lzma": (numcodecs.LZMA(), f.Lzma()),
    "fletcher32": (numcodecs.Fletcher32(), f.Fletcher32()),
    **{
        f"blosc {name} {shuffle}": (numcodecs.Blosc(name, 5, shuffle), f.Blosc())
        for name in ("lz4", "lz4hc", "blosclz", "zlib", "zstd")
        for shuffle in (0, 1, 2)
    },
}


def numbers(dtype="<u2", count=6000, seed=0):
    rng = np.random.default_rng(seed)
    return (np.cumsum(rng.integers(-3, 4, count)) + 500).astype(dtype)


@pytest.mark.parametrize("name", NUMCODECS)
@pytest.mark.parametrize("data", [numbers().tobytes(), b"", b"\x07", bytes(9999), np.random.default_rng(1).bytes(5001)])
def test_numcodecs(name, data):
    codec, step = NUMCODECS[name]
    if not data and name in ("lz4", "lzma", "bz2", "fletcher32"):
        pytest.skip("numcodecs does not write nothing")
    encoded = bytes(codec.encode(np.frombuffer(data, "u1")))
    assert bytes(step.decode(encoded, len(data))) == data
    assert bytes(step.decode(memoryview(encoded), len(data))) == data


@settings(max_examples=200)
@given(st.binary(max_size=700), st.integers(1, 300))
def test_shuffle(data, itemsize):
    whole = len(data) // itemsize * itemsize
    planes = np.frombuffer(data, "u1", whole).reshape(-1, itemsize).T.tobytes() + data[whole:]
    assert bytes(f.Shuffle(itemsize).decode(planes, len(data))) == data


@settings(max_examples=200)
@given(st.binary(min_size=0, max_size=20_000), st.integers(1, 5))
def test_fletcher32(data, times):
    data = data * times
    encoded = bytes(numcodecs.Fletcher32().encode(np.frombuffer(data, "u1"))) if data else struct.pack("<I", 0)
    assert bytes(f.Fletcher32().decode(encoded, len(data))) == data
    spoilt = bytearray(encoded)
    spoilt[len(spoilt) // 2] ^= 1
    with pytest.raises(ValueError, match="checksum"):
        f.Fletcher32().decode(spoilt, len(data))


def test_gzip_of_several_members():
    data = numbers().tobytes()
    parts = gzip.compress(data[:5000]) + gzip.compress(data[5000:])
    assert bytes(f.Gzip().decode(parts, len(data))) == data
    with pytest.raises(ERRORS):
        f.Gzip().decode(parts[:-20], len(data))


def _h5(array, **create):
    """The only chunk that HDF5 writes of an array, and what its filter is told."""
    with h5py.File(io.BytesIO(), "w") as file:
        data = file.create_dataset("x", data=array, chunks=array.shape, **create)
        file.flush()
        mask, raw = data.id.read_direct_chunk((0,) * array.ndim)
        plist = data.id.get_create_plist()
        return mask, raw, [plist.get_filter(i)[2] for i in range(plist.get_nfilters())]


PLUGINS = {
    "gzip": ({"compression": "gzip"}, lambda v, k: [f.Deflate()]),
    "gzip shuffle": ({"compression": "gzip", "shuffle": True}, lambda v, k: [f.Deflate(), f.Shuffle(k)]),
    "fletcher": ({"fletcher32": True}, lambda v, k: [f.Fletcher32()]),
    "lzf": ({"compression": "lzf"}, lambda v, k: [f.Lzf()]),
    "szip nn": ({"compression": "szip", "compression_opts": ("nn", 8)}, lambda v, k: [f.Szip(*v[-1])]),
    "szip ec": ({"compression": "szip", "compression_opts": ("ec", 16)}, lambda v, k: [f.Szip(*v[-1])]),
    "zstd": (hdf5plugin.Zstd(), lambda v, k: [f.Zstd()]),
    "lz4": (hdf5plugin.LZ4(nbytes=1024), lambda v, k: [f.Lz4H5()]),
    "lz4 default": (hdf5plugin.LZ4(), lambda v, k: [f.Lz4H5()]),
    "blosc lz4": (hdf5plugin.Blosc("lz4", 5, 1), lambda v, k: [f.Blosc()]),
    "blosc zstd bit": (hdf5plugin.Blosc("zstd", 5, 2), lambda v, k: [f.Blosc()]),
    "bitshuffle": (hdf5plugin.Bitshuffle(cname="none"), lambda v, k: [f.Bitshuffle(k)]),
    "bitshuffle lz4": (hdf5plugin.Bitshuffle(cname="lz4"), lambda v, k: [f.Bitshuffle(k, 0, "lz4")]),
    "bitshuffle lz4 1024": (hdf5plugin.Bitshuffle(1024, cname="lz4"), lambda v, k: [f.Bitshuffle(k, 0, "lz4")]),
    "bitshuffle zstd": (hdf5plugin.Bitshuffle(cname="zstd"), lambda v, k: [f.Bitshuffle(k, 0, "zstd")]),
    "bzip2": (hdf5plugin.BZip2(), lambda v, k: [f.Bz2()]),
}


@pytest.mark.parametrize("dtype", ["u1", "<i2", ">u2", "<f4", "<f8"])
@pytest.mark.parametrize("name", PLUGINS)
def test_hdf5(name, dtype):
    create, chain = PLUGINS[name]
    for array in (
        numbers(dtype, 6007),
        np.random.default_rng(3).integers(0, 255, 4096).astype(dtype),
        np.zeros(19, dtype),
        numbers(dtype, 200_003),
    ):
        mask, raw, values = _h5(array, **create)
        data = raw
        for i, step in enumerate(chain(values, array.itemsize)):
            if not mask >> (len(values) - 1 - i) & 1:
                data = step.decode(data, array.nbytes)
        assert bytes(data) == array.tobytes()


def _encoded():
    data = numbers().tobytes()
    yield f.Deflate(), zlib.compress(data)
    yield f.Gzip(), gzip.compress(data)
    yield f.Bz2(), bz2.compress(data)
    yield f.Lzma(), lzma.compress(data)
    for name in ("zstd", "lz4", "blosc lz4 1"):
        codec, step = NUMCODECS[name]
        yield step, bytes(codec.encode(data))
    for name in ("lzf", "szip nn", "lz4", "bitshuffle lz4", "bitshuffle zstd"):
        create, chain = PLUGINS[name]
        _, raw, values = _h5(numbers(), **create)
        yield chain(values, 2)[0], raw


ENCODED = list(_encoded())


@settings(max_examples=300)
@given(st.sampled_from(ENCODED), st.data())
def test_damage_raises_or_stays_small(encoded, data):
    step, raw = encoded
    raw = bytearray(raw[: data.draw(st.integers(0, len(raw)))])
    for _ in range(data.draw(st.integers(0, 4))):
        if raw:
            raw[data.draw(st.integers(0, min(len(raw) - 1, 40)) | st.integers(0, len(raw) - 1))] = data.draw(
                st.integers(0, 255)
            )
    try:
        found = step.decode(bytes(raw), 12_000)
    except ERRORS:
        return
    assert len(found) <= 12_000 + f.SLACK


BOMB = bytes(64 << 20)


@pytest.mark.parametrize(
    ("step", "raw"),
    [
        (f.Deflate(), zlib.compress(BOMB)),
        (f.Gzip(), gzip.compress(BOMB)),
        (f.Gzip(), gzip.compress(b"") + gzip.compress(BOMB)),
        (f.Bz2(), bz2.compress(BOMB)),
        (f.Zstd(), bytes(numcodecs.Zstd(1).encode(BOMB))),
        (f.Blosc(), bytes(numcodecs.Blosc("lz4").encode(BOMB))),
        (f.Lz4(), bytes(numcodecs.LZ4().encode(BOMB))),
    ],
    ids=lambda v: v.name if hasattr(v, "name") else "",
)
def test_bombs_do_not_go_off(step, raw):
    tracemalloc.start()
    try:
        found = step.decode(raw, 1000)
        assert len(found) <= 1000 + f.SLACK
    except ERRORS:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 8 << 20


def test_they_are_portable():
    portable = Portable(f.FILTERS)
    made = (f.Deflate(), f.Shuffle(4), f.Bitshuffle(2, 0, "lz4"), f.Szip(1, 2, 3, 4), f.Fletcher32(), f.Lz4H5())
    assert portable.load(portable.dump(made)) == made
    assert len({kind.__qualname__ for kind in f.FILTERS}) == len(f.FILTERS)
