"""Arrays of Zarr 2 and 3 against zarr-python and TensorStore: real files, and every mixture of chunks and codecs."""

import json
import math
import shutil
import warnings

import numcodecs
import numpy as np
import pytest
import zarr
import zarr.codecs.numcodecs
from folder_tools import DATA, needs_data, opened, store, whole
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from s3facade.core.errors import BadSource, SourceDenied, SourceError, Unsupported
from s3facade.core.region import Region
from s3facade.readers.zarr.reader import ZarrReader
from s3facade.stores.local import LocalFile

ARRAYS = sorted(
    (p for name in (".zarray", "zarr.json") for p in DATA.rglob(name) if "shape" in json.loads(p.read_text())), key=str
)
NO_NUMBERS = ("1d.contiguous.S7", "1d.contiguous.U13.be", "1d.contiguous.U13.le", "1d.contiguous.U7", "2d.chunked.U7")


@needs_data
@pytest.mark.parametrize("path", ARRAYS, ids=lambda p: f"{p.parent.name}-{p.name}")
def test_samples(path):
    if path.parent.name in (*NO_NUMBERS, "3d.chunked.O"):
        with pytest.raises(Unsupported, match="values of type"):
            opened(ZarrReader, path)
        return
    (raster,) = opened(ZarrReader, path)
    if path.name == "zarr.json" and "b1" not in path.parent.name:
        want = store("zarr3", path.parent).read().result()
    else:
        want = zarr.open_array(path.parent, mode="r")[...]
    got = whole(raster)
    np.testing.assert_array_equal(got.reshape(want.shape), want)
    assert got.dtype == want.dtype.newbyteorder("=")


COMPRESSORS = (
    None,
    numcodecs.Zlib(1),
    numcodecs.GZip(1),
    numcodecs.BZ2(1),
    numcodecs.LZ4(),
    numcodecs.Zstd(1),
    numcodecs.LZMA(preset=0),
    numcodecs.LZMA(format=3, filters=[{"id": 3, "dist": 4}, {"id": 33, "preset": 1}]),
    *(numcodecs.Blosc(c, 1, s) for c, s in (("lz4", 1), ("zstd", 2), ("zlib", 0), ("blosclz", 1), ("lz4hc", 2))),
)
TYPES = ("|b1", "|u1", "<i2", ">u2", "<u4", ">i8", "<u8", "<f2", "<f4", ">f8")


def filters_for(name, dtype):
    """Some that numcodecs undoes without loss, or in the same way."""
    size = dtype.itemsize
    return {
        "none": None,
        "shuffle": [numcodecs.Shuffle(size)],
        "delta": [numcodecs.Delta(dtype.str)] if dtype.kind in "iu" else None,
        "wide": [numcodecs.AsType("<i8", dtype.str), numcodecs.Delta("<i8", "<i8")] if dtype.kind in "iu" else None,
        "scaled": [numcodecs.FixedScaleOffset(3, 2, dtype.str, "<i2")] if dtype.kind == "f" else None,
        "quantized": [numcodecs.Quantize(2, dtype.str)] if dtype.kind == "f" else None,
        "checked": [numcodecs.Fletcher32()],
        "bits": [numcodecs.PackBits()] if dtype.kind == "b" else None,
    }[name]


def numbers(shape, dtype, seed):
    return (np.random.default_rng(seed).integers(0, 100, shape) % 97).astype(dtype)


