"""Precomputed volumes against TensorStore: encodings, shards, offsets; several kinds of hash and of chunk."""

import contextlib
import gzip
import json

import numpy as np
import pytest
import tensorstore
from folder_tools import DATA, needs_data, opened, store, whole
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from s3facade.core.errors import BadSource, SourceError, Unsupported
from s3facade.core.region import Region
from s3facade.readers.precomputed.reader import PrecomputedReader
from s3facade.stores.local import LocalFile

TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "float32")


def write(path, data, chunk, *, encoding="raw", kind="image", offset=(0, 0, 0), resolution=(4, 4, 40), **scale):
    """A volume of one scale by TensorStore; ``data`` are c, z, y, x."""
    about = {
        "size": data.shape[:0:-1],
        "encoding": encoding,
        "chunk_size": chunk,
        "resolution": resolution,
        "voxel_offset": offset,
        **scale,
    }
    multi = {"data_type": data.dtype.name, "num_channels": len(data), "type": kind}
    array = store("neuroglancer_precomputed", path, multiscale_metadata=multi, scale_metadata=about, create=True)
    with tensorstore.Transaction() as txn:
        array.with_transaction(txn)[...] = data.T
    return path / "info"


def expected(path, count):
    """C, z, y, x, or without c where there is one."""
    array = store("neuroglancer_precomputed", path).read().result()
    return array.T if count > 1 else array.T[0]


@needs_data
@pytest.mark.parametrize("name", ["one_channel", "two_channels"])
def test_samples(name):
    """Descriptions only: no chunk of them is public, and absent ones are 0."""
    (raster,) = opened(PrecomputedReader, DATA / "precomputed" / name / "info")
    assert raster.spec.names == (("c", "z", "y", "x") if name == "two_channels" else ("z", "y", "x"))
    assert [level.shape[-3:] for level in raster.spec.levels] == [(30, 20, 10), (15, 10, 5), (8, 5, 3)]
    assert [level.scale[-1] for level in raster.spec.levels] == pytest.approx([0.003, 0.006, 0.012])
    assert [level.origin[-1] for level in raster.spec.levels] == pytest.approx([0, 0.0015, 0.0045])
    for n in range(3):
        assert not whole(raster, n).any()


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_raw(tmp_path_factory, data):
    shape = data.draw(st.tuples(st.integers(1, 3), *[st.integers(1, 20)] * 3))
    chunk = data.draw(st.tuples(*[st.integers(1, 9)] * 3))
    offset = data.draw(st.tuples(*[st.integers(-9, 9)] * 3))
    kind = data.draw(st.sampled_from(TYPES))
    path = tmp_path_factory.mktemp("raw")
    voxels = np.random.default_rng(1).integers(0, 120, shape).astype(kind)
    scale = {}
    if data.draw(st.booleans()):
        bits = [data.draw(st.integers(0, 4)) for _ in range(3)]
        scale["sharding"] = {
            "@type": "neuroglancer_uint64_sharded_v1",
            "preshift_bits": bits[0],
            "minishard_bits": bits[1],
            "shard_bits": bits[2],
            "hash": data.draw(st.sampled_from(["identity", "murmurhash3_x86_128"])),
            "minishard_index_encoding": data.draw(st.sampled_from(["raw", "gzip"])),
            "data_encoding": data.draw(st.sampled_from(["raw", "gzip"])),
        }
    info = write(path, voxels, chunk, offset=offset, **scale)
    (raster,) = opened(PrecomputedReader, info)
    got = whole(raster)
    np.testing.assert_array_equal(got, expected(path, len(voxels)))
    np.testing.assert_array_equal(got.reshape(shape), voxels)
    assert raster.spec.levels[0].origin[-3:] == pytest.approx(
        [o * r / 1000 for o, r in zip(offset, (4, 4, 40), strict=True)][::-1]
    )


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_compressed_segmentation(tmp_path_factory, data):
    shape = data.draw(st.tuples(st.integers(1, 2), *[st.integers(1, 24)] * 3))
    chunk = data.draw(st.tuples(*[st.integers(1, 16)] * 3))
    block = data.draw(st.tuples(*[st.integers(1, 9)] * 3))
    labels = data.draw(st.sampled_from([1, 2, 3, 17, 300, 70_000]))
    kind = data.draw(st.sampled_from(["uint32", "uint64"]))
    path = tmp_path_factory.mktemp("cseg")
    voxels = np.random.default_rng(2).integers(0, labels, shape).astype(kind)
    if kind == "uint64":
        voxels = voxels * np.uint64(2**40 + 7)
    encoding = {"encoding": "compressed_segmentation", "compressed_segmentation_block_size": block}
    info = write(path, voxels, chunk, kind="segmentation", **encoding)
    (raster,) = opened(PrecomputedReader, info)
    np.testing.assert_array_equal(whole(raster).reshape(shape), voxels)
    assert raster.spec.attrs["categorical"] is True


