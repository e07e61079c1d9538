"""Plates as their users see them: a server over the example's files and over a vendor's plate, zarr-python, models."""

from __future__ import annotations

import importlib.util
import json
import math
import re
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import tifffile
import zarr
from test_serving import Running, serving
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import MemoryStore

from s3facade.app.server import open_catalog
from s3facade.config.load import load

sys.path.insert(0, str(Path(__file__).parents[1] / "readers"))

from test_plates import harmony

EXAMPLE = Path(__file__).parents[2] / "examples" / "plate"
PLANES = np.random.default_rng(1).integers(0, 4000, (3, 2, 1, 2, 1, 20, 24), dtype=np.uint16)
TWO = np.random.default_rng(2).integers(0, 4000, (2, 16, 20), dtype=np.uint16)
MASK = (np.arange(80 * 80, dtype=np.uint16) // 640).reshape(80, 80)
NO_MODELS = importlib.util.find_spec("ome_zarr_models") is None
CONFIG = """
sources:
  plate:
    files: "plate7/{row:letter}{column:int}_s{field:int}_w{channel:int}.tif"
    stack: {c: channel}
    channels: {1: {name: DAPI, color: 3D7BFF}, 2: {name: GFP, color: 5CFF4D}}
    pixel_size: 0.65 um
  vendor: {file: vendor}
  ome: {file: two.ome.tif}
  masks: {files: "masks/{row:letter}{column:int}_s{field:int}.tif"}
  runs: {files: "runs/{run}/{well:[A-P][0-9]+}_{site}.tif"}
buckets:
  screen7:
    views:
      - type: ome-zarr-plate
        from: plate
        path: plate7.ome.zarr
        plate: 8x12
        well: "{row}/{column}"
        field: "{field}"
        chunks: 64
      - type: ome-zarr-plate
        from: plate
        path: masked.ome.zarr
        well: "{row}{column}"
        field: "{field}"
        labels: {nuclei: masks}
      - {type: ome-zarr-plate, from: vendor, path: vendor.ome.zarr, plate: 96}
      - {type: ome-zarr-plate, from: ome, path: ome.ome.zarr}
      - type: ome-zarr-plate
        from: runs
        path: runs.ome.zarr
        well: "{well}"
        field: "{site}"
        acquisition: "{run}"
        acquisitions: {day2: {name: second day, starttime: 2026-03-02T09:00:00Z}}
limits: {workers: 1, memory: 256 MiB}
server: {rescan: 1 s}
"""


def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("example_plate", EXAMPLE / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MADE = example()


def two_wells(path: Path) -> None:
    """An OME-TIFF that says which wells its images belong to: B3 and A1."""
    with tifffile.TiffWriter(path, ome=True) as writer:
        for image in TWO:
            writer.write(image, metadata={"axes": "YX"})
    wells = "".join(
        f'<Well ID="Well:0:{n}" Row="{row}" Column="{column}"><WellSample ID="WellSample:0:{n}:0" Index="{n}">'
        f'<ImageRef ID="Image:{n}"/></WellSample></Well>'
        for n, (row, column) in enumerate([(1, 2), (0, 0)])
    )
    named = 'RowNamingConvention="letter" ColumnNamingConvention="number"'
    plate = f'<Plate ID="Plate:0" Name="Two" Rows="4" Columns="6" {named}>{wells}</Plate>'
    tifffile.tiffcomment(path, tifffile.tiffcomment(path).replace("<Image ", plate + "<Image ", 1).encode())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    base = tmp_path_factory.mktemp("plates")
    MADE.make(base / "plate7", "BF", range(8, 12), 80)
    harmony(base / "vendor", PLANES)
    (base / "masks").mkdir()
    tifffile.imwrite(base / "masks" / "B08_s2.tif", MASK)
    two_wells(base / "two.ome.tif")
    for run, site in [("day1", "left"), ("day1", "right"), ("day2", "left")]:
        (base / "runs" / run).mkdir(parents=True, exist_ok=True)
        for well in ("A01", "A02"):
            tifffile.imwrite(base / "runs" / run / f"{well}_{site}.tif", np.full((8, 8), len(run + site), "u1"))
    (base / "config.yaml").write_text(CONFIG)
    with serving(base, base / "log", str(base / "config.yaml")) as running:
        yield running


def keys(server: Running, prefix: str) -> dict[str, int]:
    """Every key below a prefix, and its size."""
    found: dict[str, int] = {}
    token = ""
    while True:
        body = server.get(f"/screen7?list-type=2&max-keys=1000&prefix={prefix}/{token}").body.decode()
        for key, size in re.findall(r"<Key>([^<]+)</Key>.*?<Size>(\d+)</Size>", body):
            found[key.removeprefix(prefix + "/")] = int(size)
        more = re.search(r"<NextContinuationToken>([^<]+)<", body)
        if more is None:
            return found
        token = f"&continuation-token={more[1]}"


def fetched(server: Running, prefix: str) -> zarr.Group:
    """Everything that is listed, whose sizes must be those of the listing."""
    store = {}
    for key, size in keys(server, prefix).items():
        got = server.get(f"/screen7/{prefix}/{key}")
        assert got.status == 200, (key, got.body)
        assert len(got.body) == size, key
        store[key] = default_buffer_prototype().buffer.from_bytes(got.body)
    return zarr.open_group(MemoryStore(store), mode="r", zarr_format=3)


def document(server: Running, key: str) -> dict[str, object]:
    answer = server.get(f"/screen7/{key}")
    assert answer.status == 200, answer.body
    found: dict[str, object] = json.loads(answer.body)
    return found


def test_every_file_is_where_its_name_says(server: Running) -> None:
    root = fetched(server, "plate7.ome.zarr")
    plate = root.attrs["ome"]["plate"]
    assert [row["name"] for row in plate["rows"]] == list("ABCDEFGH")
    assert [column["name"] for column in plate["columns"]] == [str(n) for n in range(1, 13)]
    assert [well["path"] for well in plate["wells"]] == [
        f"{r}/{c}" for r in "BF" for c in range(8, 12) if (r, c) != MADE.LOST
    ]
    assert (plate["name"], plate["field_count"]) == ("plate7", 2)
    for well in plate["wells"]:
        row, _, column = well["path"].partition("/")
        assert (ord(row) - 65, int(column) - 1) == (well["rowIndex"], well["columnIndex"])
        images = root[well["path"]].attrs["ome"]["well"]["images"]
        assert images == [{"path": "0"}, {"path": "1"}]
        for number in (0, 1):
            image = root[f"{well['path']}/{number}"]
            np.testing.assert_array_equal(image["0"][...], np.stack(MADE.site(row, int(column), number + 1, 80)))
            assert image.attrs["ome"]["multiscales"][0]["name"] == f"{row}{column} field {number + 1}"
            assert [c["label"] for c in image.attrs["ome"]["omero"]["channels"]] == ["DAPI", "GFP"]


def test_wells_without_images_are_absent(server: Running) -> None:
    assert not any(key.startswith(("F/9/", "A/")) for key in keys(server, "plate7.ome.zarr"))
    for key in ("A/zarr.json", "F/9/zarr.json", "B/8/2/zarr.json", "B/08/zarr.json", "b/8/zarr.json", "B/8"):
        assert server.get(f"/screen7/plate7.ome.zarr/{key}").status == 404, key


def test_a_vendors_plate_is_a_plate(server: Running) -> None:
    root = fetched(server, "vendor.ome.zarr")
    plate = root.attrs["ome"]["plate"]
    assert plate["name"] == "Plate seven"
    assert (len(plate["rows"]), len(plate["columns"])) == (8, 12)
    assert len(plate["wells"]) == len(PLANES)
    assert root["OME"].attrs["ome"]["series"] == [f"{w['path']}/{n}" for w in plate["wells"] for n in (0, 1)]
    found = {root[f"{w['path']}/{n}/0"][...].tobytes() for w in plate["wells"] for n in (0, 1)}
    assert found == {PLANES[w, f, 0, :, 0].tobytes() for w, f in np.ndindex(3, 2)}


def test_an_ome_tiff_with_a_plate_is_a_plate(server: Running) -> None:
    root = fetched(server, "ome.ome.zarr")
    plate = root.attrs["ome"]["plate"]
    assert [w["path"] for w in plate["wells"]] == ["A/1", "B/3"]
    assert plate["name"] == "Two"
    assert "".join(r["name"] for r in plate["rows"]) == "ABCD", "the size that the file states"
    assert len(plate["columns"]) == 6
    np.testing.assert_array_equal(root["B/3/0/0"][...], TWO[0])
    np.testing.assert_array_equal(root["A/1/0/0"][...], TWO[1])


def test_acquisitions(server: Running) -> None:
    plate = document(server, "runs.ome.zarr/zarr.json")["attributes"]["ome"]["plate"]  # type: ignore[index]
    assert plate["acquisitions"] == [
        {"id": 1, "name": "day1", "maximumfieldcount": 2},
        {"id": 2, "name": "second day", "starttime": 1772442000, "maximumfieldcount": 1},
    ]
    well = document(server, "runs.ome.zarr/A/2/zarr.json")["attributes"]["ome"]["well"]  # type: ignore[index]
    assert [(i["path"], i["acquisition"]) for i in well["images"]] == [("0", 1), ("1", 1), ("2", 2)]
    name = document(server, "runs.ome.zarr/A/2/2/zarr.json")["attributes"]["ome"]["multiscales"][0]["name"]  # type: ignore[index]
    assert name == "A2 field left acquisition day2"


def test_label_images_belong_to_their_field(server: Running) -> None:
    labels = fetched(server, "masked.ome.zarr/B/8/1")["labels"]
    assert labels.attrs["ome"]["labels"] == ["nuclei"]
    np.testing.assert_array_equal(labels["nuclei/0"][...], MASK)
    assert server.get("/screen7/masked.ome.zarr/B/8/0/labels/zarr.json").status == 404


def test_a_well_that_is_imaged_later_joins_the_plate(server: Running) -> None:
    def wells() -> list[str]:
        plate = document(server, "runs.ome.zarr/zarr.json")["attributes"]["ome"]["plate"]  # type: ignore[index]
        return [well["path"] for well in plate["wells"]]

    before = server.get("/screen7/runs.ome.zarr/zarr.json").headers["etag"]
    assert wells() == ["A/1", "A/2"]
    tifffile.imwrite(server.root / "runs" / "day2" / "C03_left.tif", np.ones((8, 8), "u1"))
    server.eventually(lambda: wells() == ["A/1", "A/2", "C/3"])
    assert server.get("/screen7/runs.ome.zarr/zarr.json").headers["etag"] != before
    assert server.get("/screen7/runs.ome.zarr/C/3/0/zarr.json").status == 200
    (server.root / "runs" / "day2" / "C03_left.tif").unlink()
    server.eventually(lambda: wells() == ["A/1", "A/2"])
    assert server.get("/screen7/runs.ome.zarr/C/3/0/zarr.json").status == 404


def test_the_example(tmp_path: Path) -> None:
    MADE.make(tmp_path / "plate7", "BC", range(2, 4), 64)
    config = shutil.copy(EXAMPLE / "plate.yaml", tmp_path)
    catalog = open_catalog(load(Path(config)))
    with closing(catalog.engine):
        assert catalog.images("screen7") == [f"plate7.ome.zarr/{r}/{c}/{f}" for r in "BC" for c in "23" for f in "01"]
        catalog.probe(math.inf)
        assert not catalog.broken()


def test_documents_do_not_change(server: Running) -> None:
    for key in ("plate7.ome.zarr/zarr.json", "plate7.ome.zarr/B/zarr.json", "vendor.ome.zarr/zarr.json"):
        one, two = server.get(f"/screen7/{key}"), server.ask("HEAD", f"/screen7/{key}")
        assert one.headers["etag"] == two.headers["etag"]
        assert int(two.headers["content-length"]) == len(one.body)
        assert one.headers["content-type"].startswith("application/json")
        assert str(server.root) not in one.body.decode()


@pytest.mark.skipif(NO_MODELS, reason="ome-zarr-models is not installed")
@pytest.mark.parametrize("name", ["plate7", "vendor", "ome", "runs"])
def test_plates_are_what_the_models_say(server: Running, name: str) -> None:
    from ome_zarr_models.v05 import HCS

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plate = HCS.from_zarr(fetched(server, f"{name}.ome.zarr"))
    assert plate.n_wells == len(list(plate.well_groups))
