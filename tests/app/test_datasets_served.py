"""Data sets of many files as their users see them: a server, folders of slices and of planes, zarr-python."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from test_serving import Running, serving
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import MemoryStore

sys.path.insert(0, str(Path(__file__).parents[1] / "readers"))

from dicom_tools import series, write
from test_plates import harmony, micromanager

DATA = Path(os.environ.get("S3FACADE_CORPUS") or Path(__file__).parents[3] / "shared" / "data")
VOLUME = np.random.default_rng(0).integers(0, 4000, (12, 20, 24), dtype=np.uint16)
PLANES = np.random.default_rng(1).integers(0, 4000, (2, 2, 1, 2, 3, 20, 24), dtype=np.uint16)
TIMES = np.random.default_rng(2).integers(0, 4000, (2, 2, 2, 20, 24), dtype=np.uint16)
MATRIX = np.random.default_rng(3).integers(0, 255, (2, 2, 3, 20, 24), dtype=np.uint8)
CONFIG = """
sources:
  all: {files: "data/**"}
  planes: {files: "data/plate/Images/r{row:int}c{column:int}f{field:int}p{z:int}-ch{c:int}sk1fk1fl1.tiff"}
  matrix: {files: "data/matrix/**/image--L*--X{x:int}--Y{y:int}--T{t:int}--Z{z:int}--C{c:int}.ome.tif"}
images:
  volumes:
    from: planes
    group: z
    steps: [{stack: {along: z, spacing: 2 um}}]
  fields:
    from: volumes
    group: c
    steps: [{stack: c}]
  slices:
    from: matrix
    group: z
    steps: [{stack: z}]
buckets:
  whole:
    views: [{type: ome-zarr, from: all, path: "{path}.ome.zarr"}]
  pieces:
    views:
      - {type: ome-zarr, from: fields, path: "r{row:02}c{column:02}f{field}.ome.zarr"}
      - {type: ome-zarr, from: slices, path: "x{x}y{y}/c{c}.ome.zarr"}
