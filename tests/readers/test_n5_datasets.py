"""N5 against TensorStore and z5: blocks of all compressions and types, and every convention of several resolutions."""

import json
import struct

import numpy as np
import pytest
from folder_tools import DATA, needs_data, opened, store, whole
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from s3facade.core.errors import BadSource, SourceError, Unsupported
from s3facade.core.region import Region
from s3facade.readers.n5.reader import N5Reader
from s3facade.stores.local import LocalFile

TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64")
COMPRESSIONS = (
    {"type": "raw"},
    {"type": "gzip", "level": 1},
    {"type": "gzip", "level": 1, "useZlib": True},
    {"type": "bzip2"},
    {"type": "xz", "preset": 0},
    {"type": "zstd", "level": 1},
    {"type": "blosc", "cname": "lz4", "clevel": 1, "shuffle": 1, "blocksize": 0},
)


def numbers(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 120, shape)


def write(path, data, block, compression=COMPRESSIONS[1], **attributes):
    """A dataset by TensorStore; ``data`` slowest dimension first, ``block`` as N5 has it."""
    metadata = {
        "dimensions": data.shape[::-1],
        "blockSize": block,
        "dataType": data.dtype.name,
        "compression": compression,
        **attributes,
    }
    store("n5", path, metadata=metadata, create=True)[...] = data.T
    return path / "attributes.json"


def attributes(path, about):
    path.mkdir(parents=True, exist_ok=True)
    (path / "attributes.json").write_text(json.dumps(about))
    return path / "attributes.json"


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_blocks(tmp_path_factory, data):
    rank = data.draw(st.integers(1, 5))
    shape = data.draw(st.tuples(*[st.integers(1, 7)] * rank))
    block = data.draw(st.tuples(*[st.integers(1, 5)] * rank))
    kind, compression = data.draw(st.sampled_from(TYPES)), data.draw(st.sampled_from(COMPRESSIONS))
    path = tmp_path_factory.mktemp("n5") / "a.n5"
    array = numbers(shape).astype(kind)
    marker = write(path, array, block, compression)
    if data.draw(st.booleans()):
        path.joinpath(*["0"] * rank).unlink()
    (raster,) = opened(N5Reader, marker, axes="tczyx"[-rank:])
    np.testing.assert_array_equal(whole(raster).reshape(shape), store("n5", path).read().result().T)


@needs_data
@pytest.mark.parametrize("name", ["n5_viewer_multiscale_modern", "n5_viewer_multiscale_deprecated"])
def test_samples(name):
    folder = DATA / "n5" / name
    (raster,) = opened(N5Reader, folder / "attributes.json")
    for n in range(3):
        want = store("n5", folder / f"s{n}").read().result().T
        np.testing.assert_array_equal(whole(raster, n), want)
    assert [a.unit for a in raster.spec.axes] == [None, "micrometer"]
    assert [level.scale[1] for level in raster.spec.levels] == pytest.approx([0.01, 0.02, 0.04])
    assert [level.origin[1] for level in raster.spec.levels] == pytest.approx([0, 0.005, 0.015])


@pytest.mark.parametrize("compression", ["raw", "gzip", "bzip2", "lz4", "xz", "zstd", "blosc"])
def test_written_by_z5(tmp_path, compression):
    z5py = pytest.importorskip("z5py")
    file = z5py.File(str(tmp_path / "a.n5"), mode="a")
    data = np.arange(35 * 4, dtype="u2").reshape(4, 5, 7)
    try:
        dataset = file.create_dataset("s", shape=data.shape, chunks=(3, 3, 4), dtype="uint16", compression=compression)
    except (KeyError, RuntimeError):
        pytest.skip("z5 was built without it")
    dataset[:] = data
    (raster,) = opened(N5Reader, tmp_path / "a.n5" / "attributes.json")
    np.testing.assert_array_equal(whole(raster), data)


