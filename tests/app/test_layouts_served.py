"""Layouts of single files and of Neuroglancer as their clients see them: one server, tifffile, Pillow, tensorstore."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorstore as ts
import tifffile
from PIL import Image
from test_serving import Running, serving

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "registered_volume"
RNG = np.random.default_rng(5)
PHOTO = RNG.integers(0, 255, (700, 900, 3), dtype=np.uint8)
SECTION = RNG.integers(0, 60_000, (1200, 1100), dtype=np.uint16)
CONFIG = f"""
sources:
  photos: {{files: "data/{{name}}_photo.tif"}}
  sections: {{files: "data/{{name}}_section.tif", pixel_size: 0.5 um}}
  nuclei: {{file: "{EXAMPLE / "dna.ome.tif"}"}}
images:
  projected: {{from: nuclei, steps: [{{channels: [confocal]}}, {{project: {{along: z, method: max}}}}]}}
buckets:
  made:
    views:
      - {{type: ome-tiff, from: nuclei, path: "volume/{{stem}}.ome.tif", tile: 64}}
      - {{type: ome-tiff, from: nuclei, path: "volume/{{stem}}.ome.btf"}}
      - {{type: tif, from: sections, path: "{{name}}.tif"}}
      - {{type: ome-tiff, from: photos, path: "{{name}}.ome.tif", tile: 128}}
      - {{type: png, from: photos, path: "{{name}}.png"}}
      - {{type: png, from: projected, path: "projected.png"}}
      - {{type: precomputed, from: sections, path: "{{name}}_section", thickness: 20 um}}
      - {{type: png, from: nuclei, path: "broken.png"}}
      - {{type: precomputed, from: photos, path: "broken"}}
limits: {{workers: 1, memory: 256 MiB}}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    base = tmp_path_factory.mktemp("layouts")
    (base / "data").mkdir()
    tifffile.imwrite(base / "data" / "a_photo.tif", PHOTO, photometric="rgb", tile=(256, 256))
    tifffile.imwrite(base / "data" / "b_section.tif", SECTION, tile=(256, 256))
    (base / "config.yaml").write_text(CONFIG)
    with serving(base / "data", base / "log", str(base / "config.yaml")) as running:
        yield running


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    base = tmp_path_factory.mktemp("registered")
    with serving(EXAMPLE, base / "log", str(EXAMPLE / "volume.yaml")) as running:
        yield running


def listed(server: Running, bucket: str, prefix: str = "") -> dict[str, tuple[int, str]]:
    """Size and tag of every key."""
    found: dict[str, tuple[int, str]] = {}
    after = ""
    while True:
        body = server.get(f"/{bucket}?list-type=2&prefix={prefix}&start-after={after}").body.decode()
        entries = re.findall(r"<Key>(.*?)</Key>.*?<ETag>(.*?)</ETag><Size>(\d+)", body)
        found.update({key: (int(size), tag.replace("&quot;", '"')) for key, tag, size in entries})
        if "<IsTruncated>true" not in body:
            return found
        after = entries[-1][0]


def got(server: Running, key: str, bucket: str = "made") -> bytes:
    answer = server.get(f"/{bucket}/{key}")
    assert answer.status == 200, answer.body
    return answer.body


def tensor(server: Running, bucket: str, path: str, driver: str, **more: object) -> ts.TensorStore:
    store = {"driver": "http", "base_url": f"http://127.0.0.1:{server.port}/{bucket}/", "path": path}
    return ts.open({"driver": driver, "kvstore": store, **more}, read=True).result()


def test_every_key_has_the_size_and_tag_that_the_listing_says(server: Running) -> None:
    found = listed(server, "made")
    files = {"volume/dna.ome.tif", "volume/dna.ome.btf", "b.tif", "a.ome.tif", "a.png", "projected.png"}
    assert files <= found.keys()
    assert sum(key.startswith("b_section/") for key in found) > 10
    assert not [key for key in found if key.startswith("broken")]
    for key, (size, tag) in found.items():
        head, body = server.ask("HEAD", f"/made/{key}"), server.get(f"/made/{key}")
        assert head.status == body.status == 200, key
        assert int(head.headers["content-length"]) == len(body.body) == size, key
        assert head.headers["etag"] == body.headers["etag"] == tag, key


def test_a_volume_as_ome_tiff(server: Running) -> None:
    expected = tifffile.imread(EXAMPLE / "dna.ome.tif").transpose(1, 0, 2, 3)
    for key, big in (("volume/dna.ome.tif", False), ("volume/dna.ome.btf", True)):
        with tifffile.TiffFile(io.BytesIO(got(server, key))) as file:
            assert file.is_bigtiff == big
            assert file.is_ome
            assert file.series[0].axes == "CZYX"
            np.testing.assert_array_equal(file.asarray(), expected)
            assert 'Name="confocal"' in file.ome_metadata