limits: {workers: 1, memory: 256 MiB}
"""


def matrix(folder: Path) -> None:
    for x, c, z in np.ndindex(2, 2, 3):
        place = folder / "slide--S00" / f"field--X{x:02d}--Y00"
        place.mkdir(parents=True, exist_ok=True)
        name = f"image--L0000--S00--U00--V00--J20--E00--O00--X{x:02d}--Y00--T0000--Z{z:02d}--C{c:02d}.ome.tif"
        tifffile.imwrite(place / name, MATRIX[x, c, z])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    base = tmp_path_factory.mktemp("datasets")
    data = base / "data"
    series(data / "scan", VOLUME)
    write(data / "scan" / "other.dcm", VOLUME[0])
    (data / "scan" / "DICOMDIR").write_bytes(bytes(300))
    (data / "plate").mkdir()
    harmony(data / "plate" / "Images", PLANES)
    micromanager(data / "Pos0", TIMES, version=2)
    harmony(data / "torn", PLANES[:1, :1])
    (data / "torn" / "r01c02f01p02-ch2sk1fk1fl1.tiff").unlink()
    matrix(data / "matrix")
    (base / "config.yaml").write_text(CONFIG)
    with serving(data, base / "log", str(base / "config.yaml")) as running:
        yield running


def listed(server: Running, bucket: str) -> list[str]:
    """Folders that hold an image."""
    answer = server.get(f"/{bucket}?list-type=2&max-keys=1000").body.decode()
    keys = [part.split("<")[0] for part in answer.split("<Key>")[1:]]
    return sorted({key.partition(".ome.zarr/")[0] for key in keys if ".ome.zarr/" in key})


def fetched(server: Running, bucket: str, prefix: str) -> zarr.Group:
    answer = server.get(f"/{bucket}?list-type=2&max-keys=1000&prefix={prefix}/").body.decode()
    store = {}
    for part in answer.split("<Key>")[1:]:
        key = part.split("<")[0]
        got = server.get(f"/{bucket}/{key}")
        assert got.status == 200, (key, got.body)
        store[key.removeprefix(prefix + "/")] = default_buffer_prototype().buffer.from_bytes(got.body)
    return zarr.open_group(MemoryStore(store), mode="r")


def test_files_that_belong_together_are_one_image(server: Running) -> None:
    expected = [
        "Pos0", *(f"matrix/slide--S00/field--X{x:02d}--Y00/image--L0000--S00--U00--V00--J20--E00--O00--X{x:02d}--Y00"
        f"--T0000--Z{z:02d}--C{c:02d}.ome.tif" for x, z, c in np.ndindex(2, 3, 2)),
        "plate/Images", "scan/IM0000", "scan/other.dcm", "torn",
    ]  # fmt: skip
    server.eventually(lambda: listed(server, "whole") == expected)


def test_a_series(server: Running) -> None:
    image = fetched(server, "whole", "scan/IM0000.ome.zarr")
    np.testing.assert_array_equal(image["0"][...], VOLUME)
    told = image.attrs["ome"]["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]["scale"]
    assert told == pytest.approx([2500, 500, 250])


def test_nothing_that_is_served_says_whose_image_it_is(server: Running) -> None:
    answer = server.get("/whole?list-type=2&max-keys=1000&prefix=scan/").body.decode()
    keys = [part.split("<")[0] for part in answer.split("<Key>")[1:]]
    assert any(key.endswith("s3facade.json") for key in keys)
    for key in keys:
        body = server.get(f"/whole/{key}").body
        assert b"secret-17" not in body, key
        assert b"Doe" not in body, key


def test_a_plate(server: Running) -> None:
    for number, (well, field) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        image = fetched(server, "whole", f"plate/Images.ome.zarr/{number}")
        np.testing.assert_array_equal(image["0"][...], PLANES[well, field, 0])


def test_a_plane_that_is_missing_is_an_error_and_the_others_are_shown(server: Running) -> None:
    answer = server.get("/whole?list-type=2&max-keys=1000&prefix=torn").body.decode()
    keys = [part.split("<")[0] for part in answer.split("<Key>")[1:]]
    status = {key: server.get(f"/whole/{key}").status for key in keys if "/0/c/" in key}
    assert set(status.values()) == {200, 500}, status
    assert [key for key, found in status.items() if found != 200] == ["torn.ome.zarr/0/c/1/0/0/0"]


def test_a_position(server: Running) -> None:
    np.testing.assert_array_equal(fetched(server, "whole", "Pos0.ome.zarr")["0"][...], TIMES)


def test_planes_by_their_names(server: Running) -> None:
    image = fetched(server, "pieces", "r02c10f2.ome.zarr")
    np.testing.assert_array_equal(image["0"][...], PLANES[1, 1, 0])
    image = fetched(server, "pieces", "x1y0/c1.ome.zarr")
    np.testing.assert_array_equal(image["0"][...], MATRIX[1, 1])


FOLDERS = {
    "brain": ("folder-stack-brain/image_{z:int}.tif", "z", "image_*.tif"),
    "em": ("folder-stack-em/c_elegans_em_z{z:int}.tif", "z", "*.tif"),
    "fly": ("folder-channels-fly/01_POS002_{c}.TIF", "c", "*.TIF"),
    "exported": (
        "plate-imagexpress-exported/9987_Plate_3435/TimePoint_{t:int}/9987_B02_s1_w1.TIF",
        "t",
        "*/*B02_s1_w1.TIF",
    ),
}


@pytest.mark.skipif(not DATA.exists(), reason="samples are not here")
def test_folders_of_planes_of_the_samples(tmp_path: Path) -> None:
    sources, images, views = {}, {}, []
    for name, (pattern, axis, _) in FOLDERS.items():
        shutil.copytree(DATA / pattern.partition("/")[0], tmp_path / "data" / pattern.partition("/")[0])
        sources[name] = {"files": f"data/{pattern}"}
        images[f"{name}_stack"] = {"from": name, "group": axis, "steps": [{"stack": axis}]}
        views.append({"type": "ome-zarr", "from": f"{name}_stack", "path": f"{name}.ome.zarr"})
    config = {"sources": sources, "images": images, "buckets": {"stacks": {"views": views}}}
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    with serving(tmp_path / "data", tmp_path / "log", str(tmp_path / "config.yaml")) as running:
        for name, (pattern, _, files) in FOLDERS.items():
            folder = DATA / pattern.partition("/")[0]
            folder = folder / "9987_Plate_3435" if name == "exported" else folder
            expected = np.stack([tifffile.imread(path) for path in sorted(folder.glob(files))])
            np.testing.assert_array_equal(fetched(running, "stacks", f"{name}.ome.zarr")["0"][...], expected)