def test_lz4_as_java_frames_it(tmp_path):
    import imagecodecs

    data = np.arange(12, dtype=">u2").reshape(3, 4)
    raw = data.tobytes()
    packed = imagecodecs.lz4_encode(raw[:16])
    frames = [(0x20, packed, 16), (0x10, raw[16:], 8), (0x10, b"", 0)]
    body = b"".join(b"LZ4Block" + struct.pack("<BIII", token, len(d), n, 0) + d for token, d, n in frames)
    about = {"dimensions": [4, 3], "blockSize": [4, 3], "dataType": "uint16", "compression": {"type": "lz4"}}
    marker = attributes(tmp_path, about)
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "0").write_bytes(struct.pack(">2H2I", 0, 2, 4, 3) + body)
    np.testing.assert_array_equal(whole(opened(N5Reader, marker)[0]), data)


def test_blocks_that_were_cut_before_the_array_grew(tmp_path):
    marker = write(tmp_path / "a", np.ones((5, 5), "u1"), [4, 4])
    about = json.loads(marker.read_text())
    marker.write_text(json.dumps({**about, "dimensions": [8, 8]}))
    (tmp_path / "a" / "1" / "1").write_bytes(struct.pack(">2H2I", 0, 2, 1, 1) + b"\x07")
    marker.write_text(json.dumps({**about, "dimensions": [8, 8], "compression": {"type": "raw"}}))
    (raster,) = opened(N5Reader, marker)
    got = raster.read(0, Region((4, 4), (8, 8)))
    assert got[0, 0] == 7
    assert got.sum() == 7


@pytest.mark.parametrize(
    ("block", "error"),
    [
        (struct.pack(">2H2I", 1, 2, 4, 3), Unsupported),
        (struct.pack(">2H2I", 0, 3, 4, 3), BadSource),
        (struct.pack(">2H2I", 0, 2, 5, 3) + bytes(15), BadSource),
        (struct.pack(">2H2I", 0, 2, 4, 3) + bytes(11), BadSource),
        (struct.pack(">2H2I", 0, 2, 0, 3), BadSource),
        (b"", BadSource),
    ],
)
def test_damaged_blocks(tmp_path, block, error):
    about = {"dimensions": [4, 3], "blockSize": [4, 3], "dataType": "uint8", "compressionType": "raw"}
    marker = attributes(tmp_path, about)
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "0").write_bytes(block)
    with pytest.raises(error):
        whole(opened(N5Reader, marker)[0])


def levels(path, shape=(8, 8, 8), count=2):
    data = [numbers([n >> k for n in shape], k).astype("u1") for k in range(count)]
    for k, level in enumerate(data):
        write(path / f"s{k}", level, [4] * len(shape))
    return data


def check(rasters, data):
    (raster,) = rasters
    for n, level in enumerate(data):
        np.testing.assert_array_equal(whole(raster, n), level)
    return raster.spec


def test_n5_viewer(tmp_path):
    data = levels(tmp_path)
    about = {
        "pixelResolution": {"unit": "um", "dimensions": [0.5, 1, 2]},
        "downsamplingFactors": [[1, 1, 1], [2, 2, 2]],
    }
    spec = check(opened(N5Reader, attributes(tmp_path, about)), data)
    assert spec.levels[0].scale == (2, 1, 0.5)
    assert spec.levels[1].scale == (4, 2, 1)
    assert spec.levels[1].origin == (1, 0.5, 0.25)


def test_cosem(tmp_path):
    data = levels(tmp_path / "em")
    datasets = []
    for k in range(2):
        size = [4.0 * 2**k] * 3
        shift = [100 + 2.0 * k] * 3
        transform = {"axes": ["z", "y", "x"], "units": ["nm"] * 3, "scale": size, "translate": shift}
        datasets.append({"path": f"s{k}", "transform": transform})
    attributes(tmp_path / "em", {"multiscales": [{"datasets": datasets, "name": "em"}]})
    spec = check(opened(N5Reader, attributes(tmp_path, {"n5": "2.0.0"})), data)
    assert spec.levels[1].scale == pytest.approx((0.008,) * 3)
    assert spec.levels[1].origin == pytest.approx((0.102,) * 3)