def test_ranges_of_a_file_are_slices_of_it(server: Running) -> None:
    whole = got(server, "volume/dna.ome.btf")
    for start, stop in ((0, 1), (10, 5000), (4090, 70_000), (len(whole) - 33, len(whole)), (1 << 20, (1 << 20) + 9)):
        answer = server.get("/made/volume/dna.ome.btf", Range=f"bytes={start}-{stop - 1}")
        assert answer.status == 206
        assert answer.body == whole[start:stop]
    assert server.get("/made/volume/dna.ome.btf", Range="bytes=-100").body == whole[-100:]


def test_a_photograph(server: Running) -> None:
    with tifffile.TiffFile(io.BytesIO(got(server, "a.ome.tif"))) as file:
        assert file.series[0].axes == "YXS"
        np.testing.assert_array_equal(file.asarray(), PHOTO)
        assert [level.shape for level in file.series[0].levels] == [(700, 900, 3), (350, 450, 3)]
    with Image.open(io.BytesIO(got(server, "a.png"))) as image:
        np.testing.assert_array_equal(np.asarray(image), PHOTO)


def test_a_section(server: Running) -> None:
    with tifffile.TiffFile(io.BytesIO(got(server, "b.tif"))) as file:
        np.testing.assert_array_equal(file.asarray(), SECTION)
        assert file.pages[0].tags["XResolution"].value == (20_000, 1)
        assert file.pages[0].tags["ResolutionUnit"].value == 3
    volume = tensor(server, "made", "b_section/", "neuroglancer_precomputed", scale_index=0)
    assert volume.domain.shape == (1100, 1200, 1, 1)
    np.testing.assert_array_equal(volume.read().result()[:, :, 0, 0].T, SECTION)
    info = json.loads(got(server, "b_section/info"))
    assert [scale["resolution"] for scale in info["scales"]] == [
        [500, 500, 20000],
        [1000, 1000, 20000],
        [2000, 2000, 20000],
    ]


def test_a_projection_as_png(server: Running) -> None:
    expected = tifffile.imread(EXAMPLE / "dna.ome.tif")[:, 0].max(axis=0)
    with Image.open(io.BytesIO(got(server, "projected.png"))) as image:
        assert image.mode == "I;16"
        np.testing.assert_array_equal(np.asarray(image), expected)


@pytest.mark.parametrize(
    ("key", "sentence"),
    [("broken.png", "along z; choose one by a step"), ("broken/info", "the size of a voxel in nanometres")],
)
def test_what_a_format_cannot_hold_is_told(server: Running, key: str, sentence: str) -> None:
    answer = server.get(f"/made/{key}")
    assert answer.status >= 400
    assert sentence in answer.body.decode(), answer.body


def test_the_example_shows_one_volume_in_two_formats(example: Running) -> None:
    keys = listed(example, "dna")
    assert {"dna.ome.zarr/zarr.json", "dna/info"} <= keys.keys()
    for key in ("dna/info", "dna.ome.zarr/zarr.json"):
        assert len(got(example, key, "dna")) == keys[key][0]
    zarr = tensor(example, "dna", "dna.ome.zarr/0/", "zarr3")
    volume = tensor(example, "dna", "dna/", "neuroglancer_precomputed", scale_index=0)
    voxels = zarr.read().result()
    assert voxels.shape == (2, 36, 110, 120)
    assert voxels.dtype == np.uint16
    assert voxels[0].max() > 10_000
    np.testing.assert_array_equal(volume.read().result().transpose(3, 2, 1, 0), voxels)
    assert all(size == len(got(example, key, "dna")) for key, (size, _) in keys.items())


def test_the_example_is_at_one_place_in_both_formats(example: Running) -> None:
    told = json.loads(got(example, "dna.ome.zarr/zarr.json", "dna"))["attributes"]["ome"]["multiscales"][0]
    scale, translation = told["datasets"][0]["coordinateTransformations"]
    info = json.loads(got(example, "dna/info", "dna"))["scales"][0]
    micrometres = [r / 1000 for r in reversed(info["resolution"])]
    assert scale["scale"][1:] == micrometres
    # OME-Zarr says where the centre of the first voxel is, precomputed how many voxels come before it.
    corner = [o * s for o, s in zip(reversed(info["voxel_offset"]), micrometres, strict=True)]
    assert translation["translation"][1:] == corner == [1, 3, 2]
    volume = tensor(example, "dna", "dna/", "neuroglancer_precomputed", scale_index=0)
    assert volume.domain.inclusive_min == (4, 6, 2, 0)
    assert (
        volume[30, 40, 12, 0].read().result()
        == tensor(example, "dna", "dna.ome.zarr/0/", "zarr3")[0, 12 - 2, 40 - 6, 30 - 4].read().result()
    )
