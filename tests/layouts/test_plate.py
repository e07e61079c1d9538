"""Documents of plates and wells, and whole plates of one file's images, against the models of ome-zarr-models."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import warnings

import numpy as np
import pytest
import zarr
from plain_evaluator import dump, opened

from s3facade.catalog.arrange.alike import Whole
from s3facade.core.errors import Unsupported
from s3facade.core.image import Dataset
from s3facade.core.keyspace import find, scan
from s3facade.layouts import wells
from s3facade.layouts.ome_zarr_plate import OmeZarrPlate
from s3facade.layouts.plate import Acquisition, Field, Plate, Well, counted, mixed, plate_document, well_document

NO_MODELS = importlib.util.find_spec("ome_zarr_models") is None
rng = np.random.default_rng(7)


def field(row, column, number=0, *, channels=2, name="Screen", side=24, run=None, size=None, **attrs):
    about = {"row": row, "column": column, "field": number, "name": name, **({"size": size} if size else {})}
    if run is not None:
        about["acquisition"] = run
    array = rng.integers(0, 60000, (channels, side, side + 8)).astype("u2")
    called = f"{row}{column} f{number}"
    return array, opened(array, names="cyx", name=called, plate=about, path=f"{called}.tif", **attrs)


def shown(*fields, recipe=None, **options):
    images = {str(n): image for n, (_, image) in enumerate(fields)}
    return OmeZarrPlate(**options).build(Dataset(images, recipe=recipe or {}))


def in_memory(keys):
    store = zarr.storage.MemoryStore()

    async def fill():
        for key, data in keys.items():
            await store.set(key, zarr.core.buffer.default_buffer_prototype().buffer.from_bytes(data))

    asyncio.run(fill())
    return store


def test_documents_are_those_of_the_specification():
    plate = Plate(
        ("A", "B"), ("1", "2", "3"),
        (Well(0, 0, (Field("0", 1), Field("1", 2))), Well(1, 2, (Field("0", 2),))),
        "test", counted([Acquisition(1, "Meas_01", start=1343731272), Acquisition(2, "Meas_02", fields=9)], ()),
    )  # fmt: skip
    plate = Plate(plate.rows, plate.columns, plate.wells, plate.name, counted(plate.acquisitions, plate.wells))
    about = plate_document(plate)["attributes"]["ome"]
    assert about == {
        "version": "0.5",
        "plate": {
            "version": "0.5",
            "rows": [{"name": "A"}, {"name": "B"}],
            "columns": [{"name": "1"}, {"name": "2"}, {"name": "3"}],
            "wells": [
                {"path": "A/1", "rowIndex": 0, "columnIndex": 0},
                {"path": "B/3", "rowIndex": 1, "columnIndex": 2},
            ],
            "field_count": 2,
            "name": "test",
            "acquisitions": [
                {"id": 1, "name": "Meas_01", "starttime": 1343731272, "maximumfieldcount": 1},
                {"id": 2, "name": "Meas_02", "maximumfieldcount": 9},
            ],
        },
    }
    well = well_document(plate.wells[0])["attributes"]["ome"]["well"]
    assert well == {
        "version": "0.5",
        "images": [{"path": "0", "acquisition": 1}, {"path": "1", "acquisition": 2}],
    }


def test_nothing_that_is_not_known_is_written():
    plate = Plate(("A",), ("1",), (Well(0, 0, (Field("0"),)),))
    assert plate_document(plate)["attributes"]["ome"]["plate"].keys() == {
        "version", "rows", "columns", "wells", "field_count"
    }  # fmt: skip
    assert well_document(plate.wells[0])["attributes"]["ome"]["well"]["images"] == [{"path": "0"}]


def test_a_files_images_lie_at_their_wells(tmp_path):
    fields = [field("A", "1", 1), field("A", "1", 2), field("B", "10", 1), field("B", "2", 1)]
    keys = dump(shown(*fields))
    root = zarr.open_group(in_memory(keys), mode="r", zarr_format=3)
    plate = root.attrs["ome"]["plate"]
    assert [w["path"] for w in plate["wells"]] == ["A/1", "B/2", "B/10"]
    assert [c["name"] for c in plate["columns"]] == ["1", "2", "10"]
    assert plate["name"] == "Screen"
    assert root["OME"].attrs["ome"]["series"] == ["A/1/0", "A/1/1", "B/2/0", "B/10/0"]
    for path, (array, _) in zip(["A/1/0", "A/1/1", "B/10/0", "B/2/0"], fields, strict=True):
        np.testing.assert_array_equal(root[f"{path}/0"][...], array)
    assert root["A/1/1"].attrs["ome"]["multiscales"][0]["name"] == "A1 f2"
    assert dict(root["A"].attrs) == {}
    assert b"<Plate " in keys["OME/METADATA.ome.xml"]


def test_fields_are_made_when_a_path_leads_into_them():
    tree = shown(*[field(r, str(c)) for r in wells.rows(4) for c in range(1, 7)])
    made = tree.children["A"].children["1"].children
    assert len(made) == 2
    assert not made._known.keys() - {"zarr.json"}
    assert find(tree, "A/1/0/zarr.json", None) is not None
    assert find(tree, "A/1/1/zarr.json", None) is None
    assert find(tree, "C/7/zarr.json", None) is None
    listed = [e.key for e in scan(tree, delimiter="/", resolve=None)]
    assert listed == ["A/", "B/", "C/", "D/", "OME/", "zarr.json"]
    assert made._known.keys() == {"zarr.json", "0"}


def test_the_size_of_the_plate_is_what_is_given():
    tree = shown(field("B", "2"), rows=wells.rows(8), columns=wells.columns(12))
    plate = json.loads(dump(tree)["zarr.json"])["attributes"]["ome"]["plate"]
    assert len(plate["rows"]) == 8
    assert len(plate["columns"]) == 12
    assert plate["wells"] == [{"path": "B/2", "rowIndex": 1, "columnIndex": 1}]


@pytest.mark.parametrize(
    ("row", "size", "rows"),
    [
        ("B", [4, 6], "ABCD"),
        ("3", [4, 6], "1234"),
        ("E", [4, 6], "E"),
        ("B", [0, 6], "B"),
        ("B", [4, "6"], "B"),
        ("B", [4, 10**9], "B"),
        ("B", "46", "B"),
    ],
)
def test_the_size_of_the_plate_is_what_the_source_says_if_that_can_be(row, size, rows):
    plate = json.loads(dump(shown(field(row, "2", size=size)))["zarr.json"])["attributes"]["ome"]["plate"]
    assert "".join(r["name"] for r in plate["rows"]) == rows


def test_further_images_of_a_field_stand_behind_all_fields():
    twice = [field("A", "1", 1), field("A", "1", 2), field("A", "1", 1)]
    root = zarr.open_group(in_memory(dump(shown(*twice))), mode="r", zarr_format=3)
    for path, (array, _) in zip(["A/1/0", "A/1/1", "A/1/2"], twice, strict=True):
        np.testing.assert_array_equal(root[f"{path}/0"][...], array)


def test_acquisitions_are_told_where_there_are_several():
    one = json.loads(dump(shown(field("A", "1", run=0), field("A", "2", run=0)))["zarr.json"])
    assert "acquisitions" not in one["attributes"]["ome"]["plate"]
    keys = dump(shown(field("A", "1", run=0), field("A", "1", run=1), field("A", "2", run=1)))
    plate = json.loads(keys["zarr.json"])["attributes"]["ome"]["plate"]
    assert plate["acquisitions"] == [
        {"id": 1, "name": "0", "maximumfieldcount": 1},
        {"id": 2, "name": "1", "maximumfieldcount": 1},
    ]
    well = json.loads(keys["A/1/zarr.json"])["attributes"]["ome"]["well"]
    assert [image["acquisition"] for image in well["images"]] == [1, 2]


def test_acquisitions_are_called_as_the_source_calls_them():
    about = {"row": "A", "column": "1", "acquisition": 0, "acquisition_name": "before"}
    array = np.zeros((1, 8, 8), "u1")
    image = opened(array, names="cyx", name="one", plate=about, path="one.tif")
    plate = json.loads(dump(shown((array, image)))["zarr.json"])["attributes"]["ome"]["plate"]
    assert plate["acquisitions"] == [{"id": 1, "name": "before", "maximumfieldcount": 1}]


def test_columns_may_be_letters_and_rows_numbers():
    plate = json.loads(dump(shown(field("28", "AV", size=[32, 48])))["zarr.json"])["attributes"]["ome"]["plate"]
    assert [row["name"] for row in plate["rows"]] == [str(n) for n in range(1, 33)]
    assert [column["name"] for column in plate["columns"]] == list(wells.rows(48))
    assert plate["wells"] == [{"path": "28/AV", "rowIndex": 27, "columnIndex": 47}]


def test_images_without_a_well_are_named():
    loose = np.zeros((20, 20), "u1")
    tree = OmeZarrPlate().build(Dataset({"0": field("A", "1")[1], "1": opened(loose, name="overview", path="o.tif")}))
    document = json.loads(dump(tree)["zarr.json"])
    assert document["attributes"]["s3facade"]["left_out"] == ["overview"]
    assert document["attributes"]["ome"]["plate"]["field_count"] == 1


def test_fields_that_differ_are_told():
    document = json.loads(dump(shown(field("A", "1"), field("A", "2"), field("A", "3", channels=1)))["zarr.json"])
    (note,) = document["attributes"]["s3facade"]["notes"]
    assert "A/3" in note
    assert "channels: 1" in note
    specs = {n: image.spec for n, (_, image) in {"a": field("A", "1"), "b": field("A", "2")}.items()}
    assert mixed(specs) is None


def test_plates_without_wells_are_refused():
    loose = opened(np.zeros((20, 20), "u1"), path="o.tif")
    with pytest.raises(Unsupported, match=r"None of the 1 images says which well it belongs to; say it with `well:`"):
        OmeZarrPlate().build(Dataset({"": loose}))


def test_two_plates_in_one_file_are_refused():
    with pytest.raises(Unsupported, match=r"belong to 2 plates \('P1', 'P2'\); a view of type `ome-zarr-plate` shows"):
        shown(field("A", "1", name="P1"), field("A", "1", name="P2"))


def test_wells_outside_the_plate_are_refused():
    with pytest.raises(Unsupported, match=r"'C1 f0' belongs to the well C/1, outside the plate of 2 x 3 wells; set"):
        shown(field("C", "1"), rows=wells.rows(2), columns=wells.columns(3))


def test_rows_that_cannot_be_named_are_refused():
    with pytest.raises(Unsupported, match="the well 'A b'/'1': not letters and digits"):
        shown(field("A b", "1"))


@pytest.mark.skipif(NO_MODELS, reason="ome-zarr-models is not installed")
def test_plates_are_what_the_models_say():
    from ome_zarr_models.v05 import HCS

    keys = dump(shown(field("A", "1", run=0), field("A", "1", run=1), field("B", "2", run=0)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plate = HCS.from_zarr(zarr.open_group(in_memory(keys), mode="r", zarr_format=3))
    assert plate.n_wells == 2
    assert [well.ome_attributes.well.images[0].path for well in plate.well_groups] == ["0", "0"]


def test_the_same_plate_has_the_same_bytes():
    one, two = field("A", "1"), field("B", "2")
    assert dump(shown(one, two)) == dump(shown(one, two))
    recipe = {"digest": "d", "steps": []}
    keys = dump(shown(one, two, recipe=recipe))
    assert json.loads(keys["s3facade.json"]) == recipe
    assert json.loads(keys["zarr.json"])["attributes"]["s3facade"]["recipe"] == "s3facade.json"


def test_a_plate_has_a_crate_where_its_licence_is_known():
    images = {"": field("A", "1")[1]}
    about = {"license": "https://creativecommons.org/licenses/by/4.0/", "name": "Screen"}
    keys = dump(OmeZarrPlate().build(Dataset(images, about=about)))
    root = json.loads(keys["ro-crate-metadata.json"])["@graph"][-1]
    assert (root["@id"], root["name"]) == ("./", "Screen")
    assert "ro-crate-metadata.json" not in dump(OmeZarrPlate().build(Dataset(images)))


def test_viewers_of_single_images_get_the_first_field():
    images = [image for _, image in (field("B", "2"), field("A", "12", 3), field("A", "12", 2))]
    assert OmeZarrPlate().first(images) == "A/12/0"


def test_projections_beside_their_fields_are_no_fault():
    def image(name, number, names, shape):
        about = {"row": "A", "column": "1", "field": number}
        return opened(np.zeros(shape, "u1"), names=names, name=name, plate=about, path=f"{name}.tif")

    images = {"0": image("f0", 0, "zyx", (2, 8, 8)), "1": image("f0 projection", 0, "yx", (8, 8))}
    assert Whole().remarks(Dataset(images)) == []
    (said,) = Whole().remarks(Dataset({**images, "2": image("f1", 1, "yx", (8, 8))}))
    assert said.startswith("Not all fields of the plate are alike")
