"""Every ``zarr.json`` against ome-zarr-models, the published JSON schemas and zarr-python's own parser."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
from pathlib import Path
from urllib.parse import quote
from urllib.request import urlopen

import jsonschema
import pytest
import zarr
from ome_zarr_models.v05 import HCS, Image, ImageLabel
from ome_zarr_models.v05.bioformats2raw import BioFormats2Raw
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import FsspecStore

from conformance.clients.test_boto3 import Boto3, client_for
from conformance.server import ROOT, serving

CLIENT, VERSION = "ome-zarr-models", importlib.metadata.version("ome-zarr-models")


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A second server, over the real files of the repository."""
    log = tmp_path_factory.mktemp("real") / "log.txt"
    with serving(ROOT / "tests" / "corpus", ROOT / "examples" / "sample", log=log) as running:
        yield running


@pytest.fixture(scope="module", params=["made", "real"])
def served(request, facade, real):
    """A server and every ``zarr.json`` of its bucket ``images``, by key, found by listing."""
    chosen = facade if request.param == "made" else real
    client = client_for(chosen)
    keys = [key for key, _ in Boto3(client).keys("images", "") if key.endswith("zarr.json")]
    client.close()
    found = {}
    for key in keys:
        with urlopen(f"{chosen.url}/images/{quote(key)}", timeout=60) as answer:
            found[key] = json.load(answer)
    assert len(found) > 20
    return chosen, found


@pytest.fixture(scope="module")
def documents(served):
    """Every ``zarr.json`` of the bucket, by key."""
    return served[1]


@pytest.fixture(scope="module")
def schemas():
    """The published schemas of OME-Zarr 0.5, from the package that carries them, by name."""
    spec = importlib.util.find_spec("ngff_zarr")
    if spec is None or spec.origin is None:
        pytest.skip("the package ngff-zarr, which carries the schemas, is not installed (conformance/install.sh)")
    folder = Path(spec.origin).parent / "spec" / "0.5" / "schemas"
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.schema")}


def _kind(ome):
    for field, kind in (
        ("image-label", "label"),
        ("multiscales", "image"),
        ("bioformats2raw.layout", "bf2raw"),
        ("series", "ome"),
        ("plate", "plate"),
        ("well", "well"),
    ):
        if field in ome:
            return kind
    return None


def _registry(schemas):
    """The schemas by the addresses they know each other under; some do not name their dialect."""
    return Registry().with_resources(
        [(s["$id"], Resource.from_contents(s, default_specification=DRAFT202012)) for s in schemas.values()]
    )


class TestSchemas:
    CLIENT = "OME-NGFF 0.5 JSON schemas"
    VERSION = "0.5"

    def test_every_group_validates(self, documents, schemas):
        registry = _registry(schemas)
        seen = set()
        for key, document in documents.items():
            attributes = document.get("attributes", {})
            ome = attributes.get("ome")
            if document["node_type"] != "group" or ome is None:
                continue
            kind = _kind(ome)
            if kind is None:
                assert "labels" in ome, f"{key}: unknown metadata {sorted(ome)}"
                continue
            for name in (kind, f"strict_{kind}"):
                if name in schemas:
                    validator = jsonschema.Draft202012Validator(schemas[name], registry=registry)
                    errors = [f"{key}: {e.json_path}: {e.message}" for e in validator.iter_errors(attributes)]
                    assert not errors or name.startswith("strict"), errors
            seen.add(kind)
        assert "image" in seen

    def test_schemas_refuse_nonsense(self, schemas):
        registry = _registry(schemas)
        validator = jsonschema.Draft202012Validator(schemas["image"], registry=registry)
        assert not validator.is_valid({"ome": {"version": "0.5", "multiscales": [{"axes": [], "datasets": []}]}})


def _open(facade, path):
    store = FsspecStore.from_url(f"{facade.url}/images/{quote(path)}", read_only=True)
    return zarr.open_group(store, mode="r")


def test_every_image_opens(served):
    server, documents = served
    for key, document in documents.items():
        if _kind(document.get("attributes", {}).get("ome", {})) == "image":
            image = Image.from_zarr(_open(server, key.removesuffix("/zarr.json")))
            assert image.ome_attributes.multiscales[0].datasets, key


def test_images_open_as_described(facade, samples):
    for name, sample in samples.items():
        image = Image.from_zarr(_open(facade, name))
        scales = image.ome_attributes.multiscales[0]
        assert "".join(axis.name for axis in scales.axes) == sample.axes
        assert len(scales.datasets) >= len(sample.own)


def test_collections_open(facade):
    group = _open(facade, "two.ome.zarr")
    assert BioFormats2Raw.from_zarr(group).ome_attributes.bioformats2raw_layout == 3
    with urlopen(f"{facade.url}/images/two.ome.zarr/OME/METADATA.ome.xml", timeout=60) as answer:
        assert b"<OME" in answer.read(4096)


def test_voxel_sizes_are_those_of_the_file(facade):
    pyramid = Image.from_zarr(_open(facade, "pyramid.ome.zarr")).ome_attributes.multiscales[0]
    assert [axis.unit for axis in pyramid.axes] == [None, "micrometer", "micrometer"]
    for i, dataset in enumerate(pyramid.datasets):
        scale = dataset.coordinateTransformations[0].scale
        assert scale == pytest.approx([1.0, 0.325 * 2**i, 0.325 * 2**i])
        assert dataset.coordinateTransformations[1].translation == pytest.approx([0.0, *[0.325 * (2**i - 1) / 2] * 2])
    stack = Image.from_zarr(_open(facade, "stack.ome.zarr")).ome_attributes.multiscales[0]
    assert stack.datasets[0].coordinateTransformations[0].scale == pytest.approx([1.5, 0.5, 0.5])
    flat = Image.from_zarr(_open(facade, "flat.ome.zarr")).ome_attributes.multiscales[0]
    assert [axis.unit for axis in flat.axes] == [None, None], "the file states no size: no unit may be invented"


def test_arrays_parse(documents):
    for key, document in documents.items():
        assert document["zarr_format"] == 3, key
        if document["node_type"] == "array":
            metadata = zarr.core.metadata.ArrayV3Metadata.from_dict(document)
            assert metadata.to_buffer_dict(default_buffer_prototype()), key
            assert metadata.dimension_names == tuple(n for n in "tczyx" if n in metadata.dimension_names)


def test_known_models_cover_the_bucket(documents):
    models = {"image": Image, "label": ImageLabel, "plate": HCS}
    kinds = {_kind(d.get("attributes", {}).get("ome", {})) for d in documents.values() if d["node_type"] == "group"}
    assert kinds - {None, "bf2raw", "ome", "well"} <= models.keys()
