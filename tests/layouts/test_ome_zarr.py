"""The keys of OME-Zarr, as zarr-python, tensorstore and ome-zarr-models read them."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import tensorstore as ts
import xmltodict
import zarr
from plain_evaluator import dump, opened, whole
from pydantic import TypeAdapter

from s3facade.core.errors import Unsupported
from s3facade.core.image import Dataset, derive
from s3facade.core.keyspace import find, scan
from s3facade.core.objects import cut
from s3facade.core.spec import Channel
from s3facade.layouts.ome_zarr import OmeZarr
from s3facade.transforms.pyramids.pyramid import pyramid, pyramid_like
from s3facade.transforms.values.cast import Cast

DTYPES = ["bool", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", "c8"]


def pattern(shape, dtype="u2"):
    rng = np.random.default_rng(sum(shape))
    if np.dtype(dtype).kind in "fc":
        return rng.normal(size=shape).astype(dtype)
    return rng.integers(0, 2 if dtype == "bool" else 127, shape).astype(dtype)


def store(keys, folder):
    for key, data in keys.items():
        path = Path(folder, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return str(folder)


def in_memory(keys):
    result = zarr.storage.MemoryStore()

    async def fill():
        for key, data in keys.items():
            await result.set(key, zarr.core.buffer.default_buffer_prototype().buffer.from_bytes(data))

    asyncio.run(fill())
    return result


def kvstore(path):
    return {"driver": "zarr3", "kvstore": {"driver": "file", "path": path}}


@pytest.mark.parametrize("shards", [None, False, {"y": 64, "x": 128}])
@pytest.mark.parametrize("shape", [(70, 130), (2, 65, 33), (2, 3, 40, 50), (2, 2, 3, 33, 40), (20, 40, 50), (1, 1)])
def test_every_level_reads_back(tmp_path, shape, shards):
    names = "cyx" if shape == (2, 65, 33) else None
    image = pyramid(opened(pattern(shape), names=names), smallest=20)
    keys = dump(OmeZarr(chunks={"y": 32, "x": 32, "z": 8}, shards=shards).build(Dataset({"": image})))
    group = zarr.open_group(in_memory(keys), mode="r", zarr_format=3)
    folder = store(keys, tmp_path)
    for level in range(len(image.spec.levels)):
        expected = whole(image, level)
        np.testing.assert_array_equal(group[str(level)][...], expected)
        array = ts.open(kvstore(f"{folder}/{level}/"), read=True).result()
        np.testing.assert_array_equal(array.read().result(), expected)
        assert array.domain.labels == image.spec.names


@pytest.mark.parametrize("shards", [None, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_type_reads_back(tmp_path, dtype, shards):
    array = pattern((3, 70, 45), dtype)
    keys = dump(OmeZarr(chunks=32, shards=shards).build(Dataset({"": opened(array)})))
    got = zarr.open_array(in_memory(keys), path="0", mode="r")
    assert got.dtype == array.dtype
    np.testing.assert_array_equal(got[...], array)
    np.testing.assert_array_equal(ts.open(kvstore(f"{store(keys, tmp_path)}/0/")).result().read().result(), array)


def test_defaults_read_back(tmp_path):
    image = pyramid(opened(pattern((2, 1100, 700)), names="cyx"))
    keys = dump(OmeZarr().build(Dataset({"": image})))
    group = zarr.open_group(in_memory(keys), mode="r")
    assert group["0"].chunks == (1, 512, 512)
    assert group["0"].shards == (1, 1536, 1024)
    for level in range(3):
        np.testing.assert_array_equal(group[str(level)][...], whole(image, level))


def test_ranges_make_only_the_chunks_they_touch():
    tree = OmeZarr(chunks=32).build(Dataset({"": opened(pattern((100, 100)))}))
    file = find(tree, "0/c/0/0", resolve=None)
    data = dump(tree)["0/c/0/0"]
    assert file.size == 16 * 2048 + 16 * 16 + 4
    pieces = list(cut(file.body(), file.size - 260, file.size))
    assert [type(p.segment).__name__ for p in pieces] == ["Literal"]
    pieces = list(cut(file.body(), 2047, 4097))
    assert [(p.segment.region.start, p.lo, p.hi) for p in pieces] == [
        ((0, 0), 2047, 2048),
        ((0, 32), 0, 2048),
        ((0, 64), 0, 1),
    ]
    assert len(data) == file.size


def for_models(keys):
    """Keys as ome-zarr-models can take them: before 1.7 it fails on labels without the optional colours."""
    models = pytest.importorskip("ome_zarr_models")
    if tuple(map(int, models.__version__.split(".")[:2])) >= (1, 7):
        return keys
    out = dict(keys)
    for key, data in keys.items():
        document = json.loads(data) if key.endswith("zarr.json") else {}
        document.pop("consolidated_metadata", None)
        ome = document.get("attributes", {}).get("ome", {})
        if "image-label" in ome:
            ome["image-label"]["colors"] = [{"label-value": 0, "rgba": [0, 0, 0, 0]}]
        if document:
            out[key] = json.dumps(document).encode()
    return out


def with_labels():
    image = pyramid(
        opened(pattern((2, 3, 70, 90)), names="czyx", scale=(1, 2, 0.5, 0.5), unit="micrometer"), smallest=30
    )
    label = pyramid_like(opened(pattern((3, 70, 90), "u4"), names="zyx", unit="micrometer"), image.spec)
    return Dataset({"": image}, {"nuclei": label, "cells": label})


def collection():
    images = {
        "first": opened(pattern((2, 40, 50)), names="cyx", channels=[Channel("DAPI", "0000FF"), Channel("µ & <x>")]),
        "second": pyramid(opened(pattern((30, 90), "u1")), smallest=40),
    }
    return Dataset(images, {"nuclei": opened(pattern((40, 50), "u2"))})


def documents(keys, prefix=""):
    """Path of node to its document, without what is consolidated."""
    found = {}
    for key, data in keys.items():
        if key.endswith("zarr.json") and key.startswith(prefix):
            document = json.loads(data)
            document.pop("consolidated_metadata", None)
            found[key[: -len("/zarr.json")]] = document
    return found


@pytest.mark.parametrize("dataset", [with_labels(), collection()])
def test_consolidated_metadata_is_complete_and_equal(dataset):
    keys = dump(OmeZarr().build(dataset))
    root = json.loads(keys["zarr.json"])
    below = documents(keys)
    below.pop("")
    assert root["consolidated_metadata"]["metadata"] == below
    assert root["consolidated_metadata"]["must_understand"] is False
    opened_ = zarr.open_group(in_memory({"zarr.json": keys["zarr.json"]}), mode="r", use_consolidated=True)
    assert len(list(opened_.members(max_depth=None))) == len(below)
    versions = {d["attributes"]["ome"]["version"] for d in [root, *below.values()] if d["attributes"].get("ome")}
    assert versions == {"0.5"}
    v2 = {".zarray", ".zgroup", ".zattrs", ".zmetadata"}
    assert not any(key.rpartition("/")[2] in v2 for key in keys)


def test_models_accept_an_image_with_labels():
    keys = for_models(dump(OmeZarr().build(with_labels())))
    from ome_zarr_models.v05.image import Image
    from ome_zarr_models.v05.image_label import ImageLabel
    from ome_zarr_models.v05.labels import Labels

    group = zarr.open_group(in_memory(keys), mode="r")
    image = Image.from_zarr(group)
    datasets = image.attributes.ome.multiscales[0].datasets
    assert [d.path for d in datasets] == ["0", "1", "2"]
    scale, translation = datasets[2].coordinateTransformations
    assert scale.scale == [1.0, 2.0, 2.0, 2.0]
    assert translation.translation == [0.0, 0.0, 0.75, 0.75]
    assert datasets[0].coordinateTransformations[1].translation == [0.0] * 4
    assert image.attributes.ome.multiscales[0].type == "mean"
    assert Labels.from_zarr(group["labels"]).attributes.ome.labels == ["nuclei", "cells"]
    label = ImageLabel.from_zarr(group["labels/nuclei"])
    assert label.attributes.ome.image_label.source.image == "../../"
    assert label.attributes.ome.multiscales[0].type == "mode"


def test_models_accept_a_collection():
    keys = for_models(dump(OmeZarr(name="both").build(collection())))
    from ome_zarr_models.v05.bioformats2raw import BioFormats2Raw
    from ome_zarr_models.v05.image import Image

    group = zarr.open_group(in_memory(keys), mode="r")
    BioFormats2Raw.from_zarr(group)
    assert Image.from_zarr(group["0"]).attributes.ome.multiscales[0].name == "first"
    assert Image.from_zarr(group["1"]).attributes.ome.multiscales[0].name == "second"
    assert group.attrs["ome"]["bioformats2raw.layout"] == 3
    assert group["OME"].attrs["ome"]["series"] == ["0", "1"]
    assert "0/labels/nuclei/0/c/0/0" in keys
    xml = xmltodict.parse(keys["OME/METADATA.ome.xml"])["OME"]["Image"]
    assert [image["@ID"] for image in xml] == ["Image:0", "Image:1"]
    assert [c["@Name"] for c in xml[0]["Pixels"]["Channel"]] == ["DAPI", "µ & <x>"]
    assert (xml[1]["Pixels"]["@SizeX"], xml[1]["Pixels"]["@Type"]) == ("90", "uint8")


def schema(name):
    """A published JSON schema of OME-Zarr 0.5; ngff-zarr brings the texts."""
    jsonschema = pytest.importorskip("jsonschema")
    from referencing import Registry, Resource

    found = importlib.util.find_spec("ngff_zarr")
    if found is None:
        pytest.skip("ngff-zarr, which brings the JSON schemas, is not installed")
    folder = Path(found.origin).parent / "spec/0.5/schemas"
    texts = [json.loads(path.read_text()) for path in folder.glob("*.schema")]
    draft = "https://json-schema.org/draft/2020-12/schema"
    registry = Registry().with_resources((t["$id"], Resource.from_contents({"$schema": draft, **t})) for t in texts)
    text = next(t for t in texts if t["$id"].endswith(f"/{name}.schema"))
    return jsonschema.Draft202012Validator(text, registry=registry)


@pytest.mark.parametrize("dataset", [with_labels(), collection()])
def test_json_schemas_accept_every_group(dataset):
    checked = []
    for path, document in documents(dump(OmeZarr().build(dataset))).items():
        if document["node_type"] == "array" or not document["attributes"]:
            continue
        ome = document["attributes"]["ome"]
        computed = "metadata" in ome.get("multiscales", [{}])[0]
        names = [
            *(["strict_image" if computed else "image"] if "multiscales" in ome else []),
            *(["label"] if "image-label" in ome else []),
            *(["bf2raw"] if "bioformats2raw.layout" in ome else []),
            *(["ome"] if "series" in ome else []),
        ]
        for name in names:
            schema(name).validate(document["attributes"])
            checked.append(f"{path}:{name}")
    assert len(checked) >= 4


def test_units_are_only_those_that_every_viewer_knows():
    image = opened(pattern((3, 5, 6)), names="zyx", unit="pixel")
    axes = json.loads(dump(OmeZarr().build(Dataset({"": image})))["zarr.json"])["attributes"]["ome"]["multiscales"][0][
        "axes"
    ]
    assert axes == [{"name": n, "type": "space"} for n in "zyx"]


def test_identities_follow_options_and_versions_but_not_keys():
    dataset = Dataset({"": pyramid(opened(pattern((60, 60))), smallest=30)})

    def identities(layout):
        return {e.key: e.file.identity for e in scan(layout.build(dataset), resolve=None)}

    base, same, other = identities(OmeZarr()), identities(OmeZarr()), identities(OmeZarr(shards=False))
    assert base == same
    assert base["0/c/0/0"] != base["1/c/0/0"]
    assert base["0/c/0/0"] != other["0/c/0/0"]
    assert base["zarr.json"] != other["zarr.json"]


def test_modified_is_the_newest_source():
    dataset = collection()
    newest = max(i.source.modified for i in [dataset.images["first"], *dataset.labels.values()])
    assert {e.file.modified for e in scan(OmeZarr().build(dataset), resolve=None)} == {newest}


def test_media_types():
    types = {e.key.rpartition("/")[2]: e.file.media_type for e in scan(OmeZarr().build(collection()), resolve=None)}
    assert types == {
        "zarr.json": "application/json",
        "METADATA.ome.xml": "application/xml",
        "0": "application/octet-stream",
    }


@pytest.mark.parametrize(
    "dataset",
    [
        Dataset({}),
        Dataset({"": opened(pattern((4, 4), "f4"))}, {"a": opened(pattern((4, 4), "f4"))}),
        Dataset({"": opened(pattern((4, 4)))}, {"a/b": opened(pattern((4, 4)))}),
        Dataset({"": opened(pattern((4, 4)))}, {"a": opened(pattern((4, 5)))}),
        Dataset({"": pyramid(opened(pattern((4, 4))), smallest=2)}, {"a": opened(pattern((4, 4)))}),
        Dataset({"": opened(pattern((4, 4)), scale=(0.0, 1.0))}),
        Dataset({"": opened(np.zeros((4, 4), "U3"))}),
    ],
)
def test_refuses_with_a_reason(dataset):
    with pytest.raises(Unsupported, match=r"\w{3}"):
        OmeZarr().build(dataset)


def test_a_cast_image_keeps_its_stored_levels():
    image = derive(opened(pattern((64, 64), "f8"), pattern((32, 32), "f8")), Cast("float32"))
    group = zarr.open_group(in_memory(dump(OmeZarr().build(Dataset({"": image})))), mode="r")
    assert group["1"].dtype == np.float32
    assert "type" not in group.attrs["ome"]["multiscales"][0]


def test_options_come_from_configuration():
    adapter = TypeAdapter(OmeZarr)
    assert adapter.validate_python({"chunks": "64", "shards": "false"}) == OmeZarr(chunks=64, shards=False)
    assert adapter.validate_python({"chunks": {"y": "8", "x": 8}, "shards": 16}) == OmeZarr({"y": 8, "x": 8}, 16)
