"""A pipeline as its user sees it: a server, a folder of sections, and zarr-python at the other end."""

from __future__ import annotations

import json
from collections.abc import Iterator

import boto3
import numpy as np
import pytest
import scipy.ndimage
import tifffile
import zarr
from botocore import UNSIGNED
from botocore.config import Config
from test_serving import Running, serving
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import MemoryStore

SECTIONS = {n: np.random.default_rng(n).integers(0, 4000, (600, 700), dtype=np.uint16) for n in (2, 3, 10)}
CONFIG = """
sources:
  sections: {files: "data/{animal}_s{section:int}_{stain}.tif", pixel_size: 2 um}
images:
  smooth:
    from: sections
    steps:
      - crop: {x: [10, 680], y: [20 um, 1160 um]}
      - gaussian: 4 um
      - cast: float32
  volume:
    from: smooth
    group: section
    steps: [{stack: {along: z, spacing: 3 um, missing: nearest}}]
buckets:
  atlas:
    views:
      - {type: ome-zarr, from: volume, path: "{animal}/{stain}.ome.zarr"}
      - {type: ome-zarr, from: smooth, path: "sections/{section:03}.ome.zarr", chunks: 128, shards: false}
limits: {workers: 2, memory: 256 MiB}
server: {rescan: 500 ms}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    base = tmp_path_factory.mktemp("pipelines")
    (base / "data").mkdir()
    for n, voxels in SECTIONS.items():
        if n < 10:
            tifffile.imwrite(base / f"data/a_s{n}_dapi.tif", voxels, tile=(256, 256))
    (base / "config.yaml").write_text(CONFIG)
    with serving(base / "data", base / "log", str(base / "config.yaml")) as running:
        yield running


def fetched(server: Running, prefix: str) -> zarr.Group:
    """Every key below a prefix, as a client lists and gets them."""
    about = Config(signature_version=UNSIGNED, s3={"addressing_style": "path"})
    s3 = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{server.port}", region_name="us-east-1", config=about)
    store: dict[str, object] = {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket="atlas", Prefix=prefix + "/"):
        for item in page["Contents"]:
            body = s3.get_object(Bucket="atlas", Key=item["Key"])["Body"].read()
            assert len(body) == item["Size"]
            key = item["Key"].removeprefix(prefix + "/")
            store[key] = default_buffer_prototype().buffer.from_bytes(body)
    return zarr.open_group(MemoryStore(store), mode="r")


def smooth(n: int) -> np.ndarray:
    whole = scipy.ndimage.gaussian_filter(SECTIONS[n][10:580, 10:680].astype(np.float64), 2, mode="nearest")
    return whole.astype(np.float32)


def test_sections_and_their_volume(server: Running) -> None:
    for n in (2, 3):
        section = fetched(server, f"sections/{n:03}.ome.zarr")
        np.testing.assert_allclose(section["0"][...], smooth(n), rtol=0, atol=0.51)
    volume = fetched(server, "a/dapi.ome.zarr")
    assert volume["0"].shape == (2, 570, 670)
    for z, n in enumerate((2, 3)):
        assert np.array_equal(volume["0"][z], fetched(server, f"sections/{n:03}.ome.zarr")["0"][...])
    level = volume.attrs["ome"]["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    assert level[0]["scale"] == [3.0, 2.0, 2.0]
    assert level[1]["translation"] == [0.0, 20.0, 20.0]


def test_the_recipe_is_beside_the_voxels(server: Running) -> None:
    answer = server.get("/atlas/a/dapi.ome.zarr/s3facade.json")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    document = json.loads(answer.body)
    attributes = json.loads(server.get("/atlas/a/dapi.ome.zarr/zarr.json").body)["attributes"]
    assert attributes["s3facade"]["digest"] == document["digest"]
    assert document["steps"] == ["crop", "gaussian", "cast", "stack"]
    assert str(server.root).encode() not in answer.body
    assert server.get("/atlas/a/dapi.ome.zarr/s3facade.json", If_None_Match=answer.headers["etag"]).status == 304


def test_a_new_section_joins_its_volume(server: Running) -> None:
    before = server.get("/atlas/a/dapi.ome.zarr/s3facade.json")
    tifffile.imwrite(server.root / "a_s10_dapi.tif", SECTIONS[10], tile=(256, 256))
    server.eventually(lambda: server.get("/atlas/sections/010.ome.zarr/zarr.json").status == 200)
    server.eventually(lambda: server.get("/atlas/a/dapi.ome.zarr/s3facade.json").body != before.body)
