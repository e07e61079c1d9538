"""Microscopes' formats over a real socket: a folder of them served as it is, read by zarr-python; what belongs to an
image is not listed as another one."""

from __future__ import annotations

import re
import urllib.request
from pathlib import Path

import boto3
import imagecodecs
import numpy as np
import pytest
import tensorstore
from botocore import UNSIGNED
from botocore.client import Config
from czi_writer import Writer
from lif_writer import image, lif, lof, xlif
from nd2_writer import POSITION, TIME, loop, write
from oif_writer import members, oib, oif

from conformance.server import serving

RNG = np.random.default_rng(2)
STACK = RNG.integers(0, 999, (2, 40, 30)).astype("<u2")
FRAMES = [RNG.integers(0, 999, (40, 30, 1)).astype("u2") for _ in range(6)]


def mosaic(path: Path) -> np.ndarray:
    """Overlapping tiles and a smaller level; gives the finest."""
    writer, whole = Writer(), np.zeros((90, 140), "u1")
    for m, (y, x) in enumerate([(0, 0), (0, 70), (30, 10), (30, 60)]):
        tile = RNG.integers(1, 99, (60, 70), "u1")
        whole[y : y + 60, x : x + 70] = tile
        writer.add(tile.tobytes(), 0, 0, X=(x, 70), Y=(y, 60), C=0, M=m)
    writer.add(RNG.integers(0, 99, (45, 70), "u1").tobytes(), 0, 0, pyramid=1, X=(0, 140, 70), Y=(0, 90, 45), C=0)
    writer.write(path)
    return whole


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    base = tmp_path_factory.mktemp("served")
    data = base / "data"
    data.mkdir()
    whole = mosaic(data / "mosaic.czi")
    write(data / "places.nd2", FRAMES, experiment=loop(POSITION, 2, loop(TIME, 3)))
    lif(data / "project.lif", image("one", STACK, "ZYX"), image("two", STACK + 1, "CYX"))
    made = image("one", STACK, "ZYX")
    lof(data / "numbers.lof", made)
    xlif(data / "beside.xlif", made, [("numbers.lof", 0, len(made[1]))])
    preview = imagecodecs.bmp_encode(np.zeros((8, 8), "u1"))
    oif(data / "scan.oif", {**members(STACK, "CYX"), "s_Thumb.bmp": preview})
    oib(data / "scan2.oib", members(STACK, "CYX"))
    with serving(data, log=base / "log") as facade:
        yield facade.url, whole


def array(url, key):
    spec = {"driver": "zarr3", "kvstore": {"driver": "http", "base_url": url, "path": f"/images/{key}/"}}
    return tensorstore.open(spec, open=True).result().read().result()


def test_pixels(served):
    url, whole = served
    np.testing.assert_array_equal(array(url, "mosaic.ome.zarr/0"), whole)
    assert array(url, "mosaic.ome.zarr/1").shape == (45, 70)
    for place in range(2):
        expected = np.stack(FRAMES[3 * place : 3 * place + 3])[..., 0]
        np.testing.assert_array_equal(array(url, f"places.ome.zarr/{place}/0"), expected)
    np.testing.assert_array_equal(array(url, "project.ome.zarr/1/0"), STACK + 1)
    for name in ("beside", "scan", "scan2"):
        np.testing.assert_array_equal(array(url, f"{name}.ome.zarr/0"), STACK)


def test_companions_are_not_listed(served):
    url, _ = served
    options = Config(signature_version=UNSIGNED, s3={"addressing_style": "path"})
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", config=options)
    found = client.list_objects_v2(Bucket="images", Delimiter="/")
    names = [p["Prefix"] for p in found.get("CommonPrefixes", [])]
    expected = ["beside", "mosaic", "places", "project", "scan", "scan2"]
    assert names == [f"{n}.ome.zarr/" for n in expected]


def test_names_of_positions_are_told(served):
    url, _ = served
    with urllib.request.urlopen(f"{url}/images/places.ome.zarr/OME/METADATA.ome.xml") as answer:
        text = answer.read().decode()
    assert re.findall(r'<Image [^>]*Name="([^"]*)"', text) == ["#0", "#1"]
