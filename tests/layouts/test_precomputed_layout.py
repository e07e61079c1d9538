"""Precomputed volumes, as tensorstore reads them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tensorstore as ts
from plain_evaluator import dump, opened, whole
from written_tiffs import pattern

from s3facade.core.errors import Unsupported
from s3facade.core.image import Dataset, derive
from s3facade.core.keyspace import find
from s3facade.layouts.precomputed import TYPES, Precomputed
from s3facade.layouts.volume import scales
from s3facade.readers.precomputed.reader import PrecomputedReader
from s3facade.stores.local import LocalFile
from s3facade.transforms.geometry.crop import Crop
from s3facade.transforms.geometry.places import Place
from s3facade.transforms.pyramids.pyramid import pyramid

SCALE = {"t": 1.0, "c": 1.0, "z": 2.0, "y": 0.65, "x": 0.65}


def image_of(shape, names="zyx", dtype="u2", smallest=50, scale=None, **more):
    steps = scale or tuple(SCALE[n] for n in names)
    image = opened(pattern(shape, dtype), names=names, unit="micrometer", scale=steps, **more)
    return pyramid(image, smallest=smallest)


def store(layout, images, folder):
    keys = dump(layout.build(Dataset(images)))
    for key, data in keys.items():
        path = Path(folder, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return json.loads(keys["info"]) if "info" in keys else None


def scale_of(folder, n):
    spec = {"driver": "neuroglancer_precomputed", "kvstore": f"file://{folder}/", "scale_index": n}
    return ts.open(spec, read=True).result()


def equal(folder, image):
    for n in range(len(image.spec.levels)):
        expected = whole(image, n)
        names = image.spec.names
        full = expected.reshape([dict(zip(names, expected.shape, strict=True)).get(a, 1) for a in "czyx"])
        np.testing.assert_array_equal(scale_of(folder, n).read().result().transpose(3, 2, 1, 0), full)


@pytest.mark.parametrize("chunks", [None, 32, {"x": 64, "y": 16, "z": 3}, {"x": 1000}])
@pytest.mark.parametrize(
    ("shape", "names"),
    [((40, 150, 170), "zyx"), ((2, 20, 65, 33), "czyx"), ((1, 2, 3, 40, 50), "tczyx"), ((1, 1, 1), "zyx")],
)
def test_every_scale_reads_back(tmp_path, shape, names, chunks):
    image = image_of(shape, names)
    info = store(Precomputed(chunks=chunks), {"": image}, tmp_path)
    assert len(info["scales"]) == len(image.spec.levels)
    equal(tmp_path, image)


@pytest.mark.parametrize("dtype", TYPES)
def test_every_type_reads_back(tmp_path, dtype):
    image = image_of((20, 65, 33), dtype=np.dtype(dtype))
    info = store(Precomputed(), {"": image}, tmp_path)
    assert info["data_type"] == dtype
    equal(tmp_path, image)


@pytest.mark.parametrize("dtype", ["bool", "i8", "f8", "f2", "c8"])
def test_types_that_the_format_lacks(dtype):
    with pytest.raises(Unsupported, match="write `dtype:` with one of"):
        Precomputed().build(Dataset({"": image_of((5, 20, 30), dtype=np.dtype(dtype))}))


def test_info(tmp_path):
    info = store(Precomputed(chunks=32), {"": image_of((2, 40, 150, 170), "czyx")}, tmp_path)
    assert info["@type"] == "neuroglancer_multiscale_volume"
    assert (info["type"], info["data_type"], info["num_channels"]) == ("image", "uint16", 2)
    assert info["scales"][0] == {
        "key": "650_650_2000",
        "size": [170, 150, 40],
        "resolution": [650, 650, 2000],
        "voxel_offset": [0, 0, 0],
        "chunk_sizes": [[32, 32, 32]],
        "encoding": "raw",
    }
    assert info["scales"][1]["resolution"] == [1300, 1300, 2000]


def test_keys_have_one_spelling():
    tree = Precomputed(chunks=32).build(Dataset({"": image_of((40, 50, 70))}))
    folder = "650_650_2000"
    last = find(tree, f"{folder}/64-70_32-50_32-40", lambda node: node)
    assert last is not None
    assert last.size == 6 * 18 * 8 * 2
    for key in ("64-96_32-50_32-40", "064-70_32-50_32-40", "64-70_32-50", "1-33_0-32_0-32", "64-70_32-50_32-40/", ""):
        assert find(tree, f"{folder}/{key}", lambda node: node) is None, key


@pytest.mark.parametrize(("start", "place"), [((8, 16, 32), "exact"), ((3, 5, 7), "nearest")])
def test_a_part_of_an_image_is_where_it_was(tmp_path, start, place):
    z, y, x = start
    sides = zip("zyx", start, (40, 140, 160), strict=True)
    box = {name: (Place(low, "voxel"), Place(high, "voxel")) for name, low, high in sides}
    pixels = opened(pattern((40, 150, 170)), unit="micrometer", scale=(1.0, 1.0, 1.0))
    image = pyramid(derive(pixels, Crop(**box)), smallest=40)
    info = store(Precomputed(chunks=32), {"": image}, tmp_path)
    assert len(info["scales"]) == 3
    equal(tmp_path, image)
    for scale, level in zip(info["scales"], image.spec.levels, strict=True):
        ratio = [r / 1000 for r in scale["resolution"]]
        corners = [o * r for o, r in zip(scale["voxel_offset"], ratio, strict=True)]
        # the corner of voxel 0 of the whole image is at 0, and its centre at 0 of the coordinates of its description
        true = [o - (s - 1) / 2 for o, s in zip(reversed(level.origin), reversed(level.scale), strict=True)]
        off = max(abs(a - b) for a, b in zip(corners, true, strict=True))
        assert off <= (0 if place == "exact" else max(ratio) / 2), (corners, true)
    assert info["scales"][0]["voxel_offset"] == [x, y, z]


def test_places_before_the_origin(tmp_path):
    image = opened(pattern((6, 20, 30)), unit="micrometer", scale=(2.0, 0.5, 0.5))
    level = image.spec.levels[0]
    moved = type(level)(level.shape, level.scale, (-4.0, -10.0, 3.2), level.block)
    spec = image.spec
    image = type(image)(image.source, image.reader, 0, type(spec)(spec.axes, spec.dtype, (moved,), identity="moved"))
    info = store(Precomputed(chunks={"x": 16, "y": 16}), {"": image}, tmp_path)
    assert info["scales"][0]["voxel_offset"] == [6, -20, -2]
    equal(tmp_path, image)


def test_unknown_sizes_are_not_made_up():
    with pytest.raises(Unsupported, match=r"along x it is not known; give it with `pixel_size:`"):
        Precomputed().build(Dataset({"": opened(pattern((5, 20, 30)))}))
    flat = image_of((20, 30), "yx")
    with pytest.raises(Unsupported, match=r"along z it is not known; give it with `thickness:`"):
        Precomputed().build(Dataset({"": flat}))
    (scale,) = scales(flat.spec, 20.0)
    assert (scale.size, scale.resolution) == ((30, 20, 1), (650, 650, 20_000))


def test_odd_sizes_in_nanometres():
    (scale,) = scales(image_of((5, 20, 30), scale=(0.1, 0.0325, 1 / 3)).spec)
    assert scale.resolution == (333.333333333, 32.5, 100)
    assert scale.key == "333.333333333_32.5_100"


def test_time_is_refused():
    with pytest.raises(Unsupported, match=r"3 time points; choose one by the step `select: \{t: 0\}`"):
        Precomputed().build(Dataset({"": image_of((3, 5, 20, 30), "tzyx")}))


def test_segments(tmp_path):
    labels = image_of((5, 40, 50), dtype="u4", categorical=True)
    assert store(Precomputed(), {"": labels}, tmp_path)["type"] == "segmentation"
    plain = image_of((5, 40, 50))
    assert store(Precomputed(segmentation=True), {"": plain}, tmp_path)["type"] == "segmentation"
    assert store(Precomputed(segmentation=False), {"": labels}, tmp_path)["type"] == "image"
    for image in (image_of((5, 40, 50), dtype="f4"), image_of((2, 5, 40, 50), "czyx")):
        with pytest.raises(Unsupported, match="leave out `segmentation`"):
            Precomputed(segmentation=True).build(Dataset({"": image}))


def test_several_images_stand_in_folders(tmp_path):
    one, other = image_of((5, 40, 50)), image_of((6, 30, 20))
    store(Precomputed(), {"0": one, "1": other}, tmp_path)
    equal(tmp_path / "0", one)
    equal(tmp_path / "1", other)


def test_the_recipe_stands_beside(tmp_path):
    keys = dump(Precomputed().build(Dataset({"": image_of((5, 20, 30))}, recipe={"digest": "d", "steps": []})))
    assert json.loads(keys["s3facade.json"]) == {"digest": "d", "steps": []}
    assert max(keys) == "s3facade.json"


def test_our_own_reader_reads_it_back(tmp_path):
    """Sizes, places and voxels: what is served may be a source again."""
    sides = {"z": (Place(4), Place(38)), "y": (Place(16), Place(140)), "x": (Place(8), Place(160))}
    pixels = opened(pattern((2, 40, 150, 170)), names="czyx", unit="micrometer", scale=(1.0, 2.0, 0.5, 0.5))
    image = pyramid(derive(pixels, Crop(**sides)), smallest=40)
    store(Precomputed(chunks=32), {"": image}, tmp_path)
    (raster,) = PrecomputedReader().open(LocalFile.open(str(tmp_path / "info")), {})
    assert len(raster.spec.levels) == len(image.spec.levels)
    for n, (found, expected) in enumerate(zip(raster.spec.levels, image.spec.levels, strict=True)):
        assert found.shape == expected.shape
        assert found.scale[1:] == pytest.approx(expected.scale[1:])
        assert found.origin[1:] == pytest.approx(expected.origin[1:]), n
