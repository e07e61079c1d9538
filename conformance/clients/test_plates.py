"""Plates: ome-zarr-py over HTTP, zarr-python over HTTP and S3, the models and the published schemas."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import sys
import warnings
from urllib.request import urlopen

import jsonschema
import numpy as np
import pytest
import zarr

from conformance.clients.test_boto3 import Boto3, client_for
from conformance.clients.test_metadata import _registry, schemas  # noqa: F401 - a fixture
from conformance.server import ROOT, serving

sys.path.insert(0, str(ROOT / "tests" / "readers"))

CLIENT, VERSION = "ome-zarr-py", importlib.metadata.version("ome-zarr")
ROWS, COLUMNS, SIDE = "EF", range(8, 11), 160
PLANES = np.random.default_rng(5).integers(0, 4000, (3, 2, 1, 2, 1, 40, 48), dtype=np.uint16)
CONFIG = """
sources:
  plate: {{files: "{base}/plate7/{{row:letter}}{{column:int}}_s{{field:int}}_w{{channel:int}}.tif"}}
  vendor: {{file: "{base}/vendor"}}
images:
  fields: {{from: plate, group: channel, steps: [{{stack: {{along: c}}}}]}}
buckets:
  screen:
    views:
      - type: ome-zarr-plate
        from: fields
        path: named.ome.zarr
        plate: 8x12
        well: "{{row}}/{{column}}"
        field: "{{field}}"
        acquisition: first run
      - {{type: ome-zarr-plate, from: vendor, path: vendor.ome.zarr, plate: 96}}
"""


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("plate_example", ROOT / "examples" / "plate" / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def screen(tmp_path_factory, example):
    from test_plates import harmony  # the one of tests/readers

    base = tmp_path_factory.mktemp("screen")
    example.make(base / "plate7", ROWS, COLUMNS, SIDE)
    harmony(base / "vendor", PLANES)
    (base / "config.yaml").write_text(CONFIG.format(base=base))
    with serving(base / "config.yaml", log=base / "log.txt") as facade:
        yield facade


def field(example, row, column, number):
    return np.stack(example.site(row, column, number, SIDE))


def nodes(screen, path):
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader

    location = parse_url(f"{screen.url}/screen/{path}")
    assert location is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(Reader(location)())


def test_a_plate_is_stitched(screen, example):
    """ome-zarr-py puts the first field of every well side by side, empty wells as zeros."""
    (plate,) = nodes(screen, "named.ome.zarr")
    stitched = plate.data[0].compute()
    assert stitched.shape == (2, 8 * SIDE, 12 * SIDE)
    expected = np.zeros(stitched.shape, stitched.dtype)
    for row in ROWS:
        for column in COLUMNS:
            if (row, column) != example.LOST:
                y, x = "ABCDEFGH".index(row) * SIDE, (column - 1) * SIDE
                expected[:, y : y + SIDE, x : x + SIDE] = field(example, row, column, 1)
    np.testing.assert_array_equal(stitched, expected)
    assert plate.metadata["metadata"]["plate"]["name"] == "named"


def test_a_well_is_stitched(screen, example):
    (well,) = nodes(screen, "named.ome.zarr/E/9")
    expected = np.concatenate([field(example, "E", 9, 1), field(example, "E", 9, 2)], axis=2)
    np.testing.assert_array_equal(well.data[0].compute(), expected)


def test_a_field_is_an_image(screen, example):
    (image, *_) = nodes(screen, "named.ome.zarr/F/8/1")
    np.testing.assert_array_equal(image.data[0].compute(), field(example, "F", 8, 2))
    assert image.metadata["name"] == "F8 field 2 acquisition first run"


def test_a_vendors_plate_is_stitched(screen):
    (plate,) = nodes(screen, "vendor.ome.zarr")
    stitched = plate.data[0].compute()
    assert stitched.shape == (2, 8 * 40, 12 * 48)
    firsts = {PLANES[well, 0, 0, :, 0].tobytes() for well in range(3)}
    tiles = [stitched[:, y : y + 40, x : x + 48] for y in range(0, 320, 40) for x in range(0, 576, 48)]
    assert firsts == {np.ascontiguousarray(tile).tobytes() for tile in tiles if tile.any()}


class TestZarrPython:
    CLIENT, VERSION = "zarr-python", zarr.__version__

    def test_a_walk_over_s3(self, screen, example):
        pytest.importorskip("s3fs")
        options = {"anon": True, "endpoint_url": screen.url}
        root = zarr.open_group("s3://screen/named.ome.zarr", mode="r", storage_options=options)
        rows = dict(root.groups())
        assert rows.keys() == set(ROWS)
        assert set(rows["F"].group_keys()) == {"8", "10"}, "the well that was not imaged is not there"
        well = rows["E"]["10"]
        for entry in well.attrs["ome"]["well"]["images"]:
            image = well[entry["path"]]
            number = int(entry["path"]) + 1
            assert entry["acquisition"] == 1
            np.testing.assert_array_equal(image["0"][...], field(example, "E", 10, number))

    def test_metadata_over_http(self, screen, example):
        root = zarr.open_group(f"{screen.url}/screen/named.ome.zarr", mode="r")
        for well in root.attrs["ome"]["plate"]["wells"]:
            for entry in root[well["path"]].attrs["ome"]["well"]["images"]:
                image = root[f"{well['path']}/{entry['path']}"]
                assert image["0"].shape == (2, SIDE, SIDE)


@pytest.mark.parametrize("name", ["named", "vendor"])
class TestModels:
    CLIENT, VERSION = "ome-zarr-models", importlib.metadata.version("ome-zarr-models")

    def test_a_plate(self, screen, name):
        from ome_zarr_models.v05 import HCS

        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            plate = HCS.from_zarr(zarr.open_group(f"{screen.url}/screen/{name}.ome.zarr", mode="r"))
        assert plate.n_wells == len(list(plate.well_groups)) == {"named": 5, "vendor": 3}[name]
        assert all(len(well.ome_attributes.well.images) == 2 for well in plate.well_groups)

    def test_published_schemas(self, screen, name, schemas):  # noqa: F811 - the fixture
        registry = _registry(schemas)
        client = client_for(screen)
        keys = [k for k, _ in Boto3(client).keys("screen", f"{name}.ome.zarr/") if k.endswith("/zarr.json")]
        client.close()
        seen = set()
        for key in keys:
            with urlopen(f"{screen.url}/screen/{key}", timeout=60) as answer:
                attributes = json.load(answer)["attributes"]
            ome = attributes.get("ome", {})
            for kind in ("plate", "well", "image"):
                if {"image": "multiscales"}.get(kind, kind) in ome:
                    seen.add(kind)
                    for schema in (kind, f"strict_{kind}") if kind != "image" else (kind,):
                        jsonschema.Draft202012Validator(schemas[schema], registry=registry).validate(attributes)
        assert seen == {"plate", "well", "image"}