@pytest.mark.parametrize(
    ("encoding", "count", "kind"),
    [("jpeg", 1, "uint8"), ("jpeg", 3, "uint8"), ("png", 1, "uint8"), ("png", 3, "uint8"), ("png", 1, "uint16")],
)
def test_pictures(tmp_path, encoding, count, kind):
    z, y, x = np.mgrid[:9, :17, :21]
    voxels = np.stack([(3 * z + 4 * y + 5 * x + 20 * c) % 200 for c in range(count)]).astype(kind)
    info = write(tmp_path, voxels, (8, 8, 8), encoding=encoding)
    (raster,) = opened(PrecomputedReader, info)
    np.testing.assert_array_equal(whole(raster), expected(tmp_path, count))


def test_levels(tmp_path):
    first = np.arange(16 * 16 * 16, dtype="u2").reshape(1, 16, 16, 16)
    info = write(tmp_path, first, (8, 8, 8))
    write(tmp_path, first[:, ::2, ::2, ::2], (8, 8, 8), resolution=(8, 8, 80))
    (raster,) = opened(PrecomputedReader, info)
    np.testing.assert_array_equal(whole(raster, 0), first[0])
    np.testing.assert_array_equal(whole(raster, 1), first[0, ::2, ::2, ::2])
    assert raster.spec.levels[1].scale == pytest.approx((0.08, 0.008, 0.008))
    assert raster.spec.levels[1].origin == pytest.approx((0.02, 0.002, 0.002))


def test_compressed_files_are_found(tmp_path):
    voxels = np.arange(8 * 8 * 8, dtype="u1").reshape(1, 8, 8, 8)
    info = write(tmp_path, voxels, (8, 8, 8))
    (chunk,) = [p for p in tmp_path.rglob("*-*_*") if p.is_file()]
    chunk.with_name(chunk.name + ".gz").write_bytes(gzip.compress(chunk.read_bytes()))
    chunk.unlink()
    np.testing.assert_array_equal(whole(opened(PrecomputedReader, info)[0]), voxels[0])
    chunk.with_name(chunk.name + ".gz").write_bytes(b"\x1f\x8bdamaged")
    with pytest.raises(BadSource):
        whole(opened(PrecomputedReader, info)[0])


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ({"encoding": "compresso"}, Unsupported, "compresso"),
        ({"encoding": "jpeg"}, BadSource, "jpeg, which does not hold uint16"),
        ({"chunk_sizes": [[0, 8, 8]]}, BadSource, "chunk_sizes"),
        ({"size": [8, 8]}, BadSource, "three of each"),
        ({"sharding": {"@type": "other", "hash": "identity"}}, Unsupported, "other"),
        ({"key": "../../etc"}, SourceError, "outside"),
    ],
)
def test_what_is_refused(tmp_path, change, error, sentence):
    info = write(tmp_path, np.ones((1, 8, 8, 8), "u2"), (8, 8, 8))
    about = json.loads(info.read_text())
    about["scales"][0].update(change)
    info.write_text(json.dumps(about))
    with pytest.raises(error, match=sentence):
        opened(PrecomputedReader, info)
    with pytest.raises(Unsupported, match="takes none"):
        opened(PrecomputedReader, info, axes="zyx")


def test_documents_of_the_same_name():
    sniff = PrecomputedReader().sniff
    assert sniff(b'{"data_type": "uint8", "scales": [', "info")
    assert not sniff(b'{"@type": "neuroglancer_multilod_draco", "vertex_quantization_bits": 10}', "info")
    assert not sniff(b"information", "info")
    assert not sniff(b'{"data_type": "uint8", "scales": [', "info.json")


@pytest.mark.parametrize("encoding", ["raw", "compressed_segmentation", "sharded", "png", "jpeg"])
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damaged_chunks(tmp_path_factory, encoding, data):
    root = tmp_path_factory.getbasetemp() / f"damaged-{encoding}"
    if not root.is_dir():
        more = {"encoding": encoding}
        if encoding == "sharded":
            sharding = {"preshift_bits": 0, "minishard_bits": 1, "shard_bits": 0, "hash": "identity"}
            more = {"sharding": {"@type": "neuroglancer_uint64_sharded_v1", **sharding}}
        if encoding == "compressed_segmentation":
            more["compressed_segmentation_block_size"] = (4, 4, 4)
        kind = "uint8" if encoding in {"png", "jpeg"} else "uint32"
        write(root, np.random.default_rng(0).integers(0, 9, (1, 8, 8, 8)).astype(kind), (4, 8, 8), **more)
    chunk = min(p for p in root.glob("*/*") if p.suffix != ".was")
    saved = chunk.with_suffix(".was")
    if not saved.exists():
        saved.write_bytes(chunk.read_bytes())
    content = bytearray(saved.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    chunk.write_bytes(
        bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
    )
    (raster,) = PrecomputedReader().open(LocalFile.open(root / "info"), {})
    with contextlib.suppress(SourceError):
        raster.read(0, Region.whole(raster.spec.levels[0].shape))