@st.composite
def made(draw):
    rank = draw(st.integers(1, 4))
    shape = draw(st.tuples(*[st.integers(1, 9)] * rank))
    return shape, draw(st.tuples(*[st.integers(1, 6)] * rank)), draw(st.integers(0, 99))


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(made(), st.sampled_from(TYPES), st.sampled_from(COMPRESSORS), st.sampled_from("CF"), st.data())
def test_version_2(tmp_path_factory, about, dtype, compressor, order, data):
    shape, chunks, seed = about
    path = tmp_path_factory.mktemp("v2") / "a.zarr"
    kind = np.dtype(dtype)
    name = data.draw(st.sampled_from(["none", "shuffle", "delta", "wide", "scaled", "quantized", "checked", "bits"]))
    separator = data.draw(st.sampled_from("./"))
    fill = data.draw(st.sampled_from([0, None, 1]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array = zarr.create_array(
            path,
            shape=shape,
            chunks=chunks,
            dtype=kind,
            compressors=compressor,
            filters=filters_for(name, kind),
            order=order,
            fill_value=fill,
            zarr_format=2,
            chunk_key_encoding={"name": "v2", "separator": separator},
        )
    part = tuple(slice(0, max(1, n // 2)) for n in shape) if seed % 3 == 0 else ...
    array[part] = numbers(shape, kind, seed)[part]
    want = array[...]
    (raster,) = opened(ZarrReader, path / ".zarray", axes="tczyx"[-len(shape) :])
    np.testing.assert_array_equal(whole(raster).reshape(shape), want)


V3 = (
    [{"name": "gzip", "configuration": {"level": 1}}],
    [{"name": "zstd", "configuration": {"level": 1, "checksum": True}}],
    [
        {
            "name": "blosc",
            "configuration": {"cname": "zstd", "clevel": 1, "shuffle": "shuffle", "typesize": 2, "blocksize": 0},
        }
    ],
    [{"name": "crc32c"}],
    [{"name": "zstd", "configuration": {"level": 1, "checksum": False}}, {"name": "crc32c"}],
    [],
)


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(made(), st.sampled_from(TYPES), st.sampled_from(V3), st.data())
def test_version_3(tmp_path_factory, about, dtype, codecs, data):
    """Written by TensorStore: it has every codec of the specification, shards with the index at either end too."""
    shape, chunks, seed = about
    path = tmp_path_factory.mktemp("v3") / "a.zarr"
    kind = np.dtype(dtype)
    serial = [] if kind.itemsize == 1 else [{"endian": data.draw(st.sampled_from(["little", "big"]))}]
    chain = [{"name": "bytes", **({"configuration": serial[0]} if serial else {})}, *codecs]
    if data.draw(st.booleans()):
        order = data.draw(st.permutations(range(len(shape))))
        chain = [{"name": "transpose", "configuration": {"order": list(order)}}, *chain]
    outer = chunks
    for _ in range(data.draw(st.integers(0, 2))):
        index = [{"name": "bytes", "configuration": {"endian": data.draw(st.sampled_from(["little", "big"]))}}]
        index += [{"name": "crc32c"}] * data.draw(st.booleans())
        configuration = {"chunk_shape": outer, "codecs": chain, "index_codecs": index}
        configuration["index_location"] = data.draw(st.sampled_from(["start", "end"]))
        chain = [{"name": "sharding_indexed", "configuration": configuration}]
        outer = tuple(n * data.draw(st.integers(1, 3)) for n in outer)
    metadata = {
        "shape": shape,
        "data_type": kind.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": outer}},
        "chunk_key_encoding": {
            "name": data.draw(st.sampled_from(["default", "v2"])),
            "configuration": {"separator": data.draw(st.sampled_from("./"))},
        },
        "fill_value": True if kind.kind == "b" else 7,
        "codecs": chain,
    }
    array = store("zarr3", path, metadata=metadata, create=True)
    part = tuple(slice(0, max(1, n // 2)) for n in shape) if seed % 2 else ...
    array[part] = numbers(shape, kind, seed).astype(kind.newbyteorder("="))[part]
    (raster,) = opened(ZarrReader, path / "zarr.json", axes="tczyx"[-len(shape) :])
    assert raster.spec.levels[0].block[-len(shape) :] == tuple(map(min, chunks, shape)) or len(shape) == 1
    np.testing.assert_array_equal(whole(raster).reshape(shape), array.read().result())


@pytest.mark.parametrize(
    ("filters", "compressors"),
    [
        ([("Delta", {"dtype": "<i4"})], None),
        ([("FixedScaleOffset", {"offset": 0, "scale": 1, "dtype": "<i4", "astype": "<i2"})], "auto"),
        ([("AsType", {"encode_dtype": "<i8", "decode_dtype": "<i4"})], [("CRC32C", {})]),
        ("auto", [("Shuffle", {"elementsize": 4}), ("Zlib", {"level": 1})]),
        *(("auto", [(name, {})]) for name in ("LZ4", "BZ2", "LZMA", "Fletcher32")),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_codecs_of_numcodecs_in_version_3(tmp_path, filters, compressors):
    def codecs(names):
        return [getattr(zarr.codecs.numcodecs, n)(**how) for n, how in names] if isinstance(names, list) else names

    data = numbers((9, 11), np.dtype("i4"), 1)
    more = {"filters": codecs(filters), "compressors": codecs(compressors)}
    array = zarr.create_array(tmp_path / "a", shape=data.shape, chunks=(4, 4), dtype="i4", **more)
    array[...] = data
    np.testing.assert_array_equal(whole(opened(ZarrReader, tmp_path / "a" / "zarr.json")[0]), array[...])


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "0x7fc00001", 1.5, None])
def test_fill_values(tmp_path, value):
    path = tmp_path / "a.zarr"
    zarr.create_array(path, shape=(3, 4), chunks=(2, 2), dtype="f4")
    about = json.loads((path / "zarr.json").read_text())
    (path / "zarr.json").write_text(json.dumps({**about, "fill_value": value}))
    got = whole(opened(ZarrReader, path / "zarr.json")[0])
    want = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf, 1.5: 1.5, None: 0.0}.get(value, math.nan)
    np.testing.assert_array_equal(got, np.full((3, 4), want, "f4"))
    if value == "0x7fc00001":
        assert got.view("u4")[0, 0] == 0x7FC00001


def test_64_bits_are_kept(tmp_path):
    path = tmp_path / "a.zarr"
    array = zarr.create_array(path, shape=(4, 4), chunks=(2, 2), dtype="u8", fill_value=2**64 - 3)
    array[:2, :2] = 2**63 + 1
    np.testing.assert_array_equal(whole(opened(ZarrReader, path / "zarr.json")[0]), array[...])


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "a.zarr"
    array = zarr.create_array(path, shape=(8, 8), chunks=(4, 4), dtype="u2", fill_value=9, compressors=None)
    array[...] = np.arange(64).reshape(8, 8)
    return path


def test_an_absent_chunk_is_the_fill_value_and_an_unreadable_one_is_an_error(small):
    (raster,) = opened(ZarrReader, small / "zarr.json")
    (small / "c/0/1").unlink()
    assert (raster.read(0, Region((0, 4), (4, 8))) == 9).all()
    chunk = small / "c/1/1"
    chunk.unlink()
    chunk.mkdir()
    with pytest.raises(SourceDenied):
        raster.read(0, Region((4, 4), (8, 8)))
    chunk.rmdir()
    for damage in (b"", b"1" * 31, b"1" * 33, b"1" * 100_000):
        chunk.write_bytes(damage)
        with pytest.raises(BadSource):
            raster.read(0, Region((4, 4), (8, 8)))
    shutil.rmtree(small)
    with pytest.raises(SourceError):
        raster.read(0, Region((0, 4), (4, 8)))


def test_what_changes_when_chunks_do(small):
    def tags():
        (raster,) = opened(ZarrReader, small / "zarr.json")
        return [f.source.etag for f in raster.files]

    before = tags()
    other = small / "c/0/new"
    other.write_bytes(bytes(32))
    other.replace(small / "c/0/1")
    assert tags() != before
    before = tags()
    (small / "c/2").mkdir()
    (small / "c/2/0").write_bytes(bytes(32))
    assert tags() != before


def test_folders_beyond_the_bound_are_said_not_to_be_watched(tmp_path, monkeypatch):
    monkeypatch.setattr("s3facade.readers.folders.image.MAX_FOLDERS", 5)
    array = zarr.create_array(tmp_path / "a.zarr", shape=(9, 2, 2), chunks=(1, 1, 2), dtype="u1")
    array[...] = 1
    (raster,) = opened(ZarrReader, tmp_path / "a.zarr" / "zarr.json")
    assert "too many folders" in " ".join(raster.spec.attrs["notes"])
    assert len(raster.files) <= 6


def test_a_damaged_shard_is_an_error(tmp_path):
    path = tmp_path / "a.zarr"
    array = zarr.create_array(path, shape=(8, 8), chunks=(2, 2), shards=(4, 4), dtype="u2")
    array[...] = 5
    shard = path / "c/0/0"
    data = shard.read_bytes()
    (raster,) = opened(ZarrReader, path / "zarr.json")
    whole(raster)
    for broken in (data[:-1], data[1:], b"", data[:-4] + b"abcd", data[:-70] + b"\xff" * 8 + data[-62:]):
        shard.write_bytes(broken)
        with pytest.raises(BadSource):
            raster.read(0, Region((0, 0), (2, 2)))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"codecs": [{"name": "bytes"}, {"name": "wonder"}]}, "'wonder'"),
        ({"data_type": "complex64"}, "'complex64'"),
        ({"chunk_grid": {"name": "rectilinear", "configuration": {}}}, "rectilinear"),
        ({"storage_transformers": [{"name": "x"}]}, "storage transformers"),
        ({"shape": [1] * 7, "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1] * 7}}}, "7 dim"),
        ({"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1 << 20, 1 << 20]}}}, "at once"),
    ],
)
def test_what_is_refused_is_named(small, change, sentence):
    about = json.loads((small / "zarr.json").read_text())
    (small / "zarr.json").write_text(json.dumps({**about, **change}))
    with pytest.raises(Unsupported, match=sentence):
        ZarrReader().open(LocalFile.open(small / "zarr.json"), {})


def test_chunks_in_folders_are_found_where_the_document_does_not_say_so(tmp_path):
    path = tmp_path / "a.zarr"
    array = zarr.create_array(
        path,
        shape=(4, 4),
        chunks=(2, 2),
        dtype="u1",
        zarr_format=2,
        chunk_key_encoding={"name": "v2", "separator": "/"},
    )
    array[...] = np.arange(16).reshape(4, 4)
    about = json.loads((path / ".zarray").read_text())
    del about["dimension_separator"]
    (path / ".zarray").write_text(json.dumps(about))
    np.testing.assert_array_equal(whole(opened(ZarrReader, path / ".zarray")[0]), array[...])


ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


def places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_damaged_documents(tmp_path_factory, data):
    root = tmp_path_factory.getbasetemp() / "damaged"
    for version in (2, 3):
        if not (root / str(version)).is_dir():
            zarr.create_array(root / str(version), shape=(4, 4), chunks=(2, 2), dtype="u2", zarr_format=version)[
                ...
            ] = 3
            name = ".zarray" if version == 2 else "zarr.json"
            shutil.copy(root / str(version) / name, root / f"{version}.json")
    version = data.draw(st.sampled_from([2, 3]))
    name = ".zarray" if version == 2 else "zarr.json"
    about = json.loads((root / f"{version}.json").read_text())
    path = data.draw(st.sampled_from(list(places(about))[1:]))
    holder = about
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = data.draw(ANY)
    (root / str(version) / name).write_text(json.dumps(about))
    try:
        for raster in ZarrReader().open(LocalFile.open(root / str(version) / name), {}):
            for n, level in enumerate(raster.spec.levels):
                raster.read(n, Region.whole(tuple(min(s, 8) for s in level.shape)))
    except SourceError:
        pass