def test_paintera(tmp_path):
    data = levels(tmp_path / "data")
    attributes(tmp_path / "data", {"multiScale": True, "resolution": [2, 2, 4], "offset": [0, 0, 0]})
    above = {"painteraData": {"type": "raw"}, "maxId": 5}
    spec = check(opened(N5Reader, attributes(tmp_path, above)), data)
    assert {a.unit for a in spec.axes} == {None}
    assert spec.levels[1].scale == (2, 2, 2)


def test_big_data_viewer(tmp_path):
    data = [levels(tmp_path / "setup0" / f"timepoint{t}") for t in range(3)]
    attributes(tmp_path / "setup0", {"downsamplingFactors": [[1, 1, 1], [2, 2, 2]], "dataType": "uint8"})
    levels(tmp_path / "setup1" / "timepoint0")
    first, second = opened(N5Reader, attributes(tmp_path, {"n5": "2.0.0"}))
    assert first.spec.names == ("t", "z", "y", "x")
    for n in range(2):
        np.testing.assert_array_equal(whole(first, n), np.stack([d[n] for d in data]))
    assert first.spec.levels[1].scale == (1, 2, 2, 2)
    assert second.spec.names == ("z", "y", "x")


@pytest.mark.parametrize(
    ("about", "error"),
    [
        ({"dimensions": [4, 3], "blockSize": [4], "dataType": "uint8", "compression": {"type": "raw"}}, BadSource),
        (
            {"dimensions": [4, 3], "blockSize": [4, 3], "dataType": "string", "compression": {"type": "raw"}},
            Unsupported,
        ),
        ({"dimensions": [4, 3], "blockSize": [4, 3], "dataType": "uint8", "compression": {"type": "odd"}}, Unsupported),
        ({"dimensions": [4, 3], "blockSize": [4, 3], "dataType": "uint8"}, Unsupported),
        ({"dimensions": [4, "3"], "blockSize": [4, 3], "dataType": "uint8", "compression": {"type": "raw"}}, BadSource),
        ({"n5": "4.0.0"}, BadSource),
    ],
)
def test_what_is_refused(tmp_path, about, error):
    with pytest.raises(error):
        opened(N5Reader, attributes(tmp_path, about))


def test_documents_of_the_same_name():
    sniff = N5Reader().sniff
    assert sniff(b' {"n5": "2.0"}', "attributes.json")
    assert not sniff(b'{"n5": "2.0"}', "info")
    assert not sniff(b'{"name": "something else"}', "attributes.json")
    assert not sniff(b"", "attributes.json")


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_damaged_documents(tmp_path_factory, data):
    root = tmp_path_factory.getbasetemp() / "damaged.n5"
    if not root.is_dir():
        levels(root)
        (root / "s0.json").write_text((root / "s0" / "attributes.json").read_text())
    above = {"pixelResolution": {"unit": "um", "dimensions": [0.5, 1, 2]}, "scales": [[1, 1, 1], [2, 2, 2]]}
    texts = {"attributes.json": json.dumps(above), "s0/attributes.json": (root / "s0.json").read_text()}
    for name, text in texts.items():
        (root / name).write_text(text)
    name = data.draw(st.sampled_from(sorted(texts)))
    at = data.draw(st.integers(0, len(texts[name]) - 1))
    put = data.draw(st.sampled_from(["", "9", '"', "[", "-", "null", "1e999"]))
    (root / name).write_text(texts[name][:at] + put + texts[name][at + 1 :])
    try:
        for raster in N5Reader().open(LocalFile.open(root / "attributes.json"), {}):
            for n, level in enumerate(raster.spec.levels):
                raster.read(n, Region.whole(tuple(min(s, 8) for s in level.shape)))
    except SourceError:
        pass
